//! How much of what waits may go out: the queue's view of the partitions' gates.

use super::Intake;
use crate::flow::{Gate, RouteCell, breaker};
use crate::outcome::Outcome;
use crate::push::{Push, RouteId};
use crate::units::Moment;

impl Intake {
    /// Returns a partition's gate.
    ///
    /// # Panics
    /// There is no such partition.
    pub fn gate_of(&self, partition: RouteId) -> &Gate {
        self.gates.get(partition.index()).expect("a partition has a gate before anybody knows its number")
    }

    /// Forgets what kept a partition's pushes back: the answers were those of another account or peer.
    pub fn reset_gate(&self, partition: RouteId) {
        self.gate_of(partition).reset();
        // What waits may go out now, and nothing else says so.
        self.ring();
    }

    /// Follows other settings of the breakers.
    pub fn follow_breaker(&self, settings: &breaker::Settings) {
        *self.breaker.write() = settings.clone();
        self.gates.iter().for_each(|gate| gate.follow(settings.clone()));
    }

    /// Returns the gate of the next partition of a route.
    pub(super) fn new_gate(&self, route: &RouteCell) -> Gate {
        let number = self.gates.len();
        let is_first = route.id.index() == number;
        let name = if is_first { route.name.clone() } else { format!("{}#{number}", route.name) };
        Gate::new(name)
    }

    /// Returns the partitions of which pushes could go out now if their gates let them.
    pub(in crate::collector) fn with_pushes(&self) -> Vec<RouteId> {
        self.with_queue(|queue| queue.with_pushes().collect())
    }

    /// Returns how many of a partition's pushes can go out now.
    pub(in crate::collector) fn ready(&self, partition: RouteId) -> usize {
        let ready = self.with_queue(|queue| queue.ready(partition));
        if ready == 0 { 0 } else { ready.min(self.gate_of(partition).allowance(self.clock.now())) }
    }

    /// Returns when the queue has to be looked at though nothing arrives: a retry is due, or a gate opens a little.
    pub(in crate::collector) fn next_due(&self) -> Option<Moment> {
        let gates = self.gates.iter().filter_map(Gate::next);
        let retry = self.with_queue(|queue| queue.next_due());
        gates.chain(retry).min()
    }

    /// Puts pushes back in front of their lanes that left the queue and are still buffered by the books.
    pub(in crate::collector) fn take_back(&self, partition: RouteId, pushes: Vec<Push>) {
        let mut coalesced = Vec::new();
        self.with_queue(|queue| queue.put_back(partition, pushes, &mut coalesced));
        self.end_buffered(&coalesced, Outcome::Coalesced);
        self.ring();
    }
}
