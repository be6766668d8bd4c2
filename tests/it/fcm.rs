//! FCM's HTTP v1: the same promises over HTTP/2, with the peer's stream limit as the window and an access token before everything.

use serde_json::{Value, json};

use crate::support::agreement::{assert_agreed, assert_agreed_without_repeats};
use crate::support::gateway::Gateway;
use crate::support::load::push_to;
use crate::support::sampler::Sampler;
use crate::support::{Config, Peer, batch, push};

/// The window of the route as it is now.
fn window(state: &crate::support::Snapshot) -> u64 {
    state.route("android")["window"].as_u64().expect("a route has a window")
}

/// Posts so many pushes.
#[track_caller]
fn post(gateway: &Gateway, count: usize) {
    for _ in 0..count / 50 {
        assert_eq!(gateway.post(&batch(50)).expect(202).json()["accepted"], 50);
    }
}

#[test]
fn two_thousand_pushes_keep_to_the_stream_limit_and_each_arrives_once() {
    let peer = Peer::start_fcm(&["--latency", "5ms", "--jitter", "5ms", "--max-streams", "20"]);
    let gateway = Gateway::start_ready(&Config::to_fcm(&peer));
    let sampler = Sampler::start(&gateway);
    post(&gateway, 2_000);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    sampler.finish();
    assert_eq!((state.ledger("delivered"), peer.count("unique")), (2_000, 2_000));
    assert_eq!(peer.count("highest_unacked"), 20, "the limit is used, and kept");
    assert_eq!((peer.count("tokens_granted"), peer.count("streams_refused")), (1, 0), "one token for all");
    gateway.finish();
}

#[test]
fn the_window_follows_the_peer_s_limit_down_and_up_to_the_cap() {
    let peer = Peer::start_fcm(&["--latency", "10ms", "--max-streams", "50"]);
    let gateway = Gateway::start_ready(&Config::to_fcm(&peer).route("window", 80));
    gateway.wait_for("the limit is known", |state| window(state) == 100);
    post(&gateway, 500);
    peer.command("set?max_streams=5");
    post(&gateway, 500);
    gateway.wait_for("the window has shrunk", |state| window(state) == 10);
    peer.command("set?max_streams=0");
    gateway.wait_for("nothing may be sent", |state| window(state) == 0);
    peer.command("set?max_streams=1000");
    gateway.wait_for("the window is the cap", |state| window(state) == 160);
    let state = assert_agreed(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 1_000);
    assert!(peer.count("highest_unacked") <= 80, "{:#}", peer.report());
    gateway.finish();
}

#[track_caller]
fn going_away(mode: &str) -> Peer {
    let peer = Peer::start_fcm(&[
        "--latency",
        "10ms",
        "--jitter",
        "5ms",
        "--drain-after",
        "150",
        "--drain-mode",
        mode,
        "--drain-close",
        "500ms",
    ]);
    let gateway = Gateway::start_ready(&Config::to_fcm(&peer));
    let sampler = Sampler::start(&gateway);
    post(&gateway, 2_000);
    let state = assert_agreed(&gateway, &peer);
    sampler.finish();
    assert_eq!(state.ledger("delivered"), 2_000, "{:#}", state.0);
    assert!(peer.count("connections/opened") >= 8, "{:#}", peer.report());
    gateway.finish();
    peer
}

#[test]
fn a_graceful_going_away_costs_nothing() {
    let peer = going_away("graceful");
    assert_eq!(peer.count("delivered_duplicates"), 0, "{:#}", peer.report());
}

#[test]
fn streams_that_a_going_away_cuts_off_are_sent_again_and_none_twice() {
    let peer = going_away("cut");
    let report = peer.report();
    assert!(report["nacks"]["by_code"]["GOAWAY"].as_u64() > Some(0), "{report:#}");
    assert_eq!(report["delivered_duplicates"], 0, "{report:#}");
}

#[test]
fn a_going_away_with_an_error_costs_no_push() {
    going_away("error");
}

#[test]
fn a_revoked_token_is_replaced_once_for_all_connections() {
    let peer = Peer::start_fcm(&["--latency", "5ms"]);
    let gateway = Gateway::start_ready(&Config::to_fcm(&peer));
    post(&gateway, 200);
    gateway.delivered(200);
    peer.command("revoke");
    post(&gateway, 500);
    let state = assert_agreed(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 700, "{:#}", state.0);
    let report = peer.report();
    assert_eq!(report["tokens_granted"], 2, "{report:#}");
    assert!(report["nacks"]["by_code"]["UNAUTHENTICATED"].as_u64() > Some(0), "{report:#}");
    gateway.finish();
}

#[test]
fn a_short_lived_token_is_renewed_before_its_end() {
    let peer = Peer::start_fcm(&["--latency", "5ms", "--token-lifetime", "2s"]);
    let gateway = Gateway::start_ready(&Config::to_fcm(&peer));
    gateway.wait_for("tokens come and go", |_| {
        gateway.post(&push()).expect(202);
        peer.count("tokens_granted") >= 3
    });
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), state.ledger("accepted"));
    assert_eq!(peer.count("nacks/total"), 0, "no token was used beyond its end: {:#}", peer.report());
    gateway.finish();
}

#[test]
fn an_account_that_gets_no_token_is_reported_and_tried_again() {
    let peer = Peer::start_fcm(&["--auth-fail"]);
    let gateway = Gateway::start(&Config::to_fcm(&peer).route_text("login_retry", "1s"));
    gateway.wait_for("both have failed", |state| state.pushers_in("failed") == 2);
    gateway.post(&push()).expect(202);
    assert_eq!(peer.count("tokens_refused"), 1, "they share the refusal");
    peer.command("set?auth_fail=false");
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 1);
    assert!(gateway.log().iter().all(|line| !line.contains("PRIVATE KEY") && !line.contains("ya29")));
    gateway.finish();
}

#[test]
fn every_field_and_target_passes_the_strict_peer() {
    let peer = Peer::start_fcm(&[]);
    let gateway = Gateway::start_ready(&Config::to_fcm(&peer));
    let mut pushes: Vec<Value> = ["critical", "high", "normal", "low"]
        .map(|priority| {
            json!({
                "route": "android", "to": {"token": format!("device-{priority}")}, "priority": priority, "ttl": 2_419_200,
                "collapse_key": "room-17",
                "notification": {"title": "Grüße", "body": "<b>&amp;</b>", "image": "https://x.example/i.png", "sound": "ping", "badge": 3},
                "data": {"any": {"json": ["object", 1, null]}},
                "provider": {"fcmOptions": {"analyticsLabel": "x"}, "android": {"notification": {"channelId": "c"}},
                             "webpush": {"headers": {"Urgency": "low"}}},
            })
        })
        .to_vec();
    pushes.push(json!({"to": {"topic": "news"}, "ttl": 0}));
    pushes.push(json!({"to": {"condition": "'a' in topics"}, "priority": "high", "data": {"n": 1}}));
    assert_eq!(gateway.post(&json!({"pushes": pushes})).expect(202).json()["accepted"], 6);
    // The one with no time to live may have expired on a slow machine before it could be sent.
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert!(state.ledger("delivered") >= 5, "{:#}", state.0);
    gateway.finish();
}

#[test]
fn each_answer_of_the_provider_has_its_outcome() {
    let peer = Peer::start_fcm(&["--retry-after", "1"]);
    let config =
        Config::to_fcm(&peer).set("feedback.max_attempts", 2).set("feedback.backoff_min", "\"10ms\"");
    let gateway = Gateway::start_ready(&config);
    let table = [
        ("nack-UNREGISTERED-1", "unregistered"),
        ("nack-SENDER_ID_MISMATCH-1", "unregistered"),
        ("bad-1", "unregistered"),
        ("nack-INVALID_ARGUMENT-1", "rejected"),
        ("nack-THIRD_PARTY_AUTH_ERROR-1", "rejected"),
        ("nack-once-UNAVAILABLE-1", "delivered"),
        ("nack-once-INTERNAL-1", "delivered"),
        ("nack-once-BAD_GATEWAY-1", "delivered"),
        ("nack-once-SOMETHING_NEW-1", "delivered"),
        ("nack-once-RESET-1", "delivered"),
        ("nack-once-REFUSED-1", "delivered"),
        ("nack-once-DEVICE_QUOTA-1", "delivered"),
        ("nack-once-QUOTA_EXCEEDED-1", "delivered"),
        ("nack-INTERNAL-1", "exhausted"),
        ("device-1", "delivered"),
    ];
    let mut expected = std::collections::BTreeMap::<&str, u64>::new();
    for (token, outcome) in table {
        *expected.entry(outcome).or_default() += 1;
        gateway.post(&push_to(token)).expect(202);
    }
    let state = gateway.settled();
    for (outcome, count) in expected {
        assert_eq!(state.ledger(outcome), count, "{outcome}: {:#}\n{:#}", state.0, peer.report());
    }
    assert_eq!(state.ledger("delivered"), peer.count("unique"));
    peer.assert_no_violations();
    gateway.finish();
}

#[test]
fn cut_and_stalled_connections_cost_no_push() {
    let peer = Peer::start_fcm(&["--latency", "10ms"]);
    let config =
        Config::to_fcm(&peer).route_text("fcm.ping_after", "1s").route_text("fcm.ping_timeout", "1s");
    let gateway = Gateway::start_ready(&config);
    for command in ["close", "close?style=rst", "stall"] {
        let opened = peer.count("connections/opened");
        post(&gateway, 500);
        peer.command(command);
        peer.wait_for("connections/opened", opened + 2);
    }
    let state = assert_agreed(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 1_500, "{:#}", state.0);
    gateway.finish();
}
