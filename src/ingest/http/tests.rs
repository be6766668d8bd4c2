//! What senders are told, over real sockets, by an ingest whose door and connector are doubles.

mod peers;
mod refusals;
mod results;
mod rig;

use proptest::prelude::*;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::rig::{Rig, exchange, ingest, read_reply, settings};
use super::take::take;
use super::*;
use crate::ingest::Settings;
use crate::ingest::admit::Caller;
use crate::ingest::wire;
use crate::outcome::Refusal;
use crate::push::{Lane, RouteId, SenderId};
use crate::units::Secret;

const CALLER: Caller<'static> = Caller { sender: SenderId(0), trace: None };

fn push(token: &str) -> String {
    format!("{{\"to\":{{\"token\":\"{token}\"}}}}")
}

#[actix_rt::test]
async fn accepted_pushes_get_ids_in_order_and_carry_what_was_asked_for() {
    let rig = Rig::start(settings(), &["android"]);
    let body = r#"{"pushes":[{"id":"own","to":{"token":"a"},"ttl":5,"priority":"high"},{"to":{"token":"bb"},"route":"android"}]}"#;
    let reply = rig.post(body).await;
    assert_eq!(reply.status, 202, "{}", reply.json);
    assert_eq!(reply.json["accepted"], 2);
    assert_eq!(reply.json["failed"], Value::Array(Vec::new()));
    assert_eq!(reply.json["ids"][0], "own");
    let taken = rig.door.taken.lock().clone();
    assert_eq!(reply.json["ids"][1], taken[1].key.to_string());
    assert_eq!((&taken[0].payload[..], &taken[1].payload[..]), (&b"a"[..], &b"bb"[..]));
    assert_eq!(taken[0].name.as_deref(), Some("own"));
    assert_eq!((taken[0].lane, taken[1].lane), (Lane::High, Lane::Normal));
    assert_eq!(taken[0].time_left(taken[0].accepted_at), Duration::from_secs(5));
    assert_eq!(taken[1].time_left(taken[1].accepted_at), Duration::from_secs(3_600));
    rig.stop().await;
}

#[actix_rt::test]
async fn a_push_for_now_or_never_lives_for_its_second() {
    let rig = Rig::start(settings(), &["android"]);
    assert_eq!(rig.post(r#"{"to":{"token":"a"},"ttl":0}"#).await.status, 202);
    let taken = rig.door.taken.lock()[0].clone();
    assert_eq!(taken.time_left(taken.accepted_at), Duration::from_secs(1));
    rig.stop().await;
}

#[actix_rt::test]
async fn bad_pushes_fail_alone_and_each_says_why() {
    let rig = Rig::start(settings(), &["android"]);
    let long = "x".repeat(101);
    let body = format!(
        "{{\"pushes\":[{},{{\"id\":\"q\",\"to\":{{\"token\":\"\"}}}},{},{{\"to\":{{\"topic\":\"t\"}}}},{{\"route\":\"ios\",\"to\":{{\"token\":\"a\"}}}}]}}",
        push("a"),
        push(&long)
    );
    let reply = rig.post(&body).await;
    assert_eq!((reply.status, &reply.json["accepted"]), (202, &Value::from(1)));
    let failed: Vec<_> = reply.json["failed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| {
            let text = |key: &str| each[key].as_str().unwrap_or("-").to_owned();
            (each["index"].as_u64().unwrap(), text("id"), text("reason"), text("detail"))
        })
        .collect();
    let expected = [
        (1, "q", "refused_invalid", "pushes[1].to.token: must not be empty (hint: "),
        (2, "-", "refused_too_large", "pushes[2].to.token: must be at most 100 bytes"),
        (3, "-", "refused_invalid", "pushes[3].to: must be a token"),
        (
            4,
            "-",
            "refused_unknown_route",
            "pushes[4].route: there is no route \"ios\" (hint: there is android)",
        ),
    ];
    assert_eq!(failed.len(), expected.len());
    for (found, (index, id, reason, detail)) in failed.iter().zip(expected) {
        assert_eq!((found.0, found.1.as_str(), found.2.as_str()), (index, id, reason));
        assert!(found.3.starts_with(detail), "{}", found.3);
    }
    assert_eq!(*rig.door.refused.lock(), [(None, 2), (Some(RouteId(0)), 2)]);
    assert_eq!(rig.door.taken.lock()[0].payload, "a");
    rig.stop().await;
}

#[actix_rt::test]
async fn a_request_with_nothing_usable_is_400_and_names_the_first_fault() {
    let rig = Rig::start(settings(), &["android", "ios"]);
    let reply = rig.post(r#"{"pushes":[{"to":{"token":""}},{"to":{"token":"a"}}]}"#).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json["error"]["code"], "invalid_push");
    assert!(
        reply.json["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("pushes[0].to.token: must not be empty (hint: ")
    );
    assert_eq!(
        reply.json["failed"][1]["detail"],
        "pushes[1].route: is missing (hint: it may be left out only if there is one; there are android, ios)"
    );
    for body in ["", "{", "[]", "{\"pushes\":[]}", "{\"to\":{\"token\":\"a\"},\"x\":1}"] {
        let reply = rig.post(body).await;
        assert_eq!(
            (reply.status, &reply.json["error"]["code"]),
            (400, &Value::from("invalid_push")),
            "{body}"
        );
    }
    assert_eq!(
        rig.post("{\"to\":{\"token\":\"a\"},\"x\":1}").await.json["error"]["message"]
            .as_str()
            .unwrap()
            .split(" (")
            .next(),
        Some("x: is unknown")
    );
    rig.stop().await;
}

#[actix_rt::test]
async fn lines_are_taken_as_one_push_each() {
    let rig = Rig::start(settings(), &["android"]);
    let head = "POST /v1/pushes HTTP/1.1\r\ncontent-type: Application/X-NDJSON; charset=utf-8";
    let reply = rig.send(head, format!("{}\nnonsense\n{}\n", push("a"), push("b")).as_bytes()).await;
    assert_eq!((reply.status, &reply.json["accepted"]), (202, &Value::from(2)));
    assert_eq!(reply.json["failed"][0]["index"], 1);
    rig.stop().await;
}

#[actix_rt::test]
async fn a_repeated_id_is_answered_as_before_and_not_taken_twice() {
    let rig = Rig::start(settings(), &["android", "ios"]);
    let body =
        r#"{"pushes":[{"id":"a","route":"ios","to":{"token":"x"}},{"route":"ios","to":{"token":"y"}}]}"#;
    for repeat in 0..3 {
        let reply = rig.post(body).await;
        assert_eq!((reply.status, &reply.json["accepted"]), (202, &Value::from(2)));
        assert_eq!(reply.json["ids"][0], "a");
        assert_eq!(rig.door.taken.lock().len(), 2 + repeat, "only the one without an id is taken again");
    }
    assert_eq!(*rig.door.refused.lock(), [(Some(RouteId(1)), 1), (Some(RouteId(1)), 1)]);
    let other = rig.post(r#"{"id":"a","route":"android","to":{"token":"x"}}"#).await;
    assert_eq!((other.status, rig.door.taken.lock().len()), (202, 5), "another route's id is another");
    rig.stop().await;
}

#[actix_rt::test]
async fn an_id_that_was_shed_may_be_sent_again_and_one_id_is_one_push() {
    let rig = Rig::start(settings(), &["android"]);
    *rig.door.room.lock() = 0;
    let body = r#"{"id":"a","to":{"token":"x"}}"#;
    assert_eq!(rig.post(body).await.status, 429);
    *rig.door.room.lock() = 10;
    assert_eq!(rig.post(body).await.status, 202);
    assert_eq!(rig.door.taken.lock().len(), 1);
    let twice = r#"{"pushes":[{"id":"b","to":{"token":"x"}},{"id":"b","to":{"token":"y"}}]}"#;
    let reply = rig.post(twice).await;
    assert_eq!((reply.status, &reply.json["accepted"]), (202, &Value::from(1)));
    assert_eq!(reply.json["failed"][0]["reason"], "refused_duplicate");
    assert_eq!(rig.door.entered(), 4);
    rig.stop().await;
}

#[actix_rt::test]
async fn a_full_buffer_sheds_from_the_back_and_is_429_only_when_all_were_shed() {
    let rig = Rig::start(settings(), &["android"]);
    *rig.door.room.lock() = 1;
    let body = format!("{{\"pushes\":[{},{}]}}", push("a"), push("b"));
    let reply = rig.post(&body).await;
    assert_eq!((reply.status, &reply.json["accepted"]), (202, &Value::from(1)));
    assert_eq!(reply.json["failed"][0]["reason"], "shed_buffer_full");
    let reply = rig.post(&body).await;
    assert_eq!((reply.status, &reply.json["accepted"]), (429, &Value::from(0)));
    assert_eq!(reply.json["ids"], Value::Array(Vec::new()));
    assert_eq!(reply.json["failed"].as_array().unwrap().len(), 2);
    assert!(reply.head.contains("retry-after: 3"), "{}", reply.head);
    rig.stop().await;
}

#[actix_rt::test]
async fn closed_routes_are_503_only_when_nothing_else_was_taken() {
    let rig = Rig::start(settings(), &["android", "ios"]);
    for (refusal, code, reason) in [
        (Refusal::RefusedDraining, "draining", "refused_draining"),
        (Refusal::RefusedPaused, "paused", "refused_paused"),
        (Refusal::RefusedRouteDown, "route_down", "refused_route_down"),
    ] {
        rig.door.gates.lock().insert(RouteId(0), refusal);
        let reply = rig.post(r#"{"route":"android","to":{"token":"a"}}"#).await;
        assert_eq!((reply.status, &reply.json["error"]["code"]), (503, &Value::from(code)));
        assert_eq!(reply.json["failed"][0]["reason"], reason);
        assert!(reply.head.contains("retry-after: 3"), "{}", reply.head);
    }
    let body = r#"{"pushes":[{"route":"android","to":{"token":"a"}},{"route":"ios","to":{"token":"b"}}]}"#;
    let reply = rig.post(body).await;
    assert_eq!((reply.status, &reply.json["accepted"]), (202, &Value::from(1)));
    assert_eq!(reply.json["failed"][0]["index"], 0);
    assert_eq!(rig.door.entered(), 5);
    rig.stop().await;
}

#[actix_rt::test]
async fn a_token_is_needed_if_there_are_tokens_and_must_be_right() {
    let tokens = vec![Secret::new("s3cret"), Secret::new("other")];
    let rig = Rig::start(Settings { tokens, ..settings() }, &["android"]);
    let body = push("a");
    let head = |value: &str| format!("POST /v1/pushes HTTP/1.1\r\ncontent-type: application/json{value}");
    let reply = rig.send(&head(""), body.as_bytes()).await;
    assert_eq!((reply.status, &reply.json["error"]["code"]), (401, &Value::from("token_missing")));
    assert!(reply.head.contains("www-authenticate: bearer"), "{}", reply.head);
    let table = [
        ("Basic s3cret", 401),
        ("Bearer s3cre", 403),
        ("Bearer ", 401),
        ("Bearer s3cretx", 403),
        ("Bearer other", 202),
        ("bearer s3cret", 202),
    ];
    for (value, status) in table {
        let reply = rig.send(&head(&format!("\r\nauthorization: {value}")), body.as_bytes()).await;
        assert_eq!(reply.status, status, "{value}");
    }
    let senders: Vec<_> = rig.door.taken.lock().iter().map(|push| push.sender.0).collect();
    assert_eq!(senders, [2, 0], "a push knows whose token it came with");
    rig.stop().await;
}

#[actix_rt::test]
async fn other_content_types_methods_and_paths_say_what_there_is() {
    let rig = Rig::start(settings(), &["android"]);
    let table = [
        ("POST /v1/pushes HTTP/1.1", 415, "application/json or application/x-ndjson"),
        ("POST /v1/pushes HTTP/1.1\r\ncontent-type: text/plain", 415, "\"text/plain\""),
        (
            "POST /v1/pushes HTTP/1.1\r\ncontent-type: application/json\r\ncontent-encoding: gzip",
            415,
            "compressed",
        ),
        ("PUT /v1/pushes HTTP/1.1", 405, "POST"),
        ("GET /v1/pushes HTTP/1.1", 405, "POST"),
        ("GET / HTTP/1.1", 404, "POST /v1/pushes"),
    ];
    for (head, status, words) in table {
        let reply = rig.send(head, b"").await;
        let message = reply.json["error"]["message"].as_str().unwrap_or_default();
        assert!(reply.status == status && message.contains(words), "{head}: {} {message}", reply.status);
        assert_eq!(status == 405, reply.head.contains("allow: post"), "{}", reply.head);
    }
    rig.stop().await;
}

#[actix_rt::test]
async fn limits_are_named_also_for_bodies_without_a_length() {
    let rig = Rig::start(settings(), &["android"]);
    let six = format!("{{\"pushes\":[{}]}}", vec![push("a"); 6].join(","));
    let reply = rig.post(&six).await;
    assert_eq!(reply.status, 413);
    assert!(reply.json["error"]["message"].as_str().unwrap().starts_with("6 pushes are over the limit of 5"));
    let reply = rig.post(&" ".repeat(2_049)).await;
    assert_eq!(reply.status, 413);
    assert!(reply.json["error"]["message"].as_str().unwrap().contains("limit of 2 KiB"));
    assert!(reply.head.contains("connection: close"), "{}", reply.head);
    let reply = rig.post(&" ".repeat(4_000_000)).await;
    assert_eq!(reply.status, 413, "a huge body does not hide the answer");
    let mut stream = rig.connect().await;
    let chunk = format!("400\r\n{}\r\n", " ".repeat(0x400));
    let head = "POST /v1/pushes HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}{chunk}{chunk}{chunk}").as_bytes()).await.unwrap();
    assert_eq!(read_reply(&mut stream).await.status, 413);
    let mut rest = Vec::new();
    // Either end of the connection proves that it was closed.
    assert!(matches!(stream.read_to_end(&mut rest).await, Ok(0) | Err(_)));
    assert_eq!(rig.door.entered(), 0);
    rig.stop().await;
}

#[actix_rt::test]
async fn a_slow_body_ends_in_408_and_a_closed_connection() {
    let rig = Rig::start(settings(), &["android"]);
    let mut stream = rig.connect().await;
    let head = "POST /v1/pushes HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let reply = read_reply(&mut stream).await;
    assert_eq!((reply.status, &reply.json["error"]["code"]), (408, &Value::from("body_too_slow")));
    let mut rest = Vec::new();
    assert!(matches!(stream.read_to_end(&mut rest).await, Ok(0) | Err(_)));
    let mut silent = rig.connect().await;
    silent.write_all(b"POST /v1/pushes HT").await.unwrap();
    let mut rest = String::new();
    silent.read_to_string(&mut rest).await.unwrap();
    assert!(rest.starts_with("HTTP/1.1 408"), "{rest}");
    rig.stop().await;
}

#[actix_rt::test]
async fn a_connection_carries_many_requests_in_pieces_of_any_size() {
    let rig = Rig::start(Settings { read_timeout: Duration::from_secs(5), ..settings() }, &["android"]);
    let mut stream = rig.connect().await;
    for _ in 0..3 {
        let reply = exchange(
            &mut stream,
            "POST /v1/pushes HTTP/1.1\r\ncontent-type: application/json",
            push("a").as_bytes(),
        )
        .await;
        assert_eq!(reply.status, 202);
    }
    let body = push("b");
    let head = format!(
        "POST /v1/pushes HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.set_nodelay(true).unwrap();
    for byte in head.bytes().chain(body.bytes()) {
        stream.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(read_reply(&mut stream).await.status, 202);
    assert_eq!(rig.door.taken.lock().len(), 4);
    rig.stop().await;
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let item = prop_oneof![
        Just(push("a")),
        Just(push("")),
        Just("{\"route\":\"b\",\"to\":{\"token\":\"a\"}}".to_owned()),
        Just("{\"route\":\"a\",\"to\":{\"token\":\"a\"}}".to_owned()),
        Just("{\"route\":\"?\",\"id\":\"x\",\"to\":{\"token\":\"a\"}}".to_owned()),
        Just("null".to_owned()),
    ];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        prop::collection::vec(item, 0..7)
            .prop_map(|items| format!("{{\"pushes\":[{}]}}", items.join(",")).into_bytes()),
    ]
}

proptest! {
    #[test]
    fn every_body_gets_a_documented_answer_and_every_push_an_entry(
        body in any_body(), lines: bool, room in 0_usize..6, closed: bool,
    ) {
        let (ingest, door) = ingest(settings(), &["a", "b"]);
        *door.room.lock() = room;
        if closed {
            door.gates.lock().insert(RouteId(1), Refusal::RefusedPaused);
        }
        let format = if lines { Format::Lines } else { Format::Json };
        let (answer, _) = take(&ingest, &body, format, CALLER);
        prop_assert!([202, 400, 413, 429, 503].contains(&answer.status));
        prop_assert_eq!(answer.retry_after.is_some(), [429, 503].contains(&answer.status));
        let json: Value = serde_json::from_slice(&answer.body).unwrap();
        let failed = json["failed"].as_array().map_or(0, Vec::len) as u64;
        let accepted = json["accepted"].as_u64().unwrap_or(0);
        prop_assert_eq!(accepted, json["ids"].as_array().map_or(0, Vec::len) as u64);
        prop_assert_eq!(accepted, door.taken.lock().len() as u64);
        prop_assert_eq!(accepted > 0, answer.status == 202);
        prop_assert_eq!(json["error"].is_object(), [400, 413, 503].contains(&answer.status));
        prop_assert_eq!(door.entered(), accepted + failed);
        if let Ok(parsed) = wire::parse(&body, format, 5) {
            prop_assert_eq!(parsed.items.len() as u64, accepted + failed);
        }
    }
}

#[test]
#[ignore = "prints a figure instead of checking a promise"]
fn time_per_push_in_batches_of_100() {
    let (ingest, door) = ingest(Settings { max_batch: 1_000, ..settings() }, &["android"]);
    let one = r#"{"route":"android","to":{"token":"dGhpcyBpcyBhIHR5cGljYWwgcmVnaXN0cmF0aW9uIHRva2VuIG9mIGEgZGV2aWNl:APA91bHPRgkF3JUikC4ENAHEeMrd41Zxv3hVZjC9KtT8OvPVGJ-hQMRKRrZuJAEcl7B338qju59zJMjw2DELjzEvxwYv7hH5Ynpc1ODQ0aT4U4OFEeco8ohsN5PjL1iC2dNtk2BAokeMCg2ZXKqpc8FXKmhX94kIxQ"},"priority":"high","ttl":3600,"notification":{"title":"Ada","body":"Are you there?"},"data":{"room":"17","message":"182"}}"#;
    let body = format!("{{\"pushes\":[{}]}}", vec![one; 100].join(","));
    let mut best = Duration::MAX;
    for _ in 0..200 {
        *door.room.lock() = 100;
        door.taken.lock().clear();
        let start = std::time::Instant::now();
        let (answer, _) = take(&ingest, body.as_bytes(), Format::Json, CALLER);
        best = best.min(start.elapsed());
        assert_eq!(answer.status, 202);
    }
    println!("{} ns per push of {} bytes", best.as_nanos() / 100, one.len());
}
