//! What a push service's answers mean (RFC 8030, `reference/apns_webpush.md` 2.1 and 2.4). Pure: the time for dates in headers is given.
//!
//! The session asks [`read`] about every answer. The status decides; each service has its own way to say why, and a few words of theirs weigh
//! more than their status. What is not known is tried again if it is the service's fault, and given up if it is ours.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::outcome::{Answer, Scope, Verdict};
use crate::transport::http2::reply::retry_after;

/// The delay after 429 without `Retry-After`, and after answers that only an operator can change.
pub const LONG_DELAY: Duration = Duration::from_secs(60);

/// How services say that a subscription was made with another key than ours: Apple, Google, Mozilla, all in lower case.
const OTHER_KEY: [&str; 4] = [
    "vapidpkhashmismatch",
    "do not correspond to the credentials used to create the subscription",
    "sender id do not match",
    "vapid public key mismatch",
];

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Something about the push.
    Push(Verdict),
    /// The service has too much to do.
    Busy {
        /// Its words.
        answer: Box<Answer>,
        /// How long to wait.
        after: Duration,
        /// Whether that is a limit for us or for the subscription, and the service is well.
        is_limit: bool,
    },
    /// It does not accept who we say we are: the key, the subject, the clock, or this subscription.
    Sender(Box<Answer>),
}

/// The JSON that Apple and Mozilla answer with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fault {
    /// Apple.
    reason: Option<String>,
    /// Mozilla's number of the error, and its text.
    errno: Option<u32>,
    message: Option<String>,
}

/// Says what an answer means. `retry_min` is the least delay before a message is sent again.
pub fn read(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    retry_min: Duration,
    now: SystemTime,
) -> Meaning {
    if status.is_success() {
        return Meaning::Push(of_success(headers));
    }
    let answer = answer(status, headers, body);
    let asked = retry_after(headers, now);
    let after = |least: Duration| asked.unwrap_or(least).max(retry_min);
    match status.as_u16() {
        404 | 410 => Meaning::Push(Verdict::Unregistered(answer)),
        // WNS says 406 where others say 429.
        406 | 429 => Meaning::Busy { answer, after: after(LONG_DELAY), is_limit: true },
        401 | 403 if is_other_key(&answer) => Meaning::Push(Verdict::Rejected(answer)),
        401 | 403 => Meaning::Sender(answer),
        503 => Meaning::Busy { answer, after: after(retry_min), is_limit: false },
        // A front end that gave up waiting: what is behind it may have taken the push.
        502 | 504 => Meaning::Push(Verdict::BrokenOff { answer, after: Some(after(retry_min)) }),
        408 | 425 | 500.. => Meaning::Push(Verdict::Retry { answer, after: Some(after(retry_min)) }),
        _ => Meaning::Push(Verdict::Rejected(answer)),
    }
}

/// WNS answers with a success and says in a header that it did not take the message.
fn of_success(headers: &HeaderMap) -> Verdict {
    let status = ["x-wns-status", "x-wns-notificationstatus"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok())
        .unwrap_or_default();
    let answer = |code: &str| Box::new(Answer::new(code, wns_text(headers).unwrap_or_default()));
    match status.to_ascii_lowercase().as_str() {
        "dropped" => Verdict::Rejected(answer("WNS_DROPPED")),
        "channelthrottled" => Verdict::Limited {
            answer: answer("WNS_CHANNELTHROTTLED"),
            after: LONG_DELAY,
            scope: Scope::Target,
        },
        _ => Verdict::Delivered { canonical: None },
    }
}

fn answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Box<Answer> {
    let fault: Fault = serde_json::from_slice(body).unwrap_or_default();
    let code = match (&fault.reason, fault.errno) {
        (Some(reason), _) if !reason.is_empty() => reason.clone(),
        (_, Some(number)) => format!("ERRNO_{number}"),
        _ => format!("HTTP_{}", status.as_u16()),
    };
    let text = String::from_utf8_lossy(body);
    let is_json = fault.reason.is_some() || fault.errno.is_some();
    let detail = match (wns_text(headers), fault.message.as_deref()) {
        (Some(words), _) | (None, Some(words)) => words,
        (None, None) if is_json => "",
        (None, None) => text.trim(),
    };
    Box::new(Answer::new(&code, detail))
}

/// Returns WNS's words, which are in headers.
fn wns_text(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-wns-error-description")?.to_str().ok()
}

fn is_other_key(answer: &Answer) -> bool {
    let words = format!("{} {}", answer.code, answer.detail).to_lowercase();
    OTHER_KEY.iter().any(|key| words.contains(key))
}

#[cfg(test)]
mod tests;
