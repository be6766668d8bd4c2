//! What a push means on each platform: FCM's `android`, `apns` and `webpush` blocks (`reference/fcm.md` 2.5, field map).
//!
//! The renderer writes with it, for a device of any kind, since a token does not say what it belongs to.

use super::{SECONDS_LEFT, UNIX_END};
use crate::push::{Lane, PushRequest};
use crate::transport::json;

/// The longest collapse key that Apple takes, in bytes, and the longest `Topic` of Web Push (RFC 8030 section 5.4).
const APPLE_KEY: usize = 64;
const WEB_TOPIC: usize = 32;

/// Writes the name of a member, with a comma unless it is the first.
pub fn open_member(out: &mut Vec<u8>, name: &str, is_first: &mut bool) {
    if !std::mem::replace(is_first, false) {
        out.push(b',');
    }
    json::json_string(out, name);
    out.push(b':');
}

/// Appends the three blocks, each behind a comma.
pub fn write(out: &mut Vec<u8>, request: &PushRequest<'_>) {
    let is_urgent = matches!(request.priority, Lane::Critical | Lane::High);
    android(out, request, is_urgent);
    apns(out, request, is_urgent);
    webpush(out, request, is_urgent);
}

fn android(out: &mut Vec<u8>, request: &PushRequest<'_>, is_urgent: bool) {
    out.extend_from_slice(b",\"android\":{\"priority\":");
    out.extend_from_slice(if is_urgent { b"\"HIGH\"" } else { b"\"NORMAL\"" });
    out.extend_from_slice(b",\"ttl\":\"");
    out.push(SECONDS_LEFT);
    out.extend_from_slice(b"s\"");
    if let Some(key) = &request.collapse_key {
        out.extend_from_slice(b",\"collapse_key\":");
        json::json_string(out, key);
    }
    let shown = request.notification.as_ref();
    let (sound, badge) = (shown.and_then(|shown| shown.sound.as_ref()), shown.and_then(|shown| shown.badge));
    if sound.is_some() || badge.is_some() {
        let mut is_first = true;
        out.extend_from_slice(b",\"notification\":{");
        if let Some(sound) = sound {
            open_member(out, "sound", &mut is_first);
            json::json_string(out, sound);
        }
        if let Some(badge) = badge {
            open_member(out, "notification_count", &mut is_first);
            json::number(out, badge.into());
        }
        out.push(b'}');
    }
    out.push(b'}');
}

fn apns(out: &mut Vec<u8>, request: &PushRequest<'_>, is_urgent: bool) {
    // What shows nothing may only be sent with 5.
    let priority: &[u8] = if is_urgent && request.notification.is_some() { b"10" } else { b"5" };
    out.extend_from_slice(b",\"apns\":{\"headers\":{\"apns-priority\":\"");
    out.extend_from_slice(priority);
    out.extend_from_slice(b"\",\"apns-expiration\":\"");
    out.push(UNIX_END);
    out.push(b'"');
    if let Some(key) = request.collapse_key.as_ref().filter(|key| key.len() <= APPLE_KEY) {
        out.extend_from_slice(b",\"apns-collapse-id\":");
        json::json_string(out, key);
    }
    out.push(b'}');
    let shown = request.notification.as_ref();
    let (sound, badge) = (shown.and_then(|shown| shown.sound.as_ref()), shown.and_then(|shown| shown.badge));
    if sound.is_some() || badge.is_some() {
        let mut is_first = true;
        out.extend_from_slice(b",\"payload\":{\"aps\":{");
        if let Some(sound) = sound {
            open_member(out, "sound", &mut is_first);
            json::json_string(out, sound);
        }
        if let Some(badge) = badge {
            open_member(out, "badge", &mut is_first);
            json::number(out, badge.into());
        }
        out.extend_from_slice(b"}}");
    }
    out.push(b'}');
}

fn webpush(out: &mut Vec<u8>, request: &PushRequest<'_>, is_urgent: bool) {
    out.extend_from_slice(b",\"webpush\":{\"headers\":{\"TTL\":\"");
    out.push(SECONDS_LEFT);
    out.extend_from_slice(b"\",\"Urgency\":");
    out.extend_from_slice(if is_urgent { b"\"high\"" } else { b"\"normal\"" });
    let is_topic = |key: &str| {
        key.len() <= WEB_TOPIC
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if let Some(key) = request.collapse_key.as_ref().filter(|key| !key.is_empty() && is_topic(key)) {
        out.extend_from_slice(b",\"Topic\":");
        json::json_string(out, key);
    }
    out.extend_from_slice(b"}}");
}
