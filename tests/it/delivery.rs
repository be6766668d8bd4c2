//! What is accepted is delivered: every form of a request, every kind of target, in order, within the window, before its deadline.

use serde_json::{Value, json};

use crate::support::agreement::assert_agreed_without_repeats;
use crate::support::gateway::Gateway;
use crate::support::load::push_to;
use crate::support::sampler::Sampler;
use crate::support::{Config, Peer, batch, push};

/// The ids of an answer.
fn ids(answer: &Value) -> Vec<String> {
    let list = answer["ids"].as_array().unwrap_or_else(|| panic!("no ids in {answer:#}"));
    list.iter().map(|id| id.as_str().expect("an id is text").to_owned()).collect()
}

#[test]
fn one_push_is_delivered_and_gets_an_id() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let answer = gateway.post(&push()).expect(202).json();
    assert_eq!(answer["accepted"], 1);
    assert_eq!(answer["failed"], json!([]));
    let id = &ids(&answer)[0];
    assert_eq!((id.len(), id.matches('-').count(), &id[14..15]), (36, 4, "7"), "a UUIDv7: {id}");
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 1);
    gateway.finish();
}

#[test]
fn every_form_of_a_request_is_delivered() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    assert_eq!(gateway.post(&batch(7)).expect(202).json()["accepted"], 7);
    let lines: String = (0..5).map(|_| format!("{}\n", push())).collect();
    let types = ["application/x-ndjson", "application/x-ndjson; charset=utf-8"];
    for content_type in types {
        let reply = gateway.post_with(&[("content-type", content_type)], lines.as_bytes());
        assert_eq!(reply.expect(202).json()["accepted"], 5);
    }
    let without_route = json!({"to": {"token": "device-x"}});
    assert_eq!(gateway.post(&without_route).expect(202).json()["accepted"], 1);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!((state.ledger("received"), state.ledger("delivered")), (18, 18));
    gateway.finish();
}

#[test]
fn five_thousand_pushes_keep_to_the_window_and_each_arrives_once() {
    let peer = Peer::start(&["--latency", "5ms", "--jitter", "5ms", "--order", "shuffled"]);
    let gateway = Gateway::start_ready(&Config::to(&peer).route("connections", 4));
    let sampler = Sampler::start(&gateway);
    for _ in 0..50 {
        assert_eq!(gateway.post(&batch(100)).expect(202).json()["accepted"], 100);
    }
    let state = assert_agreed_without_repeats(&gateway, &peer);
    sampler.finish();
    assert_eq!(state.ledger("delivered"), 5_000);
    assert_eq!(peer.count("unique"), 5_000);
    let report = peer.report();
    let each = report["connections"]["each"].as_array().expect("it is a list");
    assert_eq!(each.len(), 4);
    assert!(
        each.iter().all(|connection| connection["messages"].as_u64() > Some(0)),
        "one has done nothing: {report:#}"
    );
    gateway.finish();
}

#[test]
fn ids_come_back_in_order_and_are_the_sender_s_where_he_gave_one() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let pushes: Vec<Value> = (0..30)
        .map(|number| {
            let mut push = push();
            if number % 3 != 2 {
                push["id"] = json!(format!("mine-{number}"));
            }
            if number % 10 == 9 {
                push["ttl"] = json!("tomorrow");
            }
            push
        })
        .collect();
    let answer = gateway.post(&json!({"pushes": pushes})).expect(202).json();
    assert_eq!(answer["accepted"], 27);
    let given = ids(&answer);
    let expected: Vec<Option<String>> = (0..30)
        .filter(|number| number % 10 != 9)
        .map(|number| (number % 3 != 2).then(|| format!("mine-{number}")))
        .collect();
    assert_eq!(given.len(), expected.len());
    for (given, expected) in given.iter().zip(&expected) {
        match expected {
            Some(expected) => assert_eq!(given, expected),
            None => assert_eq!(given.len(), 36, "{given}"),
        }
    }
    let failed = answer["failed"].as_array().expect("it is a list");
    let told: Vec<_> = failed.iter().map(|each| (each["index"].as_u64(), each["id"].as_str())).collect();
    assert_eq!(told, [(Some(9), Some("mine-9")), (Some(19), Some("mine-19")), (Some(29), None)]);
    assert!(failed.iter().all(|each| each["reason"] == "refused_invalid"), "{failed:#?}");
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!((state.ledger("delivered"), state.ledger("refused")), (27, 3));
    gateway.finish();
}

#[test]
fn a_request_that_is_sent_again_pushes_once() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let mut push = push();
    push["id"] = json!("once");
    for _ in 0..3 {
        assert_eq!(ids(&gateway.post(&push).expect(202).json()), ["once"]);
    }
    let state = assert_agreed_without_repeats(&gateway, &peer);
    let counts = ["received", "refused", "duplicates", "delivered"].map(|word| state.ledger(word));
    assert_eq!(counts, [3, 2, 2, 1]);
    gateway.finish();
}

#[test]
fn without_a_window_the_same_id_may_be_used_again() {
    let peer = Peer::start(&["--latency", "50ms"]);
    let gateway = Gateway::start_ready(&Config::to(&peer).text("ingest.idempotency_window", "0s"));
    let mut push = push();
    push["id"] = json!("again");
    let answer = gateway.post(&json!({"pushes": [push, push, push]})).expect(202).json();
    assert_eq!(ids(&answer), ["again"; 3]);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 3);
    gateway.finish();
}

#[test]
fn topics_and_conditions_are_targets_like_tokens() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let to = |target: Value| json!({"to": target, "data": {"n": 1, "deep": {"list": [1, null, true, "ü😀\u{1}<&>'\""]}}});
    let pushes = json!({"pushes": [
        to(json!({"token": "device-1"})),
        to(json!({"topic": "news"})),
        to(json!({"condition": "'news' in topics && !('sport' in topics)"})),
    ]});
    assert_eq!(gateway.post(&pushes).expect(202).json()["accepted"], 3);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 3);
    gateway.finish();
}

#[test]
fn every_field_of_a_push_is_taken() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let pushes: Vec<Value> = ["critical", "high", "normal", "low"]
        .map(|priority| {
            json!({
                "id": format!("all-{priority}"), "route": "android", "to": {"token": "device-1"}, "priority": priority,
                "ttl": 2_419_200, "collapse_key": format!("room-{priority}"),
                "notification": {"title": "Grüße", "body": "<b>&amp;</b>", "image": "https://x.example/i.png", "sound": "ping", "badge": 3},
                "data": {"any": {"json": "object"}}, "provider": {"dry_run": true, "notification": {"color": "#ff0000"}},
            })
        })
        .to_vec();
    assert_eq!(gateway.post(&json!({"pushes": pushes})).expect(202).json()["accepted"], 4);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 4);
    gateway.finish();
}

#[test]
fn a_push_whose_time_is_over_is_dropped_as_expired_and_never_sent() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    for number in 0..2 {
        gateway.command_at(&format!("pushers/android/{number}/pause")).expect(200);
    }
    gateway.wait_for("both are paused", |state| state.pushers_in("paused") == 2);
    let mut short = push();
    short["ttl"] = json!(1);
    let mut long = push();
    long["ttl"] = json!(600);
    let answer = gateway.post(&json!({"pushes": [short, long, short]})).expect(202).json();
    assert_eq!(answer["accepted"], 3);
    gateway.wait_for("the short ones have expired", |state| state.ledger("expired") == 2);
    assert_eq!(peer.count("messages"), 0);
    for number in 0..2 {
        gateway.command_at(&format!("pushers/android/{number}/resume")).expect(200);
    }
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!((state.ledger("delivered"), state.ledger("expired")), (1, 2));
    assert_eq!(peer.count("messages"), 1);
    gateway.finish();
}

#[test]
fn two_routes_have_their_own_connections_and_books() {
    let (one, two) = (Peer::start(&[]), Peer::start(&[]));
    let config = Config::new().and_route("android", &one).and_route("tablets", &two).route("connections", 1);
    let gateway = Gateway::start_ready(&config);
    let tablet = || json!({"route": "tablets", "to": {"token": "device-t"}});
    let pushes: Vec<Value> = (0..30).map(|number| if number % 3 == 0 { tablet() } else { push() }).collect();
    assert_eq!(gateway.post(&json!({"pushes": pushes})).expect(202).json()["accepted"], 30);
    let reply = gateway.post(&json!({"to": {"token": "device-t"}})).expect(400);
    assert!(reply.error().contains("android") && reply.error().contains("tablets"), "{reply:?}");
    let state = gateway.settled();
    assert_eq!((one.count("unique"), two.count("unique")), (20, 10));
    assert_eq!(state.route("android")["ledger"]["delivered"], 20);
    assert_eq!(state.route("tablets")["ledger"]["delivered"], 10);
    assert_eq!((state.ledger("delivered"), state.ledger("refused")), (30, 1));
    gateway.finish();
}

#[test]
fn each_answer_of_the_provider_has_its_outcome() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer).set("feedback.max_attempts", 3));
    let table = [
        ("unregistered-1", "unregistered"),
        ("bad-1", "unregistered"),
        ("nack-INVALID_JSON-1", "rejected"),
        ("nack-INVALID_TTL-1", "rejected"),
        ("bare-DEVICE_UNREGISTERED-1", "unregistered"),
        ("nack-once-SERVICE_UNAVAILABLE-1", "delivered"),
        ("nack-once-INTERNAL_SERVER_ERROR-1", "delivered"),
        ("nack-once-SOMETHING_NEW-1", "delivered"),
        ("nack-SERVICE_UNAVAILABLE-1", "exhausted"),
        ("nack-SOMETHING_NEW-1", "exhausted"),
        ("canonical-device-1", "delivered"),
        ("twice-1", "delivered"),
        ("slow-200-1", "delivered"),
        ("device-1", "delivered"),
    ];
    let mut expected = std::collections::BTreeMap::<&str, u64>::new();
    for (token, outcome) in table {
        *expected.entry(outcome).or_default() += 1;
        let before = gateway.state().ledger(outcome);
        gateway.post(&push_to(token)).expect(202);
        gateway.wait_for(&format!("{token} ends as {outcome}"), |state| {
            state.held() == 0 && state.ledger(outcome) == before + 1
        });
    }
    let state = gateway.settled();
    for (outcome, count) in expected {
        assert_eq!(state.ledger(outcome), count, "{outcome}");
    }
    assert_eq!(state.ledger("delivered"), peer.count("unique"));
    peer.assert_no_violations();
    gateway.finish();
}
