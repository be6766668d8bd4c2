//! Checks a request to send: the rules of `reference/fcm.md` 2.2 that a careless client breaks.
//!
//! Pure. Stricter than Google in one thing: a field name that the reference does not list is a fault.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::double::ledger::MessageKey;

/// The most bytes of keys and values of `data` and `notification`, to a device and to a topic or condition.
const DEVICE_LIMIT: usize = 4096;
const TOPIC_LIMIT: usize = 2048;

const TARGETS: [&str; 4] = ["token", "fid", "topic", "condition"];
const MESSAGE: [&str; 10] = [
    "token",
    "fid",
    "topic",
    "condition",
    "data",
    "notification",
    "android",
    "apns",
    "webpush",
    "fcm_options",
];
const NOTIFICATION: [&str; 3] = ["title", "body", "image"];
const ANDROID: [&str; 10] = [
    "collapse_key",
    "priority",
    "ttl",
    "restricted_package_name",
    "data",
    "notification",
    "fcm_options",
    "direct_boot_ok",
    "bandwidth_constrained_ok",
    "restricted_satellite_ok",
];
const ANDROID_NOTIFICATION: [&str; 9] =
    ["title", "body", "icon", "color", "sound", "tag", "channel_id", "notification_count", "image"];
const APNS: [&str; 4] = ["headers", "payload", "fcm_options", "live_activity_token"];
const WEBPUSH: [&str; 4] = ["headers", "data", "notification", "fcm_options"];

/// The rule that a message breaks: the field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Invalid value at '{field}': {problem}")]
pub struct MessageFault {
    /// The field's path.
    pub field: String,
    /// What is wrong.
    pub problem: String,
}

/// A message that keeps the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The token, topic or condition.
    pub target: String,
    /// What it is known again by.
    pub key: MessageKey,
    /// Whether it is only to be validated.
    pub is_dry_run: bool,
}

/// Reads and checks the body of a request.
///
/// # Errors
/// [`MessageFault`] for the first rule that is broken.
pub fn read(body: &[u8]) -> Result<Message, MessageFault> {
    let mut value: Value =
        serde_json::from_slice(body).map_err(|error| fault("", &format!("not JSON: {error}")))?;
    let request = object(&value, "")?;
    known(request, &["message", "validate_only"], "")?;
    let is_dry_run = match request.get("validate_only") {
        None => false,
        Some(Value::Bool(flag)) => *flag,
        Some(_) => return Err(fault("validate_only", "must be a boolean")),
    };
    let message = object(request.get("message").unwrap_or(&Value::Null), "message")?;
    known(message, &MESSAGE, "message.")?;
    let (name, target) = target(message)?;
    check_sizes(message, name)?;
    check_platforms(message)?;
    let target = target.to_owned();
    Ok(Message { key: key_of(value["message"].take()), target, is_dry_run })
}

/// The key that a body has which is not accepted.
#[must_use]
pub fn key_of_bytes(body: &[u8]) -> MessageKey {
    MessageKey::of(&String::from_utf8_lossy(body))
}

/// Returns the key of a checked message: its JSON but for what changes from attempt to attempt.
fn key_of(mut message: Value) -> MessageKey {
    for (path, name) in
        [("/android", "ttl"), ("/apns/headers", "apns-expiration"), ("/webpush/headers", "TTL")]
    {
        if let Some(Value::Object(fields)) = message.pointer_mut(path) {
            fields.remove(name);
        }
    }
    MessageKey::of(&message.to_string())
}

fn target(message: &Map<String, Value>) -> Result<(&str, &str), MessageFault> {
    let mut named = TARGETS.iter().filter_map(|name| message.get(*name).map(|value| (*name, value)));
    let (Some((name, value)), None) = (named.next(), named.next()) else {
        return Err(fault("message", "exactly one of token, fid, topic or condition must be given"));
    };
    match value.as_str() {
        Some(text) if !text.is_empty() && !text.starts_with("/topics/") => Ok((name, text)),
        _ => Err(fault(&format!("message.{name}"), "must be a name")),
    }
}

fn check_sizes(message: &Map<String, Value>, target: &str) -> Result<(), MessageFault> {
    let mut size = 0;
    if let Some(data) = message.get("data") {
        for (key, value) in object(data, "message.data")? {
            let text =
                value.as_str().ok_or_else(|| fault(&format!("message.data[{key}]"), "must be a string"))?;
            let is_reserved = key == "from"
                || key == "message_type"
                || key.starts_with("google.")
                || key.starts_with("gcm.notification.");
            if is_reserved {
                return Err(fault("message.data", &format!("reserved key {key}")));
            }
            size += key.len() + text.len();
        }
    }
    if let Some(notification) = message.get("notification") {
        let notification = object(notification, "message.notification")?;
        known(notification, &NOTIFICATION, "message.notification.")?;
        for (key, value) in notification {
            let text =
                value.as_str().ok_or_else(|| fault("message.notification", "values must be strings"))?;
            size += key.len() + text.len();
        }
    }
    let limit = if matches!(target, "token" | "fid") { DEVICE_LIMIT } else { TOPIC_LIMIT };
    if size > limit {
        return Err(fault("message", &format!("Message too big: {size} bytes of {limit}")));
    }
    Ok(())
}

fn check_platforms(message: &Map<String, Value>) -> Result<(), MessageFault> {
    if let Some(android) = message.get("android") {
        let android = object(android, "message.android")?;
        known(android, &ANDROID, "message.android.")?;
        if let Some(notification) = android.get("notification") {
            let notification = object(notification, "message.android.notification")?;
            known(notification, &ANDROID_NOTIFICATION, "message.android.notification.")?;
        }
        if let Some(ttl) = android.get("ttl") {
            let seconds = ttl.as_str().and_then(|text| text.strip_suffix('s')?.parse::<f64>().ok());
            if !seconds.is_some_and(|seconds| (0.0..=2_419_200.0).contains(&seconds)) {
                return Err(fault("message.android.ttl", "must be a duration of 0s to 2419200s"));
            }
        }
        if android.get("priority").is_some_and(|word| !matches!(word.as_str(), Some("HIGH" | "NORMAL"))) {
            return Err(fault("message.android.priority", "must be HIGH or NORMAL"));
        }
    }
    for (name, fields) in [("apns", APNS), ("webpush", WEBPUSH)] {
        let Some(block) = message.get(name) else { continue };
        let path = format!("message.{name}");
        let block = object(block, &path)?;
        known(block, &fields, &format!("{path}."))?;
        let headers = block.get("headers").map(|headers| object(headers, &path)).transpose()?;
        if headers.is_some_and(|headers| headers.values().any(|value| !value.is_string())) {
            return Err(fault(&format!("{path}.headers"), "values must be strings"));
        }
    }
    let silent = message.get("notification").is_none();
    if silent
        && message
            .get("apns")
            .is_some_and(|apns| apns["headers"]["apns-priority"] == "10" && apns["payload"].is_null())
    {
        return Err(fault("message.apns.headers", "a message that shows nothing must have priority 5"));
    }
    Ok(())
}

fn object<'a>(value: &'a Value, path: &str) -> Result<&'a Map<String, Value>, MessageFault> {
    value.as_object().ok_or_else(|| fault(path, "must be an object"))
}

fn known(fields: &Map<String, Value>, names: &[&str], path: &str) -> Result<(), MessageFault> {
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(fault(&format!("{path}{name}"), "Cannot find field")),
    }
}

fn fault(field: &str, problem: &str) -> MessageFault {
    MessageFault { field: field.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(message: Value) -> String {
        read(json!({"message": message}).to_string().as_bytes()).unwrap_err().field
    }

    #[test]
    fn each_broken_rule_names_its_field() {
        for (message, expected) in [
            (json!({}), "message"),
            (json!({"token": "a", "topic": "b"}), "message"),
            (json!({"topic": "/topics/a"}), "message.topic"),
            (json!({"token": "a", "to": "b"}), "message.to"),
            (json!({"token": "a", "data": {"n": 1}}), "message.data[n]"),
            (json!({"token": "a", "data": {"google.x": "1"}}), "message.data"),
            (json!({"token": "a", "data": {"k": "x".repeat(4096)}}), "message"),
            (json!({"topic": "a", "data": {"k": "x".repeat(2048)}}), "message"),
            (json!({"token": "a", "notification": {"badge": "1"}}), "message.notification.badge"),
            (json!({"token": "a", "android": {"ttl": 5}}), "message.android.ttl"),
            (json!({"token": "a", "android": {"ttl": "2419201s"}}), "message.android.ttl"),
            (json!({"token": "a", "android": {"priority": "high"}}), "message.android.priority"),
            (json!({"token": "a", "apns": {"headers": {"apns-priority": 5}}}), "message.apns.headers"),
            (json!({"token": "a", "apns": {"headers": {"apns-priority": "10"}}}), "message.apns.headers"),
        ] {
            assert_eq!(field(message.clone()), expected, "{message}");
        }
        assert!(read(b"{").is_err());
    }

    #[test]
    fn a_message_is_known_again_whatever_time_it_has_left() {
        let of = |token: &str, ttl: &str| {
            let body = json!({"message": {"token": token, "android": {"ttl": ttl}, "webpush": {"headers": {"TTL": ttl}}}});
            read(body.to_string().as_bytes()).unwrap()
        };
        assert_eq!(of("a", "5s").key, of("a", "4s").key);
        assert_ne!(of("a", "5s").key, of("b", "5s").key);
        assert_eq!(of("a", "5s").target, "a");
    }
}
