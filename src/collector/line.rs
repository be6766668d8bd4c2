//! One lane of one route: a FIFO per sender, served round robin in quanta, so that no sender waits behind another's backlog. Pure.
//!
//! Deficit round robin where every push costs one: a sender's turn ends after [`QUANTUM`] pushes or when it has no more. Over any window
//! two senders that have pushes waiting get the same number, give or take a quantum.

use std::collections::VecDeque;

use super::fifo::{Fifo, Step};
use crate::push::{Push, SenderId};

/// Pushes a sender may have served in a turn. Large enough that a turn costs nothing per push, small beside a connection's window.
pub const QUANTUM: u32 = 16;

/// What one sender has waiting.
#[derive(Debug, Default)]
struct Backlog {
    pushes: Fifo,
    /// Pushes left in the present turn.
    credit: u32,
    /// Whether it is in the round.
    listed: bool,
}

/// The lane.
#[derive(Debug, Default)]
pub struct Line {
    backlogs: Vec<Backlog>,
    /// The senders to serve, in order; one that has nothing left leaves when its turn comes.
    round: VecDeque<u16>,
    len: usize,
}

/// A place in a partition's lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// The lane.
    pub lane: usize,
    /// The sender.
    pub sender: usize,
    /// The place among its pushes there; or behind it.
    pub place: u64,
}

// === impl Line ===

impl Line {
    /// Returns how many pushes wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns how many pushes are served before one of this sender that arrives now, at least: its own, and as many of each other's.
    pub fn ahead(&self, sender: SenderId) -> usize {
        let own = self.backlogs.get(sender.index()).map_or(0, |backlog| backlog.pushes.len());
        self.backlogs.iter().map(|backlog| backlog.pushes.len().min(own)).sum()
    }

    /// Puts a push behind its sender's others and returns its place there.
    pub fn push_back(&mut self, push: Push) -> u64 {
        self.len += 1;
        self.listed(push.sender).pushes.push_back(push)
    }

    /// Puts a push before its sender's others and returns its place there.
    pub fn push_front(&mut self, push: Push) -> u64 {
        self.len += 1;
        self.listed(push.sender).pushes.push_front(push)
    }

    /// Returns a sender's pushes; `None` for numbers above those of all senders there were.
    pub fn of(&self, sender: usize) -> Option<&Fifo> {
        self.backlogs.get(sender).map(|backlog| &backlog.pushes)
    }

    /// Returns the push at a sender's place.
    #[cfg(test)]
    pub fn get(&self, sender: SenderId, place: u64) -> Option<&Push> {
        self.backlogs.get(sender.index())?.pushes.get(place)
    }

    /// Puts a push in the place of another of its sender, which it returns.
    pub fn replace(&mut self, place: u64, push: Push) -> Option<Push> {
        self.backlogs.get_mut(push.sender.index())?.pushes.replace(place, push)
    }

    /// Takes out the push at a sender's place.
    pub fn take(&mut self, sender: SenderId, place: u64) -> Option<Push> {
        let push = self.backlogs.get_mut(sender.index())?.pushes.take(place)?;
        self.len -= 1;
        Some(push)
    }

    /// Closes gaps that were left by pushes taken out, and tells `moved` the new places.
    pub fn close_gaps(&mut self, mut moved: impl FnMut(&Push, u64)) {
        self.backlogs.iter_mut().for_each(|backlog| backlog.pushes.close_gaps(&mut moved));
    }

    /// Takes the push that is served next.
    pub fn pop(&mut self) -> Option<Push> {
        loop {
            let sender = *self.round.front()?;
            let backlog = &mut self.backlogs[usize::from(sender)];
            let Some(push) = backlog.pushes.pop_front() else {
                backlog.listed = false;
                self.round.pop_front();
                continue;
            };
            backlog.credit -= 1;
            if backlog.credit == 0 {
                backlog.credit = QUANTUM;
                self.round.rotate_left(1);
            }
            self.len -= 1;
            return Some(push);
        }
    }

    /// Takes the oldest push of the sender that has most waiting.
    pub fn evict(&mut self) -> Option<Push> {
        let push = self.backlogs.iter_mut().max_by_key(|backlog| backlog.pushes.len())?.pushes.pop_front()?;
        self.len -= 1;
        Some(push)
    }

    /// Returns all pushes, each sender's in order.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &Push> {
        self.backlogs.iter().flat_map(|backlog| backlog.pushes.iter())
    }

    /// Returns the oldest pushes of the senders.
    pub fn heads(&self) -> impl Iterator<Item = &Push> {
        self.backlogs.iter().filter_map(|backlog| backlog.pushes.iter().next())
    }

    /// Takes out pushes whose deadline has passed, from a mark in this lane on, which is moved, and tells `moved` the new places of others.
    pub fn sweep(&mut self, mark: &mut Mark, step: &mut Step<'_>, mut moved: impl FnMut(&Push, u64)) {
        while step.left > 0 {
            let Some(backlog) = self.backlogs.get_mut(mark.sender) else {
                step.left -= 1;
                *mark = Mark { lane: mark.lane + 1, ..Mark::default() };
                return;
            };
            let held = backlog.pushes.len();
            backlog.pushes.sweep(&mut mark.place, step);
            self.len -= held - backlog.pushes.len();
            if step.left > 0 {
                step.left -= 1;
                // Behind the mark now, or it would be among the same pushes again.
                backlog.pushes.close_gaps(&mut moved);
                (mark.sender, mark.place) = (mark.sender + 1, 0);
            }
        }
    }

    /// Returns a sender's backlog, and puts it into the round if it is not there.
    fn listed(&mut self, sender: SenderId) -> &mut Backlog {
        if self.backlogs.len() <= sender.index() {
            self.backlogs.resize_with(sender.index() + 1, Backlog::default);
        }
        let backlog = &mut self.backlogs[sender.index()];
        if !backlog.listed {
            backlog.listed = true;
            backlog.credit = QUANTUM;
            self.round.push_back(sender.0);
        }
        backlog
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::push::Lane;
    use crate::push::fixture::push;

    fn from(sender: u16, number: u128) -> Push {
        Push { sender: SenderId(sender), ..push(number, Lane::Normal) }
    }

    fn fill(line: &mut Line, sender: u16, numbers: std::ops::Range<u128>) {
        for number in numbers {
            line.push_back(from(sender, number));
        }
    }

    #[test]
    fn a_small_sender_is_not_held_up_by_a_large_one() {
        let mut line = Line::default();
        fill(&mut line, 0, 0..10_000);
        assert_eq!(line.pop().map(|push| push.sender.0), Some(0));
        fill(&mut line, 1, 0..3);
        assert_eq!(line.ahead(SenderId(1)), 6);
        let served: Vec<_> = std::iter::from_fn(|| line.pop()).take(20).map(|push| push.sender.0).collect();
        assert_eq!(served.iter().filter(|sender| **sender == 1).count(), 3, "{served:?}");
    }

    #[test]
    fn the_sender_with_most_loses_its_oldest_first() {
        let mut line = Line::default();
        line.push_back(from(1, 100));
        fill(&mut line, 0, 0..3);
        let evicted: Vec<_> = (0..2).filter_map(|_| line.evict()).map(|push| push.key.as_u128()).collect();
        assert_eq!(evicted, [0, 1]);
        assert_eq!(line.len(), 2);
    }

    proptest! {
        #[test]
        fn backlogged_senders_get_the_same_over_any_window(
            backlogs in prop::collection::vec(100..400_u128, 2..6),
            start in 0..50_usize,
            evictions in 0..20_usize,
        ) {
            let mut line = Line::default();
            for (sender, count) in (0..).zip(&backlogs) {
                fill(&mut line, sender, 0..*count);
            }
            (0..evictions).for_each(|_| drop(line.evict()));
            let least = line.backlogs.iter().map(|backlog| backlog.pushes.len()).min().unwrap_or(0);
            // As long as none can have run out.
            let served: Vec<_> = (0..least).map(|_| line.pop().unwrap().sender.index()).collect();
            let mut counts = vec![0_u32; backlogs.len()];
            for sender in &served[start..] {
                counts[*sender] += 1;
                let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
                prop_assert!(most - least <= QUANTUM, "{:?}", counts);
            }
        }

        #[test]
        fn each_sender_is_served_in_its_order_and_nobody_is_forgotten(steps in prop::collection::vec((0..4_u16, any::<bool>()), 1..300)) {
            let mut line = Line::default();
            let (mut number, mut last) = (0, [None; 4]);
            for (sender, arrives) in steps {
                if arrives {
                    number += 1;
                    line.push_back(from(sender, number));
                } else if let Some(push) = line.pop() {
                    prop_assert!(last[push.sender.index()] < Some(push.key));
                    last[push.sender.index()] = Some(push.key);
                } else {
                    prop_assert_eq!(line.len(), 0);
                }
                prop_assert_eq!(line.len(), line.iter().count());
            }
        }
    }
}
