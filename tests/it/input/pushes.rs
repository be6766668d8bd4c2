//! Pushes and bodies that are wrong.

use serde_json::{Value, json};

use super::{JSON, assert_unharmed, start};
use crate::support::agreement::assert_agreed_without_repeats;
use crate::support::push;

/// A good push with other values for some of its fields.
fn push_with(fields: Value) -> Value {
    let mut push = push();
    for (name, value) in fields.as_object().expect("fields are an object") {
        push[name] = value.clone();
    }
    push
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!({"a": inner}))
}

#[test]
fn a_push_that_is_wrong_is_refused_with_the_name_of_what_is_wrong() {
    let (peer, gateway) = start(|config| config);
    let table = [
        (json!({"priority": "urgent"}), "priority"),
        (json!({"priority": 3}), "priority"),
        (json!({"ttl": -1}), "ttl"),
        (json!({"ttl": 2_419_201}), "ttl"),
        (json!({"ttl": 1.5}), "ttl"),
        (json!({"ttl": "60"}), "ttl"),
        (json!({"id": ""}), "id"),
        (json!({"id": "with space"}), "id"),
        (json!({"id": "é"}), "id"),
        (json!({"id": "x".repeat(129)}), "id"),
        (json!({"id": 7}), "id"),
        (json!({"route": "nowhere"}), "nowhere"),
        (json!({"route": 5}), "route"),
        (json!({"to": "device-1"}), "to"),
        (json!({"to": {}}), "to"),
        (json!({"to": null}), "to"),
        (json!({"to": {"token": ""}}), "to.token"),
        (json!({"to": {"token": 5}}), "to.token"),
        (json!({"to": {"token": "a", "topic": "b"}}), "to"),
        (json!({"to": {"tokens": ["a"]}}), "to.tokens"),
        (json!({"to": {"topic": "has space"}}), "to.topic"),
        (json!({"to": {"condition": ""}}), "to.condition"),
        (json!({"to": {"endpoint": "https://push.example/1", "p256dh": "BA", "auth": "aa"}}), "to.endpoint"),
        (json!({"data": [1]}), "data"),
        (json!({"data": "text"}), "data"),
        (json!({"data": {"from": "x"}}), "from"),
        (json!({"data": {"message_type": "x"}}), "message_type"),
        (json!({"data": {"google.x": "x"}}), "google"),
        (json!({"data": {"gcm.x": "x"}}), "gcm"),
        (json!({"data": {"text": "x".repeat(5_000)}}), "4096"),
        (json!({"to": {"topic": "news"}, "data": {"text": "x".repeat(2_100)}}), "2048"),
        (json!({"data": nested(100)}), "data"),
        (json!({"notification": "hello"}), "notification"),
        (json!({"notification": {"titel": "x"}}), "titel"),
        (json!({"notification": {"badge": "3"}}), "notification.badge"),
        (json!({"provider": []}), "provider"),
        (json!({"provider": {"to": "other"}}), "provider"),
        (json!({"provider": {"message_id": "other"}}), "provider"),
        (json!({"collapse_key": "x".repeat(1_000)}), "collapse_key"),
        (json!({"colour": "red"}), "colour"),
    ];
    let mut refused = 0;
    for (fields, named) in table {
        let push = push_with(fields);
        let reply = gateway.post(&push);
        assert_eq!(reply.status, 400, "{push}: {reply:?}");
        assert!(reply.error().contains(named), "{named} is not named for {push}: {reply:?}");
        assert_eq!(reply.json()["error"]["code"], "invalid_push");
        // The same in a batch: the neighbours are taken and the place is told.
        let answer = gateway.post(&json!({"pushes": [crate::support::push(), push]})).expect(202).json();
        assert_eq!((&answer["accepted"], &answer["failed"][0]["index"]), (&json!(1), &json!(1)), "{push}");
        let detail = answer["failed"][0]["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(named), "{named} is not named in {answer:#}");
        let reason = answer["failed"][0]["reason"].as_str().unwrap_or_default();
        assert!(reason.starts_with("refused_"), "{answer:#}");
        refused += 2;
    }
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("refused"), refused);
    assert_eq!(state.ledger("delivered"), refused / 2);
    gateway.finish();
}

#[test]
fn the_reason_tells_too_large_from_wrong_and_from_an_unknown_route() {
    let (peer, gateway) = start(|config| config);
    let pushes = [
        push_with(json!({"data": {"text": "x".repeat(5_000)}})),
        push_with(json!({"route": "nowhere"})),
        push_with(json!({"ttl": -1})),
        push(),
    ];
    let answer = gateway.post(&json!({"pushes": pushes})).expect(202).json();
    let failed = answer["failed"].as_array().expect("it is a list");
    let reasons: Vec<_> =
        failed.iter().map(|failure| failure["reason"].as_str().unwrap_or_default()).collect();
    assert_eq!(reasons, ["refused_too_large", "refused_unknown_route", "refused_invalid"]);
    assert_unharmed(&peer, &gateway);
    gateway.finish();
}

#[test]
fn a_body_that_is_wrong_is_refused_with_what_is_wrong() {
    let (peer, gateway) = start(|config| config);
    let deep = format!("{{\"pushes\":{}", "[".repeat(100_000));
    let table: [(&[u8], u16, &str); 16] = [
        (b"", 400, "body"),
        (b"null", 400, "push"),
        (b"17", 400, "push"),
        (b"[]", 400, "push"),
        (b"{}", 400, "to"),
        (b"{\"pushes\":[]}", 400, "at least one"),
        (b"{\"pushes\":{}}", 400, "pushes"),
        (b"{\"pushes\":[17]}", 400, "pushes[0]"),
        (b"{\"pushes\":[{}],\"more\":1}", 400, "pushes"),
        (b"{\"to\":{\"token\":\"a\"}", 400, "JSON"),
        (b"{\"to\":{\"token\":\"a\"}} trailing", 400, "JSON"),
        (b"{\"to\":{\"token\":\"a\"},\"to\":{\"token\":\"b\"}}", 400, "to"),
        (b"{\"to\":{\"token\":\"\xff\xfe\"}}", 400, "UTF-8"),
        (b"{\"to\":{\"token\":\"\\ud800\"}}", 400, "to.token"),
        (b"\x00\x01\x02", 400, "JSON"),
        (deep.as_bytes(), 400, "JSON"),
    ];
    for (body, status, named) in table {
        let reply = gateway.post_with(&JSON, body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(reply.status, status, "{shown}: {reply:?}");
        assert!(reply.error().contains(named), "{named} is not named for {shown}: {reply:?}");
    }
    assert_unharmed(&peer, &gateway);
    gateway.finish();
}

#[test]
fn a_bad_line_of_ndjson_fails_alone() {
    let (peer, gateway) = start(|config| config);
    let lines = format!("{}\nnot json\n\n{}\n{{\"to\":{{}}}}\n", push(), push());
    let answer =
        gateway.post_with(&[("content-type", "application/x-ndjson")], lines.as_bytes()).expect(202).json();
    assert_eq!(answer["accepted"], 2, "{answer:#}");
    assert_eq!(answer["failed"].as_array().map(Vec::len), Some(2), "{answer:#}");
    assert_unharmed(&peer, &gateway);
    gateway.finish();
}
