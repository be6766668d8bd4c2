//! FCM's XMPP protocol (CCS), as in `reference/fcm.md` part 1.
//!
//! Pushers connect by the [`Connector`], ingest renders by it. Bytes come in through `document` and `frame` (with `scan` for the usual shape),
//! `handshake` opens the session, `verdict` and `fault` read answers, `dialog` decides what to tell and reply, `request` and `encode` write,
//! `super::keepalive` watches the silence; all of these are pure. `stream` alone does the session's I/O.

pub mod dialog;
pub mod document;
pub mod encode;
mod fault;
pub mod frame;
pub mod handshake;
pub mod request;
pub mod scan;
pub mod stream;
pub mod text;
pub mod verdict;

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use xmpp_parsers::jid::{BareJid, Jid};

use self::document::Document;
use self::handshake::{Failure, Handshake, Login, Step};
use self::stream::Opening;
use crate::push::{Addressee, PushRequest};
use crate::transport::probe::{self, Probe, Setting, Suspects};
use crate::transport::{self, ConnectError, RenderError, Session, tls};
use crate::units::Secret;

/// The most pushes the provider allows unanswered on one connection.
pub const MAX_WINDOW: u32 = 100;

/// Enough for header and features in one read.
const HANDSHAKE_BUFFER: usize = 4096;

/// How the SASL PLAIN identity is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Identity {
    /// `sender@domain`, as the provider documents.
    #[default]
    Full,
    /// `sender` alone, as ordinary XMPP servers want.
    Node,
}

/// `[route.xmpp]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Host to connect to; the certificate must name it.
    pub host: String,
    /// Its port (direct TLS).
    pub port: u16,
    /// The XMPP domain: the stream's `to` and the JID's domain.
    pub domain: String,
    /// The sender id.
    pub sender_id: String,
    /// The server key.
    pub server_key: Secret,
    /// The form of the login.
    pub identity: Identity,
    /// A CA certificate (PEM) to trust instead of the system's; read at each connection.
    pub ca: Option<PathBuf>,
    /// Pushes that may be unanswered, 1 to 100.
    pub window: u32,
    /// Limit for TCP, TLS and login together.
    pub connect_timeout: Duration,
    /// Silence after which a ping is sent.
    pub ping_after: Duration,
    /// Silence after a ping after which the connection counts as dead.
    pub ping_timeout: Duration,
}

/// Settings with which no session can ever open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No host.
    #[error("host must not be empty")]
    Host,
    /// Sender id and domain make no address.
    #[error("{sender_id}@{domain} is no XMPP address: {cause} (hint: check sender_id and domain)")]
    Address {
        /// The sender id.
        sender_id: String,
        /// The domain.
        domain: String,
        /// The library's words.
        cause: String,
    },
    /// NUL separates the parts of a login.
    #[error("server_key must not contain NUL characters")]
    ServerKey,
    /// The window is out of range.
    #[error("window {0} is not between 1 and {MAX_WINDOW}")]
    Window(u32),
}

/// Opens XMPP sessions for one route.
#[derive(Debug)]
pub struct Connector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    sender: BareJid,
}

// === impl Connector ===

impl Connector {
    /// Returns a connector with these settings.
    ///
    /// # Errors
    /// [`SettingsError`] for settings with which no session can ever open.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        if settings.host.is_empty() {
            return Err(SettingsError::Host);
        }
        if !(1..=MAX_WINDOW).contains(&settings.window) {
            return Err(SettingsError::Window(settings.window));
        }
        if settings.server_key.expose().contains('\0') {
            return Err(SettingsError::ServerKey);
        }
        let address = format!("{}@{}", settings.sender_id, settings.domain);
        let fault = |cause: String| SettingsError::Address {
            sender_id: settings.sender_id.clone(),
            domain: settings.domain.clone(),
            cause,
        };
        let sender = BareJid::new(&address).map_err(|error| fault(error.to_string()))?;
        if sender.node().is_none() {
            return Err(fault("the part before @ is empty".to_owned()));
        }
        Ok(Self { shared: Arc::new(Shared { settings, sender }) })
    }

    /// Tries the settings: connects, logs in, and binds, which the provider asks of everybody who sends.
    pub async fn probe(&self) -> Probe {
        let settings = &self.shared.settings;
        let peer = self.shared.peer();
        let suspects = Suspects {
            address: Setting::new("xmpp.host and port", &peer),
            proxy: None,
            ca: Setting::ca("xmpp.ca", settings.ca.as_deref()),
            login: Setting::new("xmpp.sender_id and server_key", format_args!("{}, ***", settings.sender_id)),
        };
        let result = match transport::Connector::connect(self).await {
            Ok(session) => {
                probe::close(session).await;
                Ok("credentials accepted".to_owned())
            }
            Err(error) => Err(suspects.of(&error)),
        };
        Probe { tried: format!("connect to {peer}, log in and bind"), result }
    }
}

impl transport::Connector for Connector {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Session, ConnectError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let (limit, peer) = (shared.settings.connect_timeout, shared.peer());
            transport::within(limit, peer, async |stage| shared.open(stage).await).await
        })
    }

    fn render(&self, request: &PushRequest<'_>, payload: &mut Vec<u8>) -> Result<(), RenderError> {
        request::render(request, payload)
    }

    fn addressee(&self, payload: &[u8]) -> Option<Addressee> {
        request::addressee(payload)
    }

    fn peer(&self) -> String {
        self.shared.peer()
    }
}

// === impl Shared ===

impl Shared {
    fn peer(&self) -> String {
        transport::peer_name(&self.settings.host, self.settings.port)
    }

    async fn open(&self, stage: &Cell<&'static str>) -> Result<Session, ConnectError> {
        let settings = &self.settings;
        let network =
            |error: std::io::Error| ConnectError::Network { peer: self.peer(), cause: error.to_string() };
        stage.set("resolving the host's name and connecting");
        let tcp = TcpStream::connect((settings.host.as_str(), settings.port)).await.map_err(network)?;
        // One write per batch: waiting to fill a packet would only add delay.
        tcp.set_nodelay(true).map_err(network)?;
        stage.set("securing the connection");
        let io = tls::connect(tcp, &settings.host, settings.ca.clone())
            .await
            .map_err(|error| ConnectError::Tls { peer: self.peer(), cause: error.to_string() })?;
        let (io, opening) = log_in(io, self.login(), stage).await.map_err(|failure| match failure {
            Failure::Login(cause) => ConnectError::LoginRefused { peer: self.peer(), cause },
            Failure::Protocol(cause) => ConnectError::Protocol { peer: self.peer(), cause },
        })?;
        let (outbox, events) = stream::open(io, opening, settings.ping_after, settings.ping_timeout);
        Ok(Session { window: settings.window, outbox: Box::new(outbox), events: Box::pin(events) })
    }

    fn login(&self) -> Login {
        let settings = &self.settings;
        let identity = match settings.identity {
            Identity::Full => format!("{}@{}", settings.sender_id, settings.domain),
            Identity::Node => settings.sender_id.clone(),
        };
        Login {
            domain: Jid::from(BareJid::from_parts(None, self.sender.domain())),
            plain: format!("\0{identity}\0{}", settings.server_key.expose()).into_bytes(),
            resource: format!("pushweir-{:08x}", fastrand::u32(..)),
        }
    }
}

/// Opens the stream, logs in and binds; returns what the session starts with.
async fn log_in<Io>(mut io: Io, login: Login, stage: &Cell<&'static str>) -> Result<(Io, Opening), Failure>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let (mut handshake, first) = Handshake::start(login);
    send(&mut io, &first).await?;
    let mut document = Document::default();
    let mut buffer = vec![0; HANDSHAKE_BUFFER];
    loop {
        stage.set(handshake.stage());
        let count = io.read(&mut buffer).await.map_err(|error| cut(&error.to_string(), handshake.stage()))?;
        if count == 0 {
            return Err(cut("the peer closed it", handshake.stage()));
        }
        let mut rest = &buffer[..count];
        while let Some(item) =
            document.next(&mut rest).map_err(|error| Failure::Protocol(error.to_string()))?
        {
            match handshake.on_item(item)? {
                Step::Wait => {}
                Step::Send(bytes) => send(&mut io, &bytes).await?,
                Step::Restart(bytes) => {
                    // What the peer sent before our new header cannot belong to the new stream.
                    document = Document::default();
                    rest = &[];
                    send(&mut io, &bytes).await?;
                }
                Step::Open { send, jid } => {
                    log::debug!("session open jid={jid}");
                    return Ok((io, Opening { document, read: rest.to_vec(), write: send }));
                }
            }
        }
    }
}

async fn send<Io: AsyncWrite + Unpin>(io: &mut Io, bytes: &[u8]) -> Result<(), Failure> {
    let written = async {
        io.write_all(bytes).await?;
        io.flush().await
    };
    written.await.map_err(|error| cut(&error.to_string(), "logging in"))
}

fn cut(why: &str, stage: &str) -> Failure {
    Failure::Protocol(format!("the connection ended while {stage}: {why}"))
}

#[cfg(test)]
mod tests;
