//! How much a consumer asks for, and when: GenStage's automatic demand (`reference/genstage.md` 1.4).
//!
//! Consumers with automatic demand keep an [`AutomaticDemand`] per subscription. Invariant: the events in flight for a
//! subscription are never more than its maximum.

/// How many events may be in flight for one subscription, and how few before more are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemandRange {
    min: u32,
    max: u32,
}

/// Why a range was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDemand {
    /// A consumer that never asks never gets anything.
    #[error("max_demand must be at least 1, got {0} (hint: it is the number of events in flight)")]
    Max(u32),
    /// Asking again must free at least one event.
    #[error("min_demand must be at most {most}, got {got} (hint: it must be below max_demand)")]
    Min {
        /// The largest minimum for this maximum.
        most: u32,
        /// What was given.
        got: u32,
    },
}

/// The demand of one automatic subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutomaticDemand {
    range: DemandRange,
    outstanding: u32,
}

/// One delivery on its way through [`AutomaticDemand::next_slice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    left: usize,
    credit: u32,
}

/// A part of a delivery to be handled in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// How many events to handle now.
    pub count: usize,
    /// How many of them had not been asked for; they are handled all the same.
    pub excess: usize,
    /// How many events to ask for after they have been handled; 0 for none.
    pub ask: u32,
}

// === impl DemandRange ===

impl DemandRange {
    /// Creates the range for at most `max` events in flight, asking again when half of them are handled.
    ///
    /// # Errors
    /// Returns [`BadDemand::Max`] if `max` is 0.
    pub fn new(max: u32) -> Result<Self, BadDemand> {
        if max == 0 {
            return Err(BadDemand::Max(max));
        }
        Ok(Self { min: max / 2, max })
    }

    /// Asks again when `min` events are left in flight.
    ///
    /// # Errors
    /// Returns [`BadDemand::Min`] if `min` is not below the maximum.
    pub fn with_min(self, min: u32) -> Result<Self, BadDemand> {
        if min >= self.max {
            return Err(BadDemand::Min { most: self.max - 1, got: min });
        }
        Ok(Self { min, ..self })
    }

    /// Returns the number of events left in flight at which more are asked for.
    pub fn min(self) -> u32 {
        self.min
    }

    /// Returns the most events in flight.
    pub fn max(self) -> u32 {
        self.max
    }
}

impl Default for DemandRange {
    /// GenStage's own: 1000 in flight, asking again at half.
    fn default() -> Self {
        Self { min: 500, max: 1000 }
    }
}

// === impl AutomaticDemand ===

impl AutomaticDemand {
    /// Starts with the whole range asked for: the caller sends an ask for [`DemandRange::max`].
    pub fn new(range: DemandRange) -> Self {
        Self { range, outstanding: range.max }
    }

    /// Returns how many events have been asked for and not handled.
    pub fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// Begins a delivery of `count` events.
    pub fn deliver(&self, count: usize) -> Delivery {
        Delivery { left: count, credit: self.outstanding }
    }

    /// Cuts the next slice off a delivery, at most `max - min` events, or returns `None` when it is used up.
    pub fn next_slice(&mut self, delivery: &mut Delivery) -> Option<Slice> {
        if delivery.left == 0 {
            return None;
        }
        let DemandRange { min, max } = self.range;
        let count = delivery.left.min((max - min) as usize);
        delivery.left -= count;
        let counted = delivery.credit.min(u32::try_from(count).unwrap_or(u32::MAX));
        delivery.credit -= counted;
        self.outstanding -= counted;
        let ask = if self.outstanding <= min { max - self.outstanding } else { 0 };
        self.outstanding += ask;
        Some(Slice { count, excess: count - counted as usize, ask })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slices(demand: &mut AutomaticDemand, count: usize) -> Vec<(usize, u32)> {
        let mut delivery = demand.deliver(count);
        std::iter::from_fn(|| demand.next_slice(&mut delivery))
            .map(|slice| (slice.count, slice.ask))
            .collect()
    }

    fn range(max: u32, min: u32) -> DemandRange {
        DemandRange::new(max).unwrap().with_min(min).unwrap()
    }

    #[test]
    fn a_full_delivery_is_handled_in_halves() {
        let mut demand = AutomaticDemand::new(DemandRange::new(100).unwrap());
        assert_eq!(slices(&mut demand, 100), [(50, 50), (50, 50)]);
    }

    #[test]
    fn single_events_are_asked_for_by_halves() {
        let mut demand = AutomaticDemand::new(DemandRange::new(100).unwrap());
        let asks: Vec<_> = (0..100).flat_map(|_| slices(&mut demand, 1)).map(|(_, ask)| ask).collect();
        assert_eq!(asks.iter().filter(|&&ask| ask > 0).count(), 2);
        assert_eq!((asks[49], asks[99]), (50, 50));
    }

    #[test]
    fn the_extremes_are_one_by_one_and_all_at_once() {
        assert_eq!(slices(&mut AutomaticDemand::new(range(100, 99)), 3), [(1, 1), (1, 1), (1, 1)]);
        assert_eq!(slices(&mut AutomaticDemand::new(range(100, 0)), 100), [(100, 100)]);
    }

    #[test]
    fn events_in_excess_are_handled_but_not_counted() {
        let mut demand = AutomaticDemand::new(range(4, 0));
        let mut delivery = demand.deliver(6);
        assert_eq!(demand.next_slice(&mut delivery), Some(Slice { count: 4, excess: 0, ask: 4 }));
        assert_eq!(demand.next_slice(&mut delivery), Some(Slice { count: 2, excess: 2, ask: 0 }));
        assert_eq!(demand.next_slice(&mut delivery), None);
        assert_eq!(demand.outstanding(), 4);
    }

    proptest! {
        /// However the producer cuts what it was asked for, what is in flight plus what was asked stays at the maximum.
        #[test]
        fn never_more_in_flight_than_the_maximum(
            max in 1_u32..200,
            min_share in 0.0_f64..1.0,
            cuts in prop::collection::vec(1_usize..80, 0..60),
        ) {
            let range = range(max, (f64::from(max) * min_share) as u32);
            let mut demand = AutomaticDemand::new(range);
            let mut owed = max as usize;
            for cut in cuts {
                let count = cut.min(owed);
                let mut delivery = demand.deliver(count);
                owed -= count;
                while let Some(slice) = demand.next_slice(&mut delivery) {
                    prop_assert_eq!(slice.excess, 0);
                    prop_assert!(slice.count <= (range.max() - range.min()) as usize);
                    owed += slice.ask as usize;
                }
                prop_assert_eq!(owed, demand.outstanding() as usize);
                prop_assert!(owed > range.min() as usize && owed <= max as usize);
            }
        }
    }
}
