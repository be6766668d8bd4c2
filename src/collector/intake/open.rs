//! How much of what waits may go out: the queue's view of the routes' gates.

use super::Intake;
use crate::flow::Gate;
use crate::push::{Push, RouteId};
use crate::units::Moment;

impl Intake {
    /// Returns a route's gate.
    pub(in crate::collector) fn gate(&self, route: RouteId) -> &Gate {
        &self.routes[route.index()].gate
    }

    /// Returns how many of a route's pushes can go out now.
    pub(in crate::collector) fn ready(&self, route: RouteId) -> usize {
        let ready = self.with_queue(|queue| queue.ready(route));
        if ready == 0 { 0 } else { ready.min(self.gate(route).allowance(self.clock.now())) }
    }

    /// Returns when the queue has to be looked at though nothing arrives: a retry is due, or a gate opens a little.
    pub(in crate::collector) fn next_due(&self) -> Option<Moment> {
        let gates = self.routes.iter().filter_map(|route| route.gate.next());
        let retry = self.with_queue(|queue| queue.next_due());
        gates.chain(retry).min()
    }

    /// Puts pushes back in front of their lanes that left the queue and are still buffered by the books.
    pub(in crate::collector) fn take_back(&self, route: RouteId, pushes: Vec<Push>) {
        let mut coalesced = Vec::new();
        self.with_queue(|queue| queue.put_back(route, pushes, &mut coalesced));
        self.end_buffered(&coalesced, crate::outcome::Outcome::Coalesced);
        self.ring();
    }
}
