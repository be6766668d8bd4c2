//! Histograms that only grow, as scrapers want them: how long things took since the start, with an example of a trace per bucket.
//!
//! A batch is counted in a [`Tally`] of its own first, so that a push costs an addition and no shared write.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

/// Buckets with an upper bound: 0.5 ms, doubling up to 32.768 s (`reference/observability.md` 3.1). One more has what took longer.
pub const BOUNDS: usize = 17;
const BUCKETS: usize = BOUNDS + 1;
/// The lowest bound, in microseconds.
const FIRST: u64 = 500;

/// A traced push that took about as long as its bucket says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Example {
    /// The trace's id.
    pub trace: u128,
    /// What it took, in seconds.
    pub seconds: f64,
    /// When it was entered.
    pub at: SystemTime,
}

/// The histogram.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    micros: AtomicU64,
    examples: Mutex<[Option<Example>; BUCKETS]>,
}

/// What one batch adds.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    counts: [u32; BUCKETS],
    micros: u64,
    examples: Vec<(u128, Duration)>,
}

/// What a histogram says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// Upper bounds in seconds, infinity last, and how many were in each bucket; not summed up.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all, in seconds.
    pub sum: f64,
    /// The latest example of each bucket.
    pub examples: Vec<Option<Example>>,
}

// === impl Tally ===

impl Tally {
    /// Adds a duration; that of a traced push with the trace's id, for an example.
    pub fn add(&mut self, duration: Duration, trace: Option<u128>) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(micros)] += 1;
        self.micros = self.micros.saturating_add(micros);
        if let Some(trace) = trace {
            self.examples.push((trace, duration));
        }
    }
}

// === impl Histogram ===

impl Histogram {
    /// Enters one duration.
    pub fn record(&self, duration: Duration, trace: Option<u128>) {
        let mut tally = Tally::default();
        tally.add(duration, trace);
        self.enter(&tally);
    }

    /// Enters a batch.
    pub fn enter(&self, tally: &Tally) {
        for (count, more) in self.counts.iter().zip(tally.counts).filter(|(_, more)| *more > 0) {
            count.fetch_add(more.into(), Ordering::Relaxed);
        }
        self.micros.fetch_add(tally.micros, Ordering::Relaxed);
        if !tally.examples.is_empty() {
            let at = SystemTime::now();
            let mut examples = self.examples.lock();
            for (trace, duration) in &tally.examples {
                let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
                let example = Example { trace: *trace, seconds: duration.as_secs_f64(), at };
                examples[bucket(micros)] = Some(example);
            }
        }
    }

    /// Returns what has been entered so far.
    pub fn read(&self) -> Reading {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        Reading {
            buckets: (0..BUCKETS).map(upper_bound).zip(counts).collect(),
            sum: self.micros.load(Ordering::Relaxed) as f64 / 1e6,
            examples: self.examples.lock().to_vec(),
        }
    }
}

// === impl Reading ===

impl Reading {
    /// Adds another reading; of examples, its own go first.
    pub fn add(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            self.clone_from(other);
            return;
        }
        let counts = self.buckets.iter_mut().zip(&other.buckets);
        counts.for_each(|((_, count), (_, more))| *count += more);
        let examples = self.examples.iter_mut().zip(&other.examples);
        examples.for_each(|(mine, theirs)| *mine = mine.or(*theirs));
        self.sum += other.sum;
    }
}

/// Bounds belong to the bucket below them.
fn bucket(micros: u64) -> usize {
    let steps = micros.saturating_sub(1) / FIRST;
    let doublings = (u64::BITS - steps.leading_zeros()) as usize;
    doublings.min(BOUNDS)
}

fn upper_bound(bucket: usize) -> f64 {
    if bucket == BOUNDS { f64::INFINITY } else { (FIRST << bucket) as f64 / 1e6 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_are_half_a_millisecond_to_half_a_minute_and_examples_stand_in_their_bucket() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read().buckets.len(), BUCKETS);
        histogram.record(Duration::from_micros(500), None);
        histogram.record(Duration::from_millis(3), Some(7));
        histogram.record(Duration::from_secs(3_600), None);
        let reading = histogram.read();
        let counted: Vec<_> = reading.buckets.iter().filter(|(_, count)| *count > 0).copied().collect();
        assert_eq!(counted, [(0.0005, 1), (0.004, 1), (f64::INFINITY, 1)]);
        assert_eq!(reading.buckets[BOUNDS - 1].0, 32.768);
        assert!((reading.sum - 3_600.003_5).abs() < 1e-9);
        let examples: Vec<_> = reading.examples.iter().flatten().map(|example| example.trace).collect();
        assert_eq!((examples, reading.examples[3].is_some()), (vec![7], true));
    }

    proptest! {
        #[test]
        fn a_duration_is_in_the_first_bucket_whose_bound_it_does_not_exceed(micros in 0..100_000_000_u64) {
            let expected = (0..BUCKETS).find(|bucket| micros as f64 / 1e6 <= upper_bound(*bucket));
            prop_assert_eq!(Some(bucket(micros)), expected);
        }
    }
}
