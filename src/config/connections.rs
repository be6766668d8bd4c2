//! How many connections a route has: a number, or bounds between which the gateway chooses. Pure.

use std::time::Duration;

use super::section::Section;
use crate::admin::actions::MAX_CONNECTIONS;

const RANGE: std::ops::RangeInclusive<u64> = 1..=MAX_CONNECTIONS as u64;
const DAY: Duration = Duration::from_secs(86_400);

/// `connections` of a `[[route]]`, and what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// The least, with which a route starts.
    pub min: u32,
    /// The most; the same as `min` if the number is fixed.
    pub max: u32,
    /// How long less must have sufficed before some are closed.
    pub shrink_after: Duration,
    /// The most that may be opened in a minute when there shall be more.
    pub open_rate: u32,
}

// === impl Connections ===

impl Connections {
    /// Returns whether the gateway does not choose.
    pub const fn is_fixed(&self) -> bool {
        self.min == self.max
    }

    /// Reads them from a route.
    pub(super) fn read(route: &Section<'_>) -> Self {
        let (min, max) = if route.is_table("connections") {
            let table = route.closed_table("connections", &["min", "max"]);
            let (min, max) = (table.whole("min", RANGE), table.whole("max", RANGE));
            if table.is_sound(&["min", "max"]) && min > max {
                let allowed = format!("at most {}", table.key("max"));
                table.fault("min", "is above max", &allowed, "swap or change them");
            }
            (min, max)
        } else {
            let number = route.whole("connections", RANGE);
            (number, number)
        };
        let shrink_after = route.duration("shrink_after", Duration::from_secs(1)..=DAY);
        Self { min, max, shrink_after, open_rate: route.whole("open_rate", 1..=1_000_000) }
    }
}
