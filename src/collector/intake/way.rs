//! The way between the door and the queue: what is in the channel, and how much the buffer and the channel may hold. Pure.
//!
//! The intake keeps it behind the lock that every batch takes at the door anyway, so limits can change while batches come.

use crate::collector::occupancy::{Classes, Limits, Load, Occupancy, Room};
use crate::collector::{Keep, Settings};
use crate::push::RouteId;

/// The least that ordinary pushes may have in the channel, so that a small buffer still takes a batch.
const FLOOR: Load = Load { pushes: 1000, bytes: 4 << 20 };
/// With `keep = "newest"` the channel may hold this part of the buffer on top of it before arriving pushes are shed.
const PART: u64 = 8;

/// What `[collector]` says about the buffer.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    all: Load,
    reserve: f64,
    /// What goes when it is full.
    pub keep: Keep,
}

/// The way.
#[derive(Debug)]
pub struct Way {
    /// What the settings say.
    pub bounds: Bounds,
    /// What the buffer may hold.
    pub limits: Limits,
    channel_limits: Limits,
    /// What is in the channel.
    pub held: Occupancy,
}

// === impl Bounds ===

impl Bounds {
    /// Returns what the settings say.
    pub const fn of(settings: &Settings) -> Self {
        let all = Load { pushes: settings.buffer, bytes: settings.buffer_bytes };
        Self { all, reserve: settings.critical_reserve, keep: settings.keep }
    }

    /// Returns the limits of the buffer for routes with these weights.
    pub fn limits(&self, weights: &[u32]) -> Limits {
        Limits::new(self.all, self.reserve, weights)
    }

    fn channel_limits(&self, weights: &[u32]) -> Limits {
        let above_reserve = |floor: u64| (floor as f64 / (1.0 - self.reserve)).ceil() as u64;
        let channel = Load {
            pushes: (self.all.pushes / PART).max(above_reserve(FLOOR.pushes)),
            bytes: (self.all.bytes / PART).max(above_reserve(FLOOR.bytes)),
        };
        Limits::new(channel, self.reserve, weights)
    }
}

// === impl Way ===

impl Way {
    /// Returns an empty way without partitions.
    pub fn new(bounds: Bounds) -> Self {
        let (limits, channel_limits) = (bounds.limits(&[]), bounds.channel_limits(&[]));
        Self { bounds, limits, channel_limits, held: Occupancy::new() }
    }

    /// Gives the next partition a count.
    pub fn open(&mut self) {
        self.held.open();
    }

    /// Follows the bounds and other weights.
    pub fn weigh(&mut self, weights: &[u32]) {
        self.limits = self.bounds.limits(weights);
        self.channel_limits = self.bounds.channel_limits(weights);
    }

    /// Returns how much may be in the channel.
    pub const fn most(&self) -> Load {
        self.channel_limits.all
    }

    /// Returns what the door knows for a batch of this route; `queue` is what is in the queue, which only counts with [`Keep::Oldest`].
    pub fn room<'a>(&'a mut self, route: RouteId, queue: Option<&'a Occupancy>) -> Room<'a> {
        let Self { limits, channel_limits, held, .. } = self;
        Room { route, limits, channel_limits, channel: held, queue, granted: Classes::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_buffer_takes_a_whole_batch_of_ordinary_pushes_whatever_is_reserved() {
        for reserve in [0.0, 0.05, 0.1, 0.33, 0.9] {
            let all = Load { pushes: 10, bytes: 4096 };
            let limits = Bounds { all, reserve, keep: Keep::Newest }.channel_limits(&[1]);
            assert!(
                limits.ordinary.pushes >= FLOOR.pushes && limits.ordinary.bytes >= FLOOR.bytes,
                "{limits:?}"
            );
            assert!(limits.ordinary.pushes <= FLOOR.pushes + 1, "{limits:?}");
        }
    }
}
