//! What a load run counted: pushes by fate, responses by status, and three histograms.
//!
//! Workers and the pacer write to one [`Score`]; the runner samples it each second and turns it into the [`Report`].
//! Invariants: `offered = sent + skipped` and `sent = accepted + shed + refused + unanswered` once the run is over.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::load::response::Verdict;

/// The longest time a histogram tells apart, in microseconds.
const LONGEST: u64 = 120_000_000;

/// The running counts.
#[derive(Debug)]
pub struct Score {
    /// The counts that are reported as they are.
    pub counts: Counts,
    /// From the scheduled time to the response.
    pub latency: Histogram<u64>,
    /// From the write to the response.
    pub service: Histogram<u64>,
    /// From the scheduled time to the write.
    pub lag: Histogram<u64>,
    /// The latencies since the last sample.
    recent: Histogram<u64>,
    /// The counts at the last sample.
    sampled: Counts,
    /// One entry per second.
    pub series: Vec<Sample>,
}

/// Pushes, requests and errors.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counts {
    /// Pushes that were due.
    pub offered: u64,
    /// Pushes whose request was written.
    pub sent: u64,
    /// Pushes whose request was never written: too many requests waited, or no connection could be had.
    pub skipped: u64,
    /// Pushes the gateway accepted.
    pub accepted: u64,
    /// Pushes the gateway shed.
    pub shed: u64,
    /// Pushes the gateway refused.
    pub refused: u64,
    /// Pushes whose request got no response.
    pub unanswered: u64,
    /// Requests answered.
    pub requests: u64,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// `failed[].reason` by word.
    pub reasons: BTreeMap<String, u64>,
    /// Failures of the connection by kind: `connect`, `timeout`, `broken`.
    pub errors: BTreeMap<&'static str, u64>,
}

/// One second of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// The second, from 1.
    pub second: u64,
    /// Pushes due in it.
    pub offered: u64,
    /// Pushes accepted in it.
    pub accepted: u64,
    /// Pushes shed in it.
    pub shed: u64,
    /// Pushes refused in it.
    pub refused: u64,
    /// Pushes skipped in it.
    pub skipped: u64,
    /// The 99th percentile of the latencies that ended in it.
    pub p99_ms: f64,
}

/// A histogram's figures in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Percentiles {
    /// How many values there are.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The 99.9th percentile.
    pub p99_9: f64,
    /// The largest.
    pub max: f64,
}

/// The times of one answered request.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// From the scheduled time to the response.
    pub latency: Duration,
    /// From the write to the response.
    pub service: Duration,
}

impl Default for Score {
    fn default() -> Self {
        let histogram = || Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are valid");
        Self {
            counts: Counts::default(),
            latency: histogram(),
            service: histogram(),
            lag: histogram(),
            recent: histogram(),
            sampled: Counts::default(),
            series: Vec::new(),
        }
    }
}

impl Score {
    /// Notes that a request was written this long after its time.
    pub fn sent(&mut self, pushes: u64, lag: Duration) {
        self.counts.sent += pushes;
        self.lag.saturating_record(micros(lag));
    }

    /// Notes a response.
    pub fn answered(&mut self, status: u16, verdict: Verdict, times: Times) {
        let counts = &mut self.counts;
        counts.requests += 1;
        counts.accepted += verdict.accepted;
        counts.shed += verdict.shed;
        counts.refused += verdict.refused;
        *counts.statuses.entry(status).or_default() += 1;
        for (reason, count) in verdict.reasons {
            *counts.reasons.entry(reason).or_default() += count;
        }
        self.latency.saturating_record(micros(times.latency));
        self.recent.saturating_record(micros(times.latency));
        self.service.saturating_record(micros(times.service));
    }

    /// Notes a failure of a connection and the pushes that were on it without response.
    pub fn failed(&mut self, kind: &'static str, unanswered: u64) {
        *self.counts.errors.entry(kind).or_default() += 1;
        self.counts.unanswered += unanswered;
    }

    /// Notes a request for which no connection could be had.
    pub fn unsendable(&mut self, pushes: u64) {
        self.counts.skipped += pushes;
        self.failed("connect", 0);
    }

    /// Closes the current second and returns it.
    pub fn sample(&mut self) -> Sample {
        let (now, before) = (&self.counts, &self.sampled);
        let sample = Sample {
            second: self.series.len() as u64 + 1,
            offered: now.offered - before.offered,
            accepted: now.accepted - before.accepted,
            shed: now.shed - before.shed,
            refused: now.refused - before.refused,
            skipped: now.skipped - before.skipped,
            p99_ms: millis(self.recent.value_at_quantile(0.99)),
        };
        self.recent.reset();
        self.sampled = self.counts.clone();
        self.series.push(sample.clone());
        sample
    }
}

impl Sample {
    /// Returns the second as one line for people.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{:>4} s  offered {:>7}  accepted {:>7}  shed {:>7}  refused {:>6}  skipped {:>6}  p99 {:>9.2} ms",
            self.second, self.offered, self.accepted, self.shed, self.refused, self.skipped, self.p99_ms
        )
    }
}

impl Percentiles {
    /// Returns the figures of a histogram of microseconds.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| millis(histogram.value_at_quantile(quantile));
        Self {
            count: histogram.len(),
            mean: histogram.mean() / 1000.0,
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p99_9: at(0.999),
            max: millis(histogram.max()),
        }
    }
}

/// What a run ends with; the field names are the JSON's keys.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `open` or `max`.
    pub mode: &'static str,
    /// The profile's name.
    pub profile: String,
    /// The asked rate in pushes per second.
    pub rate: f64,
    /// Pushes per request.
    pub batch: u32,
    /// Connections.
    pub connections: u32,
    /// From the first scheduled time to the last response.
    pub elapsed_seconds: f64,
    /// Pushes offered per second of that.
    pub offered_per_second: f64,
    /// Pushes accepted per second of that.
    pub accepted_per_second: f64,
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// Pushes that are in none of the fates; 0 unless the generator miscounts.
    pub unaccounted: i128,
    /// From the scheduled time to the response.
    pub latency_ms: Percentiles,
    /// From the write to the response.
    pub service_ms: Percentiles,
    /// The generator's own lag: from the scheduled time to the write.
    pub lag_ms: Percentiles,
    /// Second by second.
    pub series: Vec<Sample>,
}

impl Report {
    /// Returns the report as a short text for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let counts = &self.counts;
        let words = |map: &BTreeMap<String, u64>| {
            map.iter().map(|(word, count)| format!(" {word}={count}")).collect::<String>()
        };
        let statuses = counts.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect();
        let errors = counts.errors.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect();
        let line = |name: &str, figures: &Percentiles| {
            format!(
                "{name:<8} p50 {:.2} ms  p95 {:.2}  p99 {:.2}  p99.9 {:.2}  max {:.2}\n",
                figures.p50, figures.p95, figures.p99, figures.p99_9, figures.max
            )
        };
        format!(
            "offered  {} pushes in {:.1} s ({:.0}/s), sent {}, skipped {}\naccepted {} ({:.0}/s), shed {}, refused {}, \
             unanswered {}\nstatuses{}\nreasons {}\nerrors  {}\n{}{}{}",
            counts.offered,
            self.elapsed_seconds,
            self.offered_per_second,
            counts.sent,
            counts.skipped,
            counts.accepted,
            self.accepted_per_second,
            counts.shed,
            counts.refused,
            counts.unanswered,
            words(&statuses),
            words(&counts.reasons),
            words(&errors),
            line("latency", &self.latency_ms),
            line("service", &self.service_ms),
            line("lag", &self.lag_ms),
        )
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_holds_only_what_happened_since_the_last() {
        let mut score = Score::default();
        let times = |ms| Times { latency: Duration::from_millis(ms), service: Duration::from_millis(1) };
        score.counts.offered = 10;
        score.answered(202, Verdict { accepted: 10, ..Verdict::default() }, times(50));
        let first = score.sample();
        assert_eq!((first.second, first.offered, first.accepted), (1, 10, 10));
        assert!((first.p99_ms - 50.0).abs() < 0.1);
        score.answered(429, Verdict { shed: 3, ..Verdict::default() }, times(2));
        let second = score.sample();
        assert_eq!((second.second, second.offered, second.shed), (2, 0, 3));
        assert!(second.p99_ms < 3.0);
        assert_eq!(score.counts.statuses, BTreeMap::from([(202, 1), (429, 1)]));
    }
}
