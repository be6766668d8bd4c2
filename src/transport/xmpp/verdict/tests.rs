//! What each payload of the provider means.

use proptest::prelude::*;

use super::*;

const KEY: &str = "00000000-0000-0000-0000-00000000002a";

fn nack_of(code: &str) -> Incoming<'static> {
    let json = format!(
        r#"{{"message_type":"nack","message_id":"{KEY}","from":"t","error":"{code}","error_description":"why"}}"#
    );
    match read(&json) {
        Incoming::Answer { key, verdict } => Incoming::Answer { key, verdict },
        Incoming::BadAck => Incoming::BadAck,
        other => panic!("{other:?}"),
    }
}

fn answer_of(code: &str) -> Box<Answer> {
    Box::new(Answer::new(code, "why"))
}

#[test]
fn every_documented_code_has_its_verdict() {
    let key = PushKey::from_u128(42);
    let retry = |code: &str, after| Verdict::Retry { answer: answer_of(code), after };
    let limited = |code: &str| Verdict::Limited {
        answer: answer_of(code),
        after: RATE_EXCEEDED_DELAY,
        scope: Scope::Target,
    };
    for (code, verdict) in [
        ("INVALID_JSON", Verdict::Rejected(answer_of("INVALID_JSON"))),
        ("INVALID_TTL", Verdict::Rejected(answer_of("INVALID_TTL"))),
        ("JSON_TYPE_ERROR", Verdict::Rejected(answer_of("JSON_TYPE_ERROR"))),
        ("BAD_REGISTRATION", Verdict::Unregistered(answer_of("BAD_REGISTRATION"))),
        ("DEVICE_UNREGISTERED", Verdict::Unregistered(answer_of("DEVICE_UNREGISTERED"))),
        ("SERVICE_UNAVAILABLE", retry("SERVICE_UNAVAILABLE", None)),
        ("INTERNAL_SERVER_ERROR", retry("INTERNAL_SERVER_ERROR", None)),
        ("AUTHENTICATION_FAILED", retry("AUTHENTICATION_FAILED", None)),
        ("SOMETHING_NEW", retry("SOMETHING_NEW", None)),
        ("DEVICE_MESSAGE_RATE_EXCEEDED", limited("DEVICE_MESSAGE_RATE_EXCEEDED")),
        ("TOPICS_MESSAGE_RATE_EXCEEDED", limited("TOPICS_MESSAGE_RATE_EXCEEDED")),
        ("QUOTA_EXCEEDED", limited("QUOTA_EXCEEDED")),
        ("CONNECTION_DRAINING", Verdict::Elsewhere),
    ] {
        assert_eq!(nack_of(code), Incoming::Answer { key, verdict }, "{code}");
    }
    assert_eq!(nack_of("BAD_ACK"), Incoming::BadAck);
}

#[test]
fn an_ack_may_carry_the_canonical_token() {
    let key = PushKey::from_u128(42);
    let plain = format!(r#"{{"from":"t","message_id":"{KEY}","message_type":"ack"}}"#);
    assert_eq!(read(&plain), Incoming::Answer { key, verdict: Verdict::Delivered { canonical: None } });
    let moved =
        format!(r#"{{"registration_id":"n\u0065w","from":"t","message_id":"{KEY}","message_type":"ack"}}"#);
    let verdict = Verdict::Delivered { canonical: Some("new".into()) };
    assert_eq!(read(&moved), Incoming::Answer { key, verdict });
}

#[test]
fn loose_nacks_are_still_answers() {
    for rest in ["", r#","error":null"#, r#","error":7,"error_description":{"a":[1]}"#] {
        let json = format!(r#"{{"message_type":"nack","message_id":"{KEY}"{rest}}}"#);
        let Incoming::Answer { verdict: Verdict::Retry { answer, after: None }, .. } = read(&json) else {
            panic!("{json}")
        };
        assert_eq!((&*answer.code, &*answer.detail), ("UNKNOWN", ""));
    }
    let old = format!(
        r#"{{"message_type":"nack","message_id":"{KEY}","error":"InvalidJson : INVALID_TTL : bad"}}"#
    );
    let Incoming::Answer { verdict: Verdict::Rejected(answer), .. } = read(&old) else { panic!("{old}") };
    assert_eq!((&*answer.code, &*answer.detail), ("INVALID_JSON", "InvalidJson : INVALID_TTL : bad"));
}

#[test]
fn control_needs_no_id() {
    assert_eq!(
        read(r#"{"message_type":"control","control_type":"CONNECTION_DRAINING"}"#),
        Incoming::Draining
    );
    assert!(matches!(read(r#"{"message_type":"control","control_type":"OTHER"}"#), Incoming::Unknown(_)));
}

#[test]
fn upstream_and_receipts_name_what_to_acknowledge() {
    let origin = |from: &'static str, id: &'static str| Origin { from: from.into(), message_id: id.into() };
    let upstream =
        r#"{"category":"p","data":{"a":"b"},"message_id":"m-1","from":"tok","time_to_live":86400}"#;
    assert_eq!(read(upstream), Incoming::Upstream(origin("tok", "m-1")));
    let receipt = r#"{"message_type":"receipt","from":"gcm.googleapis.com","message_id":"dr2:x","category":"p",
        "data":{"message_status":"MESSAGE_SENT_TO_DEVICE","original_message_id":"x"},"time_to_live":0}"#;
    assert_eq!(read(receipt), Incoming::Receipt(origin("gcm.googleapis.com", "dr2:x")));
    let bare = r#"{"message_type":"receipt","message_id":"dr2:y"}"#;
    assert_eq!(read(bare), Incoming::Receipt(origin("gcm.googleapis.com", "dr2:y")));
}

#[test]
fn what_asks_for_nothing_is_unknown() {
    for json in [
        "",
        "[]",
        "{}",
        "nonsense",
        r#"{"message_type":"later"}"#,
        r#"{"message_type":"ack"}"#,
        r#"{"message_type":"ack","message_id":"not-ours"}"#,
        r#"{"message_type":"ack","message_id":1,"message_id":2}"#,
        r#"{"message_type":"receipt"}"#,
        r#"{"message_id":"m-1"}"#,
    ] {
        assert!(matches!(read(json), Incoming::Unknown(_)), "{json}");
    }
}

#[test]
fn the_providers_words_are_bounded() {
    let Some(Verdict::Retry { answer, .. }) = judge(&"é".repeat(100), &"€".repeat(1000)) else { panic!() };
    assert!(answer.code.len() <= 64 && answer.detail.len() <= 256);
    assert!(answer.detail.chars().all(|character| character == '€'));
}

proptest! {
    #[test]
    fn the_usual_ack_is_read_as_by_its_fields(
        from in "[ -~]{0,40}",
        number: u128,
        at: prop::sample::Index,
        with in "[ -~]{0,2}",
        cut in 0..3_usize,
    ) {
        let from = serde_json::to_string(&from).unwrap();
        let usual = format!(r#"{{"from":{from},"message_id":"{}","message_type":"ack"}}"#, PushKey::from_u128(number));
        prop_assert!(usual_ack(&usual).is_some() || from.contains('\\'));
        prop_assert_eq!(read(&usual), read_fields(&usual));
        let at = at.index(usual.len() + 1);
        let mut other = usual.clone();
        other.replace_range(at..(at + cut).min(usual.len()), &with);
        prop_assert_eq!(read(&other), read_fields(&other), "{}", other);
    }

    #[test]
    fn no_text_is_too_strange(json: String, value in "[{}\\[\\]\",:a-z0-9_]{0,60}") {
        read(&json);
        read(&value);
    }
}
