//! A small histogram of durations that many threads may write and anybody may read.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Buckets per doubling: quantiles are within 1/8 of the truth.
const STEPS: u64 = 8;
/// From 1 µs to 2^26 µs (67 s).
const DOUBLINGS: usize = 26;
const BUCKETS: usize = DOUBLINGS * STEPS as usize + 1;

/// Durations since the turn before last; [`Latencies::turn`] is called every few seconds, so old ones fade.
pub struct Latencies {
    recent: [AtomicU32; BUCKETS],
    before: [AtomicU32; BUCKETS],
}

// === impl Latencies ===

impl Default for Latencies {
    fn default() -> Self {
        Self {
            recent: [const { AtomicU32::new(0) }; BUCKETS],
            before: [const { AtomicU32::new(0) }; BUCKETS],
        }
    }
}

impl std::fmt::Debug for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Latencies").field("median", &self.quantile(0.5)).finish_non_exhaustive()
    }
}

impl Latencies {
    /// Enters a duration.
    pub fn record(&self, duration: Duration) {
        self.recent[bucket(duration)].fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets what was entered before the last turn.
    pub fn turn(&self) {
        for (recent, before) in self.recent.iter().zip(&self.before) {
            before.store(recent.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Adds another's figures, to sum over pushers.
    pub fn merge(&self, other: &Self) {
        for (mine, theirs) in
            self.recent.iter().zip(&other.recent).chain(self.before.iter().zip(&other.before))
        {
            mine.fetch_add(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Returns the duration that a share of those entered does not exceed; zero if none was.
    pub fn quantile(&self, share: f64) -> Duration {
        let counts: Vec<u64> = self
            .recent
            .iter()
            .zip(&self.before)
            .map(|(recent, before)| {
                u64::from(recent.load(Ordering::Relaxed)) + u64::from(before.load(Ordering::Relaxed))
            })
            .collect();
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return Duration::ZERO;
        }
        let wanted = ((total as f64 * share).ceil() as u64).clamp(1, total);
        let mut seen = 0;
        for (index, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_bound(index);
            }
        }
        upper_bound(BUCKETS - 1)
    }
}

fn bucket(duration: Duration) -> usize {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if micros < STEPS {
        return micros as usize;
    }
    let doubling = u64::from(micros.ilog2());
    let step = (micros >> (doubling - 3)) - STEPS;
    (((doubling - 2) * STEPS + step) as usize).min(BUCKETS - 1)
}

fn upper_bound(index: usize) -> Duration {
    let index = index as u64;
    if index < STEPS {
        return Duration::from_micros(index);
    }
    let doubling = index / STEPS + 2;
    let step = index % STEPS;
    Duration::from_micros(((STEPS + step + 1) << (doubling - 3)) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn old_figures_fade_after_two_turns() {
        let latencies = Latencies::default();
        latencies.record(Duration::from_millis(20));
        latencies.turn();
        assert!(latencies.quantile(0.5) >= Duration::from_millis(20));
        latencies.turn();
        assert_eq!(latencies.quantile(0.5), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_an_eighth_above(micros in 0_u64..60_000_000) {
            let latencies = Latencies::default();
            latencies.record(Duration::from_micros(micros));
            let read = latencies.quantile(0.99).as_micros() as u64;
            prop_assert!(read >= micros && read <= micros + micros / 8, "{} for {}", read, micros);
        }
    }
}
