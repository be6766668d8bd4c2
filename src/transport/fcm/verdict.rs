//! What the provider's answers mean (`reference/fcm.md` 2.3 and 2.4). Pure: the time for dates in headers is given.
//!
//! The session asks [`read`] about every answer. Decided by the FCM error code, else the status word, else the HTTP status; bodies that are no
//! JSON are an answer too. What is not known is tried again, as the provider asks for `INTERNAL`.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::outcome::{Answer, Scope, Verdict};
use crate::transport::http2::Judgement;
use crate::transport::http2::reply::retry_after;

/// The delay after 429 without `Retry-After`, and after answers that only an operator can change.
pub const LONG_DELAY: Duration = Duration::from_secs(60);

const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Something about the push.
    Push(Judgement),
    /// The access token is not accepted.
    Token(Box<Answer>),
    /// The project's set-up is wrong, whatever the push.
    Setup(Box<Answer>),
    /// The device token is another project's; or all are, because this is the wrong account.
    Foreign(Box<Answer>),
    /// The project's credentials for Apple or for browsers are wrong; the push is refused.
    ThirdParty(Box<Answer>),
}

/// The error in a body; every field may be missing.
#[derive(Debug, Default)]
struct Fault {
    status: String,
    message: String,
    /// `details[].errorCode` of the FcmError.
    code: Option<String>,
    /// The fields that a BadRequest complains about.
    fields: Vec<String>,
    has_bad_request: bool,
    /// Everything a quota failure says.
    quota: String,
}

#[derive(Deserialize)]
struct Body {
    error: serde_json::Value,
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
        return Meaning::Push(Judgement::of(Verdict::Delivered { canonical: None }));
    }
    let fault = Fault::read(body);
    let answer = fault.answer(status);
    let push = |verdict| Meaning::Push(Judgement::of(verdict));
    let asked = retry_after(headers, now);
    let later = |least: Duration| {
        let after = asked.unwrap_or(least).max(retry_min);
        Verdict::Retry { answer: answer.clone(), after: Some(after) }
    };
    match (fault.word(status), status.as_u16()) {
        ("UNREGISTERED", _) => push(Verdict::Unregistered(answer)),
        ("SENDER_ID_MISMATCH", _) => Meaning::Foreign(answer),
        ("THIRD_PARTY_AUTH_ERROR", _) => Meaning::ThirdParty(answer),
        ("QUOTA_EXCEEDED" | "RESOURCE_EXHAUSTED", _) | (_, 429) => {
            let after = asked.unwrap_or(LONG_DELAY).max(retry_min);
            let (scope, pause) =
                if fault.is_about_all() { (Scope::Route, Some(after)) } else { (Scope::Target, None) };
            Meaning::Push(Judgement { verdict: Verdict::Limited { answer, after, scope }, pause })
        }
        ("UNAVAILABLE" | "INTERNAL" | "UNSPECIFIED_ERROR", _) => push(later(retry_min)),
        ("INVALID_ARGUMENT", _) if fault.is_about_token() => push(Verdict::Unregistered(answer)),
        ("INVALID_ARGUMENT", _) => push(Verdict::Rejected(answer)),
        // A front end that gave up waiting: what is behind it may have taken the push.
        (_, 502 | 504) => {
            push(Verdict::BrokenOff { answer, after: Some(asked.unwrap_or_default().max(retry_min)) })
        }
        (_, 401) => Meaning::Token(answer),
        (_, 403 | 404) => Meaning::Setup(answer),
        (_, 408 | 425) => push(later(retry_min)),
        (_, 400..=499) => push(Verdict::Rejected(answer)),
        _ => push(later(retry_min)),
    }
}

/// Returns whether an answer is about the access token, and so about the account.
pub fn is_about_token(answer: &Answer) -> bool {
    matches!(&*answer.code, "UNAUTHENTICATED" | "HTTP_401")
}

// === impl Fault ===

impl Fault {
    fn read(body: &[u8]) -> Self {
        let Ok(Body { error }) = serde_json::from_slice(body) else { return Self::default() };
        // Some of Google's front ends answer with a bare word.
        if let Some(word) = error.as_str() {
            return Self { status: word.to_owned(), ..Self::default() };
        }
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let mut fault =
            Self { status: text(&error["status"]), message: text(&error["message"]), ..Self::default() };
        for detail in error["details"].as_array().into_iter().flatten() {
            match detail["@type"].as_str() {
                Some(FCM_ERROR) => fault.code = detail["errorCode"].as_str().map(str::to_owned),
                Some(BAD_REQUEST) => {
                    let violations = detail["fieldViolations"].as_array();
                    fault.has_bad_request = true;
                    fault.fields.extend(violations.into_iter().flatten().map(|each| text(&each["field"])));
                }
                Some(kind) if kind.ends_with("google.rpc.QuotaFailure") => fault.quota = detail.to_string(),
                _ => {}
            }
        }
        fault
    }

    /// Returns the word that decides.
    fn word(&self, status: StatusCode) -> &str {
        let general = match self.status.as_str() {
            // Told apart by their HTTP status, since they say nothing about the push.
            "UNAUTHENTICATED" | "PERMISSION_DENIED" | "NOT_FOUND" => "",
            // A front end's page or word must not outweigh an overload's status.
            _ if status.as_u16() == 429 => "",
            word => word,
        };
        self.code.as_deref().unwrap_or(general)
    }

    fn answer(&self, status: StatusCode) -> Box<Answer> {
        let named = self.code.as_deref().or(Some(self.status.as_str())).filter(|word| !word.is_empty());
        let code = named.map_or_else(|| format!("HTTP_{}", status.as_u16()), str::to_owned);
        Box::new(Answer::new(&code, &self.message))
    }

    /// Returns whether an invalid argument is the registration token, which is then dead.
    ///
    /// Only where the provider says so: a payload that is at fault must not cost anybody his token.
    fn is_about_token(&self) -> bool {
        if self.has_bad_request {
            return self.fields.iter().any(|field| field == "message.token" || field == "message.fid");
        }
        self.code.is_some() && self.message.to_lowercase().contains("registration token")
    }

    /// Returns whether a quota is the whole project's, and not one device's or topic's.
    fn is_about_all(&self) -> bool {
        let words = format!("{} {}", self.message, self.quota).to_lowercase();
        !["device", "topic", "token"].iter().any(|word| words.contains(word))
    }
}

#[cfg(test)]
mod tests;
