//! Who is traced: the share of a request's pushes, and how many callers a second may decide it for us. Pure.

use std::time::Duration;

use crate::units::Moment;

/// The least share, that of requests with very many pushes.
const LEAST: f64 = 0.001;

/// Returns the share of a traced request's `count` pushes that is traced, so that about `wanted` of them are
/// (`reference/observability.md` 1.1: 1 of 1, 10 of 100, a thousandth of very many).
pub fn keep(wanted: f64, count: usize) -> f64 {
    (wanted / count.max(1) as f64).clamp(LEAST, 1.0)
}

/// A bucket of permissions that fills at a steady rate and holds those of a second.
#[derive(Debug, Default)]
pub struct Bucket {
    /// Permissions that were used up, as the time that they take to come back.
    debt: Duration,
    at: Moment,
}

// === impl Bucket ===

impl Bucket {
    /// Takes a permission, of which there are `rate` a second.
    pub fn take(&mut self, now: Moment, rate: u32) -> bool {
        let Some(each) = Duration::from_secs(1).checked_div(rate) else { return false };
        self.debt = self.debt.saturating_sub(now.since(self.at));
        self.at = self.at.max(now);
        let is_granted = self.debt + each <= Duration::from_secs(1);
        if is_granted {
            self.debt += each;
        }
        is_granted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tr_4_the_published_shares_come_out() {
        let table = [(1, 1.0), (10, 1.0), (100, 0.1), (1_000, 0.01), (10_000, 0.001), (1_000_000, 0.001)];
        for (count, share) in table {
            assert_eq!(keep(10.0, count), share, "{count}");
        }
        assert_eq!((keep(10.0, 0), keep(1.0, 100), keep(100.0, 1_000)), (1.0, 0.01, 0.1));
    }

    /// 99.9 % of a binomial distribution lies within 3.3 standard deviations of its mean.
    #[test]
    fn tr_4_draws_follow_the_share_within_binomial_bounds() {
        let mut random = fastrand::Rng::with_seed(7);
        for count in [1_usize, 10, 100, 1_000, 10_000] {
            let calls = 20_000 / count.min(200);
            let share = keep(10.0, count);
            let drawn = (0..calls * count).filter(|_| random.f64() < share).count() as f64;
            let all = (calls * count) as f64;
            let spread = 3.3 * (all * share * (1.0 - share)).sqrt();
            assert!((drawn - all * share).abs() <= spread + 0.5, "{drawn} of {all} at {share}");
            assert!(drawn / calls as f64 <= 10.0 + spread / calls as f64, "{count}");
        }
    }

    proptest! {
        #[test]
        fn no_second_grants_more_than_two_seconds_worth(steps in prop::collection::vec(0..50_u64, 1..300), rate in 1..100_u32) {
            let mut bucket = Bucket::default();
            let (mut now, mut granted) = (0, Vec::new());
            for step in steps {
                now += step;
                if bucket.take(Moment::from_micros(now * 1_000), rate) {
                    granted.push(now);
                }
            }
            for (index, first) in granted.iter().enumerate() {
                let within = granted[index..].iter().take_while(|at| **at - first < 1_000).count();
                prop_assert!(within <= 2 * rate as usize, "{} within a second", within);
            }
            let mut none = Bucket::default();
            prop_assert!(!none.take(Moment::from_micros(now), 0));
        }
    }
}
