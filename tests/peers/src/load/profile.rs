//! The shapes of offered load, and the send times that follow from them.
//!
//! Pure: the runner asks a [`Schedule`] when each request is due. A profile is a list of stretches with a constant rate;
//! `reference/observability.md` 2.1 is the source of the incident's proportions.

use std::time::Duration;

use clap::ValueEnum;

/// The shapes of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// The rate, all the time.
    Steady,
    /// The rate, with four times as much in the first second of every ten.
    Burst,
    /// The overload replay of Discord's incident: the rate for 5/9 of the time, then 0.3 of it until the buffer has drained.
    Incident,
    /// A day from midnight to midnight, the evening peak at the rate, the night at a seventh of it.
    Day,
}

/// A stretch of time with a constant rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// How long it is, in seconds.
    pub length: f64,
    /// Pushes per second.
    pub rate: f64,
}

/// How many stretches a day is made of.
const DAY_STEPS: u32 = 288;

impl Profile {
    /// Returns the stretches for a peak rate of `rate` pushes per second over `length`.
    #[must_use]
    pub fn stretches(self, rate: f64, length: Duration) -> Vec<Stretch> {
        let total = length.as_secs_f64();
        match self {
            Self::Steady => vec![Stretch { length: total, rate }],
            Self::Burst => bursts(rate, total),
            Self::Incident => vec![
                Stretch { length: total * 50.0 / 90.0, rate },
                Stretch { length: total * 40.0 / 90.0, rate: rate * 0.3 },
            ],
            Self::Day => {
                let step = total / f64::from(DAY_STEPS);
                let at = |n: u32| rate * day_share(f64::from(n) / f64::from(DAY_STEPS));
                (0..DAY_STEPS).map(|n| Stretch { length: step, rate: at(n) }).collect()
            }
        }
    }
}

fn bursts(rate: f64, total: f64) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut left = total;
    while left > 0.0 {
        let high = left.min(1.0);
        let low = (left - high).min(9.0);
        stretches.push(Stretch { length: high, rate: rate * 4.0 });
        stretches.push(Stretch { length: low, rate });
        left -= high + low;
    }
    stretches
}

/// Returns the load of a time of day (0 to 1) as a share of the peak, which is at 20:00.
fn day_share(time: f64) -> f64 {
    let swing = ((time - 20.0 / 24.0) * std::f64::consts::TAU).cos();
    let night = 1.0 / 7.0;
    night + (1.0 - night) * f64::midpoint(swing, 1.0).powf(1.5)
}

/// Hands out the send time of one request after another, each for `batch` pushes.
///
/// A request is due when its first push is: request `k` at the moment `k * batch` pushes were due before it.
#[derive(Debug, Clone)]
pub struct Schedule {
    stretches: Vec<Stretch>,
    /// The current stretch.
    index: usize,
    /// Where the current stretch starts, in seconds.
    start: f64,
    /// How many pushes were due before the current stretch.
    before: f64,
    batch: f64,
    sent: u64,
    most: u64,
}

impl Schedule {
    /// Returns the schedule of a profile's stretches in requests of `batch` pushes, at most `most` requests.
    #[must_use]
    pub fn new(stretches: Vec<Stretch>, batch: u32, most: u64) -> Self {
        Self { stretches, index: 0, start: 0.0, before: 0.0, batch: f64::from(batch), sent: 0, most }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.sent >= self.most {
            return None;
        }
        let due = self.sent as f64 * self.batch;
        loop {
            let stretch = self.stretches.get(self.index)?;
            let ahead = due - self.before;
            if ahead < stretch.rate * stretch.length {
                self.sent += 1;
                return Some(Duration::from_secs_f64(self.start + ahead / stretch.rate));
            }
            self.before += stretch.rate * stretch.length;
            self.start += stretch.length;
            self.index += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pushes(profile: Profile, rate: f64, seconds: u64) -> f64 {
        let stretches = profile.stretches(rate, Duration::from_secs(seconds));
        stretches.iter().map(|stretch| stretch.length * stretch.rate).sum()
    }

    #[test]
    fn the_incident_offers_what_the_blog_s_graphs_imply() {
        let stretches = Profile::Incident.stretches(16_667.0, Duration::from_secs(90));
        assert!((stretches[0].length - 50.0).abs() < 1e-9 && (stretches[1].length - 40.0).abs() < 1e-9);
        assert!((stretches[1].rate - 5_000.0).abs() < 1.0);
    }

    #[test]
    fn a_burst_cycle_sends_thirteen_seconds_worth_in_ten() {
        assert!((pushes(Profile::Burst, 100.0, 30) - 3900.0).abs() < 1e-6);
    }

    #[test]
    fn a_day_peaks_in_the_evening_and_sleeps_in_the_morning() {
        let stretches = Profile::Day.stretches(700.0, Duration::from_secs(24));
        let rate = |hour: usize| stretches[hour * 12].rate;
        assert!((rate(20) - 700.0).abs() < 1e-6);
        assert!((rate(8) - 100.0).abs() < 1e-6);
        assert!(rate(14) > rate(10) && rate(23) < rate(20));
    }

    #[test]
    fn a_steady_schedule_is_evenly_spaced() {
        let stretches = Profile::Steady.stretches(100.0, Duration::from_secs(1));
        let times: Vec<Duration> = Schedule::new(stretches, 25, u64::MAX).collect();
        assert_eq!(times, [0, 250, 500, 750].map(Duration::from_millis));
    }

    #[test]
    fn a_count_ends_the_schedule_early() {
        let stretches = Profile::Steady.stretches(1000.0, Duration::from_secs(60));
        assert_eq!(Schedule::new(stretches, 10, 3).count(), 3);
    }

    proptest! {
        #[test]
        fn every_profile_s_schedule_is_ordered_and_offers_its_whole_load(
            profile in prop::sample::select(Profile::value_variants().to_vec()),
            rate in 10.0f64..2000.0,
            seconds in 1u64..40,
            batch in 1u32..50,
        ) {
            let length = Duration::from_secs(seconds);
            let times: Vec<Duration> = Schedule::new(profile.stretches(rate, length), batch, u64::MAX).collect();
            prop_assert!(times.is_sorted());
            prop_assert!(times.last().is_none_or(|last| *last <= length));
            let offered = times.len() as f64 * f64::from(batch);
            prop_assert!((offered - pushes(profile, rate, seconds)).abs() <= f64::from(batch) + 1.0);
        }
    }
}
