//! What a sender may write, and what is said about the rest.

use proptest::prelude::*;

use super::*;
use crate::push::{Lane, Target};

fn json(body: &str) -> Parsed<'_> {
    parse(body.as_bytes(), Format::Json, 10).unwrap()
}

/// Returns the path and message about the only push of a body.
fn fault(body: &str) -> (String, String) {
    let parsed = json(body);
    assert!(parsed.single && parsed.items.len() == 1);
    let fault = parsed.items[0].as_ref().unwrap_err();
    (fault.field.to_string(), fault.message.to_string())
}

fn body_fault(body: &[u8], format: Format) -> String {
    parse(body, format, 2).unwrap_err().to_string()
}

#[test]
fn a_push_is_read_without_copying() {
    let body = r#" {"id":"a-1","route":"android","to":{"token":"tok"},"priority":"critical","ttl":60,"collapse_key":"c",
        "notification":{"title":"T","badge":3},"data":{"a":[1]},"provider":{}} "#;
    let parsed = json(body);
    let push = parsed.items[0].as_ref().unwrap();
    assert!(matches!(&push.to, Target::Token(Cow::Borrowed("tok"))));
    assert!(matches!(&push.id, Some(Cow::Borrowed("a-1"))));
    assert!(matches!(&push.notification.as_ref().unwrap().title, Some(Cow::Borrowed("T"))));
    assert_eq!((push.priority, push.ttl), (Lane::Critical, Some(60)));
    assert_eq!(push.data.unwrap().get(), r#"{"a":[1]}"#);
}

#[test]
fn every_target_is_read() {
    let target = |to: &str| {
        let body = format!("{{\"to\":{to}}}");
        json(&body).items.remove(0).map(|push| format!("{:?}", push.to)).unwrap()
    };
    assert_eq!(target(r#"{"topic":"news"}"#), r#"Topic("news")"#);
    assert_eq!(target(r#"{"condition":"'a' in topics"}"#), r#"Condition("'a' in topics")"#);
    let web = target(r#"{"endpoint":"https://p.example/x","p256dh":"BNc_-","auth":"a_b"}"#);
    assert!(web.starts_with("WebPush"), "{web}");
    let channel = target(r#"{"channel":"dHN0+/=="}"#);
    assert_eq!(channel, r#"Channel { id: "dHN0+/==", is_stored: false }"#);
    assert!(target(r#"{"channel":"a","stored":true}"#).contains("is_stored: true"));
}

#[test]
fn each_fault_of_a_push_names_its_path_and_what_to_do() {
    let table = [
        (r#"{"to":{"token":""}}"#, "to.token", "must not be empty (hint: "),
        (r#"{"to":{"token":"a b"}}"#, "to.token", "without spaces"),
        (r#"{"to":{}}"#, "to", "must not be empty"),
        (r#"{"to":{"token":"a","topic":"b"}}"#, "to", "must be one of token"),
        (r#"{"to":{"endpoint":"https://x","auth":"a"}}"#, "to.p256dh", "is missing"),
        (r#"{"to":{"endpoint":"http://x","p256dh":"a","auth":"a"}}"#, "to.endpoint", "https"),
        (r#"{"to":{"token":"a","channel":"b"}}"#, "to", "must be one of token"),
        (r#"{"to":{"token":"a","stored":true}}"#, "to.stored", "only for channels"),
        (r#"{"to":{"channel":"a","stored":"yes"}}"#, "to.stored", "must be true or false, not text"),
        (r#"{"to":{"token":5}}"#, "to.token", "must be text, not a number"),
        (r#"{"to":{"tokn":"x"}}"#, "to.tokn", "is unknown (hint: the fields are token, topic"),
        (r#"{"to":["x"]}"#, "to", "must be an object, not a list"),
        (r#"{"to":{"token":"x"},"notification":["x"]}"#, "notification", "must be an object, not a list"),
        (r#"{"to":"x"}"#, "to", "must be an object, not text"),
        (r#"{"to":null}"#, "to", "must be an object, not null"),
        (r#"{}"#, "to", "is missing"),
        (r#"{"to":{"token":"x"},"to":{"token":"y"}}"#, "to", "is there twice"),
        (r#"{"to":{"token":"x","token":"y"}}"#, "to.token", "is there twice"),
        (r#"{"to":{"token":"x"},"colour":1}"#, "colour", "is unknown (hint: the fields are id, route, to"),
        (r#"{"to":{"token":"x"},"id":""}"#, "id", "1 to 128 visible ASCII"),
        (r#"{"to":{"token":"x"},"id":"a b"}"#, "id", "1 to 128 visible ASCII"),
        (r#"{"to":{"token":"x"},"priority":"urgent"}"#, "priority", "must be critical, high, normal or low"),
        (r#"{"to":{"token":"x"},"priority":1}"#, "priority", "must be text, not a number"),
        (r#"{"to":{"token":"x"},"ttl":2419201}"#, "ttl", "0 to 2419200"),
        (r#"{"to":{"token":"x"},"ttl":-1}"#, "ttl", "0 to 2419200, not -1"),
        (r#"{"to":{"token":"x"},"ttl":1.5}"#, "ttl", "not 1.5"),
        (r#"{"to":{"token":"x"},"ttl":"60"}"#, "ttl", "not text"),
        (r#"{"to":{"token":"x"},"data":[]}"#, "data", "must be an object"),
        (r#"{"to":{"token":"x"},"provider":"x"}"#, "provider", "must be an object"),
        (r#"{"to":{"token":"x"},"notification":{"badge":-1}}"#, "notification.badge", "whole number"),
        (r#"{"to":{"token":"x"},"notification":{"titel":"x"}}"#, "notification.titel", "is unknown"),
        (r#"{"to":{"token":"x"},"notification":{"title":"\ud800"}}"#, "notification.title", "surrogates"),
        (r#"{"to":{"token":"x"},"collapse_key":""}"#, "collapse_key", "1 to 64"),
    ];
    for (body, field, message) in table {
        let (found, said) = fault(body);
        assert_eq!(found, field, "{body}");
        assert!(said.contains(message), "{body}: {said}");
    }
}

#[test]
fn nesting_is_bounded_and_brackets_in_text_do_not_count() {
    let deep = |levels: usize| {
        format!(
            "{{\"to\":{{\"token\":\"x\"}},\"data\":{{\"a\":{}{}}}}}",
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    assert!(json(&deep(31)).items[0].is_ok());
    assert_eq!(fault(&deep(32)).0, "data");
    assert_eq!(fault(&deep(100_000)).0, "data");
    let text = format!("{{\"to\":{{\"token\":\"x\"}},\"data\":{{\"a\":\"\\\"{}\"}}}}", "[".repeat(99));
    assert!(json(&text).items[0].is_ok());
}

#[test]
fn a_bad_push_leaves_its_neighbours_alone() {
    let body = r#"{"pushes":[{"to":{"token":"a"}},{"id":"b","to":7},{"to":{"token":"c"}},null]}"#;
    let items = json(body).items;
    let bad: Vec<_> = items.iter().enumerate().filter(|(_, item)| item.is_err()).map(|(at, _)| at).collect();
    assert_eq!((items.len(), bad), (4, vec![1, 3]));
    assert_eq!(items[1].as_ref().unwrap_err().id.as_deref(), Some("b"));
}

#[test]
fn lines_are_pushes_and_blank_lines_are_nothing() {
    let body = b"{\"to\":{\"token\":\"a\"}}\r\n\n{\"to\":\n{\"id\":\"b\",\"to\":{\"topic\":\"\"}}\n\xff\n";
    let items = parse(body, Format::Lines, 10).unwrap().items;
    assert_eq!(items.len(), 4);
    assert!(items[0].is_ok());
    assert!(items[1].as_ref().unwrap_err().message.starts_with("is not JSON"));
    assert_eq!(items[2].as_ref().unwrap_err().field, "to.topic");
    assert!(items[3].as_ref().unwrap_err().message.starts_with("is not UTF-8"));
}

#[test]
fn a_body_that_is_no_push_says_what_would_be() {
    let table: [(&[u8], &str); 9] = [
        (b"", "the body: must hold at least one push"),
        (b" \n", "the body: must hold at least one push"),
        (b"{", "the body is not JSON: EOF"),
        (b"{}{}", "application/x-ndjson"),
        (b"[{}]", "the body must be an object, not a list"),
        (b"{\"pushes\":{}}", "pushes: must be a list, not an object"),
        (b"{\"pushes\":[]}", "pushes: must hold at least one push"),
        (b"{\"pushes\":[{}],\"x\":1}", "pushes: must be the only key"),
        (b"\"\xff\"", "not UTF-8: byte 1 is wrong"),
    ];
    for (body, message) in table {
        let said = body_fault(body, Format::Json);
        assert!(said.contains(message), "{said}");
    }
    assert!(body_fault(b"\n\n", Format::Lines).contains("at least one push"));
}

#[test]
fn a_batch_over_the_limit_names_both_numbers() {
    let three = br#"{"pushes":[{"to":{"token":"a"}},{"to":{"token":"a"}},{}]}"#;
    assert!(
        body_fault(three, Format::Json)
            .starts_with("3 pushes are over the limit of 2 (hint: [ingest] max_batch")
    );
    let good = br#"{"pushes":[{"to":{"token":"a"}},{"to":{"token":"a"}},{"to":{"token":"a"}}]}"#;
    assert!(body_fault(good, Format::Json).starts_with("3 pushes"));
    assert!(body_fault(b"{}\n{}\n{}", Format::Lines).starts_with("3 pushes"));
}

fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-1".into()),
        Just("60".into()),
        Just("1e9".into()),
        Just("\"\"".into()),
        Just("\"\\ud800\"".into()),
        Just("\"a\"".into()),
        Just("\"\\u0041\\n\"".into()),
        Just("4294967296".into()),
        Just("true".into()),
        Just("[]".into()),
        Just("{}".into()),
        Just("{\"token\":\"a\"}".into()),
        Just("{\"token\":null,\"topic\":\"x\"}".into()),
        Just("{\"token\":null,\"token\":\"x\"}".into()),
        Just("{\"channel\":\"x\",\"stored\":true}".into()),
        Just("{\"title\":\"a\",\"badge\":1}".into()),
    ];
    let keys = vec![
        "id",
        "route",
        "to",
        "priority",
        "ttl",
        "collapse_key",
        "notification",
        "data",
        "provider",
        "x",
        "t\\u006f",
    ];
    let member = (prop::sample::select(keys), leaf).prop_map(|(key, value)| format!("\"{key}\":{value}"));
    prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(",")))
}

proptest! {
    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..200), lines: bool) {
        let format = if lines { Format::Lines } else { Format::Json };
        let _ = parse(&body, format, 3);
    }

    #[test]
    fn no_mutation_of_a_body_panics(at in 0_usize..90, byte: u8, lines: bool) {
        let mut body = br#"{"pushes":[{"id":"x","to":{"token":"a"},"ttl":5,"notification":{"title":"\u00e4"},"data":{"a":[1]}}]}"#.to_vec();
        body[at] = byte;
        let _ = parse(&body, if lines { Format::Lines } else { Format::Json }, 3);
    }

    #[test]
    fn the_diagnosis_finds_a_field_exactly_when_a_push_is_refused(push in any_json()) {
        let raw: &RawValue = serde_json::from_str(&push).unwrap();
        let (mut read, mut input) = (RawPush::default(), Reader::new(&push));
        let fault = diagnose::push(raw);
        prop_assert_eq!(read.read(&mut input).is_none(), !fault.field.is_empty(), "{}: {:?}", push, fault);
    }

    #[test]
    fn a_batch_gives_each_push_what_it_gets_alone(pushes in prop::collection::vec(any_json(), 1..5)) {
        let batch = format!("{{\"pushes\":[{}]}}", pushes.join(","));
        let lines = pushes.join("\n");
        let batch = parse(batch.as_bytes(), Format::Json, 9).unwrap().items;
        let lines = parse(lines.as_bytes(), Format::Lines, 9).unwrap().items;
        for ((push, item), line) in pushes.iter().zip(batch).zip(lines) {
            let alone = parse(push.as_bytes(), Format::Json, 9).unwrap().items.remove(0);
            prop_assert_eq!(format!("{:?}", &alone), format!("{:?}", item));
            prop_assert_eq!(format!("{:?}", &alone), format!("{:?}", line));
        }
    }
}
