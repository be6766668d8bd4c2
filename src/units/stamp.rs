//! Wall-clock time for people: what lists of events and actions show. Nothing is measured with it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// A point in time, in milliseconds since 1970; `Display` writes UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct Stamp(u64);

// === impl Stamp ===

impl Stamp {
    /// Returns the system's time; for shells.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Returns the point `millis` milliseconds after 1970 began.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns milliseconds since 1970 began.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the time of day, without the date.
    pub fn clock(self) -> String {
        let seconds = self.0 / 1_000;
        format!("{:02}:{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
    }

    /// Returns the time from `earlier` to `self`, zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0 / 86_400_000);
        write!(f, "{year:04}-{month:02}-{day:02} {} UTC", self.clock())
    }
}

/// Days since 1970-01-01 as year, month and day of the Gregorian calendar, by eras of 400 years that begin in March.
const fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_written_as_dates() {
        let table = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400_999, "2000-02-29 00:00:00 UTC"),
            (1_481_511_607_000, "2016-12-12 03:00:07 UTC"),
            (4_107_542_399_000, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00:00 UTC"),
        ];
        for (millis, text) in table {
            assert_eq!(Stamp::from_millis(millis).to_string(), text);
        }
        assert_eq!(Stamp::from_millis(5).since(Stamp::from_millis(7)), Duration::ZERO);
    }
}
