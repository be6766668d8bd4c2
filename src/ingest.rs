//! The senders' HTTP: bytes → pushes → places in the collector → an answer.
//!
//! `wire` (pure) takes the body apart, `admit` hands the pushes to the [`Door`], `answer` (pure) says what became of them, `http` is the
//! shell around them, `refusals` tells the operator what was not taken. Invariant: of a readable request every push is in the ledger when it is answered.

mod admit;
mod answer;
mod find;
pub mod http;
mod refusals;
mod seen;
pub mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
pub use refusals::Refusals;
pub use seen::Seen;
use tokio::sync::Semaphore;

use crate::feedback::Results;
use crate::flow::{Door, RouteCell};
use crate::push::{Coalesce, KeyMint, RouteId, SenderId};
use crate::telemetry::HttpMeter;
use crate::telemetry::trace::Tracer;
use crate::transport::Connector;
use crate::units::{Clock, Secret, Slots};

/// The longest time to live, in seconds (FCM's and Web Push's limit).
pub const MAX_TTL: u32 = 2_419_200;

/// What requests are for, in the order in which the meter has them.
pub const TEMPLATES: [&str; 4] = ["/v1/pushes", "/v1/pushes/{id}", "/v1/results", "other"];

/// `[ingest]`.
#[derive(Debug, Clone, PartialEq)]
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
    /// How long a sender's id is remembered; zero for never.
    pub idempotency_window: Duration,
    /// How many ids are remembered at most.
    pub idempotency_ids: usize,
    /// Time to live of a push that names none, by lane ([`crate::push::Lane::index`]).
    pub ttl: [Duration; 4],
}

/// A route as ingest knows it, with one transport. When that changes, or the route goes, it is closed for good or until it comes back.
#[derive(Debug)]
pub struct IngestRoute {
    /// Its name.
    pub name: String,
    /// The partition that takes its pushes.
    pub id: RouteId,
    /// Whether it takes pushes at all.
    pub is_open: AtomicBool,
    /// What is known of it and its pushers.
    pub cell: Arc<RouteCell>,
    /// What renders its payloads; a reload replaces it.
    pub connector: RwLock<Arc<dyn Connector>>,
}

/// Finds the partition for a push that names its peer ([`Connector::peer_of`]). Implemented by `app`.
pub trait Peers: Send + Sync {
    /// Returns the partition of this route that is for `peer`, opened if need be; to be used at once and not kept.
    ///
    /// # Errors
    /// There cannot be another one now; why, in words for the sender.
    fn partition(&self, route: RouteId, peer: &str) -> Result<RouteId, String>;
}

/// What the HTTP threads share.
pub struct Ingest {
    /// The routes, those that are closed among them; at most one of a name is open.
    pub routes: Arc<Slots<IngestRoute>>,
    /// The way into the collector.
    pub door: Arc<dyn Door>,
    /// The partitions of routes with several.
    pub peers: Arc<dyn Peers>,
    /// How pushes ended.
    pub results: Arc<Results>,
    /// Look-ups of single pushes, one at a time.
    pub look_ups: Semaphore,
    /// What is counted of requests; see [`TEMPLATES`].
    pub meter: Arc<HttpMeter>,
    /// Why requests were refused.
    pub refusals: Arc<Refusals>,
    /// Which requests are traced.
    pub tracer: Arc<Tracer>,
    /// Makes keys.
    pub mint: Arc<KeyMint>,
    /// The process's clock.
    pub clock: Clock,
    /// Tells which pushes replace each other in the buffer, if any do.
    pub coalesce: Arc<Coalesce>,
    /// Which ids were taken lately; `None` if that does not matter.
    pub seen: Option<Arc<Seen>>,
    /// Who sends with which of the tokens in the settings, in their order.
    pub senders: Vec<SenderId>,
    /// `[ingest]`.
    pub settings: Settings,
}

// === impl IngestRoute ===

impl IngestRoute {
    /// Returns whether it takes pushes.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }
}

// === impl Ingest ===

impl Ingest {
    /// Returns every route once, those that only deliver what they hold among them.
    fn cells(&self) -> Vec<Arc<RouteCell>> {
        let mut cells: Vec<Arc<RouteCell>> =
            self.routes.iter().map(|route| Arc::clone(&route.cell)).collect();
        cells.sort_by_key(|cell| cell.id);
        cells.dedup_by_key(|cell| cell.id);
        cells
    }
}
