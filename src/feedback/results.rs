//! Results: what senders learn of pushes that have ended.
//!
//! Written a batch at a time by [`super::Feedback`] for answered pushes and by the collector, through [`Ended`], for those that it shed or let
//! expire. Read by cursor (`GET /v1/results`), by requests that wait, and by the webhook, none of which can hold up a delivery: what is not
//! read in time is overwritten and counted. While all pushes are delivered and only failures are reported, nothing is allocated or locked.

mod history;
mod reading;
mod record;
mod ring;
mod waiters;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use history::Done;
use history::History;
use parking_lot::Mutex;
use reading::Reading;
pub use record::{Numbered, Record};
use ring::Ring;
pub use ring::{Bound, Page};
use tokio::sync::Notify;
use tokio::time::Instant;
pub use waiters::Ticket;
use waiters::Waiters;

use crate::flow::{Ended, Wanted};
use crate::outcome::{Answer, Outcome, Verdict};
use crate::push::{Push, RouteId, SenderId};
use crate::transport::Connector;
use crate::units::{Clock, Moment, Slots};

/// Results that are looked at under one lock.
const FIND_STEP: usize = 4_096;

/// The keys of `[feedback]` about results.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether delivered pushes are reported too.
    pub report: Report,
    /// What is kept for those who come to fetch it.
    pub ring: Bound,
    /// Pushes that requests may wait for at the same time.
    pub awaited: usize,
    /// Deliveries that are remembered for those who ask for one of them.
    pub history: usize,
}

/// Which pushes are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Report {
    /// Those that were not delivered, and those whose token the provider replaced.
    #[default]
    Failures,
    /// All of them.
    All,
}

/// A partition as results know it.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its route's name.
    pub name: Box<str>,
    /// What reads the addressee back from a payload.
    pub connector: Arc<dyn Connector>,
}

/// Counts for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Results ever recorded.
    pub recorded: u64,
    /// Results that are held.
    pub held: u64,
    /// Results that were overwritten before anybody had them.
    pub dropped: u64,
    /// Pushes that requests wait for.
    pub awaited: u64,
    /// Readers that wait for the next result.
    pub readers: u64,
}

/// A push that has ended and the verdict of its last attempt.
#[derive(Debug)]
pub struct Ending {
    /// The push.
    pub push: Push,
    /// How it ended.
    pub outcome: Outcome,
    /// What was said last.
    pub verdict: Verdict,
}

/// The shared handle.
pub struct Results {
    /// By partition.
    sources: Slots<Source>,
    clock: Clock,
    reports_all: AtomicBool,
    ring: Mutex<Ring>,
    keeps_history: AtomicBool,
    history: Mutex<History>,
    news: Notify,
    readers: AtomicUsize,
    waiters: Arc<Waiters>,
    is_closed: AtomicBool,
}

// === impl Results ===

impl Results {
    /// Returns an empty handle without partitions.
    pub fn new(settings: &Settings, clock: Clock) -> Self {
        // Below 2^53, which is all that JSON is sure to carry; no life makes a thousand results a millisecond, so the next begins above.
        let start = wall_millis().saturating_mul(1_000);
        let results = Self {
            sources: Slots::default(),
            clock,
            reports_all: AtomicBool::new(false),
            ring: Mutex::new(Ring::new(settings.ring, start)),
            keeps_history: AtomicBool::new(false),
            history: Mutex::default(),
            news: Notify::new(),
            readers: AtomicUsize::new(0),
            waiters: Arc::default(),
            is_closed: AtomicBool::new(false),
        };
        results.follow(settings);
        results
    }

    /// Opens the next partition; what it is said to be stays so.
    ///
    /// # Errors
    /// There are as many as there can be.
    pub fn open(&self, source: Source) -> Result<usize, Source> {
        self.sources.push(source)
    }

    /// Returns the name of a partition's route.
    pub fn route_name(&self, partition: RouteId) -> &str {
        self.sources.get(partition.index()).map_or("", |source| &source.name)
    }

    /// Follows new settings.
    pub fn follow(&self, settings: &Settings) {
        self.reports_all.store(settings.report == Report::All, Ordering::Relaxed);
        self.waiters.set_limit(settings.awaited);
        self.ring.lock().resize(settings.ring);
        self.keeps_history.store(settings.history > 0, Ordering::Relaxed);
        self.history.lock().resize(settings.history);
    }

    /// Returns whether anybody wants to hear of deliveries at the moment; they need not be handed over otherwise.
    pub fn wants_deliveries(&self) -> bool {
        self.reports_all.load(Ordering::Relaxed) || self.waiters.awaited() > 0
    }

    /// Records how pushes ended. Call it before the ledger counts them, so that nobody who sees them ended misses their results.
    pub fn record(&self, endings: Vec<Ending>) {
        if endings.is_empty() {
            return;
        }
        let (now, wall) = (self.clock.now(), wall_millis());
        let reports_all = self.reports_all.load(Ordering::Relaxed);
        let records: Vec<_> =
            endings.into_iter().map(|ending| Arc::new(self.answered(ending, now, wall))).collect();
        self.publish(&records, reports_all);
    }

    /// Returns up to `limit` results behind a cursor, waiting up to `wait` for the first, and takes note that the reader has those before.
    /// A cursor of 0 asks from the oldest. With a `sender` there are only those of its own pushes, and the cursor passes the others over.
    pub async fn page(&self, sender: Option<SenderId>, after: u64, limit: usize, wait: Duration) -> Page {
        self.confirm(after);
        self.wait_for(sender, after, limit, wait).await
    }

    /// Takes note that some reader has everything up to this number.
    pub fn confirm(&self, number: u64) {
        self.ring.lock().confirm(number);
    }

    /// Returns how many results came after this number, and the number of the newest of them.
    pub fn behind(&self, number: u64) -> (u64, u64) {
        let ring = self.ring.lock();
        (ring.behind(number), ring.last())
    }

    /// Returns the number of the newest result.
    pub fn last(&self) -> u64 {
        self.ring.lock().last()
    }

    /// As [`Self::page`] for all senders, at once and without a note.
    pub fn look(&self, after: u64, limit: usize) -> Page {
        self.ring.lock().page(after, limit)
    }

    /// As [`Self::page`] for all senders, without a note.
    pub async fn peek(&self, after: u64, limit: usize, wait: Duration) -> Page {
        self.wait_for(None, after, limit, wait).await
    }

    async fn wait_for(&self, sender: Option<SenderId>, after: u64, limit: usize, wait: Duration) -> Page {
        let deadline = Instant::now() + wait;
        let mut page = Page { records: Vec::new(), next: after, lost: 0, restarted: false };
        loop {
            let mut news = std::pin::pin!(self.news.notified());
            // Listening before looking, so that what comes between the two is heard.
            news.as_mut().enable();
            self.read_on(&mut page, sender, limit);
            if !page.records.is_empty() || self.is_closed() {
                return page;
            }
            let _reading = Reading::new(&self.readers);
            if tokio::time::timeout_at(deadline, news).await.is_err() {
                return page;
            }
        }
    }

    /// Adds to a page what follows it, in steps between which the ring is free for others.
    fn read_on(&self, page: &mut Page, sender: Option<SenderId>, limit: usize) {
        loop {
            let wanted = |record: &Record| sender.is_none_or(|sender| record.sender == sender);
            let step = self.ring.lock().page_of(page.next, limit - page.records.len(), FIND_STEP, wanted);
            let is_at_end = step.next == self.last();
            page.add(step);
            if is_at_end || page.records.len() >= limit {
                return;
            }
        }
    }

    /// Returns how many readers wait for the next result at the moment.
    pub fn readers(&self) -> usize {
        self.readers.load(Ordering::Relaxed)
    }

    /// Returns a ticket for a request that will wait for its pushes.
    pub fn ticket(&self) -> Ticket {
        self.waiters.ticket()
    }

    /// Ends all waiting, for the process's end.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.news.notify_waiters();
    }

    /// Returns whether the process is about to end.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Remembers deliveries.
    pub fn remember(&self, done: Vec<Done>) {
        if !done.is_empty() {
            self.history.lock().add(done);
        }
    }

    /// Returns whether deliveries are remembered at all.
    pub fn keeps_history(&self) -> bool {
        self.keeps_history.load(Ordering::Relaxed)
    }

    /// Looks for a delivery that is remembered, in steps between which others can be added.
    pub fn find_delivery(&self, wanted: &Wanted) -> Option<Done> {
        let mut below = u64::MAX;
        loop {
            let (found, rest) = self.history.lock().find_below(below, FIND_STEP, wanted);
            if found.is_some() {
                return found;
            }
            below = rest?;
        }
    }

    /// Looks for a result, the latest first, in steps between which the ring is free for others.
    pub fn find(&self, wanted: &Wanted) -> Option<Arc<Record>> {
        let mut below = self.last() + 1;
        loop {
            let ring = self.ring.lock();
            let (found, rest) = ring.find_below(below, FIND_STEP, |record| {
                wanted.is(record.sender, record.key, record.name.as_deref())
            });
            drop(ring);
            if found.is_some() {
                return found;
            }
            below = rest?;
        }
    }

    /// Returns the counts.
    pub fn counts(&self) -> Counts {
        let ring = self.ring.lock();
        Counts {
            recorded: ring.recorded(),
            held: ring.len() as u64,
            dropped: ring.dropped(),
            awaited: self.waiters.awaited() as u64,
            readers: self.readers() as u64,
        }
    }

    fn publish(&self, records: &[Arc<Record>], reports_all: bool) {
        {
            let mut ring = self.ring.lock();
            let reported = |record: &&Arc<Record>| {
                let is_news =
                    reports_all || record.outcome != Outcome::Delivered || record.canonical.is_some();
                // An operator waits for a test push, and no sender knows of it.
                is_news && record.sender != SenderId::OPERATOR
            };
            records.iter().filter(reported).for_each(|record| ring.push(Arc::clone(record)));
        }
        self.news.notify_waiters();
        self.waiters.tell(records.iter());
    }

    fn answered(&self, ending: Ending, now: Moment, wall: u64) -> Record {
        let Ending { push, outcome, verdict } = ending;
        let mut record = self.ended_one(&push, outcome, now, wall);
        // An attempt that may be followed by another is counted already, a final one is not.
        let (is_final, answer) = match verdict {
            Verdict::Delivered { canonical } => {
                record.canonical = canonical;
                (true, None)
            }
            Verdict::Rejected(answer) | Verdict::Unregistered(answer) => (true, Some(answer)),
            Verdict::Retry { answer, .. }
            | Verdict::BrokenOff { answer, .. }
            | Verdict::Limited { answer, .. } => (false, Some(answer)),
            Verdict::Elsewhere(_) | Verdict::Unanswered => (false, None),
        };
        record.attempts = record.attempts.saturating_add(u8::from(is_final));
        if let Some(answer) = answer {
            let Answer { code, detail, since } = *answer;
            record.code = Some(code);
            record.since = since;
            record.detail = (!detail.is_empty()).then_some(detail);
        }
        record
    }

    fn ended_one(&self, push: &Push, outcome: Outcome, now: Moment, wall: u64) -> Record {
        let source = self.sources.get(push.route.index());
        let age = u64::try_from(now.since(push.accepted_at).as_millis()).unwrap_or(u64::MAX);
        Record {
            key: push.key,
            name: push.name.clone(),
            sender: push.sender,
            route: source.map_or_else(Box::default, |source| source.name.clone()),
            to: source.and_then(|source| source.connector.addressee(&push.payload)),
            outcome,
            code: None,
            detail: None,
            since: None,
            canonical: None,
            attempts: push.attempts,
            maybe_delivered: push.maybe_delivered,
            accepted_at: wall.saturating_sub(age),
            ended_at: wall,
        }
    }
}

impl Ended for Results {
    fn ended(&self, pushes: &[Push], outcome: Outcome) {
        let (now, wall) = (self.clock.now(), wall_millis());
        let records: Vec<_> =
            pushes.iter().map(|push| Arc::new(self.ended_one(push, outcome, now, wall))).collect();
        self.publish(&records, true);
    }
}

impl std::fmt::Debug for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Results").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

fn wall_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
