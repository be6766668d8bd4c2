//! Pushes on their way from the queue to a pusher: whatever interrupts that, they go back.
//!
//! The collector takes one per assignment. Invariant: a push that has left the queue is in a hand-out, and counts as buffered, until the
//! books say that it is in flight and the batch that returns itself has it.

use std::sync::Arc;

use pushweir_actors::{Events, SubscriptionId, Undelivered};

use super::intake::Intake;
use crate::ledger::Place;
use crate::outcome::Outcome;
use crate::push::{Push, RouteId};
use crate::units::Moment;

/// The pushes.
pub struct Handout<'a> {
    intake: &'a Arc<Intake>,
    route: RouteId,
    pushes: Vec<Push>,
    expired: Vec<Push>,
}

// === impl Handout ===

impl<'a> Handout<'a> {
    /// Takes up to `count` pushes of a route that can be sent now; on the way those that are too late end, and those whose target takes
    /// nothing are put off.
    pub fn take(intake: &'a Arc<Intake>, route: RouteId, count: usize, now: Moment) -> Self {
        let mut handout = Self { intake, route, pushes: Vec::new(), expired: Vec::new() };
        let Self { pushes, expired, .. } = &mut handout;
        intake.with_queue(|queue| queue.take(route, count, now, (pushes, expired)));
        handout.put_off(now);
        handout.end_expired();
        handout
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.pushes.len()
    }

    /// Returns them.
    pub fn pushes(&self) -> &[Push] {
        &self.pushes
    }

    /// Returns them as a batch for a pusher, which is in flight by the books.
    pub fn into_events(mut self, id: SubscriptionId, now: Moment) -> Events<Push> {
        let count = self.pushes.len();
        if count > 0 {
            self.intake
                .ledger()
                .enter(self.route, |books| books.transfer(count as u64, Place::Buffered, Place::InFlight));
            self.intake.gate_of(self.route).give(now, count);
        }
        let home: Arc<dyn Undelivered<Push>> = Arc::<Intake>::clone(self.intake);
        Events::with_return(id, std::mem::take(&mut self.pushes), home)
    }

    /// Puts the pushes off whose target takes nothing now; those that would be too late then end as expired.
    fn put_off(&mut self, now: Moment) {
        let held = self.intake.gate_of(self.route).part_held(now, &mut self.pushes);
        let (in_time, late): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|(due, push)| *due <= push.deadline);
        self.expired.extend(late.into_iter().map(|(_, push)| push));
        self.intake.put_off(self.route, Place::Buffered, in_time);
    }

    fn end_expired(&mut self) {
        let expired = std::mem::take(&mut self.expired);
        self.intake.end_buffered(&expired, Outcome::Expired);
    }
}

impl Drop for Handout<'_> {
    fn drop(&mut self) {
        let mut pushes = std::mem::take(&mut self.pushes);
        // Those that are too late end when they are taken the next time.
        pushes.append(&mut self.expired);
        if !pushes.is_empty() {
            self.intake.take_back(self.route, pushes);
        }
    }
}

#[cfg(test)]
mod tests;
