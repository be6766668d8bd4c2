//! Which pushes the double takes, and what it says of the others.

use proptest::prelude::*;

use super::*;

fn fault(json: &str) -> Option<PushFault> {
    match read(json) {
        Downstream::Push(push) => push.fault,
        other => panic!("{json} is not a push but {other:?}"),
    }
}

fn with(fields: &str) -> String {
    format!(r#"{{"message_id":"m","to":"t",{fields}}}"#)
}

#[test]
fn a_push_keeps_what_its_answer_needs() {
    let json =
        r#"{"to":"a\u0041","message_id":"m\"1","delivery_receipt_requested":true,"time_to_live":0,"new":1}"#;
    let Downstream::Push(push) = read(json) else { panic!("not a push") };
    assert_eq!((&*push.id, push.id_json), ("m\"1", "\"m\\\"1\""));
    assert_eq!((&*push.target, push.target_json), ("aA", "\"a\\u0041\""));
    assert!(push.receipt);
    assert_eq!(push.fault, None);
}

#[test]
fn wrong_types_are_named() {
    let cases = [
        (r#""dry_run":"true""#, PushFault::Type("dry_run", "boolean")),
        (r#""time_to_live":"60""#, PushFault::Type("time_to_live", "number")),
        (r#""collapse_key":1"#, PushFault::Type("collapse_key", "string")),
        (r#""data":[]"#, PushFault::Type("data", "object")),
        (r#""data":"x""#, PushFault::Type("data", "object")),
        (r#""data":-1"#, PushFault::Type("data", "object")),
        (r#""data":1.5"#, PushFault::Type("data", "object")),
        (r#""notification":true"#, PushFault::Type("notification", "object")),
        (r#""notification":7"#, PushFault::Type("notification", "object")),
        (r#""notification":{"badge":3}"#, PushFault::Type("badge", "string")),
        (r#""notification":{"title_loc_args":["a"]}"#, PushFault::Type("title_loc_args", "string")),
        (r#""priority":10"#, PushFault::Type("priority", "string")),
    ];
    for (fields, expected) in cases {
        assert_eq!(fault(&with(fields)), Some(expected), "{fields}");
    }
    assert_eq!(fault(r#"{"message_id":"m","to":5}"#), Some(PushFault::Type("to", "string")));
}

#[test]
fn values_out_of_range_are_refused() {
    let cases = [
        (r#""time_to_live":2419201"#, PushFault::Ttl),
        (r#""time_to_live":-1"#, PushFault::Ttl),
        (r#""time_to_live":1.5"#, PushFault::Ttl),
        (r#""priority":"urgent""#, PushFault::Priority),
        (r#""condition":"'a' in topics""#, PushFault::TwoTargets),
        (r#""registration_ids":["a"]"#, PushFault::Multicast),
        (r#""message_type":"nack""#, PushFault::MessageType),
        (r#""data":{"from":"x"}"#, PushFault::DataKey),
        (r#""data":{"google.x":"x"}"#, PushFault::DataKey),
        (r#""data":{"g\u0063m":"x"}"#, PushFault::DataKey),
    ];
    for (fields, expected) in cases {
        assert_eq!(fault(&with(fields)), Some(expected), "{fields}");
    }
    for ttl in ["0", "2419200"] {
        assert_eq!(fault(&with(&format!(r#""time_to_live":{ttl}"#))), None);
    }
    assert_eq!(fault(r#"{"message_id":"m"}"#), Some(PushFault::NoTarget));
    assert_eq!(fault(r#"{"message_id":"m","to":""}"#), Some(PushFault::NoTarget));
}

#[test]
fn the_payload_may_have_4096_bytes_and_not_one_more() {
    let full =
        |n: usize| with(&format!(r#""data":{{"k":"{}"}},"notification":{{"body":"xy"}}"#, "a".repeat(n)));
    assert_eq!(fault(&full(4096 - 7)), None);
    assert_eq!(fault(&full(4096 - 6)), Some(PushFault::TooBig(4097, 4096)));
    let topic = full(2048 - 6).replace("\"t\"", "\"/topics/a\"");
    assert_eq!(fault(&topic), Some(PushFault::TooBig(2049, 2048)));
}

#[test]
fn escapes_count_as_the_characters_they_mean() {
    let text = r"\u0041".repeat(4095);
    assert_eq!(fault(&with(&format!(r#""data":{{"k":"{text}"}}"#))), None);
}

#[test]
fn without_a_message_id_there_is_nobody_to_answer() {
    for json in ["{", "[]", r#"{"to":"t"}"#, r#"{"to":"t","message_id":""}"#, r#"{"to":"t","message_id":7}"#]
    {
        assert!(matches!(read(json), Downstream::Unanswerable(_)), "{json}");
    }
}

#[test]
fn an_upstream_ack_needs_to_and_message_id() {
    let ack = read(r#"{"message_type":"ack","to":"d","message_id":"u1"}"#);
    assert!(matches!(ack, Downstream::Ack { to, id } if to == "d" && id == "u1"));
    assert!(matches!(read(r#"{"message_type":"ack","message_id":"u1"}"#), Downstream::BadAck));
}

proptest! {
    #[test]
    fn any_text_is_judged_without_panic(text in "\\PC{0,80}") {
        let _ = read(&text);
    }

    #[test]
    fn string_data_is_measured_as_its_characters(
        values in prop::collection::btree_map("[a-f]{1,8}", "[ -~é\\n\"]{0,40}", 0..6),
    ) {
        let size: usize = values.iter().map(|(key, value)| key.len() + value.len()).sum();
        let json = serde_json::to_string(&values).unwrap();
        let raw: Payload = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(payload::check(Some(&raw), None, size), Ok(()));
        if size > 0 {
            prop_assert_eq!(
                payload::check(Some(&raw), None, size - 1),
                Err(PushFault::TooBig(size, size - 1))
            );
        }
    }
}
