//! A push request as FCM's `Message` (`reference/fcm.md` 2.2).
//!
//! The connector renders with [`render`] once per push, at ingest; [`body`] fills in at send time what depends on the time left. What the
//! provider would refuse is refused here. Without `provider` fields nothing is allocated but the payload itself.
//!
//! A payload holds marks, bytes that no JSON has: `SECONDS_LEFT` and `UNIX_END`. A test keeps them out of everything a sender writes.

mod addressee;
mod platform;
mod provider;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use addressee::addressee;
use bytes::{BufMut, Bytes, BytesMut};

use crate::push::{Notification, PushRequest, Target};
use crate::transport::data::{self, DEVICE_LIMIT, TOPIC_LIMIT, check_message, check_size, invalid};
use crate::transport::{RenderError, json};

/// The longest time to live the provider takes, in seconds (four weeks).
const MAX_TIME_TO_LIVE: u64 = 2_419_200;

/// Stands for the seconds left to live.
const SECONDS_LEFT: u8 = 0x01;

/// Stands for the end of its life, in seconds since 1970.
const UNIX_END: u8 = 0x02;

const OPENING: &[u8] = b"{\"message\":{";
const OPENING_TO_VALIDATE: &[u8] = b"{\"validate_only\":true,\"message\":{";
const CLOSING: &[u8] = b"}}";

/// Appends the members of the message, such as `"token":"…","data":{…},"android":{…}`, to `payload`; on an error `payload` is as before.
///
/// Lanes `critical` and `high` are Android's `HIGH` and Apple's 10 for what is shown, the others `NORMAL` and 5. Values of `data` that are no
/// strings become strings: numbers and booleans by their text, `null` as `null`, objects and arrays by their JSON. `provider` is merged
/// last into the message, object by object (RFC 7396), and may not name what the gateway decides.
///
/// # Errors
/// [`RenderError`] naming the field that the provider would refuse.
pub fn render(request: &PushRequest<'_>, payload: &mut Vec<u8>) -> Result<(), RenderError> {
    let start = payload.len();
    let result = write(request, payload, start);
    if result.is_err() {
        payload.truncate(start);
    }
    result
}

/// What a message is sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To reach somebody.
    Deliver,
    /// To be checked and not delivered (`validate_only`).
    Validate,
}

/// Returns the request's body for a rendered payload, with this time left to live.
///
/// A fraction of a second left counts as a whole one, because 0 means "now or never".
pub fn body(payload: &[u8], purpose: Purpose, time_left: Duration, now: SystemTime) -> Bytes {
    let seconds = time_left.as_secs().saturating_add(u64::from(time_left.subsec_nanos() > 0));
    let seconds = seconds.min(MAX_TIME_TO_LIVE);
    let unix = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // For Apple, too, 0 means "now or never".
    let end = if seconds == 0 { 0 } else { unix + seconds };
    let opening = if purpose == Purpose::Deliver { OPENING } else { OPENING_TO_VALIDATE };
    let mut out = BytesMut::with_capacity(opening.len() + payload.len() + CLOSING.len() + 64);
    out.put_slice(opening);
    let mut from = 0;
    let mut digits = Vec::with_capacity(20);
    for at in memchr::memchr2_iter(SECONDS_LEFT, UNIX_END, payload) {
        out.put_slice(&payload[from..at]);
        digits.clear();
        json::number(&mut digits, if payload[at] == SECONDS_LEFT { seconds } else { end });
        out.put_slice(&digits);
        from = at + 1;
    }
    out.put_slice(&payload[from..]);
    out.put_slice(CLOSING);
    out.freeze()
}

fn write(request: &PushRequest<'_>, out: &mut Vec<u8>, start: usize) -> Result<(), RenderError> {
    if let Some(raw) = request.provider {
        provider::merge(request, raw, out, start)?;
    } else {
        let limit = write_common(request, out)?;
        let mut size = 0;
        if let Some(notification) = &request.notification {
            size += notification_size(notification);
            check_size(size, limit)?;
        }
        if let Some(raw) = request.data {
            out.extend_from_slice(b",\"data\":");
            data::write(out, raw, size, limit, check_key)?;
        }
        platform::write(out, request);
    }
    check_message(out.len() - start)
}

/// Writes target and notification; returns the size limit that goes with the target.
fn write_common(request: &PushRequest<'_>, out: &mut Vec<u8>) -> Result<usize, RenderError> {
    let limit = write_target(out, &request.to)?;
    let Some(notification) = &request.notification else { return Ok(limit) };
    let shown =
        [("title", &notification.title), ("body", &notification.body), ("image", &notification.image)];
    out.extend_from_slice(b",\"notification\":{");
    let mut is_first = true;
    for (name, value) in shown {
        if let Some(value) = value {
            platform::open_member(out, name, &mut is_first);
            json::json_string(out, value);
        }
    }
    out.push(b'}');
    Ok(limit)
}

/// Writes the target; returns the size limit that goes with it.
fn write_target(out: &mut Vec<u8>, target: &Target<'_>) -> Result<usize, RenderError> {
    let (member, text, field, limit): (&[u8], _, _, _) = match target {
        Target::Token(token) => (b"\"token\":", token, "to.token", DEVICE_LIMIT),
        Target::Topic(name) => (b"\"topic\":", name, "to.topic", TOPIC_LIMIT),
        Target::Condition(condition) => (b"\"condition\":", condition, "to.condition", TOPIC_LIMIT),
        Target::Channel { .. } => {
            return Err(invalid(
                "to.channel",
                "this route sends by FCM, which has no channels (hint: give a token, topic or condition, or an APNs route)",
            ));
        }
        Target::WebPush { .. } => {
            return Err(invalid(
                "to.endpoint",
                "this route sends by FCM, which has no Web Push subscriptions (hint: give a token, topic or condition, or another route)",
            ));
        }
    };
    if text.is_empty() {
        return Err(invalid(field, "must not be empty"));
    }
    if field == "to.topic" {
        data::check_topic(text)?;
    }
    out.extend_from_slice(member);
    json::json_string(out, text);
    Ok(limit)
}

fn notification_size(notification: &Notification<'_>) -> usize {
    let texts = [
        ("title", &notification.title),
        ("body", &notification.body),
        ("image", &notification.image),
        ("sound", &notification.sound),
    ];
    texts.iter().filter_map(|(name, value)| value.as_ref().map(|value| name.len() + value.len())).sum()
}

/// Refuses the keys that are the provider's.
fn check_key(key: &str) -> Result<(), RenderError> {
    let field = match key {
        "from" => "data.from",
        "message_type" => "data.message_type",
        _ if key.starts_with("google.") || key.starts_with("gcm.notification.") => "data",
        _ => return Ok(()),
    };
    Err(invalid(
        field,
        format!(
            "the key {key:?} is reserved by the provider (hint: from, message_type and what begins with google. or gcm.notification.)"
        ),
    ))
}

#[cfg(test)]
mod tests;
