//! How fast the stages are, next to GenStage on the same kind of machine (`reference/genstage.md` part 3).
//!
//! `cargo bench -p pushweir-actors --bench stages` prints one line per measurement, the median of five runs: events per
//! second of the thread's own CPU time, the same by the wall clock, CPU time per event, and the baseline where there is
//! one. Everything runs on one thread, so CPU time is what the stages cost even if the machine is busy with something else.

mod discord;
mod pull;
mod pure;

use std::time::{Duration, Instant};

/// What was done and how long it took.
struct Run {
    events: u64,
    wall: Duration,
    /// Time the thread was on a CPU; `None` where the system does not tell.
    cpu: Option<Duration>,
}

/// A running measurement.
struct Watch {
    start: Instant,
    cpu: Option<Duration>,
}

const RUNS: usize = 5;

fn main() {
    println!("{:<58} {:>9} {:>9} {:>7}   baseline", "", "M/s CPU", "M/s wall", "ns");
    pure::measure();
    pull::measure();
    discord::measure();
}

/// Measures `run` five times after a warm-up and prints the result.
fn report(name: &str, baseline: &str, mut run: impl FnMut() -> Run) {
    run();
    let runs: Vec<Run> = (0..RUNS).map(|_| run()).collect();
    let wall = median(runs.iter().map(|run| run.nanos_per_event(run.wall)));
    let cpu = median(runs.iter().map(|run| run.nanos_per_event(run.cpu.unwrap_or(run.wall))));
    println!("{name:<58} {:>9.2} {:>9.2} {cpu:>7.1}   {baseline}", 1e3 / cpu, 1e3 / wall);
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Times `work` over `events` events.
fn timed(events: u64, work: impl FnOnce()) -> Run {
    let watch = Watch::start();
    work();
    watch.stop(events)
}

/// Reads the thread's time on a CPU from Linux.
fn thread_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

// === impl Watch ===

impl Watch {
    fn start() -> Self {
        Self { start: Instant::now(), cpu: thread_cpu() }
    }

    fn stop(self, events: u64) -> Run {
        let wall = self.start.elapsed();
        let cpu = self.cpu.and_then(|before| Some(thread_cpu()? - before));
        Run { events, wall, cpu }
    }
}

// === impl Run ===

impl Run {
    fn nanos_per_event(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e9 / self.events as f64
    }
}
