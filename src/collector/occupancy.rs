//! Who holds how much of the buffer, and what is allowed: counts by route and class, limits, room at the door. Pure.
//!
//! The queue counts with an [`Occupancy`], the intake's channel with another; [`Room`] looks at both for arriving pushes. Invariant: the sums
//! equal what was added and not removed. A route is meant as it is configured: however many partitions it has, it has one share.

use super::Keep;
use crate::outcome::Refusal;
use crate::push::{Lane, Push, RouteId};

/// How much of the buffer is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Pushes.
    pub pushes: u64,
    /// Bytes, overhead included.
    pub bytes: u64,
}

/// What the buffer may hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// All lanes together.
    pub all: Load,
    /// The lanes other than `critical`: what is above it is reserved.
    pub ordinary: Load,
    /// What each route may hold of `ordinary` while others need theirs; nothing for partitions that are not a route's first.
    pub routes: Vec<Load>,
}

/// What is held, by route and class.
#[derive(Debug, Clone, Default)]
pub struct Occupancy {
    routes: Vec<Classes>,
    sum: Classes,
}

/// Loads of `critical` and of the other lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Classes {
    /// The lane `critical`.
    pub critical: Load,
    /// The other lanes.
    pub ordinary: Load,
}

/// What the door knows while it looks at a batch.
#[derive(Debug)]
pub struct Room<'a> {
    /// The batch's route.
    pub route: RouteId,
    /// What the buffer may hold.
    pub limits: &'a Limits,
    /// What the channel between door and queue may hold beyond the buffer.
    pub channel_limits: &'a Limits,
    /// What is in that channel.
    pub channel: &'a mut Occupancy,
    /// What is in the queue; only looked at with [`Keep::Oldest`].
    pub queue: Option<&'a Occupancy>,
    /// What was granted.
    pub granted: Classes,
}

/// What the door decided about a batch.
#[derive(Debug, Default)]
pub struct Sifted {
    /// Positions of pushes that were not kept, and why.
    pub failed: Vec<(usize, Refusal)>,
    /// How many of them would have come too late.
    pub late: u64,
    /// How many found no room in the channel.
    pub behind: u64,
    /// The room that is reserved for the others.
    pub load: Classes,
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

    /// Returns the sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { pushes: self.pushes + other.pushes, bytes: self.bytes + other.bytes }
    }

    /// Returns what is left without a load that was added before.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self { pushes: self.pushes - other.pushes, bytes: self.bytes - other.bytes }
    }

    /// Returns a part of it, rounded down.
    #[must_use]
    pub fn part(self, share: f64) -> Self {
        let part = |whole: u64| (whole as f64 * share) as u64;
        Self { pushes: part(self.pushes), bytes: part(self.bytes) }
    }
}

// === impl Limits ===

impl Limits {
    /// Returns the limits of a buffer of which `critical` has a `reserve` (a share, 0 to 1) for itself.
    /// `weights` says how the routes share the rest, by number; 0 for a partition that is not a route's first.
    pub fn new(all: Load, reserve: f64, weights: &[u32]) -> Self {
        let ordinary = all.minus(all.part(reserve));
        let sum = weights.iter().copied().map(f64::from).sum::<f64>().max(1.0);
        let share = |weight: &u32| ordinary.part(f64::from(*weight) / sum);
        Self { all, ordinary, routes: weights.iter().map(share).collect() }
    }

    /// Returns how much of its share a route uses, in pushes or bytes, whichever is more; above 1 it lives on others' shares.
    pub fn pressure(&self, route: RouteId, held: &Classes) -> f64 {
        let share = &self.routes[route.index()];
        let part = |held: u64, share: u64| held as f64 / (share as f64).max(1.0);
        part(held.ordinary.pushes, share.pushes).max(part(held.ordinary.bytes, share.bytes))
    }
}

// === impl Classes ===

impl Classes {
    /// Returns both together.
    pub const fn all(&self) -> Load {
        self.critical.plus(self.ordinary)
    }

    /// Adds a push.
    pub fn add(&mut self, push: &Push) {
        let class = self.class(push.lane);
        *class = class.plus(Load::of(push));
    }

    fn remove(&mut self, push: &Push) {
        let class = self.class(push.lane);
        *class = class.minus(Load::of(push));
    }

    const fn subtract(&mut self, other: &Self) {
        self.critical = self.critical.minus(other.critical);
        self.ordinary = self.ordinary.minus(other.ordinary);
    }

    const fn class(&mut self, lane: Lane) -> &mut Load {
        match lane {
            Lane::Critical => &mut self.critical,
            Lane::High | Lane::Normal | Lane::Low => &mut self.ordinary,
        }
    }
}

// === impl Occupancy ===

impl Occupancy {
    /// Returns counts without partitions.
    pub const fn new() -> Self {
        let none = Load { pushes: 0, bytes: 0 };
        Self { routes: Vec::new(), sum: Classes { critical: none, ordinary: none } }
    }

    /// Gives the next partition a count.
    pub fn open(&mut self) {
        self.routes.push(Classes::default());
    }

    /// Returns what all routes hold.
    pub const fn sum(&self) -> &Classes {
        &self.sum
    }

    /// Returns what a route holds.
    pub fn route(&self, route: RouteId) -> &Classes {
        &self.routes[route.index()]
    }

    /// Counts a push of a route in.
    pub fn add(&mut self, route: RouteId, push: &Push) {
        self.routes[route.index()].add(push);
        self.sum.add(push);
    }

    /// Counts a push of a route out that was counted in before.
    pub fn remove(&mut self, route: RouteId, push: &Push) {
        self.routes[route.index()].remove(push);
        self.sum.remove(push);
    }

    /// Counts a batch of a route out that was counted in before.
    pub fn remove_batch(&mut self, route: RouteId, batch: &Classes) {
        self.routes[route.index()].subtract(batch);
        self.sum.subtract(batch);
    }
}

// === impl Room ===

impl Room<'_> {
    /// Takes room for an arriving push if there is some.
    pub fn take(&mut self, push: &Push, keep: Keep) -> bool {
        let fits = match (keep, self.queue) {
            // The queue makes room for whatever arrives; only the way there is bounded.
            (Keep::Newest, _) | (Keep::Oldest, None) => {
                Self::fits(push, self.channel.sum(), self.channel_limits)
            }
            (Keep::Oldest, Some(queue)) => self.fits_beside(push, queue),
        };
        if fits {
            self.channel.add(self.route, push);
            self.granted.add(push);
        }
        fits
    }

    /// Returns whether a push that is refused would find no room in the channel either: the collector does not follow.
    pub fn is_behind(&self, push: &Push) -> bool {
        !Self::fits(push, self.channel.sum(), self.channel_limits)
    }

    /// With [`Keep::Oldest`] what is there stays, unless a `critical` push needs its place, or a route that is below its share needs the
    /// place of one that is above.
    fn fits_beside(&self, push: &Push, queue: &Occupancy) -> bool {
        let mut held = *queue.sum();
        held.critical = held.critical.plus(self.channel.sum().critical);
        held.ordinary = held.ordinary.plus(self.channel.sum().ordinary);
        if Self::fits(push, &held, self.limits) {
            return true;
        }
        // The queue will evict for it: possible while others hold something, and only as fast as the collector follows.
        let is_entitled = match push.lane {
            Lane::Critical => !held.critical.plus(Load::of(push)).exceeds(&self.limits.all),
            Lane::High | Lane::Normal | Lane::Low => self.is_owed(push, queue),
        };
        is_entitled && Self::fits(push, self.channel.sum(), self.channel_limits)
    }

    /// Returns whether the push stays within its route's share while another route exceeds its own.
    fn is_owed(&self, push: &Push, queue: &Occupancy) -> bool {
        let own = queue.route(self.route).ordinary.plus(self.channel.route(self.route).ordinary);
        let mut routes = (0..self.limits.routes.len()).map(RouteId::at);
        !own.plus(Load::of(push)).exceeds(&self.limits.routes[self.route.index()])
            && routes.any(|other| self.limits.pressure(other, queue.route(other)) > 1.0)
    }

    fn fits(push: &Push, held: &Classes, limits: &Limits) -> bool {
        let load = Load::of(push);
        let reserved = push.lane != Lane::Critical && held.ordinary.plus(load).exceeds(&limits.ordinary);
        !reserved && !held.all().plus(load).exceeds(&limits.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::fixture::push;

    fn open(routes: usize) -> Occupancy {
        let mut held = Occupancy::default();
        (0..routes).for_each(|_| held.open());
        held
    }

    fn limits(pushes: u64, reserve: f64) -> Limits {
        Limits::new(Load { pushes, bytes: u64::MAX / 4 }, reserve, &[1])
    }

    /// Offers pushes to a door before a queue that holds `held`, and returns how many get in.
    fn offer(keep: Keep, held: &Occupancy, lane: Lane, count: u128) -> usize {
        let mut channel = open(1);
        let limits = limits(100, 0.1);
        let mut room = Room {
            route: RouteId(0),
            limits: &limits,
            channel_limits: &limits,
            channel: &mut channel,
            queue: Some(held),
            granted: Classes::default(),
        };
        (0..count).filter(|number| room.take(&push(*number, lane), keep)).count()
    }

    fn holding(lane: Lane, count: u128) -> Occupancy {
        let mut held = open(1);
        (0..count).for_each(|number| held.add(RouteId(0), &push(number, lane)));
        held
    }

    #[test]
    fn keep_oldest_refuses_ordinary_pushes_at_the_reserve_and_takes_critical_ones() {
        assert_eq!(offer(Keep::Oldest, &holding(Lane::Low, 80), Lane::High, 30), 10);
        assert_eq!(
            offer(Keep::Oldest, &holding(Lane::Low, 90), Lane::Critical, 30),
            30,
            "it evicts for them"
        );
        assert_eq!(offer(Keep::Oldest, &holding(Lane::Critical, 95), Lane::Critical, 30), 5);
        assert_eq!(offer(Keep::Oldest, &holding(Lane::Critical, 100), Lane::Normal, 1), 0);
    }

    #[test]
    fn keep_newest_bounds_the_way_in_with_the_same_reserve() {
        let full = holding(Lane::Low, 100);
        assert_eq!(offer(Keep::Newest, &full, Lane::Normal, 200), 90);
        assert_eq!(offer(Keep::Newest, &full, Lane::Critical, 200), 100);
    }

    #[test]
    fn keep_oldest_lets_a_route_have_its_share_from_one_that_has_more() {
        let limits = Limits::new(Load { pushes: 100, bytes: u64::MAX / 4 }, 0.0, &[1, 3]);
        let mut held = open(2);
        (0..100).for_each(|number| held.add(RouteId(0), &push(number, Lane::Normal)));
        let mut channel = open(2);
        let (limits, queue, granted) = (&limits, Some(&held), Classes::default());
        let route = RouteId(0);
        let mut room = Room { route, limits, channel_limits: limits, channel: &mut channel, queue, granted };
        assert!(!room.take(&push(0, Lane::Low), Keep::Oldest), "it has more than its share");
        room.route = RouteId(1);
        let of = |number: u128| Push { route: RouteId(1), ..push(number, Lane::Low) };
        assert_eq!((0..90).filter(|number| room.take(&of(*number), Keep::Oldest)).count(), 75);
    }

    #[test]
    fn a_reserve_below_one_push_is_none() {
        assert_eq!(limits(10, 0.05).ordinary.pushes, 10);
        assert_eq!(limits(1_000, 0.05).ordinary.pushes, 950);
    }
}
