//! How fast the stages are, next to GenStage on the same kind of machine (`reference/genstage.md` part 3).
//!
//! `cargo bench -p pushweir-actors` prints one line per measurement: the median and the best of five runs, and the
//! baseline where there is one. Everything runs on one arbiter; nothing else should run on the machine.

mod discord;
mod pull;
mod pure;

use std::time::{Duration, Instant};

/// The numbers of one measurement, in events per second.
struct Rates(Vec<f64>);

/// What was done and how long it took.
struct Run {
    events: u64,
    took: Duration,
}

const RUNS: usize = 5;

fn main() {
    println!("{:<58} {:>12} {:>12} {:>10}   baseline", "", "median M/s", "best M/s", "ns/event");
    pure::measure();
    pull::measure();
    discord::measure();
}

/// Measures `run` five times after a warm-up and prints the result.
fn report(name: &str, baseline: &str, mut run: impl FnMut() -> Run) {
    run();
    let rates = Rates((0..RUNS).map(|_| run().rate()).collect());
    let (median, best) = rates.median_and_best();
    let nanos = 1e9 / median;
    println!("{name:<58} {:>12.2} {:>12.2} {nanos:>10.1}   {baseline}", median / 1e6, best / 1e6);
}

/// Times `work` over `events` events.
fn timed(events: u64, work: impl FnOnce()) -> Run {
    let start = Instant::now();
    work();
    Run { events, took: start.elapsed() }
}

// === impl Run ===

impl Run {
    fn rate(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }
}

// === impl Rates ===

impl Rates {
    fn median_and_best(mut self) -> (f64, f64) {
        self.0.sort_by(f64::total_cmp);
        (self.0[self.0.len() / 2], self.0[self.0.len() - 1])
    }
}
