//! HTTP/2 sessions (RFC 9113): one connection, every push a request stream, the peer's stream limit as the window.
//!
//! The providers' transports open their sessions with [`open`] and bring a [`Protocol`], which says how a push is written and what an answer
//! means; single requests go through [`once::call`]. `settings` are what they are configured with, `dial` connects, `link` does the session's I/O, `outbox` is its sending half, `reply` reads
//! an answer, `tap` notes life on the wire. `reference/apns_webpush.md` 1.5 and `reference/fcm.md` 2.5 say why.
//!
//! Invariants: never more streams open than the peer allows; a stream the peer certainly did not process is answered
//! [`Verdict::Elsewhere`]; one whose fate is unknown is left unanswered; no body is kept beyond [`reply::MAX_BODY`].

pub mod dial;
#[cfg(test)]
pub mod fixture;
mod link;
pub mod once;
pub(in crate::transport) mod outbox;
pub mod reply;
pub mod settings;
mod tap;

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Uri};

pub use self::reply::{MAX_BODY, Reply};
pub use self::settings::{Settings, SettingsError};
use crate::outcome::{Answer, Verdict};
use crate::push::{Push, PushKey};
use crate::transport::tls::{self, Identity};
use crate::transport::{ConnectError, Session, within};

/// Where and how to connect.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The origin: `https`, a host and maybe a port; the certificate must name the host.
    pub origin: Uri,
    /// A CA certificate (PEM) to trust instead of the system's; read at each connection.
    pub ca: Option<PathBuf>,
    /// A certificate to log in with.
    pub identity: Option<Identity>,
    /// An HTTP proxy (`host:port`) to reach the host through with `CONNECT` (RFC 9110 section 9.3.6).
    pub proxy: Option<String>,
    /// Limit for name look-up, TCP, TLS and the first bytes of HTTP/2 together.
    pub connect_timeout: Duration,
    /// Which addresses may be connected to.
    pub reach: Reach,
}

/// Which addresses may be connected to. A proxy is the operator's own choice, so it may have any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Any: the operator names the host.
    Anywhere,
    /// Public ones: somebody else names the host.
    Public,
}

/// The limits of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most streams to have open, whatever the peer allows; at least 1.
    pub cap: u32,
    /// How long an answer may take before its stream is given up.
    pub request_timeout: Duration,
    /// Silence, with requests out, after which a ping is sent.
    pub ping_after: Duration,
    /// Silence after a ping after which the connection counts as dead.
    pub ping_timeout: Duration,
}

/// A push as a request, but for the credential, which [`Protocol::authorize`] adds when the stream is opened.
#[derive(Debug)]
pub struct Letter {
    /// Which push.
    pub key: PushKey,
    /// Method, address and headers.
    pub head: Request<()>,
    /// The body.
    pub body: Bytes,
}

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// For the push.
    pub verdict: Verdict,
    /// How long the connection must not send, if the answer asks for that.
    pub pause: Option<Duration>,
}

/// A credential that was put on a request, so that a refusal can be matched with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp(pub u64);

/// What a provider adds to HTTP/2. Pure but for the credential.
pub trait Protocol: 'static {
    /// Writes a push; what remains of its time to live is `time_left`.
    fn write(&self, push: &Push, time_left: Duration) -> Letter;

    /// Returns whether there is a credential to send with; wakes the task when there is one.
    ///
    /// # Errors
    /// There will be none, as a sentence for the log: the session ends.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), String>>;

    /// Puts the credential on a request.
    fn authorize(&self, head: &mut Request<()>) -> Stamp;

    /// Says what an answer to a request means.
    fn judge(&self, stamp: Stamp, reply: &Reply, now: SystemTime) -> Judgement;

    /// Says what a stream means that the peer reset for another reason than refusing it.
    fn judge_reset(&self, reason: &str) -> Judgement;

    /// Says why the session should end in order, if it should: no more streams, but answers to those that are open.
    fn ending(&self) -> Option<String> {
        None
    }
}

/// Connects and opens a session, within the endpoint's limit.
///
/// # Errors
/// [`ConnectError`] if the peer cannot be reached, secured, or speaks no HTTP/2.
pub async fn open<P: Protocol>(
    endpoint: &Endpoint,
    limits: Limits,
    protocol: Rc<P>,
) -> Result<Session, ConnectError> {
    within(endpoint.connect_timeout, dial::peer(&endpoint.origin), async |stage| {
        let io = dial::connect(endpoint, |step| stage.set(step)).await?;
        start(io, endpoint, limits, protocol, stage).await
    })
    .await
}

/// Opens a session on a connection on which the peer has agreed to HTTP/2; `stage` says what is being waited for.
///
/// # Errors
/// [`ConnectError`] if it does not speak it.
pub async fn start<P: Protocol>(
    io: tls::Secured,
    endpoint: &Endpoint,
    limits: Limits,
    protocol: Rc<P>,
    stage: &Cell<&'static str>,
) -> Result<Session, ConnectError> {
    stage.set("starting HTTP/2");
    let peer = dial::peer(&endpoint.origin);
    let (outbox, events) = link::start(io, limits, protocol).await.map_err(|error| {
        let cause = format!("HTTP/2 did not start: {error}");
        ConnectError::Protocol { peer, cause }
    })?;
    // A peer may allow fewer streams than any number one could assume; its SETTINGS will say (`reference/apns_webpush.md`, item 1).
    Ok(Session { window: 1, outbox: Box::new(outbox), events: Box::pin(events) })
}

// === impl Judgement ===

impl Judgement {
    /// Returns a judgement about a push whose stream was reset for this reason without being refused: its fate is unknown, and it is not sent
    /// again before `retry_min` has passed.
    pub fn reset(reason: &str, retry_min: Duration) -> Self {
        let answer = Box::new(Answer::new("RST_STREAM", reason));
        Self::of(Verdict::BrokenOff { answer, after: Some(retry_min) })
    }

    /// Returns a judgement about the push alone.
    pub const fn of(verdict: Verdict) -> Self {
        Self { verdict, pause: None }
    }
}
