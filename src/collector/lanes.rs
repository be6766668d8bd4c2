//! One route's queue: a line per priority lane and the order in which the lanes are served. Pure.
//!
//! `critical` is served before everything else; the other lanes share what is left by weight, so that a campaign cannot hold up
//! conversations and conversations cannot starve a campaign for ever.

use super::line::Line;
use crate::push::{Lane, Push, SenderId};
use crate::units::Moment;

/// Pushes served from a lane per round while all of them wait (`critical` is outside the rounds).
const WEIGHTS: [u32; 4] = [0, 16, 4, 1];

/// The lanes of one route.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: [Line; 4],
    credits: [u32; 4],
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

    /// Puts a push at the back of its lane.
    pub fn push_back(&mut self, push: Push) {
        self.lanes[push.lane.index()].push_back(push);
        self.len += 1;
    }

    /// Puts a push at the front of its lane.
    pub fn push_front(&mut self, push: Push) {
        self.lanes[push.lane.index()].push_front(push);
        self.len += 1;
    }

    /// Takes the push that is served next.
    pub fn pop(&mut self) -> Option<Push> {
        let push = match self.lanes[Lane::Critical.index()].pop() {
            Some(push) => push,
            None => self.pop_by_weight()?,
        };
        self.len -= 1;
        Some(push)
    }

    /// Takes the oldest push of a lane, of the sender that has most there, to shed it.
    pub fn evict(&mut self, lane: Lane) -> Option<Push> {
        let push = self.lanes[lane.index()].evict()?;
        self.len -= 1;
        Some(push)
    }

    /// Takes out every push whose deadline has passed and returns the earliest deadline of those that stay.
    pub fn sweep(&mut self, now: Moment, expired: &mut Vec<Push>) -> Moment {
        let mut earliest = Moment::NEVER;
        for lane in &mut self.lanes {
            let held = lane.len();
            lane.extract(|push| push.is_expired(now), expired);
            self.len -= held - lane.len();
            earliest = lane.iter().map(|push| push.deadline).fold(earliest, Moment::min);
        }
        earliest
    }

    /// Returns when the push that has waited longest, of those at the heads of the lanes, was accepted.
    pub fn oldest(&self) -> Option<Moment> {
        self.lanes.iter().flat_map(Line::heads).map(|push| push.accepted_at).min()
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
    use super::*;
    use crate::push::fixture::push;

    fn order(lanes: &mut Lanes) -> Vec<Lane> {
        std::iter::from_fn(|| lanes.pop()).map(|push| push.lane).collect()
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
        (0..5).for_each(|number| lanes.push_back(push(number, Lane::Critical)));
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
        let mut expired = Vec::new();
        assert_eq!(lanes.sweep(Moment::from_micros(35), &mut expired), Moment::from_micros(40));
        assert_eq!((expired.len(), lanes.len()), (3, 3));
    }
}
