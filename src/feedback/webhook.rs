//! The webhook: posts results, in batches and signed, to a receiver of the sender's.
//!
//! A supervised actor with a cursor of its own in the ring of [`Results`], so a receiver that is slow or gone holds up nothing: what falls out of
//! the ring meanwhile is counted as lost and told. A batch is posted until it is answered with 2xx; a receiver that answered but was not
//! heard gets it again with the same sequence numbers. Cursor and counts are in [`Hook`], which outlives the actor.

mod signature;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::prelude::*;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use parking_lot::Mutex;
use pushweir_actors::{Exit, Link, Stop};
use tokio::sync::Notify;

use super::results::{Numbered, Page, Results};
use crate::transport::exchange::Endpoint;
use crate::units::Secret;

/// How long one look for results lasts.
const LOOK: Duration = Duration::from_secs(30);
/// The longest delay between tries.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// `[feedback.webhook]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The receiver; none switches the webhook off.
    pub endpoint: Option<Endpoint>,
    /// Signs the bodies.
    pub secret: Secret,
    /// Most results in a body.
    pub batch: usize,
    /// How long a body that is not full waits for more, and the delay before the first retry.
    pub interval: Duration,
    /// Limit for one post.
    pub timeout: Duration,
    /// Results that may wait for a receiver; the oldest above it are given up.
    pub max_pending: u64,
}

/// Counts for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// The receiver, if there is one.
    pub peer: Option<String>,
    /// Results that the receiver took.
    pub sent: u64,
    /// Posts that failed.
    pub failures: u64,
    /// Results that were overwritten or given up before the receiver took them.
    pub lost: u64,
    /// Results that wait.
    pub pending: u64,
    /// What went wrong last; none after a success.
    pub last_error: Option<String>,
}

/// What outlives the actor.
#[derive(Debug)]
pub struct Hook {
    results: Arc<Results>,
    settings: Mutex<Settings>,
    changed: Notify,
    cursor: AtomicU64,
    sent: AtomicU64,
    failures: AtomicU64,
    lost: AtomicU64,
    last_error: Mutex<Option<String>>,
}

/// The actor.
#[derive(Debug)]
pub struct Webhook {
    hook: Arc<Hook>,
    link: Link,
}

// === impl Hook ===

impl Hook {
    /// Returns a hook that has posted nothing yet.
    pub fn new(settings: Settings, results: Arc<Results>) -> Self {
        Self {
            results,
            settings: Mutex::new(settings),
            changed: Notify::new(),
            cursor: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            last_error: Mutex::new(None),
        }
    }

    /// Follows new settings from the next post on.
    pub fn follow(&self, settings: Settings) {
        *self.settings.lock() = settings;
        self.changed.notify_one();
    }

    /// Returns the counts.
    pub fn counts(&self) -> Counts {
        let peer = self.settings.lock().endpoint.as_ref().map(Endpoint::peer);
        Counts {
            pending: if peer.is_some() { self.pending() } else { 0 },
            peer,
            sent: self.sent.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            last_error: self.last_error.lock().clone(),
        }
    }

    /// Returns whether there is nothing to post, or nobody to post to.
    pub fn is_idle(&self) -> bool {
        self.settings.lock().endpoint.is_none() || self.pending() == 0
    }

    fn pending(&self) -> u64 {
        self.results.behind(self.cursor.load(Ordering::Relaxed)).0
    }

    /// Posts for ever.
    async fn run(self: Arc<Self>) {
        loop {
            let settings = self.settings.lock().clone();
            let Some(endpoint) = &settings.endpoint else {
                self.changed.notified().await;
                continue;
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = self.post_next(&settings, endpoint) => {}
            }
        }
    }

    /// Waits for results and posts one batch of them, until it is taken.
    async fn post_next(&self, settings: &Settings, endpoint: &Endpoint) {
        let cursor = self.cursor.load(Ordering::Relaxed);
        let first = self.results.peek(cursor, settings.batch, LOOK).await;
        if first.records.is_empty() {
            if self.results.is_closed() {
                // Then nothing waits, and looking again at once would never stop.
                tokio::time::sleep(settings.interval).await;
            }
            return;
        }
        if first.records.len() < settings.batch && !self.results.is_closed() {
            tokio::time::sleep(settings.interval).await;
        }
        let mut delay = settings.interval;
        loop {
            let (page, lost) = self.next_page(cursor, settings);
            let body = body(&page, lost);
            let headers = headers(&signature::sign(&settings.secret, seconds(), &body));
            let error = match endpoint.post(headers, body, settings.timeout).await {
                Ok(reply) if (200..300).contains(&reply.status) => return self.taken(&page, lost),
                Ok(reply) => {
                    delay = delay.max(reply.retry_after.unwrap_or_default());
                    format!("{} answered with status {}", endpoint.peer(), reply.status)
                }
                Err(error) => error.to_string(),
            };
            self.failed(error, page.records.len(), delay);
            tokio::time::sleep(delay.mul_f64(1.0 + fastrand::f64() / 4.0)).await;
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }

    /// Returns the next batch as it is now, and how many results before it are gone.
    fn next_page(&self, cursor: u64, settings: &Settings) -> (Page, u64) {
        let (behind, last) = self.results.behind(cursor);
        let skipped = behind.saturating_sub(settings.max_pending);
        let from = if skipped > 0 { last - settings.max_pending } else { cursor };
        let page = self.results.look(from, settings.batch);
        let lost = page.lost + skipped;
        (page, lost)
    }

    fn taken(&self, page: &Page, lost: u64) {
        self.cursor.store(page.next, Ordering::Relaxed);
        self.results.confirm(page.next);
        self.sent.fetch_add(page.records.len() as u64, Ordering::Relaxed);
        if lost > 0 {
            self.lost.fetch_add(lost, Ordering::Relaxed);
            log::warn!("results were lost to the webhook count={lost}");
        }
        if self.last_error.lock().take().is_some() {
            log::info!(
                "the webhook is taken again results={} pending={}",
                page.records.len(),
                self.pending()
            );
        }
    }

    fn failed(&self, error: String, results: usize, delay: Duration) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        log::warn!("the webhook failed error={error:?} results={results} next_try={delay:?}");
        *self.last_error.lock() = Some(error);
    }
}

fn body(page: &Page, lost: u64) -> Bytes {
    let mut body = Vec::with_capacity(64 + page.records.len() * 512);
    body.extend_from_slice(b"{\"results\":[");
    for (index, (number, record)) in page.records.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        // Records always serialise, and writing to a Vec cannot fail.
        let _ = serde_json::to_writer(&mut body, &Numbered(*number, record));
    }
    let _ = write!(body, "],\"lost\":{lost}}}");
    body.into()
}

fn headers(signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let signature = HeaderValue::from_str(signature).expect("a number and hexadecimal digits are allowed");
    headers.insert("pushweir-signature", signature);
    headers
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

// === impl Webhook ===

impl Webhook {
    /// Returns an actor that posts what its hook points at.
    pub const fn new(hook: Arc<Hook>, link: Link) -> Self {
        Self { hook, link }
    }
}

impl Actor for Webhook {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Arc::clone(&self.hook).run().into_actor(self));
    }
}

impl Handler<Stop> for Webhook {
    type Result = ();

    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) {
        self.link.exit(Exit::Shutdown);
        ctx.stop();
    }
}
