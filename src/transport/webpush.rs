//! Web Push (RFC 8030) with VAPID (RFC 8292) and message encryption (RFC 8291), as in `reference/apns_webpush.md` part 2.
//!
//! A route has one [`Connector`], which renders; it makes another for each push service that the pushes name, which opens the sessions. `request`,
//! `encrypt`, `vapid`, `verdict` and `origin` are pure; `session` joins them to the sessions of [`super::http2`], or of [`super::http1`] where
//! a service has no HTTP/2.

pub mod encrypt;
pub mod origin;
pub mod request;
mod session;
pub mod vapid;
pub mod verdict;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::LocalBoxFuture;

use self::origin::{Hosts, Origin};
use self::session::{Manner, WebPush};
use self::vapid::{Key, Tokens};
use crate::push::{Addressee, PushRequest};
use crate::transport::http2::{self, Reach, dial};
use crate::transport::probe::{self, Probe, Setting, Suspicion};
use crate::transport::{self, ConnectError, RenderError, Session, http1};

/// `[route.webpush]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Signs for the sender; the subscriptions were made with its public half.
    pub key: Key,
    /// Whom a push service may ask about the pushes: `mailto:` or `https:`.
    pub subject: String,
    /// The push services that may be sent to.
    pub hosts: Hosts,
    /// Whether addresses that are not public may be connected to.
    pub allow_private: bool,
    /// The most push services with connections at a time.
    pub max_origins: u32,
    /// How long a push service's connections stay without pushes.
    pub idle_shutdown: Duration,
    /// What a message's length is made a multiple of, in bytes; 0 for nothing.
    pub pad_to: usize,
    /// How to connect.
    pub http: http2::Settings,
}

/// Renders for a route, and knows what its sessions share.
#[derive(Debug)]
pub struct Connector {
    shared: Arc<Shared>,
}

/// Opens sessions to one push service.
#[derive(Debug)]
struct ToOrigin {
    shared: Arc<Shared>,
    origin: Origin,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    tokens: Arc<Tokens>,
}

// === impl Connector ===

impl Connector {
    /// Returns a connector with these settings.
    pub fn new(settings: Settings) -> Self {
        let tokens = Arc::new(Tokens::new(settings.key.clone(), settings.subject.clone()));
        Self { shared: Arc::new(Shared { settings, tokens }) }
    }

    /// Tries the settings as far as that is possible: signs, and connects to the push services that are named in full. Whether they accept the
    /// key shows only with a push to a subscription.
    pub async fn probe(&self) -> Probe {
        let (named, patterns) = self.shared.settings.hosts.named();
        let services = named.iter().map(|origin| dial::peer(&origin.uri())).collect::<Vec<_>>().join(", ");
        let services = if services.is_empty() { "no service".to_owned() } else { services };
        let trials = named.iter().map(|origin| self.shared.try_origin(origin));
        let failed = futures_util::future::join_all(trials).await.into_iter().find_map(Result::err);
        let result = match (failed, self.shared.try_key()) {
            (Some(suspicion), _) | (None, Err(suspicion)) => Err(suspicion),
            (None, Ok(())) => Ok(format!(
                "the key signs, {} services answer, {patterns} patterns have no single host (no service has a dry run: only a push to a subscription shows whether the key is accepted)",
                named.len()
            )),
        };
        Probe { tried: format!("sign, connect to {services}"), result }
    }
}

impl transport::Connector for Connector {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Session, ConnectError>> {
        let cause = "a push names its push service, and none did".to_owned();
        Box::pin(async move { Err(ConnectError::Protocol { peer: "the push services".to_owned(), cause }) })
    }

    fn render(&self, request: &PushRequest<'_>, payload: &mut Vec<u8>) -> Result<(), RenderError> {
        request::render(request, &self.shared.settings.hosts, payload)
    }

    fn addressee(&self, payload: &[u8]) -> Option<Addressee> {
        request::addressee(payload)
    }

    fn peer(&self) -> String {
        "the push services".to_owned()
    }

    fn peer_of(&self, payload: &[u8]) -> Option<String> {
        request::origin(payload).map(|origin| origin.to_string())
    }

    fn towards(&self, peer: &str) -> Option<Arc<dyn transport::Connector>> {
        let origin = Origin::of(&peer.parse().ok()?).ok()?;
        Some(Arc::new(ToOrigin { shared: Arc::clone(&self.shared), origin }))
    }
}

impl transport::Connector for ToOrigin {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Session, ConnectError>> {
        let (shared, origin) = (Arc::clone(&self.shared), self.origin.clone());
        Box::pin(async move { shared.open(origin).await })
    }

    fn render(&self, request: &PushRequest<'_>, payload: &mut Vec<u8>) -> Result<(), RenderError> {
        request::render(request, &self.shared.settings.hosts, payload)
    }

    fn addressee(&self, payload: &[u8]) -> Option<Addressee> {
        request::addressee(payload)
    }

    fn peer(&self) -> String {
        dial::peer(&self.origin.uri())
    }
}

// === impl Shared ===

impl Shared {
    fn try_key(&self) -> Result<(), Suspicion> {
        let signed = self.tokens.get(&Origin::example(), SystemTime::now());
        let key = || Setting::new("webpush.private_key", "***");
        signed.map(drop).or_else(|cause| key().suspect(format_args!("it cannot sign: {cause}")))
    }

    async fn try_origin(&self, origin: &Origin) -> Result<(), Suspicion> {
        let http = &self.settings.http;
        let (address, login) =
            (Setting::new("webpush.hosts", origin), Setting::new("webpush.private_key", "***"));
        let suspects = http.suspects(address, login, ["webpush.proxy", "webpush.ca"]);
        let session = self.open(origin.clone()).await.map_err(|error| suspects.of(&error))?;
        probe::close(session).await;
        Ok(())
    }

    async fn open(&self, origin: Origin) -> Result<Session, ConnectError> {
        let peer = dial::peer(&origin.uri());
        let limit = self.settings.http.connect_timeout;
        transport::within(limit, peer, async |stage| self.connect(origin, stage).await).await
    }

    async fn connect(&self, origin: Origin, stage: &Cell<&'static str>) -> Result<Session, ConnectError> {
        let settings = &self.settings;
        let reach = if settings.allow_private { Reach::Anywhere } else { Reach::Public };
        let endpoint = settings.http.endpoint(origin.uri(), reach);
        let limits = settings.http.limits();
        let manner = Manner { pad_to: settings.pad_to, retry_min: settings.http.retry_min };
        let peer = dial::peer(&endpoint.origin);
        let protocol = WebPush::new(origin, Arc::clone(&self.tokens), manner).map_err(|cause| {
            ConnectError::LoginRefused { peer, cause: format!("no vapid token: {cause}") }
        })?;
        let (io, is_h2) = dial::secure(&endpoint, &[dial::ALPN, http1::ALPN], |step| stage.set(step)).await?;
        if is_h2 {
            http2::start(io, &endpoint, limits, Rc::new(protocol), stage).await
        } else {
            http1::start(io, &endpoint, limits, Rc::new(protocol), stage).await
        }
    }
}

#[cfg(test)]
mod tests;
