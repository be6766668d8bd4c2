//! Decides how long to wait before a failed thing is tried again; called by the supervisor and by anything that reconnects.
//!
//! Pure: the caller counts the failures and brings the random number, so that a test can name every delay.

use std::time::Duration;

use thiserror::Error;

/// How long to wait before the next try: exponential between two bounds, jittered, forgiving after a healthy life.
///
/// ```
/// use std::time::Duration;
/// use pushweir_actors::Backoff;
///
/// let backoff = Backoff::try_new(Duration::from_millis(100), Duration::from_secs(30), 0.0, Duration::from_secs(10))
///     .expect("the bounds are in order");
/// let mut failures = 0;
/// // Lived long: tried again at once. Died young three times: 100, 200, 400 ms.
/// let lives = [Duration::from_secs(60), Duration::ZERO, Duration::ZERO, Duration::ZERO];
/// let delays = lives.map(|lived| backoff.after(&mut failures, lived, 0.5).as_millis());
/// assert_eq!(delays, [0, 100, 200, 400]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    jitter: f64,
    healthy_after: Duration,
    first: Duration,
}

/// Why a [`Backoff`] was refused.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum BackoffError {
    /// The lower bound is above the upper one.
    #[error("back-off min {min:?} is above max {max:?} (hint: swap them or raise max)")]
    Bounds {
        /// The lower bound given.
        min: Duration,
        /// The upper bound given.
        max: Duration,
    },
    /// The jitter is not a share between 0 and 1.
    #[error("back-off jitter {0} is not between 0 and 1 (hint: 0.5 takes away up to half of the delay)")]
    Jitter(f64),
}

impl Default for Backoff {
    /// 100 ms to 30 s, half of it jitter, healthy after 10 s.
    fn default() -> Self {
        Self {
            min: Duration::from_millis(100),
            max: Duration::from_secs(30),
            jitter: 0.5,
            healthy_after: Duration::from_secs(10),
            first: Duration::ZERO,
        }
    }
}

// === impl Backoff ===

impl Backoff {
    /// Checks and builds a back-off: the n-th early failure in a row waits `min · 2ⁿ⁻¹`, at most `max`.
    ///
    /// `jitter` is the share of the delay that chance may take away; a life of `healthy_after` forgets all failures.
    ///
    /// # Errors
    /// [`BackoffError`] when `min > max`, or `jitter` is outside 0..=1 or not a number.
    pub fn try_new(
        min: Duration,
        max: Duration,
        jitter: f64,
        healthy_after: Duration,
    ) -> Result<Self, BackoffError> {
        if min > max {
            return Err(BackoffError::Bounds { min, max });
        }
        if !(0.0..=1.0).contains(&jitter) {
            return Err(BackoffError::Jitter(jitter));
        }
        Ok(Self { min, max, jitter, healthy_after, first: Duration::ZERO })
    }

    /// No delay ever: OTP's own behaviour, where only the intensity limits restarts. Do not use it without a limit: a child
    /// that can never start would be tried in an endless loop.
    pub fn none() -> Self {
        Self {
            min: Duration::ZERO,
            max: Duration::ZERO,
            jitter: 0.0,
            healthy_after: Duration::ZERO,
            first: Duration::ZERO,
        }
    }

    /// Sets the delay after a life of at least `healthy_after`; zero (at once) unless set.
    pub fn first_retry(mut self, delay: Duration) -> Self {
        self.first = delay;
        self
    }

    /// Returns the delay after a life of `lived`, and counts it in `failures`, which the caller keeps per tried thing.
    ///
    /// `random` is in 0..=1: 0 gives the longest delay, 1 the shortest.
    pub fn after(&self, failures: &mut u32, lived: Duration, random: f64) -> Duration {
        if lived >= self.healthy_after {
            *failures = 0;
            return self.jittered(self.first, random);
        }
        *failures = failures.saturating_add(1);
        self.delay(*failures, random)
    }

    /// Returns the delay before the try that follows `failures` early failures in a row (0: the first retry).
    pub fn delay(&self, failures: u32, random: f64) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else {
            return self.jittered(self.first, random);
        };
        let factor = 2_u32.saturating_pow(doublings.min(31));
        self.jittered(self.min.saturating_mul(factor).min(self.max), random)
    }

    /// The shortest delay before jitter.
    pub fn min(&self) -> Duration {
        self.min
    }

    /// The longest delay.
    pub fn max(&self) -> Duration {
        self.max
    }

    fn jittered(&self, delay: Duration, random: f64) -> Duration {
        delay.mul_f64(1.0 - self.jitter * random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn refuses_bounds_and_jitter_that_make_no_sense() {
        let healthy = millis(1);
        assert!(matches!(
            Backoff::try_new(millis(2), millis(1), 0.0, healthy),
            Err(BackoffError::Bounds { .. })
        ));
        for jitter in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(
                Backoff::try_new(millis(1), millis(2), jitter, healthy),
                Err(BackoffError::Jitter(_))
            ));
        }
    }

    #[test]
    fn the_first_retry_after_a_healthy_life_is_configurable() {
        let backoff = Backoff::try_new(millis(10), millis(80), 0.0, millis(5)).unwrap();
        let mut failures = 7;
        assert_eq!(backoff.after(&mut failures, millis(5), 0.3), Duration::ZERO);
        assert_eq!(failures, 0);
        assert_eq!(backoff.first_retry(millis(3)).after(&mut failures, millis(9), 0.3), millis(3));
    }

    fn backoffs() -> impl Strategy<Value = Backoff> {
        (0_u64..5_000, 0_u64..100_000, 0.0..=1.0_f64, 0_u64..10_000).prop_map(
            |(min, more, jitter, healthy)| {
                Backoff::try_new(millis(min), millis(min + more), jitter, millis(healthy)).unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn a_delay_stays_between_the_jittered_bounds(b in backoffs(), n in 1_u32.., r in 0.0..=1.0_f64) {
            let delay = b.delay(n, r);
            prop_assert!(delay <= b.max);
            // A nanosecond for the rounding of the multiplication.
            prop_assert!(delay + Duration::from_nanos(1) >= b.min.mul_f64(1.0 - b.jitter));
        }

        #[test]
        fn delays_do_not_shrink_while_failures_go_on(b in backoffs(), n in 0_u32..64, r in 0.0..=1.0_f64) {
            prop_assert!(b.delay(n, r) <= b.delay(n + 1, r));
        }

        #[test]
        fn more_chance_never_waits_longer(b in backoffs(), n in 0_u32..64, r in 0.0..=1.0_f64, s in 0.0..=1.0_f64) {
            let (low, high) = if r < s { (r, s) } else { (s, r) };
            prop_assert!(b.delay(n, high) <= b.delay(n, low));
        }

        #[test]
        fn a_healthy_life_forgets_every_failure(b in backoffs(), n in 0_u32.., r in 0.0..=1.0_f64) {
            let mut failures = n;
            b.after(&mut failures, b.healthy_after, r);
            prop_assert_eq!(failures, 0);
        }

        #[test]
        fn early_failures_double_up_to_the_bound(b in backoffs(), n in 1_usize..40) {
            let b = Backoff { jitter: 0.0, healthy_after: millis(1), ..b };
            let mut failures = 0;
            let mut expected = b.min;
            for _ in 0..n {
                prop_assert_eq!(b.after(&mut failures, Duration::ZERO, 0.0), expected.min(b.max));
                expected = expected.saturating_mul(2);
            }
        }
    }
}
