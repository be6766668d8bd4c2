//! How many retries a route may send: a share of what it sends anyway, so that a provider in trouble is not hit harder for it. Pure.
//!
//! A bucket of retries: every answered attempt adds the share, time adds a small floor, a retry takes one. A retry for which the bucket has
//! none waits until it will have one, behind those that wait already; so the back-off stretches, and retries never come faster than the
//! budget grows.

use std::time::Duration;

use crate::units::Moment;

/// Seconds over which sends are counted.
const WINDOW: usize = 10;
/// Retries a second that are always allowed, so that a quiet route is not held up.
const FLOOR: f64 = 10.0;

/// The budget of one route.
#[derive(Debug)]
pub struct Budget {
    share: f64,
    /// Sends by second; the slot of a second is its number modulo the window.
    sends: [u64; WINDOW],
    second: u64,
    retries: f64,
    filled_at: Moment,
    stretched: u64,
}

// === impl Budget ===

impl Budget {
    /// Returns a budget of this share of sends, 0 to 1; with 1 every attempt may be followed by a retry, so there is no limit.
    pub const fn new(share: f64) -> Self {
        Self {
            share,
            sends: [0; WINDOW],
            second: 0,
            retries: FLOOR,
            filled_at: Moment::from_micros(0),
            stretched: 0,
        }
    }

    /// Follows a new share from now on.
    pub const fn follow(&mut self, share: f64) {
        self.share = share;
    }

    /// Enters `count` attempts that were answered.
    pub fn sent(&mut self, now: Moment, count: u64) {
        self.advance(now);
        self.sends[self.slot()] += count;
        let most = FLOOR.max(self.share * self.sends.iter().sum::<u64>() as f64);
        let idle = now.since(self.filled_at).as_secs_f64() * FLOOR;
        self.filled_at = self.filled_at.max(now);
        self.retries = (self.retries + self.share * count as f64 + idle).min(most);
    }

    /// Takes a retry from the budget and returns the moment before which it must not be sent.
    pub fn take(&mut self, now: Moment) -> Moment {
        if self.share >= 1.0 {
            return now;
        }
        self.sent(now, 0);
        self.retries -= 1.0;
        if self.retries >= 0.0 {
            return now;
        }
        self.stretched += 1;
        let per_second = FLOOR + self.share * self.sends.iter().sum::<u64>() as f64 / WINDOW as f64;
        now.after(Duration::try_from_secs_f64(-self.retries / per_second).unwrap_or(Duration::MAX))
    }

    /// Gives a retry back that will not be sent.
    pub fn give_back(&mut self) {
        self.retries += 1.0;
    }

    /// Returns how many retries had to wait for the budget.
    pub const fn stretched(&self) -> u64 {
        self.stretched
    }

    fn slot(&self) -> usize {
        usize::try_from(self.second % WINDOW as u64).unwrap_or(0)
    }

    /// Forgets the seconds that have left the window.
    fn advance(&mut self, now: Moment) {
        let second = now.as_micros() / 1_000_000;
        for _ in 0..second.saturating_sub(self.second).min(WINDOW as u64) {
            self.second += 1;
            let slot = self.slot();
            self.sends[slot] = 0;
        }
        self.second = self.second.max(second);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(number: u64) -> Moment {
        Moment::from_micros(number * 1_000)
    }

    #[test]
    fn a_few_failures_are_retried_at_once() {
        let mut budget = Budget::new(0.1);
        for second in 0..20 {
            budget.sent(millis(second * 1_000), 1_000);
            for _ in 0..50 {
                assert_eq!(budget.take(millis(second * 1_000)), millis(second * 1_000));
            }
        }
        assert_eq!(budget.stretched(), 0);
    }

    #[test]
    fn a_quiet_route_may_always_retry_a_little() {
        let mut budget = Budget::new(0.1);
        for second in 0..20 {
            budget.sent(millis(second * 1_000), 1);
            assert_eq!(budget.take(millis(second * 1_000)), millis(second * 1_000));
        }
    }

    #[test]
    fn what_is_given_back_can_be_used_again_and_a_full_share_is_no_limit() {
        let mut budget = Budget::new(0.0);
        for _ in 0..1_000 {
            assert_eq!(budget.take(millis(1)), millis(1));
            budget.give_back();
        }
        let mut unlimited = Budget::new(1.0);
        assert!((0..1_000).all(|_| unlimited.take(millis(1)) == millis(1)));
    }

    proptest! {
        #[test]
        fn retries_never_exceed_the_share_of_what_was_sent_and_the_floor(sends in 1..100_u64, share in 0.0..0.5_f64, seconds in 1..15_u64) {
            let mut budget = Budget::new(share);
            let mut dues = Vec::new();
            // A provider that refuses everything for so long, at a steady rate.
            for tenth in 0..seconds * 10 {
                let now = millis(tenth * 100);
                budget.sent(now, sends);
                dues.extend((0..sends).map(|_| budget.take(now)));
            }
            dues.sort_unstable();
            for (count, due) in (1_u64..).zip(&dues) {
                if *due > millis(seconds * 1_000) {
                    break;
                }
                let elapsed = due.as_micros() as f64 / 1e6 + 0.1;
                let allowed = share * sends as f64 * elapsed * 10.0 + FLOOR * (elapsed + 1.0) + sends as f64 * share + 1.0;
                prop_assert!(count as f64 <= allowed, "{} retries by {:?}, {} allowed", count, due, allowed);
            }
        }
    }
}
