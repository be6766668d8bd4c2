//! Pushes that wait for their next attempt, by moment. Pure.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::push::Push;
use crate::units::Moment;

/// The waiting pushes of one partition.
#[derive(Debug, Default)]
pub struct Delayed {
    /// By moment, then by the order of arrival.
    waiting: BTreeMap<(Moment, u64), Push>,
    next_number: u64,
}

// === impl Delayed ===

impl Delayed {
    /// Returns how many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Keeps a push until `due`.
    pub fn insert(&mut self, due: Moment, push: Push) {
        let number = self.next_number;
        self.next_number += 1;
        self.waiting.insert((due, number), push);
    }

    /// Returns the pushes behind one of them, or all, in order; a push is known by its moment and a number.
    pub fn behind(&self, last: Option<(Moment, u64)>) -> impl Iterator<Item = ((Moment, u64), &Push)> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.waiting.range((from, Bound::Unbounded)).map(|(at, push)| (*at, push))
    }

    /// Returns when the next push is due.
    pub fn next_due(&self) -> Option<Moment> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes the next push if it is due.
    pub fn pop_due(&mut self, now: Moment) -> Option<Push> {
        let next = self.waiting.first_entry()?;
        (next.key().0 <= now).then(|| next.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::Lane;
    use crate::push::fixture::push;

    #[test]
    fn pushes_come_out_when_due_in_order_of_moment_then_arrival() {
        let mut delayed = Delayed::default();
        for (number, due) in [(0, 30), (1, 10), (2, 10), (3, 20)] {
            delayed.insert(Moment::from_micros(due), push(number, Lane::Normal));
        }
        assert!(delayed.pop_due(Moment::from_micros(9)).is_none());
        assert_eq!(delayed.next_due(), Some(Moment::from_micros(10)));
        let now = Moment::from_micros(25);
        let keys: Vec<_> =
            std::iter::from_fn(|| delayed.pop_due(now)).map(|push| push.key.as_u128()).collect();
        assert_eq!(keys, [1, 2, 3]);
        assert_eq!(delayed.len(), 1);
    }
}
