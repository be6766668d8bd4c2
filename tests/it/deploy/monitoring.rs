//! Dashboard and alerts, against a real scrape and Prometheus's own tool.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{kit, read};
use crate::support::gateway::Gateway;
use crate::support::http;
use crate::support::{Config, Peer, batch};

const HINT: &str = "hint: scripts/setup test installs promtool";
/// Labels whose values in an expression must be values that exist.
const CLOSED_LABELS: [&str; 4] = ["outcome", "state", "reason", "result"];

/// Runs promtool and returns what it says.
#[track_caller]
fn promtool(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(kit("prometheus"));
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap_or_else(|error| panic!("promtool: {error} ({HINT})"));
    let written = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(written.is_ok() && output.status.success(), "promtool {arguments:?}: {text}");
    text
}

/// A scrape of a gateway that has met an error of each sort that has series only then.
fn scrape(accept: &str) -> String {
    let peer = Peer::start(&["--nack", "0.5"]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    gateway.post(&batch(100)).expect(202);
    gateway.wait_for("the provider refused some", |state| {
        state.0["answers"].as_array().is_some_and(|answers| !answers.is_empty())
    });
    let reply = http::call(gateway.admin, "GET", "/metrics", &[("accept", accept)], b"").expect(200);
    let kind = accept.split(';').next().expect("it has a type");
    assert!(reply.header("content-type").is_some_and(|value| value.starts_with(kind)), "{:?}", reply.headers);
    peer.command("set?nack=0");
    gateway.settled();
    gateway.finish();
    reply.body
}

/// The metrics that a text names.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with("pushweir_"));
    words.map(str::to_owned).collect()
}

/// The dashboard's expressions, its variables replaced by what Grafana would put there.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("grafana/pushweir.json")).expect("it is JSON");
    let mut found = Vec::new();
    collect(&dashboard, &mut found);
    let replaced = found.iter().map(|expression| {
        expression.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$route", ".*")
    });
    replaced.collect()
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, inner) in entries {
                match inner {
                    Value::String(text) if key == "expr" => found.push(text.clone()),
                    _ => collect(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// Values that expressions compare labels with: `outcome=~"rejected|expired"` names two.
fn compared(text: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for label in CLOSED_LABELS {
        for (at, _) in text.match_indices(label) {
            let rest = text[at + label.len()..].trim_start_matches(['=', '~', '!']);
            let is_matcher = rest.len() < text[at + label.len()..].len();
            let Some(values) =
                rest.strip_prefix('"').filter(|_| is_matcher).and_then(|rest| rest.split('"').next())
            else {
                continue;
            };
            let named = values
                .split('|')
                .filter(|value| value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            found.extend(named.map(|value| (label.to_owned(), value.to_owned())));
        }
    }
    found
}

#[test]
fn every_metric_of_dashboard_and_alerts_is_in_a_scrape() {
    let scrape = scrape("application/openmetrics-text;version=1.0.0");
    let exists: BTreeSet<String> = scrape
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| names(line.split(['{', ' ']).next().unwrap_or_default()))
        .collect();
    let expressions = expressions().join("\n");
    for (file, text) in [
        ("grafana/pushweir.json", expressions),
        ("prometheus/alerts.yml", read("prometheus/alerts.yml")),
        ("prometheus/alerts.test.yml", read("prometheus/alerts.test.yml")),
        ("README.md", read("README.md")),
    ] {
        let missing: Vec<String> = names(&text).difference(&exists).cloned().collect();
        assert!(missing.is_empty(), "{file} names what no scrape has: {missing:?}\n{scrape}");
        let used = names(&text);
        assert!(used.len() > 3, "{file} names only {used:?}");
        for (label, value) in compared(&text) {
            assert!(
                scrape.contains(&format!("{label}=\"{value}\"")),
                "{file}: there is no {label}=\"{value}\""
            );
        }
    }
}

#[test]
fn every_metric_of_a_scrape_is_on_the_dashboard_or_in_an_alert() {
    let used = names(&(expressions().join("\n") + &read("prometheus/alerts.yml")));
    let scrape = scrape("application/openmetrics-text;version=1.0.0");
    let families = scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let is_used = |family: &str, kind: &str| match kind {
        "counter" => used.contains(&format!("{family}_total")),
        "histogram" => used.contains(&format!("{family}_bucket")),
        // The dashboard's variable asks for it.
        "info" => true,
        _ => used.contains(family),
    };
    let (seen, unseen): (Vec<_>, Vec<_>) = families.partition(|(family, kind)| is_used(family, kind));
    assert!(seen.len() > 50 && unseen.is_empty(), "nobody looks at {unseen:?}");
}

#[test]
fn points_in_the_latency_panels_lead_to_their_traces() {
    let dashboard: Value = serde_json::from_str(&read("grafana/pushweir.json")).expect("it is JSON");
    let targets = dashboard["panels"]
        .as_array()
        .expect("it has panels")
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let with_examples: Vec<&str> = targets
        .flatten()
        .filter(|target| target["exemplar"] == true)
        .filter_map(|target| target["expr"].as_str())
        .collect();
    for family in ["queue_wait", "upstream_ack_duration", "delivery_duration"] {
        let bucket = format!("pushweir_{family}_seconds_bucket");
        assert!(
            with_examples.iter().any(|expression| expression.contains(&bucket)),
            "{family}: {with_examples:?}"
        );
    }
    // The label is that of the exposition, see OB-2 in `traces`.
    assert!(read("grafana/datasource.yaml").contains("- name: trace_id\n"));
}

#[test]
fn what_is_broken_in_an_expression_is_found() {
    assert!(
        names("rate(pushweir_a_total{x=\"1\"}[1m]) / pushweir_b")
            .into_iter()
            .eq(["pushweir_a_total", "pushweir_b"])
    );
    let found = compared("x{outcome=~\"shed|lost\", state!=\"ok\", route=\"android\"} by (state)");
    let expected = [("outcome", "lost"), ("outcome", "shed"), ("state", "ok")];
    assert!(found.into_iter().eq(expected.map(|(label, value)| (label.to_owned(), value.to_owned()))));
}

#[test]
fn promtool_finds_nothing_wrong_with_a_scrape() {
    let said = promtool(&["check", "metrics"], &scrape("text/plain;version=0.0.4"));
    assert_eq!(said.trim(), "");
}

#[test]
fn promtool_finds_nothing_wrong_with_the_alerts_and_their_tests_pass() {
    promtool(&["check", "rules", "alerts.yml"], "");
    promtool(&["check", "config", "--syntax-only", "scrape.yml"], "");
    let said = promtool(&["test", "rules", "alerts.test.yml", "alerts.weeks.test.yml"], "");
    assert!(said.contains("SUCCESS"), "{said}");
}

#[test]
fn every_alert_fires_and_stays_silent_in_a_test_and_has_its_chapter() {
    let (alerts, tests, manual) = (
        read("prometheus/alerts.yml"),
        read("prometheus/alerts.test.yml") + &read("prometheus/alerts.weeks.test.yml"),
        read("README.md"),
    );
    let blocks: Vec<&str> = alerts.split("- alert: ").skip(1).collect();
    assert!(blocks.len() >= 20, "{} alerts", blocks.len());
    for block in blocks {
        let name = block.lines().next().expect("it has a name").trim();
        let summary =
            block.lines().find_map(|line| line.trim().strip_prefix("summary: ")).unwrap_or_default();
        assert!(
            summary.contains("$labels.instance") && summary.contains(':'),
            "{name} says not what to do: {summary}"
        );
        let runbook = format!("runbook: scripts/deploy/README.md#{}", name.to_lowercase());
        assert!(block.lines().any(|line| line.trim() == runbook), "{name} has no {runbook}");
        assert!(manual.contains(&format!("\n### {name}\n")), "the manual has no chapter {name}");
        let cases: Vec<&str> =
            tests.split("\n  - name: ").filter(|case| case.starts_with(&format!("\"{name}: "))).collect();
        let silent = cases.iter().filter(|case| case.contains("exp_alerts: []")).count();
        assert!(silent > 0 && silent < cases.len(), "{name}: {} tests, {silent} of them silent", cases.len());
    }
    let chapters = manual.lines().filter_map(|line| line.strip_prefix("### Pushweir"));
    chapters.for_each(|name| {
        assert!(alerts.contains(&format!("alert: Pushweir{name}\n")), "a chapter without alert: {name}")
    });
}

#[test]
fn the_dashboard_begins_with_the_two_graphs_and_every_expression_parses() {
    let dashboard: Value = serde_json::from_str(&read("grafana/pushweir.json")).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    let titles: Vec<&str> = panels.iter().take(3).filter_map(|panel| panel["title"].as_str()).collect();
    assert_eq!(titles[1..], ["Pushes per second", "Pushes buffered"]);
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(panel["description"].as_str().is_some_and(|text| text.len() > 8), "{}", panel["title"]);
    }
    let rule = |(index, expression): (usize, &String)| {
        format!("  - record: x:y{index}\n    expr: {}\n", Value::String(expression.clone()))
    };
    let rules: String = expressions().iter().enumerate().map(rule).collect();
    let place = TempDir::new().expect("there is a temporary directory");
    let file = place.path().join("rules.yml");
    std::fs::write(&file, format!("groups:\n- name: dashboard\n  rules:\n{rules}")).expect("it takes a file");
    promtool(&["check", "rules", "--lint=none", &file.to_string_lossy()], "");
}
