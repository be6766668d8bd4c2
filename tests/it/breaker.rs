//! A provider that fails or sets limits is left alone until it is well, and everything arrives in the end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::agreement::assert_agreed;
use crate::support::gateway::Gateway;
use crate::support::load::push_to;
use crate::support::sampler::Sampler;
use crate::support::snapshot::Snapshot;
use crate::support::wait::within;
use crate::support::{Config, Peer, batch};

const PROBES: u64 = 3;

fn quick(config: Config) -> Config {
    config
        .set("feedback.breaker.probes", PROBES)
        .text("feedback.breaker.window", "1s")
        .text("feedback.breaker.open_min", "200ms")
        .text("feedback.breaker.open_max", "400ms")
}

fn breaker(state: &Snapshot) -> &Value {
    &state.route("android")["breaker"]
}

fn opened(state: &Snapshot) -> u64 {
    breaker(state)["opened_total"].as_u64().expect("a count")
}

/// Watches the breaker open three times more and checks that the double got nothing but probes meanwhile.
#[track_caller]
fn assert_only_probed(gateway: &Gateway, peer: &Peer) {
    let before = opened(&gateway.wait_for("the probes have failed once", |state| opened(state) >= 2));
    let seen = peer.count("messages");
    gateway.wait_for("they fail again and again", |state| opened(state) >= before + 3);
    let sent = peer.count("messages") - seen;
    let cycles = opened(&gateway.state()) - before + 1;
    assert!(sent <= PROBES * cycles, "{sent} attempts in {cycles} cycles");
    assert!(sent >= 3, "it is tried: {sent} attempts in {cycles} cycles");
}

#[test]
fn a_sick_provider_gets_only_probes_and_after_its_recovery_everything() {
    let peer = Peer::start(&["--nack", "1.0:SERVICE_UNAVAILABLE"]);
    let gateway = Gateway::start_ready(&quick(Config::to(&peer)));
    let sampler = Sampler::start(&gateway);
    for _ in 0..6 {
        assert_eq!(gateway.post(&batch(100)).expect(202).json()["accepted"], 100);
    }
    let state = gateway.wait_for("it opens", |state| breaker(state)["state"] == "open");
    assert_eq!(
        (breaker(&state)["reason"].as_str(), state.state()),
        (Some("trouble"), "degraded"),
        "{:#}",
        state.0
    );
    assert_only_probed(&gateway, &peer);
    let metrics = gateway.get("/metrics").expect(200).body;
    assert!(metrics.contains("pushweir_route_breaker_opened_total{route=\"android\"}"), "{metrics}");
    assert!(gateway.get("/").expect(200).body.contains("the provider fails or does not answer"));
    peer.command("set?nack=0");
    let state = assert_agreed(&gateway, &peer);
    sampler.finish();
    assert_eq!(state.ledger("delivered"), 600, "{:#}", state.0);
    gateway.wait_for("it is closed", |state| breaker(state)["state"] == "closed" && state.state() == "ok");
    for line in [
        "breaker open, nothing is sent",
        "breaker half open",
        "the provider takes pushes again",
        "breaker closed",
    ] {
        gateway.wait_for_log(line);
    }
    gateway.finish();
}

#[test]
fn a_black_hole_opens_the_breaker_and_what_it_swallowed_is_sent_again() {
    let peer = Peer::start(&[]);
    let config = quick(Config::to(&peer)).route_text("answer_timeout", "300ms");
    let gateway = Gateway::start_ready(&config);
    peer.command("stall");
    gateway.post(&batch(300)).expect(202);
    gateway.wait_for("it opens", |state| opened(state) > 0);
    peer.command("unstall");
    let state = assert_agreed(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 300, "{:#}", state.0);
    gateway.finish();
}

#[test]
fn a_quota_pauses_the_route_for_as_long_as_the_provider_says() {
    let peer = Peer::start_fcm(&["--retry-after", "1", "--nack", "1.0:QUOTA_EXCEEDED"]);
    let gateway = Gateway::start_ready(&quick(Config::to_fcm(&peer)).set("feedback.max_attempts", 2));
    gateway.post(&batch(300)).expect(202);
    let state = gateway.wait_for("it opens", |state| breaker(state)["state"] == "open");
    assert_eq!(breaker(&state)["reason"], "quota");
    // Reckoned from when the state was begun to be told, which may be before the answer came.
    assert!(breaker(&state)["until_seconds"].as_f64().is_some_and(|left| left < 1.5), "{:#}", state.0);
    assert_only_probed(&gateway, &peer);
    peer.command("set?nack=0");
    let state = assert_agreed(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 300, "refusals by quota use up no attempt: {:#}", state.0);
    gateway.finish();
}

#[test]
fn a_device_s_exceeded_rate_delays_that_device_alone() {
    let peer = Peer::start_fcm(&["--retry-after", "2"]);
    let gateway = Gateway::start_ready(&quick(Config::to_fcm(&peer)));
    // The double knows a message by what is in it.
    let busy = |number: u32| {
        let mut push = push_to("nack-once-DEVICE_QUOTA-1");
        push["data"] = json!({"number": number});
        push
    };
    gateway.post(&busy(0)).expect(202);
    gateway.wait_for("it is held", |state| breaker(state)["held_targets"] == 1);
    gateway.post(&json!({"pushes": [busy(1), busy(2)]})).expect(202);
    gateway.post(&batch(100)).expect(202);
    let state = gateway.wait_for("the others are delivered", |state| state.ledger("delivered") >= 100);
    assert_eq!((state.ledger("waiting_retry"), peer.count("nacks/total")), (3, 1), "{:#}", state.0);
    assert_eq!(breaker(&state)["state"], "closed");
    within(Duration::from_secs(60), "all have ended", || match gateway.state() {
        state if state.held() == 0 => Ok(()),
        state => Err(format!("{:#}", state.0)),
    });
    let state = assert_agreed(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 103, "{:#}", state.0);
    gateway.finish();
}
