//! One subscription in a consumer's books, and what is left of it when it ends.

use std::time::Duration;

use tokio::time::Instant;

use super::subscription::Subscription;
use crate::demand::AutomaticDemand;
use crate::protocol::{CancelReason, SubscriptionId, Upstream};

/// One live subscription.
pub(super) struct Tie<E: Send + 'static> {
    pub(super) upstream: Upstream<E>,
    pub(super) demand: Demand,
    /// The consumer itself has asked for the end.
    pub(super) wanted_end: bool,
    /// Apart, so that what a delivery looks at stays within few cache lines.
    history: Box<History<E>>,
}

/// What only the end of a subscription asks for.
struct History<E: Send + 'static> {
    plan: Subscription<E>,
    since: Instant,
    /// Failed tries in a row before this one.
    failures: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Demand {
    Automatic(AutomaticDemand),
    /// What the logic asked for and did not get yet.
    Manual(u64),
}

/// A subscription that ended, or could not be made.
pub(super) struct Lost<E: Send + 'static> {
    pub(super) id: SubscriptionId,
    pub(super) plan: Subscription<E>,
    pub(super) reason: CancelReason,
    pub(super) lived: Duration,
    pub(super) failures: u32,
}

// === impl Tie ===

impl<E: Send + 'static> Tie<E> {
    pub(super) fn new(upstream: Upstream<E>, plan: Subscription<E>, failures: u32, since: Instant) -> Self {
        let history = Box::new(History { plan, since, failures });
        Self { upstream, demand: Demand::Manual(0), wanted_end: false, history }
    }

    /// Returns how many events were asked for and have not been handled.
    pub(super) fn outstanding(&self) -> u64 {
        match self.demand {
            Demand::Automatic(demand) => u64::from(demand.outstanding()),
            Demand::Manual(outstanding) => outstanding,
        }
    }

    /// Ends it, as its producer already has.
    pub(super) fn lose(self, id: SubscriptionId, reason: CancelReason, now: Instant) -> Lost<E> {
        self.upstream.ended();
        let History { plan, since, failures } = *self.history;
        Lost { id, plan, reason, lived: now.saturating_duration_since(since), failures }
    }
}

// === impl Lost ===

impl<E: Send + 'static> Lost<E> {
    pub(super) fn unconnected(id: SubscriptionId, plan: Subscription<E>, failures: u32) -> Self {
        Self { id, plan, reason: CancelReason::NoProducer, lived: Duration::ZERO, failures }
    }
}
