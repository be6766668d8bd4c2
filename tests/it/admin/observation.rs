//! State, events, health, metrics.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::agreement::assert_agreed;
use crate::support::gateway::Gateway;
use crate::support::http::{self, Client};
use crate::support::{Config, Load, Peer, Snapshot, batch};

#[test]
fn the_state_has_every_part_of_the_contract() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let state = gateway.state();
    let tables = [
        (
            "",
            &[
                "state",
                "version",
                "uptime_seconds",
                "ledger",
                "collector",
                "rates",
                "routes",
                "pushers",
                "tree",
            ][..],
        ),
        (
            "/ledger",
            &[
                "received",
                "refused",
                "accepted",
                "delivered",
                "rejected",
                "unregistered",
                "expired",
                "exhausted",
                "coalesced",
                "shed",
                "lost",
                "buffered",
                "waiting_retry",
                "in_flight",
                "unaccounted",
            ],
        ),
        (
            "/collector",
            &[
                "buffered",
                "capacity",
                "buffered_bytes",
                "capacity_bytes",
                "oldest_age_seconds",
                "projected_drain_seconds",
            ],
        ),
        ("/rates", &["accepted_per_second", "delivered_per_second", "shed_per_second"]),
        (
            "/routes/0",
            &[
                "name",
                "transport",
                "state",
                "connections",
                "ready",
                "window",
                "in_flight",
                "buffered",
                "ledger",
            ],
        ),
        (
            "/pushers/0",
            &[
                "id",
                "route",
                "state",
                "window",
                "in_flight",
                "restarts",
                "last_error",
                "connected_seconds",
                "acks_per_second",
                "ack_p50_ms",
                "ack_p99_ms",
            ],
        ),
        ("/tree", &["id", "kind", "strategy", "state", "restarts", "children"]),
    ];
    for (place, keys) in tables {
        let part = state.0.pointer(place).unwrap_or_else(|| panic!("no {place} in {:#}", state.0));
        for key in keys {
            assert!(part.get(key).is_some(), "no {key} in {place}: {part:#}");
        }
    }
    assert_eq!(state.state(), "ok");
    assert_eq!(state.0["version"], env!("CARGO_PKG_VERSION"));
    let route = state.route("android");
    assert_eq!(
        (&route["connections"], &route["ready"], &route["window"]),
        (&2.into(), &2.into(), &200.into())
    );
    assert_eq!(state.0["collector"]["capacity"], 100_000);
    assert_eq!(state.0["tree"]["id"], "root");
    gateway.finish();
}

#[test]
fn the_tree_shows_who_supervises_whom() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let tree = gateway.state().0["tree"].clone();
    let child = |node: &Value, id: &str| -> Value {
        let children = node["children"].as_array().expect("it is a list");
        children
            .iter()
            .find(|child| child["id"] == id)
            .unwrap_or_else(|| panic!("no {id} in {node:#}"))
            .clone()
    };
    child(&tree, "collector");
    let route = child(&child(&tree, "routes"), "android");
    assert_eq!(route["kind"], "supervisor");
    for number in 0..2 {
        let pusher = child(&route, &format!("android/{number}"));
        assert_eq!((&pusher["kind"], &pusher["state"]), (&"worker".into(), &"running".into()));
    }
    gateway.finish();
}

#[test]
fn every_snapshot_balances_under_load_and_in_chaos() {
    let peer = Peer::start(&["--latency", "5ms", "--nack", "0.1", "--close-after", "400"]);
    let config = Config::to(&peer).set("collector.buffer", 500).route("restart_limit", 1_000_000);
    let gateway = Gateway::start_ready(&config);
    let loads: Vec<Load> = (0..3).map(|_| Load::start(&gateway, 50)).collect();
    let end = Instant::now() + Duration::from_secs(3);
    let mut seen = 0;
    while Instant::now() < end {
        gateway.state().assert_balanced();
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} snapshots in 3 s");
    loads.into_iter().for_each(|load| drop(load.finish()));
    peer.command("set?nack=0&close_after=0");
    assert_agreed(&gateway, &peer);
    gateway.finish();
}

#[test]
fn the_events_are_one_snapshot_a_second() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let mut client = Client::connect(gateway.admin).expect("it listens");
    client.send_raw(http::head("GET", "/admin/api/events", &[("accept", "text/event-stream")], 0));
    let mut snapshots: Vec<(Instant, Snapshot)> = Vec::new();
    let mut head = Vec::new();
    while snapshots.len() < 3 {
        let line = client.line().expect("the stream goes on");
        if let Some(data) = line.strip_prefix("data:") {
            let json = serde_json::from_str(data.trim()).unwrap_or_else(|error| panic!("{error} in {data}"));
            snapshots.push((Instant::now(), Snapshot(json)));
            if snapshots.len() == 1 {
                gateway.post(&batch(10)).expect(202);
            }
        } else if snapshots.is_empty() {
            head.push(line.to_ascii_lowercase());
        } else if let Some(event) = line.strip_prefix("event:") {
            assert_eq!(event.trim(), "state");
        }
    }
    assert!(head.iter().any(|line| line.starts_with("content-type: text/event-stream")), "{head:?}");
    assert!(head.iter().any(|line| line.starts_with("cache-control: no-")), "{head:?}");
    snapshots.iter().for_each(|(_, snapshot)| snapshot.assert_balanced());
    let gap = snapshots[2].0 - snapshots[1].0;
    assert!((Duration::from_millis(500)..Duration::from_millis(2_500)).contains(&gap), "{gap:?}");
    assert_eq!(snapshots[2].1.ledger("accepted"), 10);
    gateway.finish();
}

#[test]
fn a_viewer_that_does_not_read_costs_nobody_anything() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let viewers: Vec<Client> = (0..10)
        .map(|_| {
            let mut client = Client::connect(gateway.admin).expect("it listens");
            client.send_raw(http::head("GET", "/admin/api/events", &[], 0));
            client
        })
        .collect();
    for _ in 0..10 {
        gateway.post(&batch(100)).expect(202);
    }
    assert_agreed(&gateway, &peer);
    drop(viewers);
    gateway.finish();
}

#[test]
fn health_is_the_process_and_readiness_a_ready_pusher() {
    let mut peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    gateway.get("/healthz").expect(200);
    gateway.get("/readyz").expect(200);
    peer.kill();
    gateway.wait_for("no pusher is ready", |state| state.pushers_in("ready") == 0);
    gateway.get("/healthz").expect(200);
    let reply = gateway.get("/readyz").expect(503);
    assert!(reply.body.contains("ready") || reply.body.contains("pusher"), "{reply:?}");
    gateway.wait_for("the state says so", |state| state.state() == "degraded");
    peer.start_again();
    gateway.wait_for("all is well", |state| state.state() == "ok");
    gateway.get("/readyz").expect(200);
    gateway.finish();
}

#[test]
fn the_metrics_have_every_outcome_from_the_start_and_agree_with_the_state() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let fresh = gateway.get("/metrics").expect(200);
    assert!(
        fresh
            .header("content-type")
            .is_some_and(|value| value.contains("openmetrics") || value.contains("text/plain")),
        "{fresh:?}"
    );
    assert!(fresh.body.trim_end().ends_with("# EOF"), "{}", fresh.body);
    for outcome in
        ["delivered", "rejected", "unregistered", "expired", "exhausted", "coalesced", "shed", "lost"]
    {
        assert!(
            fresh.body.lines().any(|line| line.contains(&format!("\"{outcome}\"")) && line.ends_with(" 0")),
            "{outcome} is not at 0 in:\n{}",
            fresh.body
        );
    }
    let samples = fresh.body.lines().filter(|line| !line.starts_with('#'));
    samples.for_each(|line| assert!(line.starts_with("pushweir_"), "{line}"));
    let series = fresh.body.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series < 600, "{series} series for one route");
    gateway.post(&batch(42)).expect(202);
    assert_agreed(&gateway, &peer);
    let text = gateway.get("/metrics").expect(200).body;
    assert!(text.lines().any(|line| line.contains("\"delivered\"") && line.ends_with(" 42")), "{text}");
    assert!(text.lines().any(|line| line.contains("unaccounted") && line.ends_with(" 0")), "{text}");
    gateway.finish();
}
