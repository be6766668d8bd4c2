//! The collector's queue: all partitions' lanes and waiting retries under one bound in pushes and bytes. Pure.
//!
//! Invariant ([`Queue::is_consistent`]): its counts equal what it holds. Pushes that come back from a pusher are always taken, so it
//! can stand above its bound by at most the sum of the windows; arriving pushes then shed until it is below again.

mod evict;
mod find;
mod sweep;

use self::sweep::Round;
use super::Keep;
use super::delayed::Delayed;
use super::lanes::Lanes;
use super::occupancy::{Limits, Load, Occupancy};
use crate::push::{Lane, Push, RouteId, SenderId};
use crate::units::Moment;

/// One partition's part of the queue.
#[derive(Debug)]
struct Part {
    /// The route that it belongs to, whose share it uses.
    route: RouteId,
    lanes: Lanes,
    delayed: Delayed,
    next_deadline: Moment,
}

/// Pushes that arrivals have put an end to.
#[derive(Debug, Default)]
pub struct Gone {
    /// Evicted for want of room.
    pub shed: Vec<Push>,
    /// Made needless by a newer push with the same collapse identity.
    pub coalesced: Vec<Push>,
}

/// Puts a push into the lanes and returns the one that is needless now.
type Insert = fn(&mut Lanes, Push) -> Option<Push>;

/// The queue of all partitions.
#[derive(Debug)]
pub struct Queue {
    parts: Vec<Part>,
    limits: Limits,
    keep: Keep,
    held: Occupancy,
    /// Where the search for pushes that are too late is.
    round: Round,
}

// === impl Queue ===

impl Queue {
    /// Returns an empty queue without partitions.
    pub fn new(limits: Limits, keep: Keep) -> Self {
        Self { parts: Vec::new(), limits, keep, held: Occupancy::new(), round: Round::default() }
    }

    /// Gives the next partition, which belongs to `route`, its part.
    pub fn open(&mut self, route: RouteId) {
        let (lanes, delayed) = (Lanes::default(), Delayed::default());
        self.parts.push(Part { route, lanes, delayed, next_deadline: Moment::NEVER });
        self.held.open();
    }

    /// Follows other limits and sheds what is too much by them, whatever is kept otherwise.
    pub fn follow(&mut self, limits: Limits, keep: Keep, shed: &mut Vec<Push>) {
        self.limits = limits;
        self.keep = keep;
        self.make_room(usize::MAX, shed);
    }

    /// Returns what it holds, waiting retries included.
    pub const fn load(&self) -> Load {
        self.held.sum().all()
    }

    /// Returns who holds it.
    pub const fn held(&self) -> &Occupancy {
        &self.held
    }

    /// Returns how many of a partition's pushes can be served now.
    pub fn ready(&self, route: RouteId) -> usize {
        self.parts[route.index()].lanes.len()
    }

    /// Returns the partitions of which pushes can be served now.
    pub fn with_pushes(&self) -> impl Iterator<Item = RouteId> {
        let waits = |(_, part): &(usize, &Part)| part.lanes.len() > 0;
        self.parts.iter().enumerate().filter(waits).map(|(number, _)| RouteId::at(number))
    }

    /// Returns how many of a partition's pushes are served before one of `sender` that arrives in `lane` now.
    pub fn ahead(&self, route: RouteId, lane: Lane, sender: SenderId) -> u64 {
        self.parts[route.index()].lanes.ahead(lane, sender) as u64
    }

    /// Queues arriving pushes; what is then too much is shed: first from the route that exceeds its share most,
    /// lowest lane first, oldest first.
    pub fn store(&mut self, route: RouteId, pushes: Vec<Push>, gone: &mut Gone) {
        let most = match self.keep {
            Keep::Newest => usize::MAX,
            // The door lets in what fits, and `critical` pushes that do not: each evicts one.
            Keep::Oldest => pushes.len(),
        };
        for push in pushes {
            self.insert(route, push, Lanes::push_back, &mut gone.coalesced);
        }
        self.make_room(most, &mut gone.shed);
    }

    /// Puts pushes back in front of their lanes, in this order.
    pub fn put_back(&mut self, route: RouteId, pushes: Vec<Push>, coalesced: &mut Vec<Push>) {
        for push in pushes.into_iter().rev() {
            self.insert(route, push, Lanes::push_front, coalesced);
        }
    }

    /// Keeps a push until `due`.
    pub fn delay(&mut self, route: RouteId, due: Moment, push: Push) {
        let part = &mut self.parts[route.index()];
        self.held.add(part.route, &push);
        part.delayed.insert(due, push);
    }

    /// Queues the retries that are due, behind their lanes, and returns how many they were.
    pub fn release_due(&mut self, route: RouteId, now: Moment, coalesced: &mut Vec<Push>) -> usize {
        let mut released = 0;
        while let Some(push) = self.parts[route.index()].delayed.pop_due(now) {
            self.held.remove(self.parts[route.index()].route, &push);
            self.insert(route, push, Lanes::push_back, coalesced);
            released += 1;
        }
        released
    }

    /// Returns when the next retry of any partition is due.
    pub fn next_due(&self) -> Option<Moment> {
        self.parts.iter().filter_map(|part| part.delayed.next_due()).min()
    }

    /// Moves up to `count` pushes in the order of service to `taken`; those past their deadline go to `expired` and do not count.
    pub fn take(
        &mut self,
        route: RouteId,
        count: usize,
        now: Moment,
        (taken, expired): (&mut Vec<Push>, &mut Vec<Push>),
    ) {
        let part = &mut self.parts[route.index()];
        taken.reserve(count.min(part.lanes.len()));
        while taken.len() < count {
            let Some(mut push) = part.lanes.pop() else { break };
            self.held.remove(part.route, &push);
            if push.is_expired(now) {
                expired.push(push);
            } else {
                if let Some(trace) = &mut push.trace {
                    trace.dispatched(now);
                }
                taken.push(push);
            }
        }
    }

    /// Returns when the push that has waited longest was accepted.
    pub fn oldest(&self) -> Option<Moment> {
        self.parts.iter().filter_map(|part| part.lanes.oldest()).min()
    }

    /// Returns whether the counts equal what is held.
    pub fn is_consistent(&self) -> bool {
        let held: usize = self.parts.iter().map(|part| part.lanes.len() + part.delayed.len()).sum();
        let load = self.load();
        load.pushes == held as u64 && (held > 0 || load.bytes == 0)
    }

    fn insert(&mut self, route: RouteId, push: Push, insert: Insert, coalesced: &mut Vec<Push>) {
        let part = &mut self.parts[route.index()];
        self.held.add(part.route, &push);
        part.next_deadline = part.next_deadline.min(push.deadline);
        if let Some(needless) = insert(&mut part.lanes, push) {
            self.held.remove(part.route, &needless);
            coalesced.push(needless);
        }
    }
}

#[cfg(test)]
mod tests;
