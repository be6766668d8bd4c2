//! Apple's push notification service, as in `reference/apns_webpush.md` part 1.
//!
//! Pushers connect by the [`Connector`], ingest renders by it. `request` renders, `kind` knows the types of push, `envelope` is what both ends
//! of the queue agree on, `verdict` reads answers, all pure; `auth` keeps the provider token, `gate` what was learnt of wrong credentials, `super::doubt` of
//! wrong environments; `session` joins them to the HTTP/2 session of [`super::http2`].

pub mod auth;
mod envelope;
mod gate;
pub mod kind;
pub mod request;
mod session;
pub mod verdict;

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use http::Uri;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::auth::{Key, Tokens};
use self::gate::Gate;
use self::request::Defaults;
use self::session::{Apns, Common};
use crate::push::{Addressee, PushRequest};
use crate::transport::http2::{self, Endpoint, Limits, Reach, dial};
use crate::transport::tls::{Identity, IdentityError};
use crate::transport::{self, ConnectError, RenderError, Session};
use crate::units::Secret;

/// `[route.apns]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Who sends.
    pub auth: Auth,
    /// What is sent unless a push says otherwise.
    pub defaults: Defaults,
    /// Where pushes go: `https`, a host, maybe a port, no path.
    pub endpoint: Uri,
    /// A CA certificate (PEM) to trust instead of the system's; read at each connection.
    pub ca: Option<PathBuf>,
    /// An HTTP proxy (`host:port`).
    pub proxy: Option<String>,
    /// Streams to have open at most, whatever the provider allows.
    pub window: u32,
    /// Limit for TCP and TLS together.
    pub connect_timeout: Duration,
    /// How long an answer may take before its stream is given up.
    pub request_timeout: Duration,
    /// The least delay before a push is sent again that the provider could not take.
    pub retry_min: Duration,
    /// Time between trials while the provider refuses the credentials.
    pub login_retry: Duration,
    /// Silence, with pushes out, after which a ping is sent.
    pub ping_after: Duration,
    /// Silence after a ping after which the connection counts as dead.
    pub ping_timeout: Duration,
}

/// How the route logs in.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    /// By a provider token on each request.
    Token(Key),
    /// By a certificate on each connection.
    Certificate(Certificate),
}

/// A certificate with its key, as it was configured.
#[derive(Clone, PartialEq)]
pub struct Certificate {
    /// PEM or PKCS#12.
    pub bytes: Vec<u8>,
    /// Of the PKCS#12 file.
    pub password: Secret,
}

/// Settings with which no session can ever open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The endpoint is of no use.
    #[error("endpoint {0} is not https with a host and without a path")]
    Endpoint(Uri),
    /// The window is zero.
    #[error("window must be at least 1")]
    Window,
    /// The certificate is of no use.
    #[error("certificate {0}")]
    Certificate(#[from] IdentityError),
}

/// Opens sessions for one route.
#[derive(Debug)]
pub struct Connector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    defaults: Defaults,
    endpoint: Endpoint,
    limits: Limits,
    common: Arc<Common>,
}

// === impl Certificate ===

impl Certificate {
    /// Returns what connections show.
    ///
    /// # Errors
    /// [`IdentityError`] for what keeps it from being shown.
    pub fn identity(&self) -> Result<Identity, IdentityError> {
        Identity::read(&self.bytes, self.password.expose())
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate(***)")
    }
}

// === impl Connector ===

impl Connector {
    /// Returns a connector with these settings; its sessions share one provider token with all that have the same key.
    ///
    /// # Errors
    /// [`SettingsError`] for settings with which no session can ever open.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        if settings.window == 0 {
            return Err(SettingsError::Window);
        }
        let wrong = || SettingsError::Endpoint(settings.endpoint.clone());
        let has_no_path =
            matches!(settings.endpoint.path_and_query().map(|path| path.as_str()), None | Some("/"));
        if settings.endpoint.scheme_str() != Some("https") || !has_no_path {
            return Err(wrong());
        }
        let authority = settings.endpoint.authority().cloned().ok_or_else(wrong)?;
        let (tokens, identity) = match &settings.auth {
            Auth::Token(key) => (Some(Tokens::of(key)), None),
            Auth::Certificate(certificate) => (None, Some(certificate.identity()?)),
        };
        let common = Common {
            authority,
            tokens,
            gate: Mutex::new(Gate::new(settings.login_retry)),
            hold: settings.login_retry,
            retry_min: settings.retry_min,
        };
        let endpoint = Endpoint {
            origin: settings.endpoint,
            ca: settings.ca,
            identity,
            proxy: settings.proxy,
            connect_timeout: settings.connect_timeout,
            reach: Reach::Anywhere,
        };
        let limits = Limits {
            cap: settings.window,
            request_timeout: settings.request_timeout,
            ping_after: settings.ping_after,
            ping_timeout: settings.ping_timeout,
        };
        let shared = Shared { defaults: settings.defaults, endpoint, limits, common: Arc::new(common) };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl transport::Connector for Connector {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Session, ConnectError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.open().await })
    }

    fn render(&self, request: &PushRequest<'_>, payload: &mut Vec<u8>) -> Result<(), RenderError> {
        request::render(request, &self.shared.defaults, payload)
    }

    fn addressee(&self, payload: &[u8]) -> Option<Addressee> {
        request::addressee(payload)
    }

    fn peer(&self) -> String {
        dial::peer(&self.shared.endpoint.origin)
    }
}

// === impl Shared ===

impl Shared {
    async fn open(&self) -> Result<Session, ConnectError> {
        let peer = dial::peer(&self.endpoint.origin);
        let may_enter = self.common.gate.lock().enter(Instant::now());
        may_enter.map_err(|cause| ConnectError::LoginRefused { peer: peer.clone(), cause })?;
        let apns = Rc::new(Apns::new(Arc::clone(&self.common)));
        let stage = Cell::new("starting");
        let limit = self.endpoint.connect_timeout;
        let opened =
            tokio::time::timeout(limit, http2::open(&self.endpoint, self.limits, apns, &stage)).await;
        opened.unwrap_or_else(|_| Err(ConnectError::Timeout { peer, limit, stage: stage.get() }))
    }
}

#[cfg(test)]
mod tests;
