//! The senders' HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use crate::units::Secret;

/// The longest time to live, in seconds (FCM's and Web Push's limit).
pub const MAX_TTL: u32 = 2_419_200;

/// `[ingest]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Bearer tokens; none means that anybody who can connect may send (loopback only).
    pub tokens: Vec<Secret>,
    /// HTTP worker threads.
    pub threads: usize,
    /// Connections at once.
    pub max_connections: usize,
    /// Bytes of a request body.
    pub max_body: usize,
    /// Pushes in a request.
    pub max_batch: usize,
    /// Time a client has to send its head, and again for its whole body.
    pub read_timeout: Duration,
    /// Time to live of a push that names none, by lane ([`crate::push::Lane::index`]).
    pub ttl: [Duration; 4],
}
