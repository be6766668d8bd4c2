//! The `provider` object: raw fields of FCM's `Message`, merged last.
//!
//! Called by the renderer for the few pushes that have any; here allocation does not matter. Both spellings of FCM's field names are taken,
//! `collapse_key` and `collapseKey`, and written as the first.

use serde_json::{Map, Value};

use super::{SECONDS_LEFT, UNIX_END, check_key, platform};
use crate::push::{PushRequest, RawJson};
use crate::transport::data::{self, check_size, invalid};
use crate::transport::{RenderError, json};

/// What the gateway decides; each with its path for the error.
const RESERVED: [(&[&str], &str); 8] = [
    (&["name"], "provider.name"),
    (&["token"], "provider.token"),
    (&["fid"], "provider.fid"),
    (&["topic"], "provider.topic"),
    (&["condition"], "provider.condition"),
    (&["android", "ttl"], "provider.android.ttl"),
    (&["apns", "headers", "apns-expiration"], "provider.apns.headers"),
    (&["webpush", "headers", "TTL"], "provider.webpush.headers"),
];

/// Objects in which FCM's own field names stand, by path; elsewhere names are the sender's.
const OWN_NAMES: [&[&str]; 8] = [
    &[],
    &["android"],
    &["android", "notification"],
    &["android", "fcm_options"],
    &["apns"],
    &["apns", "fcm_options"],
    &["webpush"],
    &["fcm_options"],
];

/// Renders the push with `raw` merged into its message, behind `start`.
///
/// # Errors
/// It is no object, names a reserved field, or makes something the provider refuses.
pub fn merge(
    request: &PushRequest<'_>,
    raw: RawJson<'_>,
    out: &mut Vec<u8>,
    start: usize,
) -> Result<(), RenderError> {
    let mut patch = data::patch(raw)?;
    rename(&mut patch, &mut Vec::new());
    for (path, field) in RESERVED {
        if find(&patch, path) {
            return Err(invalid(field, "is decided by the gateway (hint: use the push's own to and ttl)"));
        }
    }
    let limit = super::write_common(request, out)?;
    if let Some(raw) = request.data {
        out.extend_from_slice(b",\"data\":");
        data::write(out, raw, 0, limit, check_key)?;
    }
    platform::write(out, request);
    let mut message = parse(&out[start..])?;
    json::merge(&mut message, patch);
    out.truncate(start);
    write(out, &message, limit)
}

/// Reads what was just rendered; marks are parsed as zeros and put back by [`write`].
fn parse(members: &[u8]) -> Result<Map<String, Value>, RenderError> {
    let mut text = [b"{", members, b"}"].concat();
    for byte in &mut text {
        if matches!(*byte, SECONDS_LEFT | UNIX_END) {
            *byte = b'0';
        }
    }
    serde_json::from_slice(&text).map_err(|error| invalid("data", format!("is not valid JSON: {error}")))
}

fn find(object: &Map<String, Value>, path: &[&str]) -> bool {
    match path {
        [] => false,
        [name] => object.contains_key(*name),
        [name, rest @ ..] => {
            object.get(*name).and_then(Value::as_object).is_some_and(|inner| find(inner, rest))
        }
    }
}

/// Spells FCM's field names in one way.
fn rename(object: &mut Map<String, Value>, path: &mut Vec<String>) {
    let is_own =
        OWN_NAMES.iter().any(|own| own.len() == path.len() && own.iter().zip(&*path).all(|(a, b)| a == b));
    if !is_own {
        return;
    }
    for (name, mut value) in std::mem::take(object) {
        let name = snake(&name);
        if let Value::Object(inner) = &mut value {
            path.push(name.clone());
            rename(inner, path);
            path.pop();
        }
        object.insert(name, value);
    }
}

fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn write(out: &mut Vec<u8>, message: &Map<String, Value>, limit: usize) -> Result<(), RenderError> {
    let mut size = data::shown_size(message.get("notification"))?;
    check_size(size, limit)?;
    let mut is_first = true;
    for (name, value) in message {
        platform::open_member(out, name, &mut is_first);
        match (name.as_str(), value) {
            ("data", value) => {
                size = data::write(out, RawJson::of_read(&value.to_string()), size, limit, check_key)?;
            }
            ("android" | "apns" | "webpush", Value::Object(inner)) => block(out, name, inner),
            ("android", _) => return Err(invalid("provider.android", "must be a JSON object")),
            ("apns", _) => return Err(invalid("provider.apns", "must be a JSON object")),
            ("webpush", _) => return Err(invalid("provider.webpush", "must be a JSON object")),
            (_, value) => plain(out, value),
        }
    }
    Ok(())
}

/// Writes a platform's block with its mark.
fn block(out: &mut Vec<u8>, platform: &str, members: &Map<String, Value>) {
    let mut is_first = true;
    out.push(b'{');
    for (name, value) in members {
        platform::open_member(out, name, &mut is_first);
        let mark = match (platform, name.as_str()) {
            ("android", "ttl") => {
                out.extend_from_slice(&[b'"', SECONDS_LEFT, b's', b'"']);
                continue;
            }
            ("apns", "headers") => ("apns-expiration", UNIX_END),
            ("webpush", "headers") => ("TTL", SECONDS_LEFT),
            _ => {
                plain(out, value);
                continue;
            }
        };
        headers(out, value, mark);
    }
    out.push(b'}');
}

fn headers(out: &mut Vec<u8>, value: &Value, (marked, mark): (&str, u8)) {
    let Value::Object(fields) = value else { return plain(out, value) };
    let mut is_first = true;
    out.push(b'{');
    for (name, value) in fields {
        platform::open_member(out, name, &mut is_first);
        if name == marked {
            out.extend_from_slice(&[b'"', mark, b'"']);
        } else {
            plain(out, value);
        }
    }
    out.push(b'}');
}

fn plain(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => json::json_string(out, text),
        value => out.extend_from_slice(value.to_string().as_bytes()),
    }
}
