//! The table of `reference/apns_webpush.md` 1.4, row by row.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::transport::http2::fixture::{self, Shape, now};

const MIN: Duration = Duration::from_secs(5);

fn ask(status: u16, retry_after: Option<&str>, body: &str) -> Meaning {
    let headers = retry_after.map(|text| ("retry-after", text));
    let reply = fixture::reply(status, headers.as_slice(), body);
    read(reply.status, &reply.headers, &reply.body, MIN, now())
}

fn shape(meaning: Meaning) -> Shape {
    match meaning {
        Meaning::BadToken(answer) => fixture::plain("bad token", &answer),
        Meaning::Expired(answer) => fixture::plain("expired", &answer),
        Meaning::Credentials(answer) => fixture::plain("credentials", &answer),
        Meaning::Reconnect(code) => fixture::plain("reconnect", &Answer::new(code, "")),
        Meaning::Setup(answer) => fixture::plain("setup", &answer),
        Meaning::Push(judgement) => fixture::shape(judgement),
    }
}

#[test]
fn the_reason_with_a_space_is_an_overload_like_any_other() {
    let body = json!({"reason": "Service Unavailable"}).to_string();
    assert_eq!(shape(ask(503, None, &body)), ("retry", "Service Unavailable".into(), Some(5), None));
}

#[test]
fn every_row_of_the_table_has_its_meaning() {
    for (status, reasons, kind, after, pause) in [
        (400, "BadDeviceToken", "bad token", None, None),
        (400, "DeviceTokenNotForTopic", "rejected", None, None),
        (
            400,
            "MissingDeviceToken BadCollapseId BadExpirationDate BadMessageId BadPriority InvalidPushType PayloadEmpty DuplicateHeaders",
            "rejected",
            None,
            None,
        ),
        (400, "BadTopic MissingTopic TopicDisallowed", "setup", None, None),
        (400, "FeatureNotEnabled", "setup", None, None),
        (403, "TopicMismatch", "setup", None, None),
        (400, "ChannelNotRegistered", "bad token", None, None),
        (
            400,
            "MissingChannelId BadChannelId BadRequestParams BadRequestPayload MissingPushType CannotCreateChannelConfig \
             MissingChannelQueueSize",
            "rejected",
            None,
            None,
        ),
        (400, "IdleTimeout", "reconnect", None, None),
        (
            403,
            "BadCertificate BadCertificateEnvironment InvalidProviderToken MissingProviderToken BadEnvironmentKeyIdInToken \
             BadEnvironmentKeyInToken Forbidden SomethingNew",
            "credentials",
            None,
            None,
        ),
        (403, "ExpiredProviderToken", "expired", None, None),
        (403, "UnrelatedKeyIdInToken", "reconnect", None, None),
        (404, "BadPath", "setup", None, None),
        (405, "MethodNotAllowed", "setup", None, None),
        (410, "Unregistered ExpiredToken SomethingNew", "unregistered", None, None),
        (413, "PayloadTooLarge", "rejected", None, None),
        (429, "TooManyRequests", "target", Some(60), None),
        (429, "TooManyProviderTokenUpdates SomethingNew", "route", Some(60), Some(60)),
        (400, "SomethingNew", "rejected", None, None),
        (500, "InternalServerError SomethingNew", "retry", Some(5), None),
        (503, "ServiceUnavailable SomethingNew", "retry", Some(5), None),
        (503, "Shutdown", "reconnect", None, None),
    ] {
        for reason in reasons.split_whitespace() {
            let body = json!({"reason": reason}).to_string();
            let expected = (kind, reason.to_owned(), after, pause);
            assert_eq!(shape(ask(status, None, &body)), expected, "{status} {reason}");
        }
    }
}

#[test]
fn without_a_reason_the_status_decides() {
    for (status, kind, after, pause) in [
        (200, "delivered", None, None),
        (302, "retry", Some(5), None),
        (403, "credentials", None, None),
        (404, "setup", None, None),
        (408, "retry", Some(5), None),
        (410, "unregistered", None, None),
        (418, "rejected", None, None),
        (429, "route", Some(60), Some(60)),
        (502, "broken off", Some(5), None),
        (504, "broken off", Some(5), None),
    ] {
        for body in ["", "<html>", "{}"] {
            let code = if status == 200 { String::new() } else { format!("HTTP_{status}") };
            assert_eq!(shape(ask(status, None, body)), (kind, code, after, pause), "{status} {body}");
        }
    }
}

#[test]
fn a_dead_token_has_the_time_of_its_death() {
    let body = json!({"reason": "Unregistered", "timestamp": 1_700_000_000_123_u64}).to_string();
    let Meaning::Push(Judgement { verdict: Verdict::Unregistered(answer), .. }) = ask(410, None, &body)
    else {
        panic!("not unregistered")
    };
    assert_eq!((&*answer.code, answer.since), ("Unregistered", Some(1_700_000_000_123)));
}

#[test]
fn retry_after_is_obeyed_and_never_shortens_our_own_delay() {
    assert_eq!(shape(ask(503, Some("30"), "")).2, Some(30));
    assert_eq!(shape(ask(500, Some("1"), "")).2, Some(5));
    assert_eq!(shape(ask(429, Some("20"), r#"{"reason":"TooManyRequests"}"#)).2, Some(20));
}

#[test]
fn a_reset_stream_may_have_been_delivered() {
    let Verdict::BrokenOff { answer, after } = Judgement::reset("CANCEL", MIN).verdict else {
        panic!("not marked")
    };
    assert_eq!((&*answer.code, &*answer.detail, after), ("RST_STREAM", "CANCEL", Some(MIN)));
}

proptest! {
    #[test]
    fn no_answer_is_too_strange(status in 100..1000_u16, body in "\\PC{0,300}") {
        let _ = ask(status, None, &body);
    }
}
