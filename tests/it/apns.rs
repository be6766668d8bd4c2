//! Apple's push service: the same promises over HTTP/2, with a window that begins at 1 and a credential that is judged with the first push.

mod broadcast;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::agreement::{assert_agreed, assert_agreed_without_repeats};
use crate::support::gateway::Gateway;
use crate::support::sampler::Sampler;
use crate::support::{Config, Peer, Snapshot, server};

static NEXT: AtomicU64 = AtomicU64::new(0);

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// A push to the device whose token spells a text in hex, which is how the double's table of scripts is reached.
fn push_to(text: &str) -> Value {
    json!({"route": "ios", "to": {"token": hex(text)}, "data": {"room": 17}, "notification": {"title": "t", "body": "b"}})
}

fn push() -> Value {
    push_to(&format!("device-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Posts so many pushes.
#[track_caller]
fn post(gateway: &Gateway, count: usize) {
    for _ in 0..count / 100 {
        let pushes: Vec<Value> = (0..100).map(|_| push()).collect();
        assert_eq!(gateway.post(&json!({"pushes": pushes})).expect(202).json()["accepted"], 100);
    }
}

fn window(state: &Snapshot) -> u64 {
    state.route("ios")["window"].as_u64().expect("a route has a window")
}

#[test]
fn pushes_are_delivered_once_each_and_the_window_opens_with_the_first() {
    let peer = Peer::start_apns(&["--latency", "5ms", "--jitter", "5ms", "--max-streams", "50"]);
    let gateway = Gateway::start_ready(&Config::to_apns(&peer));
    gateway.wait_for("one stream on each connection", |state| window(state) == 2);
    let sampler = Sampler::start(&gateway);
    post(&gateway, 2_000);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    sampler.finish();
    assert_eq!((state.ledger("delivered"), peer.count("unique")), (2_000, 2_000));
    assert_eq!((peer.count("highest_unacked"), window(&state)), (50, 100), "the limit is used, and kept");
    gateway.finish();
}

#[test]
fn a_limit_that_shrinks_to_one_on_errors_and_rises_again_loses_nothing() {
    let peer = Peer::start_apns(&[
        "--latency",
        "2ms",
        "--max-streams",
        "100",
        "--shrink-on-error",
        "--refuse-racing",
        "--announce-after",
        "3ms",
        "--nack",
        "0.01:INVALID_PUSH_TYPE",
    ]);
    let config = Config::to_apns(&peer).set("feedback.max_attempts", 1);
    let gateway = Gateway::start_ready(&config);
    let sampler = Sampler::start(&gateway);
    post(&gateway, 10_000);
    let state = assert_agreed(&gateway, &peer);
    sampler.finish();
    let report = peer.report();
    // With one attempt for each push, a refused stream that counted would show as exhausted.
    assert_eq!((state.ledger("exhausted"), state.ledger("lost")), (0, 0), "{:#}", state.0);
    assert_eq!(state.ledger("delivered") + state.ledger("rejected"), 10_000, "{:#}", state.0);
    assert!(peer.count("streams_refused") > 0 && state.ledger("rejected") > 0, "{report:#}");
    assert_eq!(peer.count("delivered_duplicates"), 0, "{report:#}");
    gateway.finish();
}

#[test]
fn a_limit_that_the_peer_lowers_and_raises_is_followed_at_once() {
    let peer = Peer::start_apns(&["--latency", "5ms", "--max-streams", "100"]);
    let gateway = Gateway::start_ready(&Config::to_apns(&peer));
    post(&gateway, 200);
    gateway.wait_for("the limit is known", |state| window(state) == 200);
    for limit in [1, 30, 100] {
        peer.command(&format!("set?max_streams={limit}"));
        gateway.wait_for("the window follows", |state| window(state) == limit * 2);
        post(&gateway, 200);
    }
    assert_eq!(assert_agreed_without_repeats(&gateway, &peer).ledger("delivered"), 800);
    gateway.finish();
}

#[test]
fn a_going_away_every_thousand_pushes_costs_nothing() {
    let peer = Peer::start_apns(&["--latency", "2ms", "--max-streams", "100", "--drain-after", "1000"]);
    let gateway = Gateway::start_ready(&Config::to_apns(&peer));
    let sampler = Sampler::start(&gateway);
    post(&gateway, 10_000);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    sampler.finish();
    assert_eq!(state.ledger("delivered"), 10_000, "{:#}", state.0);
    assert!(peer.count("connections/opened") >= 8, "{:#}", peer.report());
    gateway.finish();
}

#[test]
fn a_dead_token_s_result_says_since_when() {
    let peer = Peer::start_apns(&["--unregistered-at", "1600000000123"]);
    let gateway = Gateway::start_ready(&Config::to_apns(&peer));
    gateway.post(&push_to("unregistered-1")).expect(202);
    gateway.post(&push_to("bad-1")).expect(202);
    assert_eq!(gateway.settled().ledger("unregistered"), 2);
    let page = crate::support::http::call(gateway.ingest, "GET", "/v1/results", &[], b"").expect(200).json();
    let of = |code: &str| {
        let found = page["results"].as_array().into_iter().flatten().find(|result| result["code"] == code);
        found.unwrap_or_else(|| panic!("no {code} in {page:#}")).clone()
    };
    let dead = of("Unregistered");
    assert_eq!(
        (&dead["delete_token"], &dead["unregistered_at_ms"]),
        (&json!(true), &json!(1_600_000_000_123_u64))
    );
    let bad = of("BadDeviceToken");
    assert_eq!((&bad["delete_token"], &bad["unregistered_at_ms"]), (&json!(true), &Value::Null));
    gateway.finish();
}

#[test]
fn each_answer_of_apple_has_its_outcome() {
    let peer = Peer::start_apns(&["--retry-after", "1"]);
    let config =
        Config::to_apns(&peer).set("feedback.max_attempts", 2).set("feedback.backoff_min", "\"10ms\"");
    let gateway = Gateway::start_ready(&config);
    let table = [
        ("nack-UNREGISTERED-1", "unregistered"),
        ("nack-EXPIRED_TOKEN-1", "unregistered"),
        ("bad-1", "unregistered"),
        ("nack-DEVICE_TOKEN_NOT_FOR_TOPIC-1", "rejected"),
        ("nack-TOPIC_DISALLOWED-1", "rejected"),
        ("nack-PAYLOAD_TOO_LARGE-1", "rejected"),
        ("nack-SOMETHING_NEW-1", "rejected"),
        ("nack-once-INTERNAL_SERVER_ERROR-1", "delivered"),
        ("nack-once-SERVICE_UNAVAILABLE-1", "delivered"),
        ("nack-once-SHUTDOWN-1", "delivered"),
        ("nack-once-IDLE_TIMEOUT-1", "delivered"),
        ("nack-once-UNRELATED_KEY_ID_IN_TOKEN-1", "delivered"),
        ("nack-once-TOO_MANY_REQUESTS-1", "delivered"),
        ("nack-once-RESET-1", "delivered"),
        ("nack-once-REFUSED-1", "delivered"),
        ("nack-INTERNAL_SERVER_ERROR-1", "exhausted"),
        ("device-1", "delivered"),
    ];
    let mut expected = BTreeMap::<&str, u64>::new();
    for (token, outcome) in table {
        *expected.entry(outcome).or_default() += 1;
        gateway.post(&push_to(token)).expect(202);
    }
    let state = gateway.settled();
    for (outcome, count) in expected {
        assert_eq!(state.ledger(outcome), count, "{outcome}: {:#}\n{:#}", state.0, peer.report());
    }
    peer.assert_no_violations();
    gateway.finish();
}

#[test]
fn every_type_of_push_and_every_field_passes_the_strict_peer() {
    let peer = Peer::start_apns(&[]);
    let gateway = Gateway::start_ready(&Config::to_apns(&peer));
    let mut pushes: Vec<Value> = [
        "alert",
        "voip",
        "complication",
        "fileprovider",
        "mdm",
        "location",
        "liveactivity",
        "pushtotalk",
        "widgets",
        "controls",
    ]
    .iter()
    .flat_map(|kind| ["critical", "high", "normal", "low"].map(|lane| (kind, lane)))
    .map(|(kind, lane)| {
        json!({
            "to": {"token": format!("00FFab{}", hex(&format!("{kind}{lane}")))}, "priority": lane, "ttl": 2_419_200, "collapse_key": "räume-17",
            "id": format!("{kind}-{lane}"), "data": {"deep": {"l": [null, 1.5]}},
            "provider": {"headers": {"apns-push-type": kind}, "aps": {"event": "update"}},
        })
    })
    .collect();
    pushes.push(json!({"to": {"token": "00"}, "priority": "high", "ttl": 0, "data": {"background": true}}));
    pushes.push(json!({
        "id": "EEC1A7B2-0000-4000-8000-00000000ABCD", "to": {"token": "00"},
        "notification": {"title": "Grüße", "body": "<b>", "image": "https://x.example/i.png", "sound": "ping.caf", "badge": 3},
    }));
    let count = pushes.len() as u64;
    assert_eq!(gateway.post(&json!({"pushes": pushes})).expect(202).json()["accepted"], count);
    // The one with no time to live may have expired on a slow machine before it could be sent.
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert!(state.ledger("delivered") >= count - 1, "{:#}", state.0);
    gateway.finish();
}

#[test]
fn a_certificate_logs_in_as_pem_and_as_pkcs12() {
    let peer = Peer::start_apns(&["--latency", "2ms"]);
    let config = Config::to_apns(&peer).route_text("apns.key", "");
    for (file, password) in [("apns-client.pem", ""), ("apns-client.p12", "demo")] {
        let certificate = format!("file:{}", peer.file(file));
        let config = config
            .clone()
            .route_text("apns.certificate", &certificate)
            .route_text("apns.certificate_password", password);
        let before = peer.count("unique");
        let gateway = Gateway::start_ready(&config);
        post(&gateway, 500);
        assert_eq!(gateway.settled().ledger("delivered"), 500);
        assert_eq!(peer.count("unique"), before + 500);
        peer.assert_no_violations();
        gateway.finish();
    }
    assert_eq!(peer.count("connections_with_certificate"), peer.count("connections/opened"));
}

#[test]
fn a_wrong_key_is_an_alarm_that_costs_no_push_and_the_right_one_is_taken_by_a_reload() {
    let peer = Peer::start_apns(&["--latency", "2ms"]);
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let wrong = directory.path().join("wrong.p8");
    server::make_es256_key(&wrong);
    let right = Config::to_apns(&peer).set("feedback.max_attempts", 1);
    let config = right.clone().route_text("apns.key", &format!("file:{}", wrong.display()));
    let gateway = Gateway::start_ready(&config);
    post(&gateway, 200);
    gateway.wait_for("all pushers have failed", |state| state.pushers_in("failed") == 2);
    gateway.wait_for_log("the provider refuses the credentials: InvalidProviderToken");
    let state = gateway.state();
    let error = state.pushers()[0]["last_error"].as_str().expect("it has an error").to_owned();
    assert!(error.contains("InvalidProviderToken") && error.contains("key"), "{error}");
    assert_eq!(state.held(), 200, "{:#}", state.0);
    gateway.reload(&right.render());
    let state = gateway.settled();
    assert_eq!(state.ledger("delivered"), 200, "{:#}", state.0);
    assert!(gateway.log().iter().all(|line| !line.contains("PRIVATE KEY") && !line.contains("bearer")));
    gateway.finish();
}

#[test]
fn refused_credentials_are_tried_again_by_themselves_and_not_hammered() {
    let peer = Peer::start_apns(&["--auth-fail"]);
    let gateway = Gateway::start_ready(&Config::to_apns(&peer).route_text("login_retry", "1s"));
    post(&gateway, 500);
    gateway.wait_for("all pushers have failed", |state| state.pushers_in("failed") == 2);
    let opened = peer.count("connections/opened");
    peer.wait_for("connections/opened", opened + 2);
    let refused = peer.count("nacks/by_code/InvalidProviderToken");
    // Each trial sends what the peer allows at first: one.
    assert!(refused <= opened + 4, "{:#}", peer.report());
    peer.command("set?auth_fail=false");
    let state = assert_agreed(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 500, "{:#}", state.0);
    gateway.wait_for("all pushers are ready", |state| state.pushers_in("ready") == 2);
    gateway.wait_for_log("accepts the credentials again");
    gateway.finish();
}

#[test]
fn a_warning_about_the_token_pauses_the_route_and_costs_no_attempt() {
    let peer = Peer::start_apns(&["--nack", "1:TOO_MANY_PROVIDER_TOKEN_UPDATES"]);
    let gateway = Gateway::start_ready(&Config::to_apns(&peer).set("feedback.max_attempts", 1));
    post(&gateway, 100);
    gateway.wait_for("every connection pauses", |state| window(state) == 0);
    let state = gateway.state();
    assert_eq!((state.held(), state.ledger("exhausted")), (100, 0), "{:#}", state.0);
    assert!(peer.count("messages") <= 4, "{:#}", peer.report());
}

#[test]
fn what_apple_would_refuse_is_refused_at_the_door() {
    let peer = Peer::start_apns(&[]);
    let gateway = Gateway::start_ready(&Config::to_apns(&peer));
    for (push, reason) in [
        (json!({"to": {"token": "device-1"}}), "refused_invalid"),
        (json!({"to": {"topic": "news"}}), "refused_invalid"),
        (json!({"to": {"token": "00"}, "data": {"k": "x".repeat(4100)}}), "refused_too_large"),
        (json!({"to": {"token": "00"}, "provider": {"headers": {"apns-id": "x"}}}), "refused_invalid"),
    ] {
        let reply = gateway.post(&push).expect(400).json();
        assert_eq!(reply["failed"][0]["reason"], reason, "{reply:#}");
    }
    assert_eq!(peer.count("messages"), 0);
    gateway.finish();
}
