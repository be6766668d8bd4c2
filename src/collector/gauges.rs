//! What the operator is told of the collector's work besides its queue: counts and gauges that its actor writes and anybody reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::telemetry::Longest;

/// The figures; they outlive the actor.
#[derive(Debug, Default)]
pub struct Gauges {
    /// How long its handlers ran.
    pub handler: Longest,
    dispatched: AtomicU64,
    demand: AtomicU64,
    shed_behind: AtomicU64,
    /// In microseconds.
    oldest: AtomicU64,
}

// === impl Gauges ===

impl Gauges {
    /// Returns how many pushes pushers were given.
    pub fn dispatched(&self) -> u64 {
        self.dispatched.load(Ordering::Relaxed)
    }

    /// Returns how many more pushers asked for, as it was in the last second.
    pub fn demand(&self) -> u64 {
        self.demand.load(Ordering::Relaxed)
    }

    /// Returns how many pushes were shed at the door because what waits there was not taken in fast enough, full buffer or not.
    pub fn shed_behind(&self) -> u64 {
        self.shed_behind.load(Ordering::Relaxed)
    }

    /// Returns how long the push in the queue had waited that had waited longest, as it was in the last second.
    pub fn oldest(&self) -> Duration {
        Duration::from_micros(self.oldest.load(Ordering::Relaxed))
    }

    pub(super) fn set_oldest(&self, age: Duration) {
        self.oldest.store(u64::try_from(age.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn add_shed_behind(&self, pushes: u64) {
        self.shed_behind.fetch_add(pushes, Ordering::Relaxed);
    }

    pub(super) fn add_dispatched(&self, pushes: usize) {
        self.dispatched.fetch_add(pushes as u64, Ordering::Relaxed);
    }

    pub(super) fn set_demand(&self, demand: u64) {
        self.demand.store(demand, Ordering::Relaxed);
    }
}
