//! A provider's answers over a window that moves on in parts. Pure.

use std::time::Duration;

use super::Tally;
use crate::units::Moment;

/// Parts of the window that are forgotten one by one.
const SLOTS: usize = 10;

/// The answers of the last while.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recent {
    slots: [(u64, u64); SLOTS],
    tick: u64,
}

// === impl Recent ===

impl Recent {
    /// Enters answers.
    pub fn add(&mut self, now: Moment, window: Duration, tally: &Tally) {
        let slot = (window.as_micros() / SLOTS as u128).max(1);
        let tick = u64::try_from(u128::from(now.as_micros()) / slot).unwrap_or(u64::MAX);
        for _ in 0..tick.saturating_sub(self.tick).min(SLOTS as u64) {
            self.tick += 1;
            self.slots[Self::index(self.tick)] = (0, 0);
        }
        if tick > self.tick {
            // A longer silence: everything was forgotten above.
            self.tick = tick;
            self.slots = Default::default();
        }
        let (answers, trouble) = &mut self.slots[Self::index(self.tick)];
        *answers += tally.fine + tally.trouble;
        *trouble += tally.trouble;
    }

    /// Returns all answers of the window and those that were trouble.
    pub fn sum(&self) -> (u64, u64) {
        self.slots.iter().fold((0, 0), |sum, slot| (sum.0 + slot.0, sum.1 + slot.1))
    }

    fn index(tick: u64) -> usize {
        usize::try_from(tick % SLOTS as u64).unwrap_or(0)
    }
}
