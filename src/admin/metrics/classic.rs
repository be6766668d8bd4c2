//! OpenMetrics as Prometheus's older text format (0.0.4), for scrapers that ask for `text/plain` and for `promtool check metrics`. Pure.
//!
//! The formats differ in a few lines: the older one names a counter's family as its samples, and knows neither units, nor `info`, nor
//! exemplars, nor an end.

use std::borrow::Cow;
use std::fmt::Write;

/// What the text is.
pub(in crate::admin) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Rewrites OpenMetrics.
pub(in crate::admin) fn classic(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let types: std::collections::HashMap<&str, &str> = types.collect();
    let family = |name: &str| -> Cow<'_, str> {
        match types.get(name) {
            Some(&"counter") => format!("{name}_total").into(),
            Some(&"info") => format!("{name}_info").into(),
            _ => name.to_owned().into(),
        }
    };
    for line in text.lines() {
        let about = line.strip_prefix("# ").and_then(|rest| rest.split_once(' '));
        match about.and_then(|(word, rest)| Some((word, rest.split_once(' ')?))) {
            Some(("HELP", (name, help))) => drop(writeln!(out, "# HELP {} {help}", family(name))),
            Some(("TYPE", (name, kind))) => {
                let kind = if kind == "info" { "gauge" } else { kind };
                let _ = writeln!(out, "# TYPE {} {kind}", family(name));
            }
            _ if line.starts_with('#') => {}
            _ => {
                // OpenMetrics 1.0, "Exemplars": they follow the value after " # ".
                let sample = line.split_once(" # {").map_or(line, |(sample, _)| sample);
                let _ = writeln!(out, "{sample}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_named_as_their_samples_and_the_rest_is_left_out() {
        let text = "# HELP a_b Bees.\n# TYPE a_b counter\n# UNIT a_b bees\na_b_total{x=\"#\"} 1 # {trace_id=\"7\"} 0.5\n\
                    # HELP build It.\n# TYPE build info\nbuild_info{v=\"1\"} 1\n\
                    # TYPE t_seconds histogram\nt_seconds_bucket{le=\"0.1\"} 2 # {trace_id=\"8\"} 0.05 1.5\nt_seconds_sum 0.1\n# EOF\n";
        let expected = "# HELP a_b_total Bees.\n# TYPE a_b_total counter\na_b_total{x=\"#\"} 1\n\
                        # HELP build_info It.\n# TYPE build_info gauge\nbuild_info{v=\"1\"} 1\n\
                        # TYPE t_seconds histogram\nt_seconds_bucket{le=\"0.1\"} 2\nt_seconds_sum 0.1\n";
        assert_eq!(classic(text), expected);
    }
}
