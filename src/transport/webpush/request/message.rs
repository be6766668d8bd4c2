//! The message that the app's service worker gets: JSON in the sender's own names. Pure.
//!
//! The renderer calls it. Without `provider` nothing is allocated but the message itself.

use serde_json::{Map, Value};

use crate::push::{Notification, PushRequest, RawJson};
use crate::transport::data::invalid;
use crate::transport::{RenderError, json};

/// Appends the message of a push, nothing if it has none.
///
/// # Errors
/// `provider` or `data` is no JSON object.
pub fn write(request: &PushRequest<'_>, out: &mut Vec<u8>) -> Result<(), RenderError> {
    let start = out.len();
    let mut open = b'{';
    if let Some(shown) = &request.notification {
        member(out, &mut open, "notification");
        notification(out, shown);
    }
    if let Some(data) = request.data {
        member(out, &mut open, "data");
        out.extend_from_slice(data.get().as_bytes());
    }
    if out.len() > start {
        out.push(b'}');
    }
    match request.provider {
        None => Ok(()),
        Some(patch) => merge(out, start, patch),
    }
}

fn notification(out: &mut Vec<u8>, shown: &Notification<'_>) {
    let start = out.len();
    let mut open = b'{';
    let texts =
        [("title", &shown.title), ("body", &shown.body), ("image", &shown.image), ("sound", &shown.sound)];
    for (name, text) in texts {
        if let Some(text) = text {
            member(out, &mut open, name);
            json::json_string(out, text);
        }
    }
    if let Some(badge) = shown.badge {
        member(out, &mut open, "badge");
        json::number(out, badge.into());
    }
    if out.len() == start {
        out.push(b'{');
    }
    out.push(b'}');
}

fn member(out: &mut Vec<u8>, open: &mut u8, name: &str) {
    out.push(std::mem::replace(open, b','));
    json::json_string(out, name);
    out.push(b':');
}

/// Merges `patch` into the message behind `start`; here allocation does not matter.
fn merge(out: &mut Vec<u8>, start: usize, patch: RawJson<'_>) -> Result<(), RenderError> {
    let fault = |field| move |error| invalid(field, format!("must be a JSON object: {error}"));
    let patch: Map<String, Value> = serde_json::from_str(patch.get()).map_err(fault("provider"))?;
    let mut message = match &out[start..] {
        [] => Map::new(),
        text => serde_json::from_slice(text).map_err(fault("data"))?,
    };
    json::merge(&mut message, patch);
    out.truncate(start);
    out.extend_from_slice(Value::Object(message).to_string().as_bytes());
    Ok(())
}
