//! The load generator that benchmarks and the demonstration use: what it counts is what the gateway counts.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::agreement::assert_agreed_without_repeats;
use crate::support::gateway::Gateway;
use crate::support::peer::program;
use crate::support::process::Process;
use crate::support::sampler::Sampler;
use crate::support::wait::LIMIT;
use crate::support::{Config, Peer};

/// Runs the generator to its end and returns its report.
fn generate(gateway: &Gateway, flags: &[&str]) -> Value {
    let place = TempDir::new().expect("there is a temporary directory");
    let file = place.path().join("load.json");
    let mut command = Command::new(program());
    command.args(["load", "--to", &format!("http://{}", gateway.ingest), "--route", "android", "--report"]);
    let mut process = Process::spawn("pushweir-peers load", command.arg(&file).args(flags));
    assert_eq!(process.wait(LIMIT), 0, "{:?}", process.lines());
    serde_json::from_str(&std::fs::read_to_string(&file).expect("it wrote its report"))
        .expect("the report is JSON")
}

#[test]
fn the_incident_on_a_small_scale_is_absorbed_and_every_count_agrees() {
    let peer = Peer::start(&["--latency", "20ms"]);
    let config = Config::to(&peer).set("collector.buffer", 1_000).route("connections", 1).route("window", 40);
    let gateway = Gateway::start_ready(&config);
    let sampler = Sampler::start(&gateway);
    // The provider takes 2,000 a second.
    let report =
        generate(&gateway, &["--profile", "incident", "--rate", "3000", "--for", "4s", "--batch", "20"]);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    sampler.finish();
    let count = |word: &str| report[word].as_u64().unwrap_or_else(|| panic!("no {word} in {report:#}"));
    assert_eq!((count("unanswered"), &report["unaccounted"]), (0, &0.into()), "{report:#}");
    assert_eq!(
        count("offered"),
        count("accepted") + count("shed") + count("refused") + count("skipped"),
        "{report:#}"
    );
    assert_eq!(state.ledger("accepted"), count("accepted") + count("shed"), "{report:#}");
    assert!(count("offered") > 5_000, "{report:#}");
    assert!(state.ledger("shed") > 0 && state.ledger("delivered") > 0, "{:#}", state.0);
    gateway.finish();
}
