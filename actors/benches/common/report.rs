//! One table on the terminal and one JSON file per benchmark: medians, spread, CPU time, and how busy the machine was.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// The figures of one benchmark, printed as they come and written when it is over.
pub struct Report {
    bench: &'static str,
    /// Fewer and shorter runs, to see that everything works.
    pub quick: bool,
    /// Only what has this in its name.
    only: Option<String>,
    /// What the next rows are about.
    pub group: String,
    load_before: String,
    pub rows: Vec<Value>,
}

// === impl Report ===

impl Report {
    /// Reads `--quick` and `--only <part of a name>` from the command line.
    pub fn new(bench: &'static str) -> Self {
        let only = std::env::args().skip_while(|argument| argument != "--only").nth(1);
        let quick = std::env::args().any(|argument| argument == "--quick");
        let load_before = load_average();
        println!("{bench}: {} runs each, load average {load_before}", if quick { 3 } else { 5 });
        Self { bench, quick, only, group: String::new(), load_before, rows: Vec::new() }
    }

    pub fn runs(&self) -> usize {
        if self.quick { 3 } else { 5 }
    }

    /// Returns whether this row is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        let full = format!("{}: {name}", self.group);
        self.only.as_ref().is_none_or(|only| full.contains(only))
    }

    /// Notes the values that several runs gave for one figure.
    pub fn figure(&mut self, name: &str, unit: &str, values: &[f64], baseline: &str) {
        let spread = Spread::of(values.iter().copied());
        let Spread { median, min, max } = spread;
        println!("{name:<62} {median:>10.2} {unit:<12} ({min:.2}-{max:.2})   {baseline}");
        self.rows.push(json!({
            "group": self.group, "name": name, "unit": unit, "value": spread.json(), "baseline": baseline, "load": load_average(),
        }));
    }

    /// Writes `target/bench/actors-<bench>.json` in the workspace.
    pub fn finish(self) {
        let Self { bench, quick, load_before, rows, .. } = self;
        let load_after = load_average();
        println!("\nload average before {load_before}, after {load_after}");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
        let report = json!({
            "bench": bench, "quick": quick, "load_before": load_before, "load_after": load_after, "rows": rows,
        });
        let text = serde_json::to_string_pretty(&report).expect("it is plain data");
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        fs::write(folder.join(format!("actors-{bench}.json")), text).expect("as above");
    }
}

/// A median and the extremes around it.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

// === impl Spread ===

impl Spread {
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self { median: values[values.len() / 2], min: values[0], max: values[values.len() - 1] }
    }

    pub fn json(self) -> Value {
        json!({ "median": self.median, "min": self.min, "max": self.max })
    }
}

/// The share `share` of sorted values lies below the returned one.
pub fn quantile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}

pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
