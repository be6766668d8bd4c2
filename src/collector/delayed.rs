//! Pushes that wait for their next attempt, by moment. Pure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::push::Push;
use crate::units::Moment;

/// A push and when it is due; ordered by that, then by the order of arrival.
#[derive(Debug)]
struct Waiting {
    due: Moment,
    number: u64,
    push: Push,
}

/// The waiting pushes of one route.
#[derive(Debug, Default)]
pub struct Delayed {
    heap: BinaryHeap<Reverse<Waiting>>,
    next_number: u64,
}

// === impl Waiting ===

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

// === impl Delayed ===

impl Delayed {
    /// Returns how many wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Keeps a push until `due`.
    pub fn insert(&mut self, due: Moment, push: Push) {
        let number = self.next_number;
        self.next_number += 1;
        self.heap.push(Reverse(Waiting { due, number, push }));
    }

    /// Returns every push that waits and when it is due, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Moment, &Push)> {
        self.heap.iter().map(|Reverse(waiting)| (waiting.due, &waiting.push))
    }

    /// Returns when the next push is due.
    pub fn next_due(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse(waiting)| waiting.due)
    }

    /// Takes the next push if it is due.
    pub fn pop_due(&mut self, now: Moment) -> Option<Push> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(waiting)| waiting.push)
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
