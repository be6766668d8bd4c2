//! FCM's XMPP protocol (CCS), as in `reference/fcm.md` part 1.

use std::path::PathBuf;
use std::time::Duration;

use crate::units::Secret;

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
#[derive(Debug, Clone)]
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
