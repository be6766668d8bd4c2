//! More than the provider takes: the buffer is a bound, what it sheds is counted and told, and the rest is delivered.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::agreement::{assert_agreed, assert_agreed_without_repeats};
use crate::support::gateway::Gateway;
use crate::support::load::Told;
use crate::support::sampler::Sampler;
use crate::support::{Config, Load, Peer, batch, push};

const BUFFER: u64 = 200;

/// A provider that takes 500 pushes a second from each connection with a window of 50, and a small buffer.
fn slow(keep: &str) -> (Peer, Gateway) {
    let peer = Peer::start(&["--latency", "100ms"]);
    let config = Config::to(&peer)
        .set("collector.buffer", BUFFER)
        .set("collector.critical_reserve", 0)
        .text("collector.keep", keep)
        .route("connections", 1);
    let gateway = Gateway::start_ready(&config.route("window", 50));
    (peer, gateway)
}

#[test]
fn keep_newest_takes_every_push_and_drops_the_oldest_for_it() {
    let (peer, gateway) = slow("newest");
    let sampler = Sampler::start(&gateway);
    let mut told = Told::default();
    for _ in 0..40 {
        told.add(100, &gateway.post(&batch(100)).expect(202));
    }
    assert_eq!(told.accepted, 4_000, "{told:?}");
    let state = gateway.state();
    assert!(state.ledger("shed") > 0, "{:#}", state.0);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    sampler.finish();
    assert_eq!(state.ledger("delivered") + state.ledger("shed"), 4_000);
    // What stays is at least the window and what the buffer holds.
    assert!(state.ledger("delivered") >= BUFFER, "{:#}", state.0);
    gateway.finish();
}

#[test]
fn keep_newest_keeps_the_newest() {
    let peer = Peer::start(&[]);
    let config = Config::to(&peer).set("collector.buffer", 10).route("connections", 1);
    let gateway = Gateway::start_ready(&config);
    gateway.command_at("pushers/android/0/pause").expect(200);
    gateway.wait_for("it is paused", |state| state.pushers_in("paused") == 1);
    let to_unregistered = |count: usize| -> Vec<Value> {
        (0..count).map(|_| json!({"to": {"token": "unregistered-old"}, "priority": "normal"})).collect()
    };
    gateway.post(&json!({"pushes": to_unregistered(10)})).expect(202);
    gateway.wait_for("ten are buffered", |state| state.0["collector"]["buffered"] == 10);
    gateway.post(&batch(6)).expect(202);
    gateway.wait_for("six are shed", |state| state.ledger("shed") == 6);
    gateway.command_at("pushers/android/0/resume").expect(200);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(
        (state.ledger("delivered"), state.ledger("unregistered")),
        (6, 4),
        "the oldest are gone: {:#}",
        state.0
    );
    gateway.finish();
}

#[test]
fn the_lowest_lane_is_shed_first() {
    let peer = Peer::start(&[]);
    let config = Config::to(&peer).set("collector.buffer", 10).route("connections", 1);
    let gateway = Gateway::start_ready(&config);
    gateway.command_at("pushers/android/0/pause").expect(200);
    gateway.wait_for("it is paused", |state| state.pushers_in("paused") == 1);
    let of = |priority: &str, token: &str, count: usize| -> Value {
        let push = json!({"to": {"token": token}, "priority": priority});
        json!({"pushes": vec![push; count]})
    };
    gateway.post(&of("critical", "device-1", 5)).expect(202);
    gateway.post(&of("low", "unregistered-1", 5)).expect(202);
    gateway.wait_for("ten are buffered", |state| state.0["collector"]["buffered"] == 10);
    gateway.post(&of("normal", "device-2", 3)).expect(202);
    gateway.wait_for("three are shed", |state| state.ledger("shed") == 3);
    gateway.command_at("pushers/android/0/resume").expect(200);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!((state.ledger("delivered"), state.ledger("unregistered")), (8, 2), "{:#}", state.0);
    gateway.finish();
}

#[test]
fn keep_oldest_tells_the_sender_what_was_shed_and_when_to_come_back() {
    let peer = Peer::start(&[]);
    let config = Config::to(&peer)
        .set("collector.buffer", BUFFER)
        .set("collector.critical_reserve", 0)
        .text("collector.keep", "oldest")
        .route("connections", 1);
    let gateway = Gateway::start_ready(&config);
    gateway.command_at("pushers/android/0/pause").expect(200);
    gateway.wait_for("it is paused", |state| state.pushers_in("paused") == 1);
    assert_eq!(gateway.post(&batch(150)).expect(202).json()["accepted"], 150);
    let partial = gateway.post(&batch(100)).expect(202).json();
    assert_eq!(partial["accepted"], 50, "{partial:#}");
    let failed = partial["failed"].as_array().expect("it is a list");
    assert_eq!(failed.len(), 50);
    for (failure, index) in failed.iter().zip(50..) {
        assert_eq!(failure["reason"], "shed_buffer_full", "{failure:#}");
        assert_eq!(failure["index"], index, "the first are taken: {failure:#}");
        assert!(failure["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{failure:#}");
    }
    let full = gateway.post(&push()).expect(429);
    let seconds: u64 =
        full.header("retry-after").and_then(|value| value.parse().ok()).expect("Retry-After in seconds");
    assert!((1..=120).contains(&seconds), "{seconds}");
    assert_eq!(full.json()["accepted"], 0);
    assert_eq!(full.json()["failed"][0]["reason"], "shed_buffer_full");
    gateway.command_at("pushers/android/0/resume").expect(200);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!((state.ledger("delivered"), state.ledger("shed"), state.ledger("refused")), (200, 51, 0));
    gateway.post(&push()).expect(202);
    assert_agreed_without_repeats(&gateway, &peer);
    gateway.finish();
}

#[test]
fn critical_pushes_find_room_when_everything_is_full() {
    let peer = Peer::start(&[]);
    let config = Config::to(&peer)
        .set("collector.buffer", 100)
        .set("collector.critical_reserve", 0.1)
        .text("collector.keep", "oldest")
        .route("connections", 1);
    let gateway = Gateway::start_ready(&config);
    gateway.command_at("pushers/android/0/pause").expect(200);
    gateway.wait_for("it is paused", |state| state.pushers_in("paused") == 1);
    assert_eq!(gateway.post(&batch(100)).expect(202).json()["accepted"], 90, "the rest is reserved");
    let critical = json!({"to": {"token": "device-1"}, "priority": "critical"});
    let answer = gateway.post(&json!({"pushes": vec![critical; 20]})).expect(202).json();
    assert_eq!(answer["accepted"], 20, "{answer:#}");
    gateway.wait_for("ten places were taken from others", |state| state.ledger("shed") == 20);
    gateway.command_at("pushers/android/0/resume").expect(200);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!((state.ledger("delivered"), state.ledger("shed")), (100, 20));
    gateway.finish();
}

#[test]
fn a_newer_push_replaces_the_one_with_its_key_that_still_waits() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer).route("connections", 1));
    gateway.command_at("pushers/android/0/pause").expect(200);
    gateway.wait_for("it is paused", |state| state.pushers_in("paused") == 1);
    let to = |token: &str, key: &str| json!({"to": {"token": token}, "collapse_key": key});
    let pushes = json!({"pushes": [to("device-1", "a"), to("device-1", "b"), to("device-2", "a")]});
    assert_eq!(gateway.post(&pushes).expect(202).json()["accepted"], 3);
    assert_eq!(gateway.post(&pushes).expect(202).json()["accepted"], 3);
    let state = gateway.wait_for("three are needless", |state| state.ledger("coalesced") == 3);
    assert_eq!(state.ledger("buffered"), 3, "{:#}", state.0);
    gateway.command_at("pushers/android/0/resume").expect(200);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!((state.ledger("delivered"), state.ledger("coalesced")), (3, 3));
    gateway.finish();
}

#[test]
fn keep_oldest_under_load_delivers_exactly_what_it_accepted() {
    let (peer, gateway) = slow("oldest");
    let sampler = Sampler::start(&gateway);
    let load = Load::start(&gateway, 50);
    gateway.wait_for("a thousand are delivered and some shed", |state| {
        state.ledger("delivered") >= 1_000 && state.ledger("shed") >= 100
    });
    assert!(gateway.state().0["collector"]["buffered"].as_u64() <= Some(BUFFER));
    let told = load.finish();
    let state = assert_agreed_without_repeats(&gateway, &peer);
    sampler.finish();
    assert_eq!(state.ledger("delivered"), told.accepted, "{told:?}");
    assert_eq!(state.ledger("shed"), told.failed_for("shed_buffer_full"), "{told:?}");
    gateway.finish();
}

#[test]
fn the_buffer_is_bounded_in_bytes_too() {
    let peer = Peer::start(&[]);
    let config = Config::to(&peer)
        .set("collector.buffer", 1_000_000)
        .text("collector.buffer_bytes", "64 KiB")
        .text("collector.keep", "oldest")
        .route("connections", 1);
    let gateway = Gateway::start_ready(&config);
    gateway.command_at("pushers/android/0/pause").expect(200);
    gateway.wait_for("it is paused", |state| state.pushers_in("paused") == 1);
    let large = json!({"to": {"token": "device-1"}, "data": {"text": "x".repeat(2_000)}});
    let answer = gateway.post(&json!({"pushes": vec![large; 100]})).expect(202).json();
    let accepted = answer["accepted"].as_u64().expect("a number");
    assert!((15..=32).contains(&accepted), "64 KiB hold {accepted} pushes of 2 kB");
    let state = gateway.wait_for("they are buffered", |state| state.ledger("buffered") == accepted);
    let collector = &state.0["collector"];
    assert_eq!(collector["capacity_bytes"], 65_536);
    assert!(collector["buffered_bytes"].as_u64() <= Some(65_536), "{collector:#}");
    assert!(collector["buffered_bytes"].as_u64() >= Some(accepted * 2_000), "{collector:#}");
    gateway.command_at("pushers/android/0/resume").expect(200);
    assert_agreed_without_repeats(&gateway, &peer);
    gateway.finish();
}

#[test]
fn the_state_says_that_it_sheds_and_then_that_all_is_well() {
    let (peer, gateway) = slow("oldest");
    let load = Load::start(&gateway, 50);
    gateway.wait_for("the state is shedding", |state| state.state() == "shedding");
    load.finish();
    assert_agreed_without_repeats(&gateway, &peer);
    gateway.wait_for("the state is ok", |state| state.state() == "ok");
    gateway.finish();
}

#[test]
fn a_slow_reader_on_one_connection_does_not_stop_the_others() {
    let peer = Peer::start(&["--latency", "2ms"]);
    let config = Config::to(&peer).route("connections", 2).route_text("answer_timeout", "5s");
    let gateway = Gateway::start_ready(&config);
    let stalled = peer.open_connections()[0];
    peer.command(&format!("stall?connection={stalled}"));
    let before = gateway.state().ledger("delivered");
    for _ in 0..20 {
        gateway.post(&batch(100)).expect(202);
    }
    let state = gateway.wait_for("the other one delivers all but a window", |state| {
        state.ledger("delivered") >= before + 1_900
    });
    assert!(state.ledger("in_flight") <= 100, "{:#}", state.0);
    peer.command(&format!("unstall?connection={stalled}"));
    let state = assert_agreed(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), before + 2_000);
    gateway.finish();
}

#[test]
fn a_day_s_worth_of_waiting_senders_does_not_stop_the_operator() {
    let (peer, gateway) = slow("newest");
    let loads: Vec<Load> = (0..8).map(|_| Load::start(&gateway, 100)).collect();
    gateway.wait_for("it sheds", |state| state.ledger("shed") > 1_000);
    for _ in 0..20 {
        let start = std::time::Instant::now();
        gateway.get("/healthz").expect(200);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
    loads.into_iter().for_each(|load| drop(load.finish()));
    assert_agreed_without_repeats(&gateway, &peer);
    gateway.finish();
}
