//! FCM's HTTP v1 API, as in `reference/fcm.md` part 2.
//!
//! Pushers connect by the [`Connector`], ingest renders by it. `request` writes messages, `verdict` reads answers, both pure; `auth` keeps the
//! access token; `session` joins them to the HTTP/2 session of [`super::http2`].

pub mod auth;
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

use self::auth::{Account, GrantError, Tokens};
use self::session::Fcm;
use crate::push::{Addressee, PushRequest};
use crate::transport::http2::{self, Endpoint, Limits, Reach, dial};
use crate::transport::{self, ConnectError, RenderError, Session};

/// `[route.fcm]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Who sends.
    pub account: Account,
    /// The project, if it is not the account's own.
    pub project: Option<String>,
    /// Where messages go: `https`, a host, maybe a port, no path.
    pub endpoint: Uri,
    /// A CA certificate (PEM) to trust instead of the system's, for messages and tokens; read at each connection.
    pub ca: Option<PathBuf>,
    /// An HTTP proxy (`host:port`) for messages and tokens.
    pub proxy: Option<String>,
    /// Streams to have open at most, whatever the provider allows.
    pub window: u32,
    /// Limit for TCP, TLS and the access token, each.
    pub connect_timeout: Duration,
    /// How long an answer may take before its stream is given up.
    pub request_timeout: Duration,
    /// The least delay before a message is sent again that the provider did not take.
    pub retry_min: Duration,
    /// Silence, with messages out, after which a ping is sent.
    pub ping_after: Duration,
    /// Silence after a ping after which the connection counts as dead.
    pub ping_timeout: Duration,
}

/// Settings with which no session can ever open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No project.
    #[error("no project (hint: the service account names none, so set project_id)")]
    Project,
    /// The project is no part of an address.
    #[error(
        "project_id {0:?} has other characters than letters, digits and -_.: (hint: copy it from the console)"
    )]
    ProjectName(String),
    /// The endpoint is of no use.
    #[error("endpoint {0} is not https with a host and without a path")]
    Endpoint(Uri),
    /// The window is zero.
    #[error("window must be at least 1")]
    Window,
}

/// Opens sessions for one route.
#[derive(Debug)]
pub struct Connector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    endpoint: Endpoint,
    tokens: Arc<Tokens>,
    /// The address of `messages:send`.
    send: Uri,
}

// === impl Connector ===

impl Connector {
    /// Returns a connector with these settings; its sessions share one access token.
    ///
    /// # Errors
    /// [`SettingsError`] for settings with which no session can ever open.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        if settings.window == 0 {
            return Err(SettingsError::Window);
        }
        let has_no_path =
            matches!(settings.endpoint.path_and_query().map(|path| path.as_str()), None | Some("/"));
        if settings.endpoint.scheme_str() != Some("https")
            || settings.endpoint.host().is_none()
            || !has_no_path
        {
            return Err(SettingsError::Endpoint(settings.endpoint));
        }
        let send = address(&settings)?;
        let endpoint = |origin: &Uri| Endpoint {
            origin: origin.clone(),
            ca: settings.ca.clone(),
            identity: None,
            proxy: settings.proxy.clone(),
            connect_timeout: settings.connect_timeout,
            reach: Reach::Anywhere,
        };
        let tokens = Tokens::new(settings.account.clone(), endpoint(&settings.account.token_uri));
        let endpoint = endpoint(&settings.endpoint);
        Ok(Self { shared: Arc::new(Shared { endpoint, tokens: Arc::new(tokens), send, settings }) })
    }
}

/// Returns the address of `messages:send`.
fn address(settings: &Settings) -> Result<Uri, SettingsError> {
    let project = settings.project.as_ref().or(settings.account.project.as_ref());
    let project = project.ok_or(SettingsError::Project)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let wrong = || SettingsError::ProjectName(project.clone());
    if project.is_empty() || !project.bytes().all(is_plain) {
        return Err(wrong());
    }
    let authority = settings.endpoint.authority().ok_or_else(wrong)?;
    format!("https://{authority}/v1/projects/{project}/messages:send").parse().map_err(|_| wrong())
}

impl transport::Connector for Connector {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Session, ConnectError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.open().await })
    }

    fn render(&self, request: &PushRequest<'_>, payload: &mut Vec<u8>) -> Result<(), RenderError> {
        request::render(request, payload)
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
        // Without a token a connection is of no use; this wait has its own limit.
        let token = Arc::clone(&self.tokens).get().await.map_err(|error| match error {
            GrantError::Passing(cause) => {
                ConnectError::Protocol { peer: peer.clone(), cause: format!("no access token: {cause}") }
            }
            GrantError::Final(cause) => {
                ConnectError::LoginRefused { peer: peer.clone(), cause: format!("no access token: {cause}") }
            }
        })?;
        let settings = &self.settings;
        let limits = Limits {
            cap: settings.window,
            request_timeout: settings.request_timeout,
            ping_after: settings.ping_after,
            ping_timeout: settings.ping_timeout,
        };
        let fcm = Fcm::new(self.send.clone(), Arc::clone(&self.tokens), token, settings.retry_min);
        let stage = Cell::new("starting");
        let limit = settings.connect_timeout;
        let opened =
            tokio::time::timeout(limit, http2::open(&self.endpoint, limits, Rc::new(fcm), &stage)).await;
        opened.unwrap_or_else(|_| Err(ConnectError::Timeout { peer, limit, stage: stage.get() }))
    }
}

#[cfg(test)]
mod tests;
