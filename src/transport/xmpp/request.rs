//! A push request as members of the provider's JSON (`reference/fcm.md` 1.5), fit for XML text.
//!
//! The connector renders with it once per push, at ingest; [`super::encode::push`] splices `message_id` and `time_to_live` in front. What the
//! provider would refuse is refused here. Without `provider` fields nothing is allocated but the payload itself.

mod addressee;
mod provider;

pub use addressee::addressee;

use super::text;
use crate::push::{Lane, Notification, PushRequest, Target};
use crate::transport::RenderError;
use crate::transport::data::{self, DEVICE_LIMIT, TOPIC_LIMIT, check_message, check_size, invalid};

/// Appends the members, such as `"to":"…","priority":"high","data":{…}`, to `payload`; on an error `payload` is as before.
///
/// Lanes `critical` and `high` are priority `high`, the others `normal`. Values of `data` that are no strings become strings, as the provider
/// itself does: numbers and booleans by their text, `null` as `null`, objects and arrays by their JSON. `provider` is merged last, object by
/// object (RFC 7396), and may not name what the gateway decides.
///
/// # Errors
/// [`RenderError`] naming the field that the provider would refuse.
pub fn render(request: &PushRequest<'_>, payload: &mut Vec<u8>) -> Result<(), RenderError> {
    let start = payload.len();
    let result = write(request, payload, start);
    match result {
        Ok(()) => text::escape_json(payload, start),
        Err(_) => payload.truncate(start),
    }
    result
}

fn write(request: &PushRequest<'_>, out: &mut Vec<u8>, start: usize) -> Result<(), RenderError> {
    let limit = write_target(out, &request.to)?;
    let priority: &[u8] = match request.priority {
        Lane::Critical | Lane::High => b",\"priority\":\"high\"",
        Lane::Normal | Lane::Low => b",\"priority\":\"normal\"",
    };
    out.extend_from_slice(priority);
    if let Some(key) = &request.collapse_key {
        out.extend_from_slice(b",\"collapse_key\":");
        text::json_string(out, key);
    }
    let mut size = 0;
    if let Some(notification) = &request.notification {
        out.extend_from_slice(b",\"notification\":");
        size += write_notification(out, notification);
        check_size(size, limit)?;
    }
    if let Some(raw) = request.data {
        out.extend_from_slice(b",\"data\":");
        data::write(out, raw, size, limit, check_key)?;
    }
    if let Some(raw) = request.provider {
        provider::merge(out, start, raw, limit)?;
    }
    check_message(out.len() - start)
}

/// Writes the target; returns the size limit that goes with it.
fn write_target(out: &mut Vec<u8>, target: &Target<'_>) -> Result<usize, RenderError> {
    let (member, prefix, text, field, limit): (&[u8], &[u8], _, _, _) = match target {
        Target::Token(token) => (b"\"to\":\"", b"", token, "to.token", DEVICE_LIMIT),
        Target::Topic(name) => (b"\"to\":\"", b"/topics/", name, "to.topic", TOPIC_LIMIT),
        Target::Condition(condition) => (b"\"condition\":\"", b"", condition, "to.condition", TOPIC_LIMIT),
        Target::Channel { .. } => {
            return Err(invalid(
                "to.channel",
                "this route sends by FCM's XMPP, which has no channels (hint: give a token, topic or condition, or an APNs route)",
            ));
        }
        Target::WebPush { .. } => {
            return Err(invalid(
                "to.endpoint",
                "this route sends by FCM's XMPP, which has no Web Push subscriptions (hint: give a token, topic or condition, or \
                 another route)",
            ));
        }
    };
    if text.is_empty() {
        return Err(invalid(field, "must not be empty"));
    }
    if field == "to.topic" {
        data::check_topic(text)?;
    }
    if field == "to.token" && text.starts_with("/topics/") {
        return Err(invalid(field, "is a topic (hint: give the name without /topics/ as to.topic)"));
    }
    out.extend_from_slice(member);
    out.extend_from_slice(prefix);
    text::json_inner(out, text);
    out.push(b'"');
    Ok(limit)
}

/// Writes the notification; returns the size of its keys and values.
fn write_notification(out: &mut Vec<u8>, notification: &Notification<'_>) -> usize {
    let mut size = 0;
    out.push(b'{');
    let fields = [
        ("title", &notification.title),
        ("body", &notification.body),
        ("image", &notification.image),
        ("sound", &notification.sound),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            open_member(out, name, &mut size);
            text::json_string(out, value);
            size += value.len();
        }
    }
    if let Some(badge) = notification.badge {
        open_member(out, "badge", &mut size);
        // The provider wants this number as a string.
        let start = out.len();
        out.push(b'"');
        text::number(out, u64::from(badge));
        out.push(b'"');
        size += out.len() - start - 2;
    }
    out.push(b'}');
    size
}

fn open_member(out: &mut Vec<u8>, name: &'static str, size: &mut usize) {
    if *size > 0 {
        out.push(b',');
    }
    // Names of ours need no escapes.
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    *size += name.len();
}

/// Refuses the keys that are the provider's.
fn check_key(key: &str) -> Result<(), RenderError> {
    let field = match key {
        "from" => "data.from",
        "message_type" => "data.message_type",
        _ if key.starts_with("google") || key.starts_with("gcm") => "data",
        _ => return Ok(()),
    };
    Err(invalid(
        field,
        format!(
            "the key {key:?} is reserved by the provider (hint: from, message_type and what begins with google or gcm)"
        ),
    ))
}

#[cfg(test)]
mod tests;
