//! Rates of growing counters, over the last few seconds.

use std::collections::VecDeque;

use crate::units::Moment;

/// How many samples, taken a second apart, a rate spans.
const SPAN: usize = 3;

/// The growth per second of a counter that is sampled once a second.
#[derive(Debug, Default)]
pub struct Rate {
    samples: VecDeque<(Moment, u64)>,
}

// === impl Rate ===

impl Rate {
    /// Enters the counter's value.
    pub fn sample(&mut self, now: Moment, value: u64) {
        self.samples.push_back((now, value));
        while self.samples.len() > SPAN + 1 {
            self.samples.pop_front();
        }
    }

    /// Returns the growth per second over the samples kept.
    pub fn per_second(&self) -> f64 {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else { return 0.0 };
        let span = last.0.since(first.0).as_secs_f64();
        if span > 0.0 { last.1.saturating_sub(first.1) as f64 / span } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_follows_the_last_seconds_only() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(), 0.0);
        for second in 0..10_u64 {
            rate.sample(Moment::from_micros(second * 1_000_000), if second < 5 { second * 100 } else { 500 });
        }
        assert_eq!(rate.per_second(), 0.0);
    }
}
