//! The table of `reference/apns_webpush.md` 2.1 and 2.4, row by row.

use proptest::prelude::*;

use super::*;
use crate::transport::http2::fixture::{self, now};

const MIN: Duration = Duration::from_secs(10);

fn ask(status: u16, headers: &[(&'static str, &str)], body: &str) -> Meaning {
    let reply = fixture::reply(status, headers, body);
    read(reply.status, &reply.headers, &reply.body, MIN, now())
}

/// The kind of a meaning, with its code and its delay in seconds.
fn shape(meaning: Meaning) -> (&'static str, String, Option<u64>) {
    let (kind, code, after) = match meaning {
        Meaning::Busy { answer, after, is_limit: true } => ("limited", answer.code, Some(after)),
        Meaning::Busy { answer, after, is_limit: false } => ("busy", answer.code, Some(after)),
        Meaning::Sender(answer) => ("sender", answer.code, None),
        Meaning::Push(Verdict::Delivered { canonical: None }) => ("delivered", "".into(), None),
        Meaning::Push(Verdict::Unregistered(answer)) => ("gone", answer.code, None),
        Meaning::Push(Verdict::Rejected(answer)) => ("rejected", answer.code, None),
        Meaning::Push(Verdict::Retry { answer, after }) => ("retry", answer.code, after),
        Meaning::Push(Verdict::BrokenOff { answer, after }) => ("broken off", answer.code, after),
        Meaning::Push(Verdict::Limited { answer, after, scope: Scope::Target }) => {
            ("limited", answer.code, Some(after))
        }
        Meaning::Push(other) => panic!("{other:?}"),
    };
    (kind, code.into(), after.map(|after| after.as_secs()))
}

/// Status, body ("mozilla 110" and "apple Reason" stand for their JSON), and what follows.
type Row = (u16, &'static str, (&'static str, &'static str, Option<u64>));

const ROWS: [Row; 30] = [
    (200, "", ("delivered", "", None)),
    (201, "", ("delivered", "", None)),
    (202, "x", ("delivered", "", None)),
    // Mozilla's autopush.
    (400, "mozilla 110", ("rejected", "ERRNO_110", None)),
    (401, "mozilla 109", ("sender", "ERRNO_109", None)),
    (404, "mozilla 102", ("gone", "ERRNO_102", None)),
    (410, "mozilla 106", ("gone", "ERRNO_106", None)),
    (413, "mozilla 104", ("rejected", "ERRNO_104", None)),
    (502, "mozilla 901", ("broken off", "ERRNO_901", Some(10))),
    (503, "mozilla 201", ("busy", "ERRNO_201", Some(10))),
    // Chrome's FCM.
    (400, "UnauthorizedRegistration", ("rejected", "HTTP_400", None)),
    (401, "<html>", ("sender", "HTTP_401", None)),
    (403, "invalid JWT provided", ("sender", "HTTP_403", None)),
    (
        403,
        "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.",
        ("rejected", "HTTP_403", None),
    ),
    (404, "A valid push subscription endpoint should be specified", ("gone", "HTTP_404", None)),
    (410, "push subscription has unsubscribed or expired.", ("gone", "HTTP_410", None)),
    // Apple.
    (400, "apple BadWebPushTopic", ("rejected", "BadWebPushTopic", None)),
    (403, "apple BadJwtToken", ("sender", "BadJwtToken", None)),
    (403, "apple VapidPkHashMismatch", ("rejected", "VapidPkHashMismatch", None)),
    (413, "apple PayloadTooLarge", ("rejected", "PayloadTooLarge", None)),
    (429, "apple TooManyRequests", ("limited", "TooManyRequests", Some(60))),
    (500, "apple InternalServerError", ("retry", "InternalServerError", Some(10))),
    (503, "apple Shutdown", ("busy", "Shutdown", Some(10))),
    // Microsoft's WNS.
    (406, "", ("limited", "HTTP_406", Some(60))),
    // Nobody's.
    (301, "", ("rejected", "HTTP_301", None)),
    (307, "", ("rejected", "HTTP_307", None)),
    (405, "", ("rejected", "HTTP_405", None)),
    (408, "", ("retry", "HTTP_408", Some(10))),
    (425, "", ("retry", "HTTP_425", Some(10))),
    (599, "", ("retry", "HTTP_599", Some(10))),
];

#[test]
fn every_service_is_understood() {
    for (status, body, (kind, code, after)) in ROWS {
        let body = match body.split_once(' ') {
            Some(("mozilla", errno)) => {
                format!("{{\"code\":0,\"errno\":{errno},\"error\":\"E\",\"message\":\"m\"}}")
            }
            Some(("apple", reason)) => format!("{{\"reason\":\"{reason}\"}}"),
            _ => body.to_owned(),
        };
        assert_eq!(shape(ask(status, &[], &body)), (kind, code.to_owned(), after), "{status} {body}");
    }
}

#[test]
fn microsoft_answers_in_headers() {
    let dropped = ask(201, &[("x-wns-status", "dropped"), ("x-wns-error-description", "why")], "");
    let Meaning::Push(Verdict::Rejected(answer)) = dropped else { panic!("{dropped:?}") };
    assert_eq!((&*answer.code, &*answer.detail), ("WNS_DROPPED", "why"));
    let throttled = ask(200, &[("x-wns-notificationstatus", "channelThrottled")], "");
    assert_eq!(shape(throttled), ("limited", "WNS_CHANNELTHROTTLED".into(), Some(60)));
    assert_eq!(shape(ask(201, &[("x-wns-status", "received")], "")).0, "delivered");
    let bad = ask(400, &[("x-wns-error-description", "TTL and cache policy disagree")], "");
    let Meaning::Push(Verdict::Rejected(answer)) = bad else { panic!("{bad:?}") };
    assert_eq!(&*answer.detail, "TTL and cache policy disagree");
}

#[test]
fn retry_after_is_obeyed_in_either_form_within_an_hour() {
    let busy = |status, text: &str| shape(ask(status, &[("retry-after", text)], "")).2;
    assert_eq!(busy(429, "120"), Some(120));
    assert_eq!(busy(429, "1"), Some(10));
    assert_eq!(busy(429, "Sun, 22 Nov 2026 00:02:00 GMT"), Some(120));
    assert_eq!(busy(429, "Sun, 22 Nov 2020 00:02:00 GMT"), Some(10));
    assert_eq!(busy(503, "999999999"), Some(3600));
    assert_eq!(busy(503, "soon"), Some(10));
    assert_eq!(busy(500, "70"), Some(70));
}

proptest! {
    #[test]
    fn any_answer_has_a_bounded_meaning(status in 100u16..1000, body in "\\PC{0,600}") {
        let words = match ask(status, &[], &body) {
            Meaning::Busy { answer, .. } | Meaning::Sender(answer) => answer,
            Meaning::Push(Verdict::Delivered { .. }) => return Ok(()),
            Meaning::Push(Verdict::Unregistered(answer) | Verdict::Rejected(answer) | Verdict::Retry { answer, .. } | Verdict::BrokenOff { answer, .. }) => answer,
            Meaning::Push(other) => panic!("{other:?}"),
        };
        prop_assert!(!words.code.is_empty() && words.code.len() <= 64 && words.detail.len() <= 256);
    }
}
