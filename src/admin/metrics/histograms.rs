//! Histograms with examples of traces, as OpenMetrics text (OpenMetrics 1.0, "Histogram" and "Exemplars").
//!
//! Written here and not by the library, whose exemplars can only be made by counting with its own histograms, behind a lock.

use std::fmt::Write;
use std::time::UNIX_EPOCH;

use crate::telemetry::{Example, Reading};

/// Writes a family. Label values need no escaping: they are names from the configuration, which allows letters, digits, `_` and `-`, and
/// templates of ours.
pub(super) fn write(out: &mut String, name: &str, help: &str, series: &[(&str, &Reading)]) {
    // Writing to text does not fail.
    let _ = write!(
        out,
        "# HELP pushweir_{name} {help}.\n# TYPE pushweir_{name} histogram\n# UNIT pushweir_{name} seconds\n"
    );
    for (route, reading) in series {
        let mut count = 0;
        for (bucket, (bound, more)) in reading.buckets.iter().enumerate() {
            count += more;
            let _ = write!(out, "pushweir_{name}_bucket{{route=\"{route}\",le=\"");
            let _ = if bound.is_finite() { write!(out, "{bound:?}") } else { write!(out, "+Inf") };
            let _ = write!(out, "\"}} {count}");
            if let Some(Some(example)) = reading.examples.get(bucket) {
                exemplar(out, example);
            }
            out.push('\n');
        }
        let _ = write!(
            out,
            "pushweir_{name}_count{{route=\"{route}\"}} {count}\npushweir_{name}_sum{{route=\"{route}\"}} {}\n",
            reading.sum
        );
    }
}

fn exemplar(out: &mut String, example: &Example) {
    let at = example.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let _ = write!(
        out,
        " # {{trace_id=\"{:032x}\"}} {} {}.{:03}",
        example.trace,
        example.seconds,
        at.as_secs(),
        at.subsec_millis()
    );
}
