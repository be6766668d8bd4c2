//! The way back into the queue: pushes that were with a pusher and have not ended.

use pushweir_actors::{SubscriptionId, Undelivered};

use super::Intake;
use crate::flow::Returns;
use crate::flow::breaker::Tally;
use crate::ledger::Place;
use crate::outcome::Outcome;
use crate::push::{Push, RouteId};
use crate::units::Moment;

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
        if pushes.is_empty() {
            return;
        }
        let count = pushes.len() as u64;
        self.ledger.enter(route, |books| books.transfer(count, Place::InFlight, Place::WaitingRetry));
        self.with_queue(|queue| {
            for (due, mut push) in pushes {
                push.detach();
                queue.delay(route, due, push);
            }
        });
        self.ring();
    }
}

impl Undelivered<Push> for Intake {
    fn give_back(&self, _id: SubscriptionId, pushes: Vec<Push>) {
        if let Some(first) = pushes.first() {
            self.put_back(first.route, pushes);
        }
    }
}
