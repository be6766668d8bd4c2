//! Measures and checks the `data` and `notification` objects of a push.
//!
//! Part of the reading of a push. The limit counts keys and values together, as their characters, not as their JSON.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
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

/// Checks both objects against the rules and the limit.
///
/// # Errors
/// [`PushFault`] for the first rule that is broken.
pub fn check(
    data: Option<&RawValue>,
    notification: Option<&RawValue>,
    limit: usize,
) -> Result<(), PushFault> {
    let mut size = 0;
    if let Some(raw) = data {
        let data: Data = serde_json::from_str(raw.get()).map_err(|_| PushFault::Type("data", "object"))?;
        if data.reserved {
            return Err(PushFault::DataKey);
        }
        size += data.size;
    }
    if let Some(raw) = notification {
        let shown: Notification =
            serde_json::from_str(raw.get()).map_err(|_| PushFault::Type("notification", "object"))?;
        if let Some(key) = shown.wrong {
            return Err(PushFault::Type(key, "string"));
        }
        size += shown.size;
    }
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

#[derive(Default)]
struct Data {
    size: usize,
    reserved: bool,
}

#[derive(Default)]
struct Notification {
    size: usize,
    wrong: Option<&'static str>,
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

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DataVisitor)
    }
}

struct DataVisitor;

impl<'de> Visitor<'de> for DataVisitor {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
        let mut data = Data::default();
        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            data.reserved |= is_reserved(&key);
            data.size += key.len() + measured(value);
        }
        Ok(data)
    }
}

fn is_reserved(key: &str) -> bool {
    key == "from" || key == "message_type" || key.starts_with("google") || key.starts_with("gcm")
}

impl<'de> Deserialize<'de> for Notification {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NotificationVisitor)
    }
}

struct NotificationVisitor;

impl<'de> Visitor<'de> for NotificationVisitor {
    type Value = Notification;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Notification, A::Error> {
        let mut shown = Notification::default();
        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            shown.size += key.len() + measured(value);
            if !value.get().starts_with('"') {
                let known = NOTIFICATION_KEYS.iter().find(|known| **known == key);
                shown.wrong = shown.wrong.or(known.copied());
            }
        }
        Ok(shown)
    }
}
