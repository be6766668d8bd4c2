//! The way back into the queue: pushes that were with a pusher and have not ended.

use pushweir_actors::{SubscriptionId, Undelivered};

use super::Intake;
use crate::flow::Returns;
use crate::flow::breaker::Tally;
use crate::ledger::Place;
use crate::outcome::Outcome;
use crate::push::{Push, RouteId};
use crate::units::Moment;

impl Intake {
    /// Puts pushes off that are at `from` by the books: each is queued behind its lane when its moment has come.
    pub(in crate::collector) fn put_off(&self, route: RouteId, from: Place, pushes: Vec<(Moment, Push)>) {
        let (needless, pushes): (Vec<_>, Vec<_>) =
            pushes.into_iter().partition(|(_, push)| push.is_superseded());
        self.end_needless(route, from, needless.into_iter().map(|(_, push)| push).collect());
        if pushes.is_empty() {
            return;
        }
        let count = pushes.len() as u64;
        self.ledger.enter(route, |books| books.transfer(count, from, Place::WaitingRetry));
        self.with_queue(|queue| {
            for (due, mut push) in pushes {
                push.detach();
                queue.delay(route, due, push);
            }
        });
        // The collector's timer may have to be set for the first of them.
        self.ring();
    }

    /// Ends pushes that are at `from` by the books and that newer ones make needless.
    fn end_needless(&self, route: RouteId, from: Place, pushes: Vec<Push>) {
        if !pushes.is_empty() && from != Place::Buffered {
            let count = pushes.len() as u64;
            self.ledger.enter(route, |books| books.transfer(count, from, Place::Buffered));
        }
        self.end_buffered(&pushes, Outcome::Coalesced);
    }

    /// Queues the pushes of a partition whose moment has come.
    pub(in crate::collector) fn release_due(&self, route: RouteId, now: Moment) {
        let mut coalesced = Vec::new();
        self.with_queue(|queue| {
            let released = queue.release_due(route, now, &mut coalesced) as u64;
            if released > 0 {
                // Before anybody else can get at them, to shed them for instance.
                self.ledger
                    .enter(route, |books| books.transfer(released, Place::WaitingRetry, Place::Buffered));
            }
        });
        self.end_buffered(&coalesced, Outcome::Coalesced);
    }
}

impl Returns for Intake {
    fn judge(&self, route: RouteId, tally: &Tally) {
        if self.gate_of(route).observe(self.clock.now(), tally, fastrand::f64()) {
            self.ring();
        }
    }

    fn hold_target(&self, push: &Push, until: Moment) {
        self.gate_of(push.route).hold_target(self.clock.now(), push, until);
    }

    fn put_back(&self, route: RouteId, pushes: Vec<Push>) {
        if pushes.is_empty() {
            return;
        }
        let count = pushes.len() as u64;
        self.ledger.enter(route, |books| books.transfer(count, Place::InFlight, Place::Buffered));
        let mut coalesced = Vec::new();
        self.with_queue(|queue| queue.put_back(route, pushes, &mut coalesced));
        self.end_buffered(&coalesced, Outcome::Coalesced);
        self.ring();
    }

    fn retry_at(&self, route: RouteId, pushes: Vec<(Moment, Push)>) {
        self.put_off(route, Place::InFlight, pushes);
    }
}

impl Undelivered<Push> for Intake {
    fn give_back(&self, _id: SubscriptionId, pushes: Vec<Push>) {
        if let Some(first) = pushes.first() {
            self.put_back(first.route, pushes);
        }
    }
}
