//! What a viewer sees is what is, soon, and costs next to nothing.

use std::time::{Duration, Instant};

use crate::support::gateway::Gateway;
use crate::support::http::{self, Client};
use crate::support::{Config, Load, Peer, Snapshot, batch};

/// Somebody who watches the stream of states.
struct Viewer(Client);

// === impl Viewer ===

impl Viewer {
    fn watch(gateway: &Gateway) -> Self {
        let mut client = Client::connect(gateway.admin).expect("it listens");
        client.send_raw(http::head("GET", "/admin/api/events", &[], 0));
        Self(client)
    }

    /// The next state that comes.
    fn next(&mut self) -> Snapshot {
        loop {
            let line = self.0.line().expect("the stream goes on");
            if let Some(data) = line.strip_prefix("data:") {
                return Snapshot(serde_json::from_str(data.trim()).expect("it is JSON"));
            }
        }
    }
}

/// The value of a metric without labels, or with exactly these.
fn metric(scrape: &str, name: &str) -> f64 {
    let line = scrape.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in:\n{scrape}"))
}

#[test]
fn a_lost_connection_is_in_the_stream_within_a_second_and_a_half() {
    let mut peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let mut viewer = Viewer::watch(&gateway);
    assert_eq!(viewer.next().pushers_in("ready"), 2);
    peer.kill();
    let since = Instant::now();
    let seen = std::iter::repeat_with(|| viewer.next()).find(|state| state.pushers_in("ready") == 0);
    let state = seen.expect("it goes on until found");
    assert!(since.elapsed() < Duration::from_millis(1_500), "{:?}: {:#}", since.elapsed(), state.0);
    assert!(state.pusher("android/0")["last_error"].is_string(), "{:#}", state.0);
    gateway.finish();
}

#[test]
fn the_numbers_of_page_and_metrics_are_the_same_within_a_tick() {
    const PAIRS: [(&str, &str); 4] = [
        ("received", "pushweir_pushes_received_total"),
        ("accepted", "pushweir_pushes_accepted_total"),
        ("delivered", "pushweir_pushes_settled_total{route=\"android\",outcome=\"delivered\"}"),
        ("shed", "pushweir_pushes_shed_total{reason=\"buffer_full\"}"),
    ];
    let peer = Peer::start(&["--latency", "20ms"]);
    let config = Config::to(&peer).set("collector.buffer", 200).route("window", 10);
    let gateway = Gateway::start_ready(&config);
    let scrape = || gateway.get("/metrics").expect(200).body;
    let mut viewer = Viewer::watch(&gateway);
    viewer.next();
    let load = Load::start(&gateway, 50);
    let mut before = scrape();
    for _ in 0..4 {
        // The state was taken after the last scrape and before the next one, so each counter is between theirs.
        let state = viewer.next();
        let after = scrape();
        for (word, name) in PAIRS {
            let (least, most) = (metric(&before, name), metric(&after, name));
            let shown = state.ledger(word) as f64;
            assert!(least <= shown && shown <= most, "{word}: {least} <= {shown} <= {most}");
        }
        before = after;
    }
    load.finish();
    let state = gateway.settled();
    assert!(state.ledger("shed") > 0 && state.ledger("delivered") > 0, "{:#}", state.0);
    let last = scrape();
    for (word, name) in PAIRS {
        assert_eq!(state.ledger(word) as f64, metric(&last, name), "{word} after the load");
    }
    gateway.finish();
}

#[test]
fn the_projected_drain_time_is_what_then_happens() {
    // One connection with a window of 10, answered after 50 ms: 200 pushes a second, and 1,400 of them.
    let peer = Peer::start(&["--latency", "50ms"]);
    let gateway = Gateway::start_ready(&Config::to(&peer).route("connections", 1).route("window", 10));
    gateway.post(&batch(700)).expect(202);
    gateway.post(&batch(700)).expect(202);
    let mut viewer = Viewer::watch(&gateway);
    // The rates are over three seconds; before, the burst itself is in them.
    let projected = std::iter::repeat_with(|| viewer.next()).find_map(|state| {
        let is_over = state.0["rates"]["accepted_per_second"] == 0.0 && state.ledger("delivered") > 0;
        state.0["collector"]["projected_drain_seconds"].as_f64().filter(|_| is_over)
    });
    let (projected, since) = (projected.expect("it goes on until found"), Instant::now());
    assert!(projected > 1.0, "there is something left to project: {projected}");
    gateway.wait_for("the buffer is empty", |state| state.0["collector"]["buffered"] == 0);
    let actual = since.elapsed().as_secs_f64();
    assert!((projected - actual).abs() <= 0.2 * actual, "projected {projected} s, it took {actual} s");
    gateway.settled();
    gateway.finish();
}

#[test]
fn a_frozen_viewer_costs_no_more_than_64_kib() {
    const VIEWERS: u32 = 30;
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer).route("connections", 100).route("window", 10));
    let mut witness = Viewer::watch(&gateway);
    let mut settle = |states: usize| (0..states).for_each(|_| drop(witness.next()));
    settle(3);
    let resident =
        || metric(&gateway.get("/metrics").expect(200).body, "pushweir_process_resident_memory_bytes");
    let before = resident();
    let frozen: Vec<Viewer> = (0..VIEWERS).map(|_| Viewer::watch(&gateway)).collect();
    settle(12);
    let each = (resident() - before) / f64::from(VIEWERS);
    println!("a frozen viewer costs {each:.0} bytes");
    assert!(each <= 64.0 * 1_024.0, "{each} bytes");
    drop(frozen);
    gateway.finish();
}
