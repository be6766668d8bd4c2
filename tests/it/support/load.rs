//! Pushes, and a sender that keeps sending them while a test does other things.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use super::gateway::Gateway;
use super::http::{Client, Reply};
use super::wait::pace;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Returns a push to an ordinary device of its own.
pub fn push() -> Value {
    push_to(&format!("device-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Returns a push to a token.
pub fn push_to(token: &str) -> Value {
    json!({"route": "android", "to": {"token": token}, "data": {"room": "17"}, "notification": {"title": "t", "body": "b"}})
}

/// Returns a request with so many pushes.
pub fn batch(size: usize) -> Value {
    json!({"pushes": (0..size).map(|_| push()).collect::<Vec<_>>()})
}

/// What a sender was told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Pushes offered in requests that were answered.
    pub offered: u64,
    /// Pushes accepted.
    pub accepted: u64,
    /// Pushes in `failed`, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Requests by status.
    pub statuses: BTreeMap<u16, u64>,
}

/// A sender on a thread of its own; ends with [`Load::finish`].
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Told>,
}

// === impl Told ===

impl Told {
    /// Adds an answer to a request with so many pushes.
    pub fn add(&mut self, offered: u64, reply: &Reply) {
        self.offered += offered;
        *self.statuses.entry(reply.status).or_default() += 1;
        let Ok(body) = serde_json::from_str::<Value>(&reply.body) else { return };
        self.accepted += body["accepted"].as_u64().unwrap_or(0);
        for failure in body["failed"].as_array().into_iter().flatten() {
            let reason = failure["reason"].as_str().unwrap_or("none").to_owned();
            *self.failed.entry(reason).or_default() += 1;
        }
    }

    /// Returns pushes that failed for a reason.
    pub fn failed_for(&self, reason: &str) -> u64 {
        self.failed.get(reason).copied().unwrap_or(0)
    }
}

// === impl Load ===

impl Load {
    /// Sends batches of `size` one after the other, about a hundred a second, until it is told to end.
    pub fn start(gateway: &Gateway, size: usize) -> Self {
        Self::of(gateway, move || batch(size))
    }

    /// Sends what `make` makes.
    pub fn of(gateway: &Gateway, make: impl Fn() -> Value + Send + 'static) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (address, is_over) = (gateway.ingest, Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut told = Told::default();
            while !is_over.load(Ordering::Relaxed) && send(address, &make, &is_over, &mut told) {}
            told
        });
        Self { stop, thread }
    }

    /// Ends it and returns what it was told.
    #[track_caller]
    pub fn finish(self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the sender does not panic")
    }
}

/// Sends on one connection until it breaks; returns whether there is any use in another one.
fn send(address: SocketAddr, make: &impl Fn() -> Value, is_over: &AtomicBool, told: &mut Told) -> bool {
    let Ok(mut client) = Client::connect(address) else { return false };
    while !is_over.load(Ordering::Relaxed) {
        let body = make();
        let offered = body["pushes"].as_array().map_or(1, |pushes| pushes.len() as u64);
        let headers = [("content-type", "application/json")];
        let Ok(reply) = client.call("POST", "/v1/pushes", &headers, body.to_string().as_bytes()) else {
            return true;
        };
        told.add(offered, &reply);
        if reply.header("connection") == Some("close") {
            return true;
        }
        pace();
    }
    true
}
