//! What the provider's JSON means (`reference/fcm.md` 1.6 and 1.7).
//!
//! The dialog asks it about every payload. Decided by `message_type` alone, never by the stanza's type. Lenient where the provider is known
//! to be loose: fields may be missing, null or of another type, and unknown fields do not matter.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::outcome::{Answer, Scope, Verdict};
use crate::push::PushKey;

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

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    #[serde(default)]
    message_type: Loose<'a>,
    #[serde(default)]
    message_id: Loose<'a>,
    #[serde(default)]
    from: Loose<'a>,
    #[serde(default)]
    registration_id: Loose<'a>,
    #[serde(default)]
    error: Loose<'a>,
    #[serde(default)]
    error_description: Loose<'a>,
    #[serde(default)]
    control_type: Loose<'a>,
}

/// A string, borrowed if it has no escapes; anything but a string counts as absent.
#[derive(Default)]
struct Loose<'a>(Option<Cow<'a, str>>);

/// Returns what a payload means.
pub fn read(json: &str) -> Incoming<'_> {
    let Ok(body) = serde_json::from_str::<Body<'_>>(json) else {
        return Incoming::Unknown("not a JSON object with known fields once each");
    };
    match body.message_type.0.as_deref() {
        Some("ack") => answer(body.message_id, || Verdict::Delivered {
            canonical: body.registration_id.0.map(Into::into),
        }),
        Some("nack") => nack(body),
        Some("control") if body.control_type.0.as_deref() == Some("CONNECTION_DRAINING") => {
            Incoming::Draining
        }
        Some("control") => Incoming::Unknown("an unknown control type"),
        Some("receipt") => match body.message_id.0 {
            // Every receipt is from the service itself; a missing sender must not keep it from being acknowledged.
            Some(message_id) => {
                let from = body.from.0.unwrap_or(Cow::Borrowed("gcm.googleapis.com"));
                Incoming::Receipt(Origin { from, message_id })
            }
            None => Incoming::Unknown("a receipt without message_id"),
        },
        Some(_) => Incoming::Unknown("an unknown message_type"),
        None => match (body.from.0, body.message_id.0) {
            (Some(from), Some(message_id)) => Incoming::Upstream(Origin { from, message_id }),
            _ => Incoming::Unknown("neither message_type nor from and message_id"),
        },
    }
}

/// Returns the verdict for a `nack` with this code and text; `None` for one that answers no push.
pub fn judge(code: &str, detail: &str) -> Option<Verdict> {
    let words = || Box::new(Answer::new(code, detail));
    Some(match code {
        "BAD_ACK" => return None,
        "CONNECTION_DRAINING" => Verdict::CONNECTION_DRAINING,
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
    match id.0.as_deref().and_then(|id| PushKey::parse(id.as_bytes())) {
        Some(key) => Incoming::Answer { key, verdict: verdict() },
        None => Incoming::Unknown("an answer whose message_id is none of ours"),
    }
}

fn nack(body: Body<'_>) -> Incoming<'_> {
    let error = body.error.0.unwrap_or(Cow::Borrowed("UNKNOWN"));
    let description = body.error_description.0.unwrap_or_default();
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

// === impl Loose ===

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor).map(Loose)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
