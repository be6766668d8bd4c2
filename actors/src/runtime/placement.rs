//! Spreads things over workers; called when the program is put together, and by nothing that runs.
//!
//! Pure: the same counts give the same places, so that a restarted child comes back to its worker.

/// Returns the worker of each of `items`, as even as can be, neighbours on different workers.
///
/// Nothing is placed when there are no workers.
///
/// ```
/// assert_eq!(pushweir_actors::runtime::spread(5, 2), [0, 1, 0, 1, 0]);
/// ```
pub fn spread(items: usize, workers: usize) -> Vec<usize> {
    if workers == 0 {
        return Vec::new();
    }
    (0..items).map(|item| item % workers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_workers_nothing_is_placed() {
        assert!(spread(3, 0).is_empty());
    }

    proptest! {
        #[test]
        fn every_item_is_placed_and_loads_differ_by_at_most_one(items in 0_usize..200, workers in 1_usize..20) {
            let places = spread(items, workers);
            prop_assert_eq!(places.len(), items);
            let loads: Vec<usize> = (0..workers).map(|w| places.iter().filter(|p| **p == w).count()).collect();
            prop_assert_eq!(loads.iter().sum::<usize>(), items);
            prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1);
        }
    }
}
