//! How fast a connection is replaced. Pure.
//!
//! The supervisor backs off between incarnations; this is the back-off inside one, for a provider that drains every new connection.

use std::time::Duration;

/// A life this long makes the end of a connection a first one.
const SOUND: Duration = Duration::from_secs(10);
/// The pause after the second short life in a row; doubles with each further one.
const SHORTEST: Duration = Duration::from_millis(500);
const MOST_DOUBLINGS: u32 = 5;

/// How the last connections of a pusher fared.
#[derive(Debug, Default)]
pub struct Pace {
    short_lives: u32,
}

// === impl Pace ===

impl Pace {
    /// Returns how many lives in a row were short.
    pub const fn short_lives(&self) -> u32 {
        self.short_lives
    }

    /// Takes note of how long a connection lived and whether it was of use, and returns the pause before the next one; the first replacement is immediate.
    ///
    /// `spread` is a random number from 0 to 1: the upper half of the pause is drawn.
    pub fn pause(&mut self, life: Duration, was_useful: bool, spread: f64) -> Duration {
        self.short_lives = if life < SOUND && !was_useful { self.short_lives.saturating_add(1) } else { 0 };
        match self.short_lives {
            0 | 1 => Duration::ZERO,
            lives => (SHORTEST * (1 << (lives - 2).min(MOST_DOUBLINGS))).mul_f64(0.5 + spread / 2.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_while_lives_are_short_and_end_with_a_sound_one() {
        let mut pace = Pace::default();
        let pauses: Vec<u128> =
            (0..9).map(|_| pace.pause(Duration::from_secs(1), false, 1.0).as_millis()).collect();
        assert_eq!(pauses, [0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
        assert_eq!(pace.pause(SOUND, false, 1.0), Duration::ZERO);
        assert_eq!(pace.pause(Duration::ZERO, false, 1.0), Duration::ZERO);
        assert_eq!(pace.pause(Duration::ZERO, false, 0.0), SHORTEST / 2);
        assert_eq!(pace.pause(Duration::ZERO, true, 1.0), Duration::ZERO);
    }
}
