//! A compact monotonic time: pure code takes a [`Moment`], shells ask a [`Clock`] for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A point in monotonic time, in microseconds since the process's [`Clock`] was made.
///
/// Half the size of an `Instant`, since every buffered push carries two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

/// The process's clock; follows tokio's, so tests can pause it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Instant,
}

// === impl Moment ===

impl Moment {
    /// Later than any moment that will ever be measured.
    pub const NEVER: Self = Self(u64::MAX);

    /// Returns the moment `micros` microseconds after the clock's epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Returns microseconds since the clock's epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns the moment `span` later, saturating at [`Moment::NEVER`].
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }

    /// Returns the time from `earlier` to `self`, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

// === impl Clock ===

impl Clock {
    /// Returns a clock whose epoch is now.
    pub fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    /// Returns the present moment.
    pub fn now(&self) -> Moment {
        Moment::default().after(self.epoch.elapsed())
    }

    /// Returns a moment, past or to come, as milliseconds since 1970 by the wall clock as it is set now.
    pub fn unix_millis(&self, moment: Moment) -> u128 {
        let now = self.now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (wall + moment.since(now)).saturating_sub(now.since(moment)).as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_saturate_at_zero_and_never() {
        let early = Moment::from_micros(5);
        let late = early.after(Duration::from_micros(7));
        assert_eq!(late.since(early), Duration::from_micros(7));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.after(Duration::MAX), Moment::NEVER);
    }
}
