//! Reads what a client sends inside `<gcm>`: a push, or an acknowledgement of an upstream message.
//!
//! The session calls it for every message; `reference/fcm.md` 1.5 lists the rules. The parse borrows everything, because
//! it runs for each push, and looks at each field's type itself, so that one wrong field still leaves the message id to
//! answer to. The usual push is read by [`usual`] in one pass instead. Unknown top-level fields are let through, as nothing documents that they are refused, and `null` is an absent field.

pub mod usual;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::xmpp::payload::{self, Payload, raw_text};

/// The longest time to live, in seconds (four weeks).
pub const MAX_TTL: u64 = 2_419_200;

/// The fields that are looked at, most as the raw JSON of their values.
#[derive(Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Fields<'a> {
    message_id: Option<&'a RawValue>,
    to: Option<&'a RawValue>,
    condition: Option<&'a RawValue>,
    registration_ids: Option<&'a RawValue>,
    message_type: Option<&'a RawValue>,
    collapse_key: Option<&'a RawValue>,
    priority: Option<&'a RawValue>,
    content_available: Option<&'a RawValue>,
    mutable_content: Option<&'a RawValue>,
    delay_while_idle: Option<&'a RawValue>,
    time_to_live: Option<&'a RawValue>,
    delivery_receipt_requested: Option<&'a RawValue>,
    dry_run: Option<&'a RawValue>,
    data: Option<Payload>,
    notification: Option<Payload>,
}

/// A push, with what an answer to it needs.
#[derive(Debug)]
pub struct Push<'a> {
    /// The message id.
    pub id: Cow<'a, str>,
    /// The message id as JSON, ready to be echoed.
    pub id_json: &'a str,
    /// The token, topic or condition.
    pub target: Cow<'a, str>,
    /// The same as JSON.
    pub target_json: &'a str,
    /// Whether both are known to have no character that XML escapes.
    pub is_plain: bool,
    /// Whether the sender wants a delivery receipt.
    pub receipt: bool,
    /// What is wrong with it, if anything: the text for `error_description`.
    pub fault: Option<PushFault>,
}

/// What a client sent.
#[derive(Debug)]
pub enum Downstream<'a> {
    /// A push.
    Push(Push<'a>),
    /// An acknowledgement of an upstream message or receipt.
    Ack {
        /// Whom it answers.
        to: Cow<'a, str>,
        /// The acknowledged message.
        id: Cow<'a, str>,
    },
    /// An acknowledgement that lacks `to` or `message_id`; the answer is `BAD_ACK`.
    BadAck,
    /// No message id can be found; the answer is a stanza error with this text.
    Unanswerable(&'static str),
}

/// What is wrong with a push whose message id is known. The texts follow the old server's `INVALID_JSON` descriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PushFault {
    /// A field has the wrong JSON type.
    #[error("InvalidJson: JSON_TYPE_ERROR : Field \"{0}\" must be a JSON {1}")]
    Type(&'static str, &'static str),
    /// Neither `to` nor `condition`.
    #[error("InvalidJson: JSON_PARSING_ERROR : Missing Required Field: to")]
    NoTarget,
    /// Both `to` and `condition`.
    #[error("InvalidJson: Must use either \"to\" or \"condition\" but not both")]
    TwoTargets,
    /// `registration_ids`, which only the HTTP protocol knows.
    #[error("InvalidJson: Field \"registration_ids\" is not supported over XMPP")]
    Multicast,
    /// `time_to_live` out of range.
    #[error("InvalidJson : INVALID_TTL : Invalid value for \"time_to_live\": must be between 0 and 2419200")]
    Ttl,
    /// `priority` is neither `normal` nor `high`.
    #[error("InvalidJson: Invalid value for \"priority\": must be normal or high")]
    Priority,
    /// A `message_type` no client may send.
    #[error("InvalidJson: Invalid value for \"message_type\"")]
    MessageType,
    /// A reserved key in `data`.
    #[error("InvalidJson: INVALID_DATA_KEY : a key in \"data\" is reserved")]
    DataKey,
    /// Keys and values together are too large.
    #[error("InvalidJson: MessageTooBig : Payload of {0} bytes is larger than {1}")]
    TooBig(usize, usize),
}

/// Returns what the JSON text asks for.
#[must_use]
pub fn read(text: &str) -> Downstream<'_> {
    let Ok(fields) = serde_json::from_str::<Fields<'_>>(text) else {
        return Downstream::Unanswerable("InvalidJson: JSON_PARSING_ERROR : the message is not valid JSON");
    };
    let id = fields.message_id.and_then(raw_text).filter(|id| !id.is_empty());
    if fields.message_type.and_then(raw_text).as_deref() == Some("ack") {
        return match (fields.to.and_then(raw_text).filter(|to| !to.is_empty()), id) {
            (Some(to), Some(id)) => Downstream::Ack { to, id },
            _ => Downstream::BadAck,
        };
    }
    let (Some(id), Some(raw_id)) = (id, fields.message_id) else {
        return Downstream::Unanswerable(
            "InvalidJson: JSON_PARSING_ERROR : Missing Required Field: message_id",
        );
    };
    let named = fields.to.or(fields.condition);
    let target = named.and_then(raw_text);
    Downstream::Push(Push {
        id,
        id_json: raw_id.get(),
        target_json: if target.is_some() { named.map_or("\"\"", RawValue::get) } else { "\"\"" },
        target: target.unwrap_or_default(),
        is_plain: false,
        receipt: fields.delivery_receipt_requested.is_some_and(|raw| raw.get() == "true"),
        fault: check(&fields).err(),
    })
}

fn check(fields: &Fields<'_>) -> Result<(), PushFault> {
    check_target(fields)?;
    if fields.message_type.is_some() {
        return Err(PushFault::MessageType);
    }
    let flags = [
        ("content_available", fields.content_available),
        ("mutable_content", fields.mutable_content),
        ("delay_while_idle", fields.delay_while_idle),
        ("delivery_receipt_requested", fields.delivery_receipt_requested),
        ("dry_run", fields.dry_run),
    ];
    for (name, raw) in flags {
        if raw.is_some_and(|raw| !matches!(raw.get(), "true" | "false")) {
            return Err(PushFault::Type(name, "boolean"));
        }
    }
    if fields.collapse_key.is_some_and(|raw| raw_text(raw).is_none()) {
        return Err(PushFault::Type("collapse_key", "string"));
    }
    if let Some(raw) = fields.priority {
        match raw_text(raw).as_deref() {
            None => return Err(PushFault::Type("priority", "string")),
            Some("normal" | "high") => {}
            Some(_) => return Err(PushFault::Priority),
        }
    }
    check_ttl(fields.time_to_live)?;
    let limit = if fields.condition.is_some() || is_topic(fields.to) {
        payload::TOPIC_LIMIT
    } else {
        payload::DEVICE_LIMIT
    };
    payload::check(fields.data.as_ref(), fields.notification.as_ref(), limit)
}

fn is_topic(to: Option<&RawValue>) -> bool {
    to.is_some_and(|raw| raw.get().starts_with("\"/topics/"))
}

fn check_target(fields: &Fields<'_>) -> Result<(), PushFault> {
    if fields.registration_ids.is_some() {
        return Err(PushFault::Multicast);
    }
    let (name, raw) = match (fields.to, fields.condition) {
        (None, None) => return Err(PushFault::NoTarget),
        (Some(_), Some(_)) => return Err(PushFault::TwoTargets),
        (Some(to), None) => ("to", to),
        (None, Some(condition)) => ("condition", condition),
    };
    match raw_text(raw).as_deref() {
        None => Err(PushFault::Type(name, "string")),
        Some("") => Err(PushFault::NoTarget),
        Some(_) => Ok(()),
    }
}

fn check_ttl(raw: Option<&RawValue>) -> Result<(), PushFault> {
    let Some(text) = raw.map(RawValue::get) else {
        return Ok(());
    };
    if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Err(PushFault::Type("time_to_live", "number"));
    }
    match text.parse::<u64>() {
        Ok(seconds) if seconds <= MAX_TTL => Ok(()),
        _ => Err(PushFault::Ttl),
    }
}

#[cfg(test)]
mod tests;
