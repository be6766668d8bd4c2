//! A FIFO whose pushes keep their places: one in the middle can be replaced or taken out in constant time. Pure.
//!
//! Places are numbered without end in the order of service. A push that was taken out leaves a gap; gaps at the front go at once, and when
//! there are more gaps than pushes the FIFO is rebuilt, so that memory and the cost per push stay bounded. Pushes lie in blocks of
//! [`BLOCK`] places: a backlog that grows to a million never has to be moved, which would hold up everybody for a tenth of a second,
//! and one that shrinks gives its memory back.

use std::collections::VecDeque;

use crate::push::Push;
use crate::units::Moment;

/// The number of the first place; far from both ends, since pushes come in at the front too.
const FIRST: u64 = 1 << 63;
/// Gaps that are left alone.
const SPARE_GAPS: u64 = 64;
/// Places in a block; about 6 KiB.
const BLOCK: u64 = 64;

/// Up to [`BLOCK`] places in a row; all but the last block have all of theirs.
type Block = Vec<Option<Push>>;

/// The FIFO.
#[derive(Debug)]
pub struct Fifo {
    /// The block of `front` and all behind it; none if there are no pushes, since every sender of every route has a FIFO for each lane.
    blocks: VecDeque<Block>,
    /// The first place, which is never a gap.
    front: u64,
    /// The place behind the last.
    back: u64,
    len: usize,
}

/// A step through pushes, to take out those whose deadline has passed.
#[derive(Debug)]
pub struct Step<'a> {
    /// When it is.
    pub now: Moment,
    /// Places that it may still look at.
    pub left: usize,
    /// The earliest deadline of pushes that stay.
    pub earliest: Moment,
    /// Pushes that were taken out.
    pub expired: &'a mut Vec<Push>,
}

// === impl Fifo ===

impl Default for Fifo {
    fn default() -> Self {
        Self { blocks: VecDeque::new(), front: FIRST, back: FIRST, len: 0 }
    }
}

impl Fifo {
    /// Returns how many pushes it holds.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Puts a push at the back and returns its place.
    pub fn push_back(&mut self, push: Push) -> u64 {
        if self.back.is_multiple_of(BLOCK) {
            self.blocks.push_back(Vec::with_capacity(BLOCK as usize));
        }
        if let Some(block) = self.blocks.back_mut() {
            block.push(Some(push));
        }
        self.len += 1;
        self.back += 1;
        self.back - 1
    }

    /// Puts a push at the front and returns its place.
    pub fn push_front(&mut self, push: Push) -> u64 {
        if self.front.is_multiple_of(BLOCK) {
            self.blocks.push_front((0..BLOCK).map(|_| None).collect());
        }
        self.front -= 1;
        self.blocks[0][at(self.front)] = Some(push);
        self.len += 1;
        self.front
    }

    /// Takes the push at the front.
    pub fn pop_front(&mut self) -> Option<Push> {
        let push = self.blocks.front_mut()?.get_mut(at(self.front))?.take()?;
        self.len -= 1;
        self.advance();
        self.trim();
        Some(push)
    }

    /// Returns the push at a place.
    #[cfg(test)]
    pub fn get(&self, place: u64) -> Option<&Push> {
        self.blocks.get(self.block_of(place)?)?.get(at(place))?.as_ref()
    }

    /// Puts a push in the place of another, which it returns.
    pub fn replace(&mut self, place: u64, push: Push) -> Option<Push> {
        self.slot(place)?.replace(push)
    }

    /// Takes out the push at a place.
    pub fn take(&mut self, place: u64) -> Option<Push> {
        let push = self.slot(place)?.take()?;
        self.len -= 1;
        self.trim();
        Some(push)
    }

    /// Takes out pushes whose deadline has passed, from `place` on, which is moved behind what was looked at.
    pub fn sweep(&mut self, place: &mut u64, step: &mut Step<'_>) {
        let from = (*place).max(self.front);
        let to = self.back.min(from.saturating_add(step.left as u64));
        for place in from..to {
            let Some(slot) = self.slot(place) else { break };
            match slot {
                Some(push) if push.is_expired(step.now) => {
                    step.expired.extend(slot.take());
                    self.len -= 1;
                }
                Some(push) => step.earliest = step.earliest.min(push.deadline),
                None => {}
            }
        }
        step.left -= to.saturating_sub(from) as usize;
        *place = to;
        self.trim();
    }

    /// Closes the gaps if there are many, and tells `moved` the new places.
    pub fn close_gaps(&mut self, mut moved: impl FnMut(&Push, u64)) {
        if self.back - self.front <= self.len as u64 * 2 + SPARE_GAPS {
            return;
        }
        let start = self.back.next_multiple_of(BLOCK);
        let old = std::mem::replace(self, Self { front: start, back: start, ..Self::default() });
        for push in old.blocks.into_iter().flatten().flatten() {
            moved(&push, self.back);
            self.push_back(push);
        }
    }

    /// Returns the pushes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Push> {
        self.blocks.iter().flatten().flatten()
    }

    /// Returns the places from `place` on, in order, and the push at each that is no gap.
    pub fn behind(&self, place: u64) -> impl Iterator<Item = (u64, Option<&Push>)> {
        let from = place.max(self.front);
        let first = self.block_of(from).unwrap_or(usize::MAX);
        let start = from - from % BLOCK;
        let slots = self.blocks.iter().skip(first).flatten();
        (start..).zip(slots).skip(at(from)).map(|(place, slot)| (place, slot.as_ref()))
    }

    fn block_of(&self, place: u64) -> Option<usize> {
        usize::try_from((place / BLOCK).checked_sub(self.front / BLOCK)?).ok()
    }

    fn slot(&mut self, place: u64) -> Option<&mut Option<Push>> {
        let block = self.block_of(place)?;
        self.blocks.get_mut(block)?.get_mut(at(place))
    }

    /// Leaves the first place behind, which is a gap.
    fn advance(&mut self) {
        self.front += 1;
        if self.front.is_multiple_of(BLOCK) {
            self.blocks.pop_front();
        }
    }

    fn trim(&mut self) {
        if self.len == 0 {
            self.blocks = VecDeque::new();
            self.back = self.back.next_multiple_of(BLOCK);
            self.front = self.back;
        }
        while self.front < self.back && self.blocks[0][at(self.front)].is_none() {
            self.advance();
        }
    }
}

/// Returns a place's index in its block.
const fn at(place: u64) -> usize {
    (place % BLOCK) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::push::Lane;
    use crate::push::fixture::push;

    #[test]
    fn gaps_do_not_pile_up_behind_a_push_that_stays() {
        let mut fifo = Fifo::default();
        fifo.push_back(push(0, Lane::Low));
        for number in 1..10_000 {
            let place = fifo.push_back(push(number, Lane::Low));
            assert!(fifo.take(place).is_some());
            fifo.close_gaps(|_, _| {});
            assert!(fifo.back - fifo.front <= SPARE_GAPS + 3, "{}", fifo.back - fifo.front);
        }
        assert_eq!(fifo.len(), 1);
    }

    #[test]
    fn a_backlog_that_is_gone_keeps_no_memory() {
        let mut fifo = Fifo::default();
        (0..1_000).map(|number| push(number, Lane::Low)).for_each(|push| _ = fifo.push_back(push));
        assert_eq!(fifo.blocks.len(), 16);
        while fifo.pop_front().is_some() {}
        assert_eq!((fifo.blocks.capacity(), fifo.push_back(push(1, Lane::Low)) % BLOCK), (0, 0));
    }

    proptest! {
        #[test]
        fn places_stay_true_and_the_order_is_kept(steps in prop::collection::vec((0..6_u8, 0..40_usize), 1..1_000)) {
            let mut fifo = Fifo::default();
            let mut model: VecDeque<(u64, u128)> = VecDeque::new();
            for (number, (kind, pick)) in (1..).zip(steps) {
                let chosen = (!model.is_empty()).then(|| pick % model.len().max(1));
                match (kind, chosen) {
                    (0 | 1, _) => model.push_back((fifo.push_back(push(number, Lane::Low)), number)),
                    (2, _) => model.push_front((fifo.push_front(push(number, Lane::Low)), number)),
                    (3, _) => {
                        let popped = fifo.pop_front().map(|push| push.key.as_u128());
                        prop_assert_eq!(popped, model.pop_front().map(|(_, number)| number));
                    }
                    (4, Some(chosen)) => {
                        let (place, old) = model.remove(chosen).unwrap();
                        prop_assert_eq!(fifo.take(place).map(|push| push.key.as_u128()), Some(old));
                    }
                    (_, Some(chosen)) => {
                        let old = fifo.replace(model[chosen].0, push(number, Lane::Low));
                        prop_assert_eq!(old.map(|push| push.key.as_u128()), Some(model[chosen].1));
                        model[chosen].1 = number;
                    }
                    _ => {}
                }
                fifo.close_gaps(|push, place| {
                    let entry = model.iter_mut().find(|(_, number)| *number == push.key.as_u128());
                    entry.unwrap().0 = place;
                });
                prop_assert_eq!(fifo.len(), model.len());
                for (place, number) in &model {
                    prop_assert_eq!(fifo.get(*place).map(|push| push.key.as_u128()), Some(*number));
                }
                let order: Vec<_> = fifo.iter().map(|push| push.key.as_u128()).collect();
                prop_assert_eq!(order, model.iter().map(|(_, number)| *number).collect::<Vec<_>>());
            }
        }
    }
}
