//! One route's queue: a line per priority lane and the order in which the lanes are served. Pure.
//!
//! `critical` is served before everything else; the other lanes share what is left by weight, so that a campaign cannot hold up
//! conversations and conversations cannot starve a campaign for ever. Of pushes with the same collapse identity only the newest is held, and none is
//! taken in after a newer one, even if that has gone out.

use super::fifo::Step;
use super::line::{Line, Mark};
use super::places::{Place, Places};
use crate::push::{Collapse, Lane, Push, SenderId};
use crate::units::Moment;

/// Pushes served from a lane per round while all of them wait (`critical` is outside the rounds).
const WEIGHTS: [u32; 4] = [0, 16, 4, 1];

/// The lanes of one route.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: [Line; 4],
    credits: [u32; 4],
    places: Places,
    len: usize,
}

// === impl Lanes ===

impl Lanes {
    /// Returns how many pushes wait, over all lanes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns how many pushes wait in a lane.
    pub fn waiting(&self, lane: Lane) -> usize {
        self.lanes[lane.index()].len()
    }

    /// Returns how many pushes are served before one of `sender` that arrives in `lane` now: all that is more urgent by rule, what goes
    /// before it in the lane, and of each other lane what the weights let pass meanwhile.
    pub fn ahead(&self, lane: Lane, sender: SenderId) -> usize {
        let own = self.lanes[lane.index()].ahead(sender);
        if lane == Lane::Critical {
            return own;
        }
        let beside = |other: &Lane| match *other {
            Lane::Critical => self.waiting(Lane::Critical),
            other if other == lane => own,
            other => {
                let pass = own * WEIGHTS[other.index()] as usize / WEIGHTS[lane.index()] as usize;
                pass.min(self.waiting(other))
            }
        };
        Lane::ALL.iter().map(beside).sum()
    }

    /// Puts a push at the back of its lane, or in the place of the one that it makes needless; returns the needless one, which may be
    /// the push itself.
    pub fn push_back(&mut self, push: Push) -> Option<Push> {
        self.put(push, Line::push_back)
    }

    /// As [`Lanes::push_back`], at the front of the lane.
    pub fn push_front(&mut self, push: Push) -> Option<Push> {
        self.put(push, Line::push_front)
    }

    /// Takes the push that is served next.
    pub fn pop(&mut self) -> Option<Push> {
        let push = match self.lanes[Lane::Critical.index()].pop() {
            Some(push) => push,
            None => self.pop_by_weight()?,
        };
        self.len -= 1;
        self.places.forget(&push);
        Some(push)
    }

    /// Takes the oldest push of a lane, of the sender that has most there, to shed it.
    pub fn evict(&mut self, lane: Lane) -> Option<Push> {
        let push = self.lanes[lane.index()].evict()?;
        self.places.forget(&push);
        self.len -= 1;
        Some(push)
    }

    /// Takes out pushes whose deadline has passed, from a mark on, which is moved; returns whether that was all.
    pub fn sweep(&mut self, mark: &mut Mark, step: &mut Step<'_>) -> bool {
        let first = step.expired.len();
        while step.left > 0
            && let Some(line) = self.lanes.get_mut(mark.lane)
        {
            line.sweep(mark, step, |push, number| self.places.note(push, number));
        }
        let expired = &step.expired[first..];
        expired.iter().for_each(|push| self.places.forget(push));
        self.len -= expired.len();
        mark.lane == self.lanes.len()
    }

    /// Returns a lane by its number; `None` behind the last.
    pub fn line(&self, lane: usize) -> Option<&Line> {
        self.lanes.get(lane)
    }

    /// Returns when the push that has waited longest, of those at the heads of the lanes, was accepted.
    pub fn oldest(&self) -> Option<Moment> {
        self.lanes.iter().flat_map(Line::heads).map(|push| push.accepted_at).min()
    }

    fn put(&mut self, push: Push, insert: fn(&mut Line, Push) -> u64) -> Option<Push> {
        let Some(id) = push.collapse.as_deref().map(Collapse::id) else {
            insert(&mut self.lanes[push.lane.index()], push);
            self.len += 1;
            return None;
        };
        if push.is_superseded() {
            return Some(push);
        }
        push.note_queued();
        let mut needless = None;
        if let Some(Place { lane, sender, number }) = self.places.get(id) {
            let line = &mut self.lanes[lane.index()];
            if (lane, sender) == (push.lane, push.sender) {
                return line.replace(number, push);
            }
            needless = line.take(sender, number);
            self.len -= usize::from(needless.is_some());
            line.close_gaps(|push, number| self.places.note(push, number));
        }
        let (lane, sender) = (push.lane, push.sender);
        let number = insert(&mut self.lanes[lane.index()], push);
        self.places.set(id, Place { lane, sender, number });
        self.len += 1;
        needless
    }

    fn pop_by_weight(&mut self) -> Option<Push> {
        for _round in 0..2 {
            for lane in [Lane::High, Lane::Normal, Lane::Low] {
                let index = lane.index();
                if self.credits[index] == 0 {
                    continue;
                }
                if let Some(push) = self.lanes[index].pop() {
                    self.credits[index] -= 1;
                    return Some(push);
                }
            }
            self.credits = WEIGHTS;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::push::fixture::push;
    use crate::push::{CollapseId, Collapses};

    fn order(lanes: &mut Lanes) -> Vec<Lane> {
        std::iter::from_fn(|| lanes.pop()).map(|push| push.lane).collect()
    }

    fn collapsing(live: &Collapses, (number, id): (u128, u128), lane: Lane) -> Push {
        let accepted_at = Moment::from_micros(number as u64);
        Push { collapse: Some(live.of(CollapseId(id))), accepted_at, ..push(number, lane) }
    }

    fn sweep(lanes: &mut Lanes, now: Moment) -> (usize, Moment) {
        let mut expired = Vec::new();
        let mut step = Step { now, left: usize::MAX, earliest: Moment::NEVER, expired: &mut expired };
        assert!(lanes.sweep(&mut Mark::default(), &mut step));
        let earliest = step.earliest;
        (expired.len(), earliest)
    }

    fn key(push: Option<Push>) -> Option<u128> {
        push.map(|push| push.key.as_u128())
    }

    #[test]
    fn a_newer_push_takes_the_place_of_the_one_it_makes_needless() {
        let (live, mut lanes) = (&Collapses::default(), Lanes::default());
        for number in [1, 2, 3] {
            assert!(lanes.push_back(collapsing(live, (number, number), Lane::Normal)).is_none());
        }
        assert_eq!(key(lanes.push_back(collapsing(live, (10, 2), Lane::Normal))), Some(2));
        assert_eq!(
            key(lanes.push_front(collapsing(live, (5, 2), Lane::Normal))),
            Some(5),
            "one that comes back late is needless"
        );
        assert_eq!(lanes.len(), 3);
        let keys: Vec<_> = std::iter::from_fn(|| key(lanes.pop())).collect();
        assert_eq!(keys, [1, 10, 3]);
        assert!(
            lanes.push_back(collapsing(live, (11, 2), Lane::Normal)).is_none(),
            "what was served is out of the way"
        );
        assert_eq!(key(lanes.push_back(collapsing(live, (9, 2), Lane::High))), Some(9));
        assert_eq!(key(lanes.pop()), Some(11));
        let (late, newest) =
            (collapsing(live, (10, 2), Lane::Normal), collapsing(live, (11, 2), Lane::Normal));
        assert!(
            lanes.push_front(newest).is_none(),
            "nothing newer than itself was queued, though it is forgotten"
        );
        assert_eq!(key(lanes.push_front(late)), Some(10));
    }

    #[test]
    fn a_newer_push_of_another_lane_or_sender_goes_there() {
        let (live, mut lanes) = (&Collapses::default(), Lanes::default());
        lanes.push_back(collapsing(live, (1, 7), Lane::Low));
        assert_eq!(key(lanes.push_back(collapsing(live, (2, 7), Lane::High))), Some(1));
        assert_eq!((lanes.waiting(Lane::Low), lanes.waiting(Lane::High)), (0, 1));
        let other = Push { sender: SenderId(3), ..collapsing(live, (3, 7), Lane::High) };
        assert_eq!(key(lanes.push_back(other)), Some(2));
        assert_eq!((lanes.len(), key(lanes.pop()), key(lanes.pop())), (1, Some(3), None));
    }

    proptest! {
        #[test]
        fn of_each_identity_the_newest_is_held_and_the_index_is_no_larger_than_the_queue(
            steps in prop::collection::vec((0..8_u8, 0..6_u128, 0..4_usize, 0..3_u16), 1..300),
        ) {
            let (live, mut lanes) = (&Collapses::default(), Lanes::default());
            let (mut entered, mut left) = (0, 0);
            for (number, (kind, id, lane, sender)) in (1_u128..).zip(steps) {
                let now = Moment::from_micros(number as u64);
                match kind {
                    0..4 => {
                        let deadline = now.after(std::time::Duration::from_micros(number as u64 % 50));
                        let push = Push { sender: SenderId(sender), deadline, ..collapsing(live, (number, id), Lane::ALL[lane]) };
                        entered += 1;
                        left += usize::from(lanes.push_back(push).is_some());
                    }
                    4 => {
                        entered += 1;
                        lanes.push_back(push(number, Lane::ALL[lane]));
                    }
                    5 => left += usize::from(lanes.pop().is_some()),
                    6 => left += usize::from(lanes.evict(Lane::ALL[lane]).is_some()),
                    _ => {
                        left += sweep(&mut lanes, now).0;
                    }
                }
                let held: Vec<_> = lanes.lanes.iter().flat_map(Line::iter).collect();
                prop_assert_eq!((held.len(), entered - left), (lanes.len(), lanes.len()));
                let ids: Vec<_> = held.iter().filter_map(|push| push.collapse.as_deref().map(Collapse::id)).collect();
                prop_assert_eq!(lanes.places.len(), ids.len());
                for id in &ids {
                    let place = lanes.places.get(*id).expect("a held push is in the index");
                    let found = lanes.lanes[place.lane.index()].get(place.sender, place.number);
                    prop_assert_eq!(found.and_then(|push| push.collapse.as_deref()).map(Collapse::id), Some(*id));
                }
            }
        }
    }

    #[test]
    fn critical_goes_first_and_the_others_share_by_weight() {
        let mut lanes = Lanes::default();
        for number in 0..100 {
            for lane in Lane::ALL {
                lanes.push_back(push(number, lane));
            }
        }
        let order = order(&mut lanes);
        assert_eq!(order.len(), 400);
        assert!(order[..100].iter().all(|lane| *lane == Lane::Critical));
        let round = &order[100..121];
        assert_eq!(round.iter().filter(|lane| **lane == Lane::High).count(), 16);
        assert_eq!(round.iter().filter(|lane| **lane == Lane::Normal).count(), 4);
        assert_eq!(round.iter().filter(|lane| **lane == Lane::Low).count(), 1);
        assert_eq!(lanes.len(), 0);
    }

    #[test]
    fn a_lane_is_first_in_first_out_and_returns_go_to_its_front() {
        let mut lanes = Lanes::default();
        for number in 1..4 {
            lanes.push_back(push(number, Lane::Normal));
        }
        lanes.push_front(push(0, Lane::Normal));
        let keys: Vec<_> = std::iter::from_fn(|| lanes.pop()).map(|push| push.key.as_u128()).collect();
        assert_eq!(keys, [0, 1, 2, 3]);
    }

    #[test]
    fn what_is_ahead_is_what_is_served_first() {
        let mut lanes = Lanes::default();
        for number in 0..320 {
            for lane in [Lane::High, Lane::Normal] {
                lanes.push_back(push(number, lane));
            }
        }
        (0..5).for_each(|number| drop(lanes.push_back(push(number, Lane::Critical))));
        assert_eq!(lanes.ahead(Lane::Critical, SenderId::default()), 5);
        assert_eq!(lanes.ahead(Lane::High, SenderId::default()), 5 + 320 + 80);
        assert_eq!(lanes.ahead(Lane::Normal, SenderId::default()), 5 + 320 + 320);
        assert_eq!(
            lanes.ahead(Lane::Low, SenderId::default()),
            5,
            "its first push waits for no more than a round"
        );
        let mut marked = push(999, Lane::High);
        marked.attempts = 1;
        lanes.push_back(marked);
        let served = std::iter::from_fn(|| lanes.pop()).position(|push| push.attempts == 1);
        assert!(served.is_some_and(|served| served.abs_diff(5 + 320 + 80) <= 4), "{served:?}");
    }

    #[test]
    fn a_sweep_takes_exactly_the_expired_and_names_the_next_deadline() {
        let mut lanes = Lanes::default();
        for number in 1..=6 {
            let mut push = push(number, Lane::ALL[number as usize % 4]);
            push.deadline = Moment::from_micros(number as u64 * 10);
            lanes.push_back(push);
        }
        assert_eq!(sweep(&mut lanes, Moment::from_micros(35)), (3, Moment::from_micros(40)));
        assert_eq!(lanes.len(), 3);
    }
}
