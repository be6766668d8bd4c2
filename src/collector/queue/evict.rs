//! Who loses a push when the buffer is too full. Pure.
//!
//! There may be a thousand partitions, and one arriving batch may cost a hundred others their place: so the partitions are looked at once for all
//! evictions in a row.

use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::{Part, Queue};
use crate::push::{Lane, Push, RouteId};

/// A route that may lose pushes: by lane, how many its partitions have waiting, and which partition that is; the most on top.
struct Candidate {
    route: RouteId,
    lanes: [BinaryHeap<(usize, usize)>; 4],
}

/// The routes with pushes; true as long as pushes leave the lanes by [`Queue::evict`] only.
struct Candidates(Vec<Candidate>);

// === impl Queue ===

impl Queue {
    /// Evicts up to `most` pushes until what is left is within the limits.
    pub(super) fn make_room(&mut self, most: usize, shed: &mut Vec<Push>) {
        let mut candidates = None;
        for _ in 0..most {
            let is_full = self.load().exceeds(&self.limits.all);
            if !is_full && !self.held.sum().ordinary.exceeds(&self.limits.ordinary) {
                break;
            }
            let candidates = candidates.get_or_insert_with(|| Candidates::of(&self.parts));
            let evicted = match self.evict(candidates, &Lane::ALL[1..]) {
                None if is_full => self.evict(candidates, &Lane::ALL[..1]),
                evicted => evicted,
            };
            let Some(push) = evicted else { break };
            shed.push(push);
        }
    }

    /// Takes the oldest push of the lowest of these lanes in use, from the route that exceeds its share most; if none does, from the one
    /// that uses most of its share among those that use the lowest lane. Of a route's partitions the one with most in the lane loses it.
    fn evict(&mut self, candidates: &mut Candidates, lanes: &[Lane]) -> Option<Push> {
        let pressure = |route: RouteId| self.limits.pressure(route, self.held.route(route));
        let victim = candidates.greatest(lanes, pressure).filter(|victim| pressure(*victim) > 1.0);
        let may_lose = |each: &Candidate| victim.is_none_or(|route| each.route == route);
        let holds = |each: &Candidate, lane: Lane| may_lose(each) && each.waits(lane);
        let lane = *lanes.iter().rev().find(|lane| candidates.0.iter().any(|each| holds(each, **lane)))?;
        let route = victim.or_else(|| candidates.greatest(&[lane], pressure))?;
        let part = candidates.take(route, lane)?;
        let push = self.parts[part].lanes.evict(lane)?;
        self.held.remove(route, &push);
        Some(push)
    }
}

// === impl Candidates ===

impl Candidates {
    fn of(parts: &[Part]) -> Self {
        let mut routes: Vec<Candidate> = Vec::new();
        for (number, part) in parts.iter().enumerate().filter(|(_, part)| part.lanes.len() > 0) {
            let known = routes.iter().position(|each| each.route == part.route).unwrap_or_else(|| {
                routes.push(Candidate { route: part.route, lanes: Default::default() });
                routes.len() - 1
            });
            for lane in Lane::ALL {
                let waiting = part.lanes.waiting(lane);
                if waiting > 0 {
                    routes[known].lanes[lane.index()].push((waiting, number));
                }
            }
        }
        Self(routes)
    }

    /// Returns the route under most pressure, of those with something in one of these lanes.
    fn greatest(&self, lanes: &[Lane], pressure: impl Fn(RouteId) -> f64) -> Option<RouteId> {
        let uses = |each: &&Candidate| lanes.iter().any(|lane| each.waits(*lane));
        let using = self.0.iter().filter(uses).map(|each| each.route);
        using.max_by(|one, other| pressure(*one).total_cmp(&pressure(*other)))
    }

    /// Takes note that a route loses a push of a lane, and returns which of its partitions does.
    fn take(&mut self, route: RouteId, lane: Lane) -> Option<usize> {
        let each = self.0.iter_mut().find(|each| each.route == route)?;
        let mut most = each.lanes[lane.index()].peek_mut()?;
        most.0 -= 1;
        let (left, part) = *most;
        if left == 0 {
            PeekMut::pop(most);
        }
        Some(part)
    }
}

// === impl Candidate ===

impl Candidate {
    fn waits(&self, lane: Lane) -> bool {
        !self.lanes[lane.index()].is_empty()
    }
}
