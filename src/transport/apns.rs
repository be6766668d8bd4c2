//! Apple's push notification service, as in `reference/apns_webpush.md` part 1.
//!
//! Pushers connect by the [`Connector`], ingest renders by it. `request` renders, `kind` knows the types of push, `envelope` is what both ends
//! of the queue agree on, `letter` writes requests, `verdict` reads answers, all pure; `auth` keeps the provider token, `gate` what was learnt of
//! wrong credentials, `super::doubt` of wrong environments; `session` joins them to the HTTP/2 session of [`super::http2`].

pub mod auth;
mod envelope;
mod gate;
pub mod kind;
mod letter;
pub mod request;
mod session;
pub mod verdict;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use http::Uri;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::auth::{Key, Tokens};
use self::gate::Gate;
use self::kind::PushType;
use self::request::Defaults;
use self::session::{Apns, Common};
use crate::outcome::{Scope, Verdict};
use crate::push::{Addressee, Notification, PushRequest, Target};
use crate::transport::http2::{self, Endpoint, Limits, Reach, dial};
use crate::transport::probe::{self, Probe, Setting, Suspects, Suspicion};
use crate::transport::tls::{Identity, IdentityError};
use crate::transport::{self, ConnectError, RenderError, Session};
use crate::units::Secret;

/// No device has this token.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// `[route.apns]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Who sends.
    pub auth: Auth,
    /// What is sent unless a push says otherwise.
    pub defaults: Defaults,
    /// Where pushes go: `https`, a host, maybe a port, no path.
    pub endpoint: Uri,
    /// Time between trials while the provider refuses the credentials.
    pub login_retry: Duration,
    /// How to connect.
    pub http: http2::Settings,
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
    /// What all transports over HTTP/2 have.
    #[error(transparent)]
    Http(#[from] http2::SettingsError),
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
        let authority = settings.http.check(&settings.endpoint)?;
        let (tokens, identity) = match &settings.auth {
            Auth::Token(key) => (Some(Tokens::of(key)), None),
            Auth::Certificate(certificate) => (None, Some(certificate.identity()?)),
        };
        let common = Common {
            authority,
            tokens,
            gate: Mutex::new(Gate::new(settings.login_retry)),
            hold: settings.login_retry,
            retry_min: settings.http.retry_min,
        };
        let limits = settings.http.limits();
        let endpoint = Endpoint { identity, ..settings.http.endpoint(settings.endpoint, Reach::Anywhere) };
        let shared = Shared { defaults: settings.defaults, endpoint, limits, common: Arc::new(common) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Tries the settings: connects, and sends to a device that does not exist, as Apple looks at the credentials first.
    pub async fn probe(&self) -> Probe {
        self.shared.probe().await
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
    async fn probe(&self) -> Probe {
        let tried = format!("connect to {}, send to nobody", dial::peer(&self.endpoint.origin));
        Probe { tried, result: self.try_settings().await }
    }

    async fn try_settings(&self) -> Result<String, Suspicion> {
        let suspects = self.suspects();
        let session = self.open().await.map_err(|error| suspects.of(&error))?;
        let payload = self.trial_payload();
        match probe::send(session, payload, self.limits.request_timeout).await {
            Err(reason) => suspects.address.suspect(reason),
            Ok(Verdict::Rejected(answer)) if verdict::is_about_topic(&answer.code) => {
                let topic = Setting::new("apns.topic", &self.defaults.topic);
                topic.suspect(format_args!(
                    "the provider refuses it: {} (hint: is it the app's bundle id, of this team?)",
                    answer.code
                ))
            }
            Ok(Verdict::Limited { answer, scope: Scope::Setup, .. }) => suspects.login.suspect(format_args!(
                "the provider refuses the credentials: {} (hint: {})",
                answer.code,
                session::CREDENTIALS
            )),
            Ok(verdict) => suspects.conclude(verdict),
        }
    }

    fn suspects(&self) -> Suspects {
        let login = match &self.common.tokens {
            Some(tokens) => {
                let (team, id) = tokens.key();
                Setting::new("apns.team_id, key_id and key", format_args!("{team}, {id}, ***"))
            }
            None => Setting::new("apns.certificate", "***"),
        };
        let proxy = self.endpoint.proxy.as_ref();
        Suspects {
            address: Setting::new("apns.environment, port or endpoint", &self.endpoint.origin),
            proxy: proxy.map(|proxy| Setting::new("apns.proxy", proxy)),
            ca: Setting::ca("apns.ca", self.endpoint.ca.as_deref()),
            login,
        }
    }

    fn trial_payload(&self) -> Vec<u8> {
        let shows = !matches!(self.defaults.kind, None | Some(PushType::Background));
        let notification = Notification { title: Some("pushweir".into()), ..Notification::default() };
        let request = PushRequest {
            notification: shows.then_some(notification),
            ..probe::request(Target::Token(NOBODY.into()))
        };
        let mut payload = Vec::new();
        request::render(&request, &self.defaults, &mut payload).expect("a short push can be rendered");
        payload
    }

    async fn open(&self) -> Result<Session, ConnectError> {
        let peer = dial::peer(&self.endpoint.origin);
        let may_enter = self.common.gate.lock().enter(Instant::now());
        may_enter.map_err(|cause| ConnectError::LoginRefused { peer, cause })?;
        let apns = Rc::new(Apns::new(Arc::clone(&self.common)));
        http2::open(&self.endpoint, self.limits, apns).await
    }
}

#[cfg(test)]
mod tests;
