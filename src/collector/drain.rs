//! How fast a route's pushes leave while they queue, and how long a push will therefore wait. Pure but for the cells.
//!
//! The intake samples it once a second. Only time in which the route certainly had work all along counts, so that a quiet route, whose
//! pushes leave as slowly as they come, is never taken for a slow one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::ledger::Books;
use crate::push::RouteId;
use crate::units::{Moment, Slots};

/// Busy samples, taken a second apart, that a rate spans at most.
const SPAN: usize = 6;
/// Busy samples before a rate is told: less would make a rate of a hiccup.
const LEAST: usize = 3;

/// One look at a route.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Moment,
    ended: u64,
    buffered: u64,
}

/// The measured rate of one route.
#[derive(Debug, Default)]
pub struct DrainMeter {
    busy: VecDeque<Sample>,
}

/// The meters of all partitions, for everybody to read.
#[derive(Debug, Default)]
pub struct Drains {
    drains: Slots<Drain>,
}

#[derive(Debug, Default)]
struct Drain {
    meter: Mutex<DrainMeter>,
    /// What the meter says, as bits of a number; 0 if it does not know.
    rate: AtomicU64,
}

// === impl Drains ===

impl Drains {
    /// Enters a partition's books as they are at `now`.
    pub fn sample(&self, route: RouteId, now: Moment, books: &Books) {
        let drain = self.drains.at(route.index());
        let rate = drain.meter.lock().sample(now, books.worked_off(), books.buffered);
        drain.rate.store(rate.unwrap_or(0.0).to_bits(), Ordering::Relaxed);
    }

    /// Returns a partition's rate, in pushes a second, if it is known.
    pub fn rate(&self, route: RouteId) -> Option<f64> {
        let rate = f64::from_bits(self.drains.get(route.index())?.rate.load(Ordering::Relaxed));
        (rate > 0.0).then_some(rate)
    }
}

// === impl DrainMeter ===

impl DrainMeter {
    /// Enters how many pushes have ended (sheds aside) and how many are buffered, and returns the pushes a second that the route can
    /// deliver; `None` if it is not known.
    pub fn sample(&mut self, at: Moment, ended: u64, buffered: u64) -> Option<f64> {
        // With no more gone than was there, the buffer cannot have run empty in between.
        let was_busy = self.busy.back().is_some_and(|last| ended.saturating_sub(last.ended) <= last.buffered);
        if !was_busy {
            self.busy.clear();
        }
        if buffered > 0 {
            self.busy.push_back(Sample { at, ended, buffered });
        } else {
            self.busy.clear();
        }
        if self.busy.len() > SPAN {
            self.busy.pop_front();
        }
        self.rate()
    }

    fn rate(&self) -> Option<f64> {
        let (first, last) = (self.busy.front()?, self.busy.back()?);
        let seconds = last.at.since(first.at).as_secs_f64();
        let ended = last.ended.saturating_sub(first.ended);
        // A route that delivers nothing may be back any moment.
        (self.busy.len() >= LEAST && seconds > 0.0 && ended > 0).then(|| ended as f64 / seconds)
    }
}

/// Returns how long a push waits that has `ahead` pushes before it, at `rate` pushes a second.
pub fn wait(ahead: u64, rate: f64) -> Duration {
    Duration::try_from_secs_f64(ahead as f64 / rate).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn second(number: u64) -> Moment {
        Moment::from_micros(number * 1_000_000)
    }

    #[test]
    fn a_backlog_that_shrinks_tells_the_rate_after_two_seconds() {
        let mut meter = DrainMeter::default();
        assert_eq!(meter.sample(second(0), 0, 10_000), None);
        assert_eq!(meter.sample(second(1), 500, 9_500), None);
        assert_eq!(meter.sample(second(2), 1_000, 9_000), Some(500.0));
        assert_eq!(wait(9_000, 500.0), Duration::from_secs(18));
    }

    #[test]
    fn a_quiet_route_has_no_rate_however_slowly_its_pushes_come() {
        let mut meter = DrainMeter::default();
        for number in 0..20 {
            // Ten pushes a second, one of which happens to be buffered whenever somebody looks.
            assert_eq!(meter.sample(second(number), number * 10, 1), None);
        }
    }

    #[test]
    fn a_stuck_route_has_no_rate_and_an_empty_one_forgets_its_own() {
        let mut meter = DrainMeter::default();
        for number in 0..10 {
            assert_eq!(meter.sample(second(number), 7, 100), None);
        }
        assert!(meter.sample(second(10), 17, 90).is_some());
        assert_eq!(meter.sample(second(11), 107, 0), None);
        assert_eq!(meter.sample(second(12), 107, 50), None);
    }

    proptest! {
        #[test]
        fn a_told_rate_is_never_above_nor_below_what_really_left(steps in prop::collection::vec((0..500_u64, 0..2_000_u64), 3..40)) {
            let mut meter = DrainMeter::default();
            let mut ended = 0;
            let mut history = Vec::new();
            for (number, (left, buffered)) in (0..).zip(steps) {
                ended += left;
                history.push(left as f64);
                if let Some(rate) = meter.sample(second(number), ended, buffered) {
                    prop_assert!(rate > 0.0);
                    let lately = &history[history.len().saturating_sub(SPAN - 1)..];
                    let (least, most) = lately.iter().fold((f64::MAX, 0.0_f64), |(least, most), each| (least.min(*each), most.max(*each)));
                    prop_assert!(rate <= most && rate >= least);
                }
            }
        }
    }
}
