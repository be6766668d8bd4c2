//! Events per second, by the wall clock and by CPU time.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::report::{Report, Spread, load_average};

/// What was done and how long it took.
pub struct Run {
    events: u64,
    wall: Duration,
    /// Time all threads of the process were on a CPU; `None` where the system does not tell.
    cpu: Option<Duration>,
}

/// A running measurement. Threads it is about must live until it stops, or their CPU time is not seen.
pub struct Watch {
    start: Instant,
    cpu: Option<Duration>,
}

// === impl Report ===

impl Report {
    /// Returns `full`, or a tenth of it when it is to be quick.
    pub fn scale(&self, full: u64) -> u64 {
        if self.quick { full / 10 } else { full }
    }

    pub fn heading(&mut self, text: &str) {
        self.group = text.to_owned();
        println!(
            "\n{text:<60} {:>8} {:>17} {:>9} {:>8}   baseline",
            "M/s wall", "(min-max)", "M/s CPU", "ns CPU"
        );
    }

    /// Measures `run` several times after a warm-up. Returns the median of events per second by the wall clock.
    pub fn rate(&mut self, name: &str, baseline: &str, mut run: impl FnMut() -> Run) -> f64 {
        if !self.wants(name) {
            return f64::NAN;
        }
        run();
        let runs: Vec<Run> = (0..self.runs()).map(|_| run()).collect();
        let wall = Spread::of(runs.iter().map(|run| run.events as f64 / run.wall.as_secs_f64() / 1e6));
        let nanos = |run: &Run| run.cpu.unwrap_or(run.wall).as_secs_f64() * 1e9 / run.events as f64;
        let cpu = Spread::of(runs.iter().map(nanos));
        let range = format!("({:.2}-{:.2})", wall.min, wall.max);
        let (median, by_cpu) = (wall.median, 1e3 / cpu.median);
        println!("{name:<60} {median:>8.2} {range:>17} {by_cpu:>9.2} {:>8.1}   {baseline}", cpu.median);
        self.rows.push(json!({
            "group": self.group, "name": name, "baseline": baseline, "load": load_average(),
            "million_per_second_wall": wall.json(), "nanoseconds_cpu_per_event": cpu.json(),
        }));
        median * 1e6
    }
}

// === impl Watch ===

impl Watch {
    pub fn start() -> Self {
        Self { start: Instant::now(), cpu: cpu() }
    }

    pub fn stop(self, events: u64) -> Run {
        let wall = self.start.elapsed();
        // The kernel brings its books up to date now and then only, so a short run may seem to cost nothing.
        let cpu =
            self.cpu.and_then(|before| Some(cpu()?.saturating_sub(before))).filter(|cpu| !cpu.is_zero());
        Run { events, wall, cpu }
    }
}

/// Adds up the time that each thread of the process was on a CPU, from Linux.
fn cpu() -> Option<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        nanos += text.split(' ').next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanos))
}
