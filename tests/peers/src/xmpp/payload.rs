//! Measures and checks the `data` and `notification` objects of a push.
//!
//! Part of the reading of a push, in the same pass over its JSON. The limit counts keys and values together, as their
//! characters, not as their JSON.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::xmpp::downstream::PushFault;

/// The most payload bytes to a device.
pub const DEVICE_LIMIT: usize = 4096;

/// The most payload bytes to a topic or condition.
pub const TOPIC_LIMIT: usize = 2048;

/// The notification's keys; each value must be a string.
const NOTIFICATION_KEYS: [&str; 17] = [
    "title",
    "body",
    "icon",
    "image",
    "sound",
    "tag",
    "color",
    "badge",
    "subtitle",
    "click_action",
    "android_channel_id",
    "body_loc_key",
    "body_loc_args",
    "title_loc_key",
    "title_loc_args",
    "ticker",
    "channel_id",
];

/// What matters about a `data` or `notification` value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Payload {
    /// Whether it is an object at all.
    object: bool,
    /// Bytes of keys and values.
    size: usize,
    /// Whether a key is among those reserved in `data`.
    reserved: bool,
    /// A key of a notification whose value is no string.
    wrong: Option<&'static str>,
}

/// Checks both objects against the rules and the limit.
///
/// # Errors
/// [`PushFault`] for the first rule that is broken.
pub fn check(data: Option<&Payload>, notification: Option<&Payload>, limit: usize) -> Result<(), PushFault> {
    if data.is_some_and(|data| !data.object) {
        return Err(PushFault::Type("data", "object"));
    }
    if data.is_some_and(|data| data.reserved) {
        return Err(PushFault::DataKey);
    }
    if notification.is_some_and(|shown| !shown.object) {
        return Err(PushFault::Type("notification", "object"));
    }
    if let Some(key) = notification.and_then(|shown| shown.wrong) {
        return Err(PushFault::Type(key, "string"));
    }
    let size = [data, notification].into_iter().flatten().map(|payload| payload.size).sum();
    if size > limit { Err(PushFault::TooBig(size, limit)) } else { Ok(()) }
}

/// Returns the string that a raw JSON value is, or nothing when it is no string.
#[must_use]
pub fn raw_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let json = raw.get();
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(json).ok().map(Cow::Owned)
}

fn measured(raw: &RawValue) -> usize {
    raw_text(raw).map_or(raw.get().len(), |text| text.len())
}

/// A key, borrowed when its JSON has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor).map(Key)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PayloadVisitor)
    }
}

/// Takes any value, so that a wrong type is a fault of the push and not of the whole JSON.
struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
        let mut payload = Payload { object: true, ..Payload::default() };
        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            payload.reserved |= is_reserved(key.as_bytes());
            payload.size += key.len() + measured(value);
            if !value.get().starts_with('"') {
                let known = NOTIFICATION_KEYS.iter().find(|known| **known == key);
                payload.wrong = payload.wrong.or(known.copied());
            }
        }
        Ok(payload)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Payload, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Payload::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Payload, E> {
        Ok(Payload::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Payload, E> {
        Ok(Payload::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Payload, E> {
        Ok(Payload::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Payload, E> {
        Ok(Payload::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Payload, E> {
        Ok(Payload::default())
    }
}

/// Returns whether a key must not stand in `data`.
#[must_use]
pub fn is_reserved(key: &[u8]) -> bool {
    key == b"from" || key == b"message_type" || key.starts_with(b"google") || key.starts_with(b"gcm")
}
