//! Broadcasts to the channels of Live Activities: their own path, headers, limits and reasons, in one route with pushes to devices.

use serde_json::{Value, json};

use super::push_to;
use crate::support::agreement::assert_agreed_without_repeats;
use crate::support::gateway::Gateway;
use crate::support::{Config, Peer};

/// Makes a channel and returns its id.
#[track_caller]
fn channel(peer: &Peer, name: &str, is_storing: bool) -> String {
    let made = peer.command(&format!("channel?name={name}&storing={is_storing}"));
    made["channel"].as_str().expect("a channel has an id").to_owned()
}

fn update(to: Value) -> Value {
    let aps = json!({"event": "update", "timestamp": 1_800_000_000, "content-state": {"score": "2:1"}});
    json!({"route": "ios", "to": to, "provider": {"aps": aps}})
}

#[test]
fn broadcasts_and_pushes_to_devices_share_a_route_and_each_keeps_its_rules() {
    let peer = Peer::start_apns(&["--latency", "2ms"]);
    let gateway = Gateway::start_ready(&Config::to_apns(&peer));
    let (now, later) = (channel(&peer, "now", false), channel(&peer, "later", true));
    for _ in 0..50 {
        gateway.post(&update(json!({"channel": now}))).expect(202);
        gateway.post(&update(json!({"channel": later, "stored": true}))).expect(202);
        gateway.post(&push_to("device-of-somebody")).expect(202);
    }
    let mut end = update(json!({"channel": later}));
    end["provider"]["aps"] = json!({"event": "end", "timestamp": 1_800_000_001});
    end["notification"] = json!({"title": "over"});
    end["priority"] = "critical".into();
    gateway.post(&end).expect(202);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!((state.ledger("delivered"), peer.count("broadcasts")), (151, 101), "{:#}", peer.report());
    gateway.finish();
}

#[test]
fn a_channel_that_stores_nothing_or_is_gone_is_reported_to_the_sender() {
    let peer = Peer::start_apns(&[]);
    let gateway = Gateway::start_ready(&Config::to_apns(&peer));
    let now = channel(&peer, "now", false);
    gateway.post(&update(json!({"channel": now, "stored": true}))).expect(202);
    gateway.post(&update(json!({"channel": "bm9uZQ=="}))).expect(202);
    let state = gateway.settled();
    assert_eq!((state.ledger("rejected"), state.ledger("unregistered")), (1, 1), "{:#}", state.0);
    let page = gateway.results();
    let of = |code: &str| {
        let found = page["results"].as_array().into_iter().flatten().find(|result| result["code"] == code);
        found.unwrap_or_else(|| panic!("no {code} in {page:#}")).clone()
    };
    assert_eq!(of("BadExpirationDate")["to"], json!({"channel": now}));
    let gone = of("ChannelNotRegistered");
    assert_eq!((&gone["to"], &gone["delete_token"]), (&json!({"channel": "bm9uZQ=="}), &json!(true)));
    peer.assert_no_violations();
    gateway.finish();
}

#[test]
fn each_answer_to_a_broadcast_has_its_outcome_and_none_stops_the_route() {
    let peer = Peer::start_apns(&["--retry-after", "1"]);
    let config =
        Config::to_apns(&peer).set("feedback.max_attempts", 2).set("feedback.backoff_min", "\"10ms\"");
    let gateway = Gateway::start_ready(&config);
    let table = [
        ("nack-FEATURE_NOT_ENABLED-1", "rejected"),
        ("nack-MISSING_CHANNEL_ID-1", "rejected"),
        ("nack-BAD_CHANNEL_ID-1", "rejected"),
        ("nack-BAD_REQUEST_PARAMS-1", "rejected"),
        ("nack-BAD_REQUEST_PAYLOAD-1", "rejected"),
        ("nack-MISSING_PUSH_TYPE-1", "rejected"),
        ("nack-TOPIC_MISMATCH-1", "rejected"),
        ("nack-CHANNEL_NOT_REGISTERED-1", "unregistered"),
        ("nack-once-TOO_MANY_REQUESTS-1", "delivered"),
        ("nack-once-SERVICE_UNAVAILABLE-1", "delivered"),
        ("nack-once-REFUSED-1", "delivered"),
        ("plain-1", "delivered"),
    ];
    for (name, _) in table {
        gateway.post(&update(json!({"channel": channel(&peer, name, false)}))).expect(202);
    }
    let state = gateway.settled();
    for outcome in ["rejected", "unregistered", "delivered"] {
        let expected = table.iter().filter(|row| row.1 == outcome).count() as u64;
        assert_eq!(state.ledger(outcome), expected, "{outcome}: {:#}\n{:#}", state.0, peer.report());
    }
    assert_eq!(state.pushers_in("ready"), 2, "{:#}", state.0);
    peer.assert_no_violations();
    gateway.finish();
}

#[test]
fn what_apple_would_refuse_is_refused_at_the_door() {
    let peer = Peer::start_apns(&[]);
    let gateway = Gateway::start_ready(&Config::to_apns(&peer));
    let now = channel(&peer, "now", false);
    let reason = |push: &Value| {
        let reply = gateway.post(push).json();
        (reply["failed"][0]["reason"].as_str().unwrap_or_default().to_owned(), reply)
    };
    let padded = |extra: usize| {
        let mut push = update(json!({"channel": now}));
        push["provider"]["x"] = json!("x".repeat(extra));
        push
    };
    let bare = update(json!({"channel": now}))["provider"].to_string().len() + r#","x":"""#.len();
    assert_eq!(reason(&padded(5120 - bare)).0, "", "five kilobytes are taken");
    assert_eq!(reason(&padded(5121 - bare)).0, "refused_too_large");
    let mut start = update(json!({"channel": now}));
    start["provider"]["aps"]["event"] = "start".into();
    let (word, reply) = reason(&start);
    assert!(word == "refused_invalid" && reply.to_string().contains("update or end"), "{reply:#}");
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 1);
    gateway.finish();
}
