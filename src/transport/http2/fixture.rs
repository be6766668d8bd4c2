//! What the tests of the providers' verdicts have in common: answers, and the shape of what follows from them.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Judgement, Reply};
use crate::outcome::{Answer, Scope, Verdict};

/// What follows from an answer: its kind, the provider's code, the least delay and the connection's pause in seconds.
pub type Shape = (&'static str, String, Option<u64>, Option<u64>);

/// Sunday 2026-11-22 00:00:00 UTC.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

/// Returns an answer.
pub fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect();
    Reply { status: StatusCode::from_u16(status).unwrap(), headers, body: body.as_bytes().to_vec().into() }
}

/// Returns the shape of an answer that says nothing about time.
pub fn plain(kind: &'static str, answer: &Answer) -> Shape {
    (kind, answer.code.to_string(), None, None)
}

/// Returns the shape of a judgement.
pub fn shape(Judgement { verdict, pause }: Judgement) -> Shape {
    let (kind, code, after) = match verdict {
        Verdict::Delivered { canonical: None } => ("delivered", "".into(), None),
        Verdict::Rejected(answer) => ("rejected", answer.code, None),
        Verdict::Unregistered(answer) => ("unregistered", answer.code, None),
        Verdict::Retry { answer, after } => ("retry", answer.code, after),
        Verdict::BrokenOff { answer, after } => ("broken off", answer.code, after),
        Verdict::Limited { answer, after, scope: Scope::Route } => ("route", answer.code, Some(after)),
        Verdict::Limited { answer, after, scope: Scope::Target } => ("target", answer.code, Some(after)),
        other => panic!("{other:?}"),
    };
    (kind, code.into(), after.map(|after| after.as_secs()), pause.map(|pause| pause.as_secs()))
}
