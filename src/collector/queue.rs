//! The collector's queue: all routes' lanes and waiting retries under one bound in pushes and bytes. Pure.
//!
//! Invariant ([`Queue::is_consistent`]): its counts equal what it holds. Pushes that come back from a pusher are always taken, so it
//! can stand above its bound by at most the sum of the windows; arriving pushes then shed until it is below again.

use super::Keep;
use super::delayed::Delayed;
use super::lanes::Lanes;
use super::occupancy::{Limits, Load, Occupancy};
use crate::flow::{Sighting, Wanted, Whereabouts};
use crate::push::{Lane, Push, RouteId, SenderId};
use crate::units::Moment;

/// One route's part of the queue.
#[derive(Debug)]
struct RouteQueue {
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

/// The queue of all routes.
#[derive(Debug)]
pub struct Queue {
    routes: Vec<RouteQueue>,
    limits: Limits,
    keep: Keep,
    held: Occupancy,
}

// === impl RouteQueue ===

impl Default for RouteQueue {
    fn default() -> Self {
        Self { lanes: Lanes::default(), delayed: Delayed::default(), next_deadline: Moment::NEVER }
    }
}

// === impl Queue ===

impl Queue {
    /// Returns an empty queue.
    pub fn new(routes: usize, limits: Limits, keep: Keep) -> Self {
        Self {
            routes: std::iter::repeat_with(RouteQueue::default).take(routes).collect(),
            limits,
            keep,
            held: Occupancy::new(routes),
        }
    }

    /// Returns what it holds, waiting retries included.
    pub const fn load(&self) -> Load {
        self.held.sum().all()
    }

    /// Returns who holds it.
    pub const fn held(&self) -> &Occupancy {
        &self.held
    }

    /// Returns how many of a route's pushes can be served now.
    pub fn ready(&self, route: RouteId) -> usize {
        self.routes[route.index()].lanes.len()
    }

    /// Returns how many of a route's pushes are served before one of `sender` that arrives in `lane` now.
    pub fn ahead(&self, route: RouteId, lane: Lane, sender: SenderId) -> u64 {
        self.routes[route.index()].lanes.ahead(lane, sender) as u64
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
        self.held.add(&push);
        self.routes[route.index()].delayed.insert(due, push);
    }

    /// Queues the retries that are due, behind their lanes, and returns how many they were.
    pub fn release_due(&mut self, route: RouteId, now: Moment, coalesced: &mut Vec<Push>) -> usize {
        let mut released = 0;
        while let Some(push) = self.routes[route.index()].delayed.pop_due(now) {
            self.held.remove(&push);
            self.insert(route, push, Lanes::push_back, coalesced);
            released += 1;
        }
        released
    }

    /// Returns when the next retry of any route is due.
    pub fn next_due(&self) -> Option<Moment> {
        self.routes.iter().filter_map(|queue| queue.delayed.next_due()).min()
    }

    /// Takes up to `count` pushes in the order of service; those past their deadline go to `expired` and do not count.
    pub fn take(&mut self, route: RouteId, count: usize, now: Moment, expired: &mut Vec<Push>) -> Vec<Push> {
        let queue = &mut self.routes[route.index()];
        let mut taken = Vec::with_capacity(count.min(queue.lanes.len()));
        while taken.len() < count {
            let Some(mut push) = queue.lanes.pop() else { break };
            self.held.remove(&push);
            if push.is_expired(now) {
                expired.push(push);
            } else {
                if let Some(trace) = &mut push.trace {
                    trace.dispatched(now);
                }
                taken.push(push);
            }
        }
        taken
    }

    /// Takes out a route's pushes whose deadline has passed.
    pub fn sweep(&mut self, route: RouteId, now: Moment, expired: &mut Vec<Push>) {
        let queue = &mut self.routes[route.index()];
        if queue.next_deadline >= now {
            return;
        }
        let first = expired.len();
        queue.next_deadline = queue.lanes.sweep(now, expired);
        for push in &expired[first..] {
            self.held.remove(push);
        }
    }

    /// Looks for a push among all that are held.
    pub fn find(&self, wanted: &Wanted) -> Option<Sighting> {
        let is_it = |push: &Push| wanted.is(push.key, push.name.as_deref());
        self.routes.iter().find_map(|queue| {
            let waiting = queue.lanes.iter().find(|push| is_it(push));
            waiting.map(|push| Sighting::of(push, Whereabouts::Buffered)).or_else(|| {
                let (due, push) = queue.delayed.iter().find(|(_, push)| is_it(push))?;
                Some(Sighting::of(push, Whereabouts::WaitingRetry { due }))
            })
        })
    }

    /// Returns when the push that has waited longest was accepted.
    pub fn oldest(&self) -> Option<Moment> {
        self.routes.iter().filter_map(|queue| queue.lanes.oldest()).min()
    }

    /// Returns whether the counts equal what is held.
    pub fn is_consistent(&self) -> bool {
        let held: usize = self.routes.iter().map(|queue| queue.lanes.len() + queue.delayed.len()).sum();
        let load = self.load();
        load.pushes == held as u64 && (held > 0 || load.bytes == 0)
    }

    fn insert(&mut self, route: RouteId, push: Push, insert: Insert, coalesced: &mut Vec<Push>) {
        self.held.add(&push);
        let queue = &mut self.routes[route.index()];
        queue.next_deadline = queue.next_deadline.min(push.deadline);
        if let Some(needless) = insert(&mut queue.lanes, push) {
            self.held.remove(&needless);
            coalesced.push(needless);
        }
    }

    /// Evicts up to `most` pushes until what is left is within the limits.
    fn make_room(&mut self, most: usize, shed: &mut Vec<Push>) {
        for _ in 0..most {
            let is_full = self.load().exceeds(&self.limits.all);
            if !is_full && !self.held.sum().ordinary.exceeds(&self.limits.ordinary) {
                break;
            }
            let evicted = match self.evict(&Lane::ALL[1..]) {
                None if is_full => self.evict(&Lane::ALL[..1]),
                evicted => evicted,
            };
            let Some(push) = evicted else { break };
            shed.push(push);
        }
    }

    /// Takes the oldest push of the lowest of these lanes in use, from the route that exceeds its share most; if none does, from the one
    /// that uses most of its share among those that use the lowest lane.
    fn evict(&mut self, lanes: &[Lane]) -> Option<Push> {
        let victim = self.most_over_share(lanes);
        let lane = |lane: &&Lane| match victim {
            Some(route) => self.routes[route].lanes.waiting(**lane) > 0,
            None => self.routes.iter().any(|queue| queue.lanes.waiting(**lane) > 0),
        };
        let lane = *lanes.iter().rev().find(lane)?;
        let route = victim.or_else(|| self.greatest(|route| self.routes[route].lanes.waiting(lane) > 0))?;
        let push = self.routes[route].lanes.evict(lane)?;
        self.held.remove(&push);
        Some(push)
    }

    /// Returns the route that exceeds its share most, of those that have something in these lanes.
    fn most_over_share(&self, lanes: &[Lane]) -> Option<usize> {
        let uses = |route: usize| lanes.iter().any(|lane| self.routes[route].lanes.waiting(*lane) > 0);
        self.greatest(uses).filter(|route| self.limits.pressure(*route, self.held.route(*route)) > 1.0)
    }

    /// Returns the route that uses most of its share, of those for which `is_meant` holds.
    fn greatest(&self, is_meant: impl Fn(usize) -> bool) -> Option<usize> {
        let pressure = |route: &usize| self.limits.pressure(*route, self.held.route(*route));
        (0..self.routes.len())
            .filter(|route| is_meant(*route))
            .max_by(|one, other| pressure(one).total_cmp(&pressure(other)))
    }
}

#[cfg(test)]
mod tests;
