//! How long things took: the histograms of a route's pushes, of HTTP requests, and the longest run of an actor's handler.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Histogram, Reading};

/// Status classes, `1xx` to `5xx`.
pub const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The three parts of a push's way, since the start.
#[derive(Debug, Default)]
pub struct PushTimes {
    /// From admission until the collector gave it to a pusher, for first attempts.
    pub queue: Histogram,
    /// From sending to the answer, for each attempt.
    pub answer: Histogram,
    /// From admission to the answer, for delivered pushes.
    pub delivery: Histogram,
    /// Of the pushers' handlers.
    pub handler: Longest,
}

/// The longest of the durations since the turn before last.
#[derive(Debug, Default)]
pub struct Longest {
    recent: AtomicU64,
    before: AtomicU64,
}

/// Requests by route template and status class.
#[derive(Debug)]
pub struct HttpMeter {
    routes: &'static [&'static str],
    counts: Box<[[AtomicU64; CLASSES.len()]]>,
    durations: Box<[Histogram]>,
}

/// What a meter says of one template.
#[derive(Debug, Clone, PartialEq)]
pub struct Requests {
    /// The template, such as `/v1/pushes/{id}`.
    pub route: &'static str,
    /// Requests, by [`CLASSES`].
    pub classes: [u64; CLASSES.len()],
}

// === impl Longest ===

impl Longest {
    /// Enters a duration.
    pub fn note(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.recent.fetch_max(micros, Ordering::Relaxed);
    }

    /// Forgets what was entered before the last turn.
    pub fn turn(&self) {
        self.before.store(self.recent.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Returns the longest.
    pub fn read(&self) -> Duration {
        let longest = self.recent.load(Ordering::Relaxed).max(self.before.load(Ordering::Relaxed));
        Duration::from_micros(longest)
    }
}

// === impl HttpMeter ===

impl HttpMeter {
    /// Returns a meter for these templates. Durations are told apart for the first `timed` of them and summed up for the others.
    pub fn new(routes: &'static [&'static str], timed: usize) -> Self {
        Self {
            routes,
            counts: routes.iter().map(|_| Default::default()).collect(),
            durations: (0..routes.len().min(timed + 1)).map(|_| Histogram::default()).collect(),
        }
    }

    /// Enters a request to the template at a position, which may be traced.
    pub fn record(&self, route: usize, status: u16, took: Duration, trace: Option<u128>) {
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        if let Some(counts) = self.counts.get(route) {
            counts[class].fetch_add(1, Ordering::Relaxed);
        }
        if let Some(durations) = self.durations.get(route.min(self.durations.len() - 1)) {
            durations.record(took, trace);
        }
    }

    /// Returns the counts.
    pub fn requests(&self) -> Vec<Requests> {
        let read = |counts: &[AtomicU64; CLASSES.len()]| {
            std::array::from_fn(|class| counts[class].load(Ordering::Relaxed))
        };
        let rows = self.routes.iter().zip(&self.counts);
        rows.map(|(route, counts)| Requests { route, classes: read(counts) }).collect()
    }

    /// Returns the durations by template; `*` are those that are summed up.
    pub fn durations(&self) -> Vec<(&'static str, Reading)> {
        let sums_up = self.durations.len() < self.routes.len() || self.durations.len() == 1;
        let name = |at: usize| if sums_up && at + 1 == self.durations.len() { "*" } else { self.routes[at] };
        self.durations.iter().enumerate().map(|(at, each)| (name(at), each.read())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_template_and_class_and_timed_together_where_that_is_wanted() {
        let meter = HttpMeter::new(&["/a", "/b", "other"], 1);
        for (route, status) in [(0, 202), (0, 503), (1, 200), (2, 404), (2, 0), (9, 200)] {
            meter.record(route, status, Duration::from_millis(1), None);
        }
        let classes: Vec<_> = meter.requests().iter().map(|requests| requests.classes).collect();
        assert_eq!(classes, [[0, 1, 0, 0, 1], [0, 1, 0, 0, 0], [1, 0, 0, 1, 0]]);
        let durations = meter.durations();
        let names: Vec<_> = durations.iter().map(|(name, _)| *name).collect();
        let count = |reading: &Reading| reading.buckets.iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!((names, count(&durations[0].1), count(&durations[1].1)), (vec!["/a", "*"], 2, 4));
        assert_eq!(HttpMeter::new(&["/a", "/b"], 9).durations().len(), 2);
    }

    #[test]
    fn the_longest_fades_after_two_turns() {
        let longest = Longest::default();
        [3, 9, 4].iter().for_each(|millis| longest.note(Duration::from_millis(*millis)));
        longest.turn();
        assert_eq!(longest.read(), Duration::from_millis(9));
        longest.turn();
        assert_eq!(longest.read(), Duration::ZERO);
    }
}
