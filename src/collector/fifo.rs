//! A FIFO whose pushes keep their places: one in the middle can be replaced or taken out in constant time. Pure.
//!
//! Places are numbered without end in the order of service. A push that was taken out leaves a gap; gaps at the front go at once, and when
//! there are more gaps than pushes the FIFO is rebuilt, so that memory and the cost per push stay bounded.

use std::collections::VecDeque;

use crate::push::Push;

/// The number of the first place; far from both ends, since pushes come in at the front too.
const FIRST: u64 = 1 << 63;
/// Gaps that are left alone.
const SPARE_GAPS: usize = 64;

/// The FIFO.
#[derive(Debug)]
pub struct Fifo {
    /// The first of them is never a gap.
    slots: VecDeque<Option<Push>>,
    front: u64,
    len: usize,
}

// === impl Fifo ===

impl Default for Fifo {
    fn default() -> Self {
        Self { slots: VecDeque::new(), front: FIRST, len: 0 }
    }
}

impl Fifo {
    /// Returns how many pushes it holds.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Puts a push at the back and returns its place.
    pub fn push_back(&mut self, push: Push) -> u64 {
        self.slots.push_back(Some(push));
        self.len += 1;
        self.front + self.slots.len() as u64 - 1
    }

    /// Puts a push at the front and returns its place.
    pub fn push_front(&mut self, push: Push) -> u64 {
        self.slots.push_front(Some(push));
        self.len += 1;
        self.front -= 1;
        self.front
    }

    /// Takes the push at the front.
    pub fn pop_front(&mut self) -> Option<Push> {
        let push = self.slots.pop_front()??;
        self.front += 1;
        self.len -= 1;
        self.trim();
        Some(push)
    }

    /// Returns the push at a place.
    pub fn get(&self, place: u64) -> Option<&Push> {
        self.slots.get(usize::try_from(place.checked_sub(self.front)?).ok()?)?.as_ref()
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

    /// Moves the pushes for which `is_out` holds to `out`.
    pub fn extract(&mut self, is_out: impl Fn(&Push) -> bool, out: &mut Vec<Push>) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(&is_out) {
                out.extend(slot.take());
                self.len -= 1;
            }
        }
        self.trim();
    }

    /// Closes the gaps if there are many, and tells `moved` the new places.
    pub fn close_gaps(&mut self, mut moved: impl FnMut(&Push, u64)) {
        if self.slots.len() <= self.len * 2 + SPARE_GAPS {
            return;
        }
        self.slots.retain(Option::is_some);
        self.slots.shrink_to_fit();
        for (push, place) in self.slots.iter().flatten().zip(self.front..) {
            moved(push, place);
        }
    }

    /// Returns the pushes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Push> {
        self.slots.iter().flatten()
    }

    fn slot(&mut self, place: u64) -> Option<&mut Option<Push>> {
        self.slots.get_mut(usize::try_from(place.checked_sub(self.front)?).ok()?)
    }

    fn trim(&mut self) {
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.front += 1;
        }
    }
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
            assert!(fifo.slots.len() <= SPARE_GAPS + 3, "{}", fifo.slots.len());
        }
        assert_eq!(fifo.len(), 1);
    }

    proptest! {
        #[test]
        fn places_stay_true_and_the_order_is_kept(steps in prop::collection::vec((0..6_u8, 0..40_usize), 1..400)) {
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
