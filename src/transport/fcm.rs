//! FCM's HTTP v1 API, as in `reference/fcm.md` part 2.
//!
//! Pushers connect by the [`Connector`], ingest renders by it. `request` writes messages, `verdict` reads answers, both pure; `auth` keeps the
//! access token; `session` joins them to the HTTP/2 session of [`super::http2`].

pub mod auth;
pub mod request;
mod session;
pub mod verdict;

use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use http::Uri;
use http::uri::Authority;

use self::auth::{Account, GrantError, Tokens};
use self::request::Purpose;
use self::session::{Common, Fcm};
use crate::outcome::{Scope, Verdict};
use crate::push::{Addressee, PushRequest, Target};
use crate::transport::http2::{self, Endpoint, Reach, dial};
use crate::transport::probe::{self, Probe, Setting, Suspicion};
use crate::transport::{self, ConnectError, RenderError, Session};

/// No device has this token.
const NOBODY: &str = "pushweir-check-online";

/// `[route.fcm]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Who sends.
    pub account: Account,
    /// The project, if it is not the account's own.
    pub project: Option<String>,
    /// Where messages go: `https`, a host, maybe a port, no path.
    pub endpoint: Uri,
    /// How to connect, for messages and access tokens; the latter each have the limit for connecting to themselves.
    pub http: http2::Settings,
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
    /// What all transports over HTTP/2 have.
    #[error(transparent)]
    Http(#[from] http2::SettingsError),
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
        let authority = settings.http.check(&settings.endpoint)?;
        let send = address(&settings, &authority)?;
        let endpoint = |origin: &Uri| settings.http.endpoint(origin.clone(), Reach::Anywhere);
        let tokens = Tokens::new(settings.account.clone(), endpoint(&settings.account.token_uri));
        let endpoint = endpoint(&settings.endpoint);
        Ok(Self { shared: Arc::new(Shared { endpoint, tokens: Arc::new(tokens), send, settings }) })
    }

    /// Tries the settings: gets an access token, and sends a message that is only validated, to a device that does not exist.
    pub async fn probe(&self) -> Probe {
        self.shared.probe().await
    }
}

/// Returns the address of `messages:send`.
fn address(settings: &Settings, authority: &Authority) -> Result<Uri, SettingsError> {
    let project = settings.project.as_ref().or(settings.account.project.as_ref());
    let project = project.ok_or(SettingsError::Project)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let wrong = || SettingsError::ProjectName(project.clone());
    if project.is_empty() || !project.bytes().all(is_plain) {
        return Err(wrong());
    }
    format!("https://{authority}/v1/projects/{project}/messages:send").parse().map_err(|_| wrong())
}

impl transport::Connector for Connector {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Session, ConnectError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.open(Purpose::Deliver).await })
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
    async fn probe(&self) -> Probe {
        let peer = dial::peer(&self.endpoint.origin);
        let tried = format!("get an access token, validate a message at {peer}");
        Probe { tried, result: self.try_settings().await }
    }

    async fn try_settings(&self) -> Result<String, Suspicion> {
        let Settings { account, endpoint, http, .. } = &self.settings;
        let keys = ["fcm.proxy", "fcm.ca"];
        let login = Setting::new("fcm.service_account", &account.email);
        let token_uri = Setting::new("token_uri of fcm.service_account", &account.token_uri);
        if let Err(error) = Arc::clone(&self.tokens).get().await {
            let setting = match &error {
                GrantError::Passing(_) => http.suspects(token_uri, login, keys).way().clone(),
                GrantError::Final(_) => login,
            };
            return setting.suspect(format_args!("no access token: {error}"));
        }
        let suspects = http.suspects(Setting::new("fcm.endpoint", endpoint), login, keys);
        let session = self.open(Purpose::Validate).await.map_err(|error| suspects.of(&error))?;
        let mut payload = Vec::new();
        let request = probe::request(Target::Token(NOBODY.into()));
        request::render(&request, &mut payload).expect("a push without content can be rendered");
        match probe::send(session, payload, http.request_timeout).await {
            Err(reason) => suspects.address.suspect(reason),
            Ok(Verdict::Limited { answer, scope: Scope::Setup, .. }) if !verdict::is_about_token(&answer) => {
                let project = self.settings.project.as_ref().or(account.project.as_ref());
                let project = Setting::new("fcm.project_id", project.map_or("", String::as_str));
                project.suspect(format_args!(
                    "the provider refuses it: {} {:?} (hint: is the API enabled, and has the account a role in this project?)",
                    answer.code, answer.detail,
                ))
            }
            Ok(verdict) => suspects.conclude(verdict),
        }
    }

    async fn open(&self, purpose: Purpose) -> Result<Session, ConnectError> {
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
        let http = &self.settings.http;
        let common = Common { send: self.send.clone(), purpose, retry_min: http.retry_min };
        let fcm = Fcm::new(common, Arc::clone(&self.tokens), token);
        http2::open(&self.endpoint, http.limits(), Rc::new(fcm)).await
    }
}

#[cfg(test)]
mod tests;
