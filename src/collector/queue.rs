//! The collector's queue: all routes' lanes and waiting retries under one bound in pushes and bytes. Pure.
//!
//! Invariant ([`Queue::is_consistent`]): its counts equal what it holds. Pushes that come back from a pusher are always taken, so it
//! can stand above its bound by at most the sum of the windows; arriving pushes then shed until it is below again.

use super::Keep;
use super::delayed::Delayed;
use super::lanes::Lanes;
use crate::flow::{Sighting, Wanted, Whereabouts};
use crate::push::{Lane, Push, RouteId};
use crate::units::Moment;

/// How much of the buffer is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Pushes.
    pub pushes: u64,
    /// Bytes, overhead included.
    pub bytes: u64,
}

/// One route's part of the queue.
#[derive(Debug)]
struct RouteQueue {
    lanes: Lanes,
    delayed: Delayed,
    next_deadline: Moment,
}

/// The queue of all routes.
#[derive(Debug)]
pub struct Queue {
    routes: Vec<RouteQueue>,
    bound: Load,
    keep: Keep,
    load: Load,
}

// === impl Load ===

impl Load {
    /// Returns the load of one push.
    pub fn of(push: &Push) -> Self {
        Self { pushes: 1, bytes: push.cost() }
    }

    /// Returns whether it is above a bound.
    pub const fn exceeds(&self, bound: &Self) -> bool {
        self.pushes > bound.pushes || self.bytes > bound.bytes
    }

    /// Adds another load.
    pub const fn add(&mut self, other: Self) {
        self.pushes += other.pushes;
        self.bytes += other.bytes;
    }

    /// Takes a load away that was added before.
    pub const fn remove(&mut self, other: Self) {
        self.pushes -= other.pushes;
        self.bytes -= other.bytes;
    }
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
    pub fn new(routes: usize, bound: Load, keep: Keep) -> Self {
        Self {
            routes: std::iter::repeat_with(RouteQueue::default).take(routes).collect(),
            bound,
            keep,
            load: Load::default(),
        }
    }

    /// Returns what it holds, waiting retries included.
    pub const fn load(&self) -> Load {
        self.load
    }

    /// Returns how many of a route's pushes can be served now.
    pub fn ready(&self, route: RouteId) -> usize {
        self.routes[route.index()].lanes.len()
    }

    /// Queues arriving pushes; with [`Keep::Newest`] what is then too much goes to `shed`, lowest lane first, oldest first.
    pub fn store(&mut self, route: RouteId, pushes: Vec<Push>, shed: &mut Vec<Push>) {
        for push in pushes {
            self.insert(route, push, Lanes::push_back);
        }
        if self.keep == Keep::Newest {
            while self.load.exceeds(&self.bound) {
                let Some(push) = self.evict() else { break };
                shed.push(push);
            }
        }
    }

    /// Puts pushes back in front of their lanes, in this order.
    pub fn put_back(&mut self, route: RouteId, pushes: Vec<Push>) {
        for push in pushes.into_iter().rev() {
            self.insert(route, push, Lanes::push_front);
        }
    }

    /// Keeps a push until `due`.
    pub fn delay(&mut self, route: RouteId, due: Moment, push: Push) {
        self.load.add(Load::of(&push));
        self.routes[route.index()].delayed.insert(due, push);
    }

    /// Queues the retries that are due, behind their lanes, and returns how many they were.
    pub fn release_due(&mut self, route: RouteId, now: Moment) -> usize {
        let mut released = 0;
        while let Some(push) = self.routes[route.index()].delayed.pop_due(now) {
            self.load.remove(Load::of(&push));
            self.insert(route, push, Lanes::push_back);
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
            let Some(push) = queue.lanes.pop() else { break };
            self.load.remove(Load::of(&push));
            if push.is_expired(now) {
                expired.push(push);
            } else {
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
            self.load.remove(Load::of(push));
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
        self.load.pushes == held as u64 && (held > 0 || self.load.bytes == 0)
    }

    fn insert(&mut self, route: RouteId, push: Push, insert: fn(&mut Lanes, Push)) {
        self.load.add(Load::of(&push));
        let queue = &mut self.routes[route.index()];
        queue.next_deadline = queue.next_deadline.min(push.deadline);
        insert(&mut queue.lanes, push);
    }

    /// Takes the oldest push of the lowest lane in use, from the route that has most of them: a slow route loses its own first.
    fn evict(&mut self) -> Option<Push> {
        for lane in Lane::ALL.into_iter().rev() {
            let longest = self.routes.iter_mut().max_by_key(|queue| queue.lanes.waiting(lane))?;
            if let Some(push) = longest.lanes.evict(lane) {
                self.load.remove(Load::of(&push));
                return Some(push);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
