//! How many connections a partition should have, from what waits for it and what its windows hold. Pure.
//!
//! ```text
//!  pushes wait and the windows are full, for GROW_AFTER ─────► more: twice as many if more than all windows' worth waits, else a quarter
//!  the windows were at most half used, for shrink_after ─────► as many as the busiest moment of that time would have used by half
//! ```
//! Invariants: a number within the bounds stays within them; nothing grows while more connections could not help (the route is held back, or one
//! that it has does not take pushes) or would be opened too fast. Growing needs full windows and shrinking leaves them half full, so under a
//! steady load one of the two happens at most once; a number that proved too small is not gone back to for a while ([`MEMORY`]), which is
//! what a load of rare bursts needs.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::config::Connections;
use crate::units::Moment;

/// How long pushes must have waited before full windows: longer than a burst that the windows take within some answer times.
const GROW_AFTER: Duration = Duration::from_secs(2);
/// A number that was too small is avoided for so many times `shrink_after`.
const MEMORY: u32 = 10;
/// What the provider's limit counts over (`reference/fcm.md` part 1).
const MINUTE: Duration = Duration::from_secs(60);
/// How exactly it is followed.
const SAMPLE: Duration = Duration::from_secs(1);

/// What is seen of a partition at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Connections it has, ready or not.
    pub present: u32,
    /// Those whose windows are counted.
    pub ready: u32,
    /// Whether each of them takes pushes, or was paused by an operator.
    pub is_settled: bool,
    /// Whether something else than its windows keeps pushes back.
    pub is_held_back: bool,
    /// Pushes in the buffer for it.
    pub waiting: u64,
    /// The sum of its windows.
    pub window: u64,
    /// Pushes without an answer.
    pub in_flight: u64,
    /// Connections that may be opened now.
    pub room: u32,
}

/// A number that it should have instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resize {
    /// The number.
    pub to: u32,
    /// The reason.
    pub why: Why,
}

/// Why a partition should have another number of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It has fewer than `min` or more than `max`.
    Bounds,
    /// Pushes wait and the windows are full.
    Full,
    /// The windows were not half used.
    Idle,
}

/// What is remembered of a partition from one look to the next.
#[derive(Debug, Default)]
pub struct Sizer {
    full_since: Option<Moment>,
    idle: Option<Idle>,
    too_small: Option<(u32, Moment)>,
}

#[derive(Debug, Clone, Copy)]
struct Idle {
    since: Moment,
    /// What would have been half used at the busiest moment since then.
    enough: u32,
}

/// The connections that a route has tried to open in the last minute.
#[derive(Debug, Default)]
pub struct Opens {
    /// Their number since the start, a second apart.
    samples: VecDeque<(Moment, u64)>,
}

// === impl Sight ===

impl Sight {
    fn is_full(&self) -> bool {
        // Some of a window is free though pushes wait: what a pusher has not asked for yet, and what is on its way.
        self.waiting > 0 && self.window > 0 && self.in_flight * 4 >= self.window * 3
    }

    /// Returns the connections whose windows would be half used; none if that cannot be told.
    fn half_used(&self) -> Option<u32> {
        if self.waiting > 0 || self.window == 0 {
            return None;
        }
        let enough = (self.in_flight * 2 * u64::from(self.ready)).div_ceil(self.window);
        Some(u32::try_from(enough).unwrap_or(u32::MAX).max(1))
    }
}

// === impl Sizer ===

impl Sizer {
    /// Takes note of what is seen; returns what should be done about it.
    pub fn look(&mut self, now: Moment, bounds: &Connections, sight: &Sight) -> Option<Resize> {
        if sight.present > bounds.max {
            return Some(Resize { to: bounds.max, why: Why::Bounds });
        }
        if sight.present < bounds.min {
            let to = bounds.min.min(sight.present.saturating_add(sight.room));
            return (to > sight.present).then_some(Resize { to, why: Why::Bounds });
        }
        self.remember(now, sight);
        let grown = self.grow(now, bounds, sight);
        let shrunk = self.shrink(now, bounds, sight);
        grown.map(|to| Resize { to, why: Why::Full }).or(shrunk.map(|to| Resize { to, why: Why::Idle }))
    }

    /// Forgets what lasts: somebody else changes the partition.
    pub fn forget(&mut self) {
        self.full_since = None;
        self.idle = None;
    }

    fn grow(&mut self, now: Moment, bounds: &Connections, sight: &Sight) -> Option<u32> {
        if !sight.is_full() || !sight.is_settled || sight.is_held_back {
            self.full_since = None;
            return None;
        }
        let since = *self.full_since.get_or_insert(now);
        if now.since(since) < GROW_AFTER {
            return None;
        }
        let step = if sight.waiting >= sight.window { sight.present } else { sight.present.div_ceil(4) };
        let to = sight.present.saturating_add(step.min(sight.room)).min(bounds.max);
        if to == sight.present {
            return None;
        }
        self.full_since = None;
        self.too_small = Some((sight.present, now));
        Some(to)
    }

    fn shrink(&mut self, now: Moment, bounds: &Connections, sight: &Sight) -> Option<u32> {
        let Some(enough) = sight.half_used().filter(|enough| *enough < sight.present) else {
            self.idle = None;
            return None;
        };
        let idle = self.idle.get_or_insert(Idle { since: now, enough });
        idle.enough = idle.enough.max(enough);
        let Idle { since, enough } = *idle;
        if now.since(since) < bounds.shrink_after {
            return None;
        }
        self.idle = None;
        let to = enough.max(bounds.min).max(self.proven(now, bounds));
        (to < sight.present).then_some(to)
    }

    /// What was too small and would be full now is too small still, though it is not there any more.
    fn remember(&mut self, now: Moment, sight: &Sight) {
        if let Some((number, when)) = &mut self.too_small {
            let used = sight.in_flight * u64::from(sight.ready) * 4;
            if used > 0 && used >= u64::from(*number) * sight.window * 3 {
                *when = now;
            }
        }
    }

    /// Returns the least number that was not too small lately.
    fn proven(&self, now: Moment, bounds: &Connections) -> u32 {
        let lately = bounds.shrink_after.saturating_mul(MEMORY);
        self.too_small.filter(|(_, when)| now.since(*when) < lately).map_or(0, |(number, _)| number + 1)
    }
}

// === impl Opens ===

impl Opens {
    /// Takes note of how many were tried since the start; returns how many more may be, at `rate` a minute.
    pub fn look(&mut self, now: Moment, tried: u64, rate: u32) -> u32 {
        if self.samples.back().is_none_or(|(last, _)| now.since(*last) >= SAMPLE) {
            // The first look is not at the first connection.
            let tried = if self.samples.is_empty() { 0 } else { tried };
            self.samples.push_back((now, tried));
        }
        while self.samples.get(1).is_some_and(|(second, _)| now.since(*second) >= MINUTE) {
            self.samples.pop_front();
        }
        let before = self.samples.front().map_or(0, |(_, before)| *before);
        rate.saturating_sub(u32::try_from(tried.saturating_sub(before)).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bounds => "the configuration's bounds",
            Self::Full => "pushes wait and all windows are full",
            Self::Idle => "the windows were at most half used",
        })
    }
}
