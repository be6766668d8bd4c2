//! What Apple's answers mean (`reference/apns_webpush.md` 1.4). Pure: the time for dates in headers is given.
//!
//! The session asks [`read`] about every answer. Decided by the reason, else by the status; a reason that is not known is kept as it is.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::outcome::{Answer, Scope, Verdict};
use crate::transport::http2::Judgement;
use crate::transport::http2::reply::retry_after;

/// The least delay before another push to a device that had too many, and after a warning about the provider token.
pub const LONG_DELAY: Duration = Duration::from_secs(60);

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Something about the push.
    Push(Judgement),
    /// The device token or channel is bad; or all are, because this is the wrong environment.
    BadToken(Box<Answer>),
    /// The provider token is too old.
    Expired(Box<Answer>),
    /// The credentials are not accepted, whatever the push.
    Credentials(Box<Answer>),
    /// This connection is of no more use; the push was not processed.
    Reconnect(&'static str),
    /// Something that only an operator can repair keeps this push from being taken.
    Setup(Box<Answer>),
}

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    reason: String,
    /// Since when the token is dead: milliseconds since 1970.
    #[serde(default)]
    timestamp: Option<u64>,
}

/// Says what an answer means. `retry_min` is the least delay before a push is sent again that Apple could not take.
pub fn read(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    retry_min: Duration,
    now: SystemTime,
) -> Meaning {
    if status.is_success() {
        return Meaning::Push(Judgement::of(Verdict::Delivered { canonical: None }));
    }
    let Body { reason, timestamp } = serde_json::from_slice(body).unwrap_or_default();
    let code = if reason.is_empty() { format!("HTTP_{}", status.as_u16()) } else { reason.clone() };
    let answer = Box::new(Answer { since: timestamp, ..Answer::new(&code, "") });
    let asked = retry_after(headers, now);
    let push = |verdict| Meaning::Push(Judgement::of(verdict));
    let limited = |scope| {
        let after = asked.unwrap_or(LONG_DELAY).max(retry_min);
        let pause = (scope == Scope::Route).then_some(after);
        Meaning::Push(Judgement { verdict: Verdict::Limited { answer: answer.clone(), after, scope }, pause })
    };
    let after = Some(asked.unwrap_or_default().max(retry_min));
    match (reason.as_str(), status.as_u16()) {
        ("BadDeviceToken" | "ChannelNotRegistered", _) => Meaning::BadToken(answer),
        ("Unregistered" | "ExpiredToken", _) | (_, 410) => push(Verdict::Unregistered(answer)),
        ("ExpiredProviderToken", _) => Meaning::Expired(answer),
        ("UnrelatedKeyIdInToken", _) => Meaning::Reconnect("UnrelatedKeyIdInToken"),
        ("IdleTimeout", _) => Meaning::Reconnect("IdleTimeout"),
        ("Shutdown", _) => Meaning::Reconnect("Shutdown"),
        // Our token is renewed too often: whatever the device.
        ("TooManyProviderTokenUpdates", _) => limited(Scope::Route),
        ("TooManyRequests", _) => limited(Scope::Target),
        // Of broadcasts: the app lacks the capability, or the channel is another app's. Neither says anything about the credentials.
        ("FeatureNotEnabled" | "TopicMismatch", _) => Meaning::Setup(answer),
        (_, 403) => Meaning::Credentials(answer),
        (_, 429) => limited(Scope::Route),
        (code, _) if is_about_topic(code) => Meaning::Setup(answer),
        ("BadPath" | "MethodNotAllowed", _) | (_, 404 | 405) => Meaning::Setup(answer),
        (_, 502 | 504) => push(Verdict::BrokenOff { answer, after }),
        (_, 408 | 425) => push(Verdict::Retry { answer, after }),
        (_, 400..=499) => push(Verdict::Rejected(answer)),
        _ => push(Verdict::Retry { answer, after }),
    }
}

/// Returns whether a reason is about the app's topic, which the route names.
pub fn is_about_topic(code: &str) -> bool {
    matches!(code, "BadTopic" | "MissingTopic" | "TopicDisallowed")
}

#[cfg(test)]
mod tests;
