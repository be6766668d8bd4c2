//! Counts restarts against a limit, so that a child that cannot live is not restarted for ever; used by the plan.
//!
//! OTP's rule (`reference/genstage.md` 1.14): the time is recorded before the restart is tried, only entries with
//! `t ≥ now − period` count, and more than `max_restarts` of them means giving up.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The limit: more than `max_restarts` restarts within `period` make the supervisor give up and escalate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Intensity {
    /// Restarts allowed within one period; 0 escalates on the first failure.
    pub max_restarts: u32,
    /// Length of the sliding window; both ends count.
    pub period: Duration,
}

impl Default for Intensity {
    /// 3 restarts in 5 s, the Elixir default.
    fn default() -> Self {
        Self { max_restarts: 3, period: Duration::from_secs(5) }
    }
}

impl Intensity {
    /// Allows `max_restarts` within `period`.
    pub const fn new(max_restarts: u32, period: Duration) -> Self {
        Self { max_restarts, period }
    }

    /// Never gives up; the back-off alone slows restarts down.
    pub const fn unlimited() -> Self {
        Self { max_restarts: u32::MAX, period: Duration::ZERO }
    }
}

/// The restarts of the last period.
#[derive(Debug)]
pub(crate) struct Window {
    limit: Intensity,
    times: VecDeque<Instant>,
}

// === impl Window ===

impl Window {
    pub(crate) fn new(limit: Intensity) -> Self {
        Self { limit, times: VecDeque::new() }
    }

    /// Follows another limit; the restarts of the past count by it.
    pub(crate) fn set_limit(&mut self, limit: Intensity) {
        self.limit = limit;
    }

    /// Records a restart that is about to be tried; `false` means one too many. `now` must not go back.
    pub(crate) fn record(&mut self, now: Instant) -> bool {
        if self.limit.max_restarts == u32::MAX {
            return true;
        }
        while let Some(&oldest) = self.times.front() {
            if now.saturating_duration_since(oldest) <= self.limit.period {
                break;
            }
            self.times.pop_front();
        }
        self.times.push_back(now);
        self.times.len() <= self.limit.max_restarts as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_restart_is_allowed_at_intensity_zero() {
        assert!(!Window::new(Intensity::new(0, Duration::from_secs(5))).record(Instant::now()));
    }

    #[test]
    fn the_window_includes_both_of_its_ends() {
        let start = Instant::now();
        let period = Duration::from_secs(5);
        let mut window = Window::new(Intensity::new(1, period));
        assert!(window.record(start));
        assert!(!window.record(start + period));
        let mut window = Window::new(Intensity::new(1, period));
        assert!(window.record(start));
        assert!(window.record(start + period + Duration::from_nanos(1)));
    }

    #[test]
    fn a_period_of_zero_counts_restarts_of_the_same_instant() {
        let start = Instant::now();
        let mut window = Window::new(Intensity::new(1, Duration::ZERO));
        assert!(window.record(start));
        assert!(window.record(start + Duration::from_nanos(1)));
        assert!(!window.record(start + Duration::from_nanos(1)));
    }

    proptest! {
        #[test]
        fn agrees_with_counting_all_times(gaps in prop::collection::vec(0_u64..40, 1..60), max in 0_u32..5, period in 0_u64..60) {
            let limit = Intensity::new(max, Duration::from_millis(period));
            let mut window = Window::new(limit);
            let mut now = Instant::now();
            let mut all = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                all.push(now);
                let counted = all.iter().filter(|t| now - **t <= limit.period).count();
                prop_assert_eq!(window.record(now), counted <= max as usize);
            }
        }
    }
}
