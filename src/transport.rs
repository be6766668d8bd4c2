//! A connection with a window: what every provider protocol is reduced to.
//!
//! A pusher asks a [`Connector`] for a [`Session`]; it hands pushes to the session's [`Outbox`], never more than the window, and reads
//! batches of [`SessionEvent`]s. Everything runs on the pusher's arbiter; nothing here knows actors, queues or retries.

pub mod apns;
mod cork;
pub mod data;
mod doubt;
pub mod exchange;
pub mod fcm;
pub mod guard;
pub mod http1;
pub mod http2;
pub mod json;
pub mod keepalive;
pub mod probe;
mod spares;
pub mod tls;
pub mod webpush;
pub mod xmpp;

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::future::LocalBoxFuture;

use crate::outcome::{Refusal, Verdict};
use crate::push::{Addressee, Push, PushKey, PushRequest};

/// Opens sessions for one route; cheap to clone the settings into each attempt.
pub trait Connector: Send + Sync + std::fmt::Debug {
    /// Connects, secures, logs in. Bounded by the transport's own connect timeout.
    fn connect(&self) -> LocalBoxFuture<'static, Result<Session, ConnectError>>;

    /// Renders a request into the payload that the outbox will send, appending to `payload`.
    ///
    /// # Errors
    /// Why the provider would refuse it, in words that name the field.
    fn render(&self, request: &PushRequest<'_>, payload: &mut Vec<u8>) -> Result<(), RenderError>;

    /// Returns whom a payload of [`Connector::render`] is for, if it is one. Reading it back when a push has failed costs the pushes that
    /// do not fail nothing.
    fn addressee(&self, payload: &[u8]) -> Option<Addressee>;

    /// Names the peer for logs, such as `127.0.0.1:5236`.
    fn peer(&self) -> String;

    /// Returns which peer a payload of [`Connector::render`] is for, where the pushes of a route name their peers; such a connector opens no
    /// session itself.
    fn peer_of(&self, _payload: &[u8]) -> Option<String> {
        None
    }

    /// Returns what opens sessions to a peer that [`Connector::peer_of`] has named.
    fn towards(&self, _peer: &str) -> Option<Arc<dyn Connector>> {
        None
    }
}

/// An open connection.
pub struct Session {
    /// How many pushes may be unanswered at first.
    pub window: u32,
    /// Where pushes go in.
    pub outbox: Box<dyn Outbox>,
    /// What comes out: batches, in order; ends after [`SessionEvent::Closed`].
    pub events: Pin<Box<dyn Stream<Item = Vec<SessionEvent>>>>,
}

/// The sending half. One [`Outbox::flush`] per batch: one write of the connection.
pub trait Outbox {
    /// Encodes a push behind those before it. `time_left` is what remains of its time to live.
    fn send(&mut self, push: &Push, time_left: Duration);

    /// Starts writing what was sent; returns at once.
    fn flush(&mut self);

    /// Takes a push back of which nothing was written yet; returns whether it could, and will never send it then. Not possible where pushes are
    /// encoded into one stream of bytes.
    fn recall(&mut self, _key: PushKey) -> bool {
        false
    }

    /// Says good-bye in the protocol's way and closes once everything is written; [`SessionEvent::Closed`] follows.
    fn finish(&mut self);
}

/// What a connection tells its pusher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The provider answered a push. Unknown and repeated keys are the receiver's to ignore and count.
    Answered {
        /// Which.
        key: PushKey,
        /// What it said.
        verdict: Verdict,
    },
    /// The window changed.
    Window(u32),
    /// The provider will close: send no more pushes here, keep reading.
    Draining {
        /// Why, for the log.
        reason: String,
    },
    /// The provider sent this many messages of its own (upstream, receipts); they were acknowledged on this connection.
    Upstream(u32),
    /// The connection is gone; the last event.
    Closed {
        /// Why, for the log.
        reason: String,
        /// Whether we had asked for it with [`Outbox::finish`].
        expected: bool,
    },
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Name look-up or TCP failed.
    #[error("connect to {peer}: {cause} (hint: is the peer up, and host and port right?)")]
    Network {
        /// Which peer.
        peer: String,
        /// The system's words.
        cause: String,
    },
    /// The host has no address that may be connected to.
    #[error("connect to {peer}: {cause}")]
    Forbidden {
        /// Which peer.
        peer: String,
        /// The address and what it is.
        cause: String,
    },
    /// TLS failed: certificate, name or protocol.
    #[error("secure the connection to {peer}: {cause}")]
    Tls {
        /// Which peer.
        peer: String,
        /// The library's words and a hint.
        cause: String,
    },
    /// The provider does not accept our credentials; trying again soon is pointless.
    #[error("log in to {peer}: {cause} (hint: check the route's credentials)")]
    LoginRefused {
        /// Which peer.
        peer: String,
        /// The provider's words.
        cause: String,
    },
    /// The peer broke the protocol or refused the session for another reason.
    #[error("open a session with {peer}: {cause}")]
    Protocol {
        /// Which peer.
        peer: String,
        /// What was wrong.
        cause: String,
    },
    /// It took too long.
    #[error("open a session with {peer}: no result in {limit:?} while {stage}")]
    Timeout {
        /// Which peer.
        peer: String,
        /// The limit.
        limit: Duration,
        /// What was being waited for.
        stage: &'static str,
    },
}

/// Lets `work` take no longer than `limit` to connect to a peer; it says in the cell what is being waited for.
///
/// # Errors
/// Its own, or [`ConnectError::Timeout`].
pub(crate) async fn within<T>(
    limit: Duration,
    peer: String,
    work: impl AsyncFnOnce(&Cell<&'static str>) -> Result<T, ConnectError>,
) -> Result<T, ConnectError> {
    let stage = Cell::new("starting");
    let done = tokio::time::timeout(limit, work(&stage)).await;
    done.unwrap_or_else(|_| Err(ConnectError::Timeout { peer, limit, stage: stage.get() }))
}

/// Settings of a transport with which no session can ever open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Of XMPP.
    #[error(transparent)]
    Xmpp(#[from] xmpp::SettingsError),
    /// Of FCM's HTTP v1.
    #[error(transparent)]
    Fcm(#[from] fcm::SettingsError),
    /// Of APNs.
    #[error(transparent)]
    Apns(#[from] apns::SettingsError),
}

/// Why a request cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderError {
    /// The word for `failed[].reason`.
    pub refusal: Refusal,
    /// The field's path inside the push, such as `to.topic`.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

/// Names a peer for logs and errors, such as `127.0.0.1:5236` or `[::1]:5236`.
pub fn peer_name(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

// === impl ConnectError ===

impl ConnectError {
    /// Returns whether trying again without a change of configuration, or of the peer's name server, is pointless.
    pub const fn is_login_refused(&self) -> bool {
        matches!(self, Self::LoginRefused { .. } | Self::Forbidden { .. })
    }
}
