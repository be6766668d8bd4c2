//! Which values a push may have. Pure.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::fields::{RawNotification, RawPush, RawTarget, Text};
use super::{Item, PushFault};
use crate::ingest::MAX_TTL;
use crate::push::{Lane, Notification, PushRequest, Target};
use crate::transport::json::lanes::{self, is, is_below};

/// Longest id, in bytes.
const ID: usize = 128;
const ONE_OF: &str = "must be one of token, topic, condition, channel, or endpoint with p256dh and auth";

/// Longest token, condition or endpoint, in bytes; providers' own limits are below it.
const TOKEN: usize = 4_096;
/// Longest topic name, in bytes.
const TOPIC: usize = 1_024;
/// Longest key of a Web Push subscription, in bytes of base64url (RFC 8291: 65 and 16 bytes).
const KEY: usize = 128;
/// Longest collapse key, in bytes (APNs' `apns-collapse-id`).
const COLLAPSE_KEY: usize = 64;
/// Deepest nesting of `data` and `provider`: what reads them is recursive.
const DEPTH: usize = 32;
pub(super) const TOO_DEEP: &str = "must not be nested deeper than 32 levels";

/// Checks a push's values and takes them out of it.
pub(super) fn check<'a>(raw: &mut RawPush<'a>) -> Item<'a> {
    match problem(raw) {
        None => {}
        Some((field, message)) => return Err(fault(raw.id.as_ref(), field, message)),
    }
    let target = target(&mut raw.to);
    let to = target.map_err(|(field, message)| fault(raw.id.as_ref(), field, message))?;
    Ok(PushRequest {
        id: raw.id.take().map(|text| text.0),
        route: raw.route.take().map(|text| text.0),
        to,
        priority: raw.priority.as_ref().and_then(lane).unwrap_or_default(),
        ttl: raw.ttl,
        collapse_key: raw.collapse_key.take().map(|text| text.0),
        notification: raw.notification.take().map(notification),
        data: raw.data,
        provider: raw.provider,
    })
}

/// A field and what is wrong with it.
type Problem = (&'static str, &'static str);

fn problem(raw: &RawPush<'_>) -> Option<Problem> {
    if raw.id.as_ref().is_some_and(|id| !is_id(id.as_str())) {
        return Some((
            "id",
            "must be 1 to 128 visible ASCII characters (hint: leave it out to get a UUIDv7)",
        ));
    }
    if raw.priority.as_ref().is_some_and(|priority| lane(priority).is_none()) {
        return Some(("priority", "must be critical, high, normal or low"));
    }
    if raw.ttl.is_some_and(|ttl| ttl > MAX_TTL) {
        return Some(("ttl", "must be 0 to 2419200 seconds (hint: that is 28 days)"));
    }
    if raw.collapse_key.as_ref().is_some_and(|key| !is_word(key.as_str(), COLLAPSE_KEY)) {
        return Some(("collapse_key", "must be 1 to 64 bytes without spaces and control characters"));
    }
    [("data", raw.data), ("provider", raw.provider)]
        .into_iter()
        .find_map(|(field, value)| is_too_deep(value?.get()).then_some((field, TOO_DEEP)))
}

fn is_id(text: &str) -> bool {
    (1..=ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Returns whether text is 1 to `longest` bytes without spaces and control characters.
fn is_word(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && !lanes::contains(text.as_bytes(), |bytes| is_below(bytes, b' ' + 1) | is(bytes, 0x7f))
}

fn lane(text: &Text<'_>) -> Option<Lane> {
    Lane::ALL.into_iter().find(|lane| lane.as_str() == text.as_str())
}

fn target<'a>(raw: &mut RawTarget<'a>) -> Result<Target<'a>, Problem> {
    let web_push = (raw.endpoint.take(), raw.p256dh.take(), raw.auth.take());
    let has_others = raw.token.is_some()
        || raw.topic.is_some()
        || raw.condition.is_some()
        || !matches!(web_push, (None, None, None));
    match (raw.channel.take(), raw.stored) {
        (None, None) => {}
        (None, Some(_)) => return Err(("to.stored", "is only for channels (hint: leave it out)")),
        (Some(_), _) if has_others => return Err(("to", ONE_OF)),
        (Some(id), stored) => {
            let id = word(id, "to.channel", TOPIC, "must be at most 1024 bytes without spaces")?;
            return Ok(Target::Channel { id, is_stored: stored.unwrap_or_default() });
        }
    }
    match (raw.token.take(), raw.topic.take(), raw.condition.take(), web_push) {
        (Some(token), None, None, (None, None, None)) => {
            word(token, "to.token", TOKEN, "must be at most 4096 bytes without spaces").map(Target::Token)
        }
        (None, Some(topic), None, (None, None, None)) => {
            word(topic, "to.topic", TOPIC, "must be at most 1024 bytes without spaces").map(Target::Topic)
        }
        (None, None, Some(condition), (None, None, None)) => match condition.0 {
            text if text.is_empty() => {
                Err(("to.condition", "must not be empty (hint: such as 'a' in topics)"))
            }
            text if text.len() > TOKEN => Err(("to.condition", "must be at most 4096 bytes")),
            text => Ok(Target::Condition(text)),
        },
        (None, None, None, (Some(endpoint), Some(p256dh), Some(auth))) => {
            let endpoint = word(endpoint, "to.endpoint", TOKEN, "must be at most 4096 bytes without spaces")?;
            if !endpoint.starts_with("https://") {
                return Err(("to.endpoint", "must be an https URL (hint: PushSubscription.endpoint)"));
            }
            let (p256dh, auth) = (base64url(p256dh, "to.p256dh")?, base64url(auth, "to.auth")?);
            Ok(Target::WebPush { endpoint, p256dh, auth })
        }
        (None, None, None, (None, None, None)) => {
            Err(("to", "must not be empty (hint: {\"token\":\"…\"} names a device)"))
        }
        (None, None, None, (None, _, _)) => Err(("to.endpoint", "is missing (hint: Web Push needs it)")),
        (None, None, None, (_, None, _)) => Err(("to.p256dh", "is missing (hint: Web Push needs it)")),
        (None, None, None, (_, _, None)) => Err(("to.auth", "is missing (hint: Web Push needs it)")),
        _ => Err(("to", ONE_OF)),
    }
}

fn word<'a>(
    text: Text<'a>,
    field: &'static str,
    longest: usize,
    message: &'static str,
) -> Result<Cow<'a, str>, Problem> {
    if text.as_str().is_empty() {
        return Err((field, "must not be empty (hint: send what the app got from its push service)"));
    }
    if is_word(text.as_str(), longest) { Ok(text.0) } else { Err((field, message)) }
}

fn base64url<'a>(text: Text<'a>, field: &'static str) -> Result<Cow<'a, str>, Problem> {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte);
    let fits = (1..=KEY).contains(&text.as_str().len()) && text.as_str().bytes().all(digit);
    if fits { Ok(text.0) } else { Err((field, "must be base64url (hint: PushSubscription.getKey)")) }
}

fn notification(raw: RawNotification<'_>) -> Notification<'_> {
    Notification {
        title: raw.title.map(|text| text.0),
        body: raw.body.map(|text| text.0),
        image: raw.image.map(|text| text.0),
        sound: raw.sound.map(|text| text.0),
        badge: raw.badge,
    }
}

/// Returns whether a value is nested deeper than `data` and `provider` may be.
pub(super) fn is_too_deep(json: &str) -> bool {
    // Each level opens with a bracket: counting them is a fast upper bound that nearly every payload stays below.
    if memchr::memchr2_iter(b'{', b'[', json.as_bytes()).take(DEPTH + 1).count() <= DEPTH {
        return false;
    }
    let (mut depth, mut text, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'{' | b'[' if !text => depth += 1,
            b'}' | b']' if !text => depth -= 1,
            _ => {}
        }
        if depth > DEPTH {
            return true;
        }
    }
    false
}

fn fault(id: Option<&Text<'_>>, field: &'static str, message: &'static str) -> PushFault {
    let id = id.filter(|id| is_id(id.as_str())).map(|id| id.as_str().to_owned());
    PushFault { id, ..PushFault::new(field, message) }
}

/// Returns a push's id, if it may be repeated in an answer.
pub(super) fn usable_id(raw: &RawValue) -> Option<String> {
    serde_json::from_str::<String>(raw.get()).ok().filter(|id| is_id(id))
}
