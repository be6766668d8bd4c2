//! What the provider's JSON means (`reference/fcm.md` 1.6 and 1.7).
//!
//! The dialog asks it about every payload. Decided by `message_type` alone, never by the stanza's type. Lenient where the provider is known
//! to be loose: fields may be missing, null or of another type, and unknown fields do not matter.

use std::borrow::Cow;
use std::time::Duration;

use crate::outcome::{Answer, Scope, Verdict};
use crate::push::PushKey;
use crate::transport::json::{self, Reader, Seen};

/// The least delay before a push is sent again to a device or topic whose rate was exceeded: the provider asks for no immediate retry.
pub const RATE_EXCEEDED_DELAY: Duration = Duration::from_secs(60);

/// The code for a token that is malformed, or another sender's.
pub const BAD_REGISTRATION: &str = "BAD_REGISTRATION";

/// A payload's meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// The answer to a push.
    Answer {
        /// Which.
        key: PushKey,
        /// What it said.
        verdict: Verdict,
    },
    /// A message from a device, to be acknowledged on this connection.
    Upstream(Origin<'a>),
    /// A delivery receipt, to be acknowledged likewise.
    Receipt(Origin<'a>),
    /// The connection will be closed.
    Draining,
    /// The provider did not like an acknowledgement of ours.
    BadAck,
    /// Nothing that asks for anything; why.
    Unknown(&'static str),
}

/// What an acknowledgement must echo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The sender.
    pub from: Cow<'a, str>,
    /// Its id, `dr2:` prefix and all.
    pub message_id: Cow<'a, str>,
}

/// The known fields that are strings, borrowed if they have no escapes; anything but a string counts as absent.
#[derive(Default)]
struct Body<'a> {
    message_type: Loose<'a>,
    message_id: Loose<'a>,
    from: Loose<'a>,
    registration_id: Loose<'a>,
    error: Loose<'a>,
    error_description: Loose<'a>,
    control_type: Loose<'a>,
}

type Loose<'a> = Option<Cow<'a, str>>;

/// Returns what a payload means.
pub fn read(json: &str) -> Incoming<'_> {
    match usual_ack(json) {
        Some(key) => Incoming::Answer { key, verdict: Verdict::Delivered { canonical: None } },
        None => read_fields(json),
    }
}

fn read_fields(json: &str) -> Incoming<'_> {
    let Some(body) = Body::read(json) else {
        return Incoming::Unknown("not a JSON object with known fields once each");
    };
    match body.message_type.as_deref() {
        Some("ack") => {
            answer(body.message_id, || Verdict::Delivered { canonical: body.registration_id.map(Into::into) })
        }
        Some("nack") => nack(body),
        Some("control") if body.control_type.as_deref() == Some("CONNECTION_DRAINING") => Incoming::Draining,
        Some("control") => Incoming::Unknown("an unknown control type"),
        Some("receipt") => match body.message_id {
            // Every receipt is from the service itself; a missing sender must not keep it from being acknowledged.
            Some(message_id) => {
                let from = body.from.unwrap_or(Cow::Borrowed("gcm.googleapis.com"));
                Incoming::Receipt(Origin { from, message_id })
            }
            None => Incoming::Unknown("a receipt without message_id"),
        },
        Some(_) => Incoming::Unknown("an unknown message_type"),
        None => match (body.from, body.message_id) {
            (Some(from), Some(message_id)) => Incoming::Upstream(Origin { from, message_id }),
            _ => Incoming::Unknown("neither message_type nor from and message_id"),
        },
    }
}

/// Returns the push of an ack in the form in which nearly all are written (`reference/fcm.md` 1.6); any other form is read field by field.
fn usual_ack(json: &str) -> Option<PushKey> {
    let rest = json.strip_prefix("{\"from\":\"")?;
    let from = json::inside(rest)?;
    let rest = rest[from.len()..].strip_prefix("\",\"message_id\":\"")?;
    // A key has no escapes, so this is the whole string, and the rest is all there is.
    let id = rest.strip_suffix("\",\"message_type\":\"ack\"}")?;
    PushKey::parse(id.as_bytes())
}

/// Returns the verdict for a `nack` with this code and text; `None` for one that answers no push.
pub fn judge(code: &str, detail: &str) -> Option<Verdict> {
    let words = || Box::new(Answer::new(code, detail));
    Some(match code {
        "BAD_ACK" => return None,
        "CONNECTION_DRAINING" => Verdict::Elsewhere,
        BAD_REGISTRATION | "DEVICE_UNREGISTERED" => Verdict::Unregistered(words()),
        "INVALID_JSON" | "INVALID_TTL" | "JSON_TYPE_ERROR" => Verdict::Rejected(words()),
        "DEVICE_MESSAGE_RATE_EXCEEDED" | "TOPICS_MESSAGE_RATE_EXCEEDED" | "QUOTA_EXCEEDED" => {
            Verdict::Limited { answer: words(), after: RATE_EXCEEDED_DELAY, scope: Scope::Target }
        }
        // SERVICE_UNAVAILABLE, INTERNAL_SERVER_ERROR, AUTHENTICATION_FAILED and all that is not known: "treat an unknown code as
        // INTERNAL_SERVER_ERROR".
        _ => Verdict::Retry { answer: words(), after: None },
    })
}

fn answer<'a>(id: Loose<'a>, verdict: impl FnOnce() -> Verdict) -> Incoming<'a> {
    match id.as_deref().and_then(|id| PushKey::parse(id.as_bytes())) {
        Some(key) => Incoming::Answer { key, verdict: verdict() },
        None => Incoming::Unknown("an answer whose message_id is none of ours"),
    }
}

fn nack(body: Body<'_>) -> Incoming<'_> {
    let error = body.error.unwrap_or(Cow::Borrowed("UNKNOWN"));
    let description = body.error_description.unwrap_or_default();
    // Very old servers put `InvalidJson : INVALID_TTL : …` where the code belongs.
    let (code, detail) = match error.split_once(':') {
        Some((old, _)) if old.trim() == "InvalidJson" => ("INVALID_JSON", error.as_ref()),
        _ => (error.as_ref(), description.as_ref()),
    };
    match judge(code, detail) {
        Some(verdict) => answer(body.message_id, || verdict),
        None => Incoming::BadAck,
    }
}

// === impl Body ===

impl<'a> Body<'a> {
    /// Reads an object with each known field at most once.
    fn read(json: &'a str) -> Option<Self> {
        let (mut body, mut seen, mut input) = (Self::default(), Seen::default(), Reader::new(json));
        input.object(|input, name| {
            let (number, field) = match name {
                "message_type" => (0, &mut body.message_type),
                "message_id" => (1, &mut body.message_id),
                "from" => (2, &mut body.from),
                "registration_id" => (3, &mut body.registration_id),
                "error" => (4, &mut body.error),
                "error_description" => (5, &mut body.error_description),
                "control_type" => (6, &mut body.control_type),
                _ => return input.value().map(drop),
            };
            seen.first(number)?;
            *field = input.text_or_skip()?;
            Some(())
        })?;
        input.is_at_end().then_some(body)
    }
}

#[cfg(test)]
mod tests;
