//! What a stage has done and holds, readable from any thread without a message (`reference/genstage.md` 2.12, X10).
//!
//! Each stage writes its own, once per message; monitors read them. A busy stage is read as fast as an idle one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use crate::protocol::MailboxGauge;

/// The counters and gauges of one stage. Counters only ascend.
///
/// A producer's balance at rest, until it stops: in + returned = out + shed + buffered + lost.
///
/// In C's order, so that what every message writes lies together.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct StageCounters {
    epoch: Instant,
    /// Microseconds from the epoch to the last message, plus one; 0 before the first.
    last_message: AtomicU64,
    events_in: AtomicU64,
    events_out: AtomicU64,
    demand: AtomicU64,
    buffered: AtomicU64,
    shed: AtomicU64,
    returned: AtomicU64,
    lost: AtomicU64,
    /// That of the present life; touched per life and per look, never per message.
    mailbox: Mutex<Option<Arc<MailboxGauge>>>,
}

/// What [`StageCounters`] said at one moment. The numbers are read one after the other while the stage works, so those
/// of a busy stage need not add up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StageSnapshot {
    /// See [`StageCounters::mailbox`].
    pub mailbox: u64,
    /// See [`StageCounters::events_in`].
    pub events_in: u64,
    /// See [`StageCounters::events_out`].
    pub events_out: u64,
    /// See [`StageCounters::shed`].
    pub shed: u64,
    /// See [`StageCounters::returned`].
    pub returned: u64,
    /// See [`StageCounters::lost`].
    pub lost: u64,
    /// See [`StageCounters::buffered`].
    pub buffered: u64,
    /// See [`StageCounters::demand`].
    pub demand: u64,
    /// Seconds since the stage handled its last message; `None` if it has not handled any.
    pub idle_seconds: Option<f64>,
}

// === impl StageCounters ===

impl Default for StageCounters {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            events_in: AtomicU64::default(),
            events_out: AtomicU64::default(),
            shed: AtomicU64::default(),
            returned: AtomicU64::default(),
            lost: AtomicU64::default(),
            buffered: AtomicU64::default(),
            demand: AtomicU64::default(),
            last_message: AtomicU64::default(),
            mailbox: Mutex::default(),
        }
    }
}

impl StageCounters {
    /// Returns how many events came in: into a producer by a push or from its logic, into a consumer by a delivery.
    pub fn events_in(&self) -> u64 {
        self.events_in.load(Ordering::Relaxed)
    }

    /// Returns how many events went out: from a producer in a delivery, from a consumer through its logic.
    pub fn events_out(&self) -> u64 {
        self.events_out.load(Ordering::Relaxed)
    }

    /// Returns how many events were shed for want of room or of a partition.
    pub fn shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// Returns how many delivered events came back because nobody took them.
    pub fn returned(&self) -> u64 {
        self.returned.load(Ordering::Relaxed)
    }

    /// Returns how many events nobody was left to take back: they came back after their producer's own end.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Returns how many events are buffered now.
    pub fn buffered(&self) -> u64 {
        self.buffered.load(Ordering::Relaxed)
    }

    /// Returns how many events are asked for and not sent: by a producer's consumers, or by a consumer.
    pub fn demand(&self) -> u64 {
        self.demand.load(Ordering::Relaxed)
    }

    /// Returns how many messages of its peers wait for the stage: subscriptions, asks and cancels for a producer that
    /// [publishes itself](crate::Producer::with_port), deliveries and their ends for a consumer. 0 while the stage is down.
    ///
    /// Not counted is what others send to its address: the mailbox's capacity bounds that, and the intake tells its own
    /// [length](crate::Intake::len).
    pub fn mailbox(&self) -> u64 {
        self.mailbox.lock().as_ref().map_or(0, |gauge| gauge.len())
    }

    /// Reads all of them.
    pub fn snapshot(&self, now: Instant) -> StageSnapshot {
        StageSnapshot {
            mailbox: self.mailbox(),
            events_in: self.events_in(),
            events_out: self.events_out(),
            shed: self.shed(),
            returned: self.returned(),
            lost: self.lost(),
            buffered: self.buffered(),
            demand: self.demand(),
            idle_seconds: self.idle_for(now).map(|idle| idle.as_secs_f64()),
        }
    }

    /// Returns how long ago the stage handled its last message, or `None` if it has not handled any.
    pub fn idle_for(&self, now: Instant) -> Option<Duration> {
        let micros = self.last_message.load(Ordering::Relaxed).checked_sub(1)?;
        Some(now.saturating_duration_since(self.epoch + Duration::from_micros(micros)))
    }

    pub(crate) fn add_in(&self, count: usize) {
        self.events_in.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_out(&self, count: usize) {
        self.events_out.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_shed(&self, count: usize) {
        self.shed.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_returned(&self, count: usize) {
        self.returned.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_lost(&self, count: usize) {
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn set_buffered(&self, count: usize) {
        self.buffered.store(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn set_demand(&self, count: u64) {
        self.demand.store(count, Ordering::Relaxed);
    }

    /// Notes that a life of the stage begins, which counts its mailbox by `gauge`, or, with `None`, that it is over.
    pub(crate) fn watch_mailbox(&self, gauge: Option<&Arc<MailboxGauge>>) {
        *self.mailbox.lock() = gauge.cloned();
    }

    pub(crate) fn note_message(&self, now: Instant) {
        let micros = now.saturating_duration_since(self.epoch).as_micros();
        self.last_message.store(u64::try_from(micros).unwrap_or(u64::MAX - 1) + 1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_unknown_before_the_first_message_and_measured_after() {
        let counters = StageCounters::default();
        let now = Instant::now();
        assert_eq!(counters.idle_for(now), None);
        counters.note_message(now);
        let idle = counters.idle_for(now + Duration::from_secs(3)).expect("a message was noted");
        assert!(idle >= Duration::from_secs(3) && idle < Duration::from_millis(3_001), "idle={idle:?}");
    }
}
