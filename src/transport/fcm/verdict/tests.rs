//! The table of `reference/fcm.md` 2.3, row by row.

use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::transport::http2::fixture::{self, Shape, now};

const MIN: Duration = Duration::from_secs(10);

fn ask(status: u16, headers: &[(&'static str, &str)], body: &str) -> Meaning {
    let reply = fixture::reply(status, headers, body);
    read(reply.status, &reply.headers, &reply.body, MIN, now())
}

fn error(status: &str, message: &str, details: Value) -> String {
    json!({"error": {"code": 0, "message": message, "status": status, "details": details}}).to_string()
}

fn fcm(code: &str) -> Value {
    json!({"@type": FCM_ERROR, "errorCode": code})
}

/// A row's shape.
type Row<'a> = (&'a str, &'a str, Option<u64>, Option<u64>);

fn shape(meaning: Meaning) -> Shape {
    match meaning {
        Meaning::Token(answer) => fixture::plain("token", &answer),
        Meaning::Foreign(answer) => fixture::plain("foreign", &answer),
        Meaning::Setup(answer) => fixture::plain("setup", &answer),
        Meaning::ThirdParty(answer) => fixture::plain("third party", &answer),
        Meaning::Push(judgement) => fixture::shape(judgement),
    }
}

#[test]
fn every_row_of_the_table_has_its_verdict() {
    let invalid_token = "The registration token is not a valid FCM registration token";
    let violation = |field: &str| json!({"@type": BAD_REQUEST, "fieldViolations": [{"field": field, "description": "x"}]});
    let quota = json!([fcm("QUOTA_EXCEEDED"), {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"subject": "project:demo"}]}]);
    let rows: [(u16, String, Row<'_>); 24] = [
        (200, r#"{"name":"projects/p/messages/0:1"}"#.into(), ("delivered", "", None, None)),
        (
            400,
            error("INVALID_ARGUMENT", invalid_token, json!([fcm("INVALID_ARGUMENT")])),
            ("unregistered", "INVALID_ARGUMENT", None, None),
        ),
        (
            400,
            error(
                "INVALID_ARGUMENT",
                "Invalid",
                json!([fcm("INVALID_ARGUMENT"), violation("message.token")]),
            ),
            ("unregistered", "INVALID_ARGUMENT", None, None),
        ),
        (
            400,
            error("INVALID_ARGUMENT", "Invalid", json!([violation("message.data[0].value")])),
            ("rejected", "INVALID_ARGUMENT", None, None),
        ),
        (
            400,
            error(
                "INVALID_ARGUMENT",
                invalid_token,
                json!([fcm("INVALID_ARGUMENT"), violation("message.android.ttl")]),
            ),
            ("rejected", "INVALID_ARGUMENT", None, None),
        ),
        (
            400,
            error("INVALID_ARGUMENT", "Message too big", json!([fcm("INVALID_ARGUMENT")])),
            ("rejected", "INVALID_ARGUMENT", None, None),
        ),
        (401, error("UNAUTHENTICATED", "", json!([])), ("token", "UNAUTHENTICATED", None, None)),
        (401, "<html>".into(), ("token", "HTTP_401", None, None)),
        (
            401,
            error("UNAUTHENTICATED", "", json!([fcm("THIRD_PARTY_AUTH_ERROR")])),
            ("third party", "THIRD_PARTY_AUTH_ERROR", None, None),
        ),
        (
            403,
            error("PERMISSION_DENIED", "", json!([fcm("SENDER_ID_MISMATCH")])),
            ("foreign", "SENDER_ID_MISMATCH", None, None),
        ),
        (403, error("PERMISSION_DENIED", "", json!([])), ("setup", "PERMISSION_DENIED", None, None)),
        (
            404,
            error("NOT_FOUND", "", json!([fcm("UNREGISTERED")])),
            ("unregistered", "UNREGISTERED", None, None),
        ),
        (404, "<html>".into(), ("setup", "HTTP_404", None, None)),
        (
            429,
            error("RESOURCE_EXHAUSTED", "Quota exceeded", quota),
            ("route", "QUOTA_EXCEEDED", Some(60), Some(60)),
        ),
        (
            429,
            error("RESOURCE_EXHAUSTED", "too many messages to this device", json!([fcm("QUOTA_EXCEEDED")])),
            ("target", "QUOTA_EXCEEDED", Some(60), None),
        ),
        (429, "slow down".into(), ("route", "HTTP_429", Some(60), Some(60))),
        (500, error("INTERNAL", "", json!([fcm("INTERNAL")])), ("retry", "INTERNAL", Some(10), None)),
        (
            503,
            error("UNAVAILABLE", "", json!([fcm("UNAVAILABLE")])),
            ("retry", "UNAVAILABLE", Some(10), None),
        ),
        (502, "<html>".into(), ("broken off", "HTTP_502", Some(10), None)),
        (504, String::new(), ("broken off", "HTTP_504", Some(10), None)),
        (
            500,
            error("UNKNOWN", "", json!([fcm("UNSPECIFIED_ERROR")])),
            ("retry", "UNSPECIFIED_ERROR", Some(10), None),
        ),
        (500, error("SOMETHING_NEW", "", json!([])), ("retry", "SOMETHING_NEW", Some(10), None)),
        (413, String::new(), ("rejected", "HTTP_413", None, None)),
        (503, r#"{"error":"Unavailable"}"#.into(), ("retry", "Unavailable", Some(10), None)),
    ];
    for (status, body, (kind, code, after, pause)) in rows {
        assert_eq!(shape(ask(status, &[], &body)), (kind, code.to_owned(), after, pause), "{status} {body}");
    }
}

#[test]
fn retry_after_is_obeyed_in_both_forms_within_limits() {
    for (value, after) in [
        ("30", 30),
        ("3", 10),
        ("Sun, 22 Nov 2026 00:02:00 GMT", 120),
        ("Sat, 21 Nov 2026 00:02:00 GMT", 10),
        ("999999999", 3600),
    ] {
        let busy = ask(503, &[("retry-after", value)], "");
        assert_eq!(shape(busy), ("retry", "HTTP_503".into(), Some(after), None), "{value}");
    }
    let all = ask(429, &[("retry-after", "20")], "");
    assert_eq!(shape(all), ("route", "HTTP_429".into(), Some(20), Some(20)));
    assert_eq!(shape(ask(429, &[("retry-after", "soon")], "")).2, Some(60));
}

#[test]
fn a_reset_stream_may_have_arrived_and_waits_before_it_is_tried_again() {
    let Verdict::BrokenOff { answer, after } = Judgement::reset("CANCEL", MIN).verdict else {
        panic!("not tried again")
    };
    assert_eq!((&*answer.code, &*answer.detail, after), ("RST_STREAM", "CANCEL", Some(MIN)));
}

proptest! {
    #[test]
    fn no_answer_panics_or_is_retried_too_soon(status in 100..1000_u16, retry in "\\PC{0,30}", body in "\\PC{0,300}") {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&retry) {
            headers.insert(http::header::RETRY_AFTER, value);
        }
        let meaning = read(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), MIN, now());
        if let Meaning::Push(Judgement { verdict: Verdict::Retry { answer, after }, .. }) = meaning {
            prop_assert!(after >= Some(MIN));
            prop_assert!(answer.code.len() <= 64 && answer.detail.len() <= 256);
        }
    }
}
