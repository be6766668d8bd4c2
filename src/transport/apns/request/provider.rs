//! The `provider` object: raw members of the payload, merged last, and `headers` of the request.
//!
//! Called by the renderer for the few pushes that have any; here allocation does not matter.

use serde_json::{Map, Value};

use super::{COLLAPSE_LIMIT, Headers};
use crate::push::RawJson;
use crate::transport::apns::kind::PushType;
use crate::transport::data::{self, invalid};
use crate::transport::{RenderError, json};

const FIELD: &str = "provider.headers";

/// What a background push must not have.
const SHOWN: [&str; 3] = ["alert", "badge", "sound"];

/// What the sender gave.
pub struct Raw {
    /// The type, if it was given.
    pub kind: Option<PushType>,
    headers: Map<String, Value>,
    patch: Map<String, Value>,
}

/// Reads the object.
///
/// # Errors
/// It or its headers are no object, or the type is none.
pub fn read(raw: RawJson<'_>) -> Result<Raw, RenderError> {
    let mut patch = data::patch(raw)?;
    let headers = match patch.remove("headers") {
        None => Map::new(),
        Some(Value::Object(headers)) => headers,
        Some(_) => {
            return Err(invalid(
                FIELD,
                "must be a JSON object (hint: such as {\"apns-push-type\":\"voip\"})",
            ));
        }
    };
    let kind = match headers.get("apns-push-type") {
        None => None,
        Some(word) => Some(word.as_str().and_then(PushType::parse).ok_or_else(|| unknown_kind(word))?),
    };
    Ok(Raw { kind, headers, patch })
}

fn unknown_kind(word: &Value) -> RenderError {
    let words = PushType::all().map(PushType::as_str).collect::<Vec<_>>().join(", ");
    invalid(FIELD, format!("apns-push-type {word} is none of {words}"))
}

// === impl Raw ===

impl Raw {
    /// Returns whether `aps` shows or plays something.
    pub fn shows_something(&self) -> bool {
        let aps = self.patch.get("aps").and_then(Value::as_object);
        aps.is_some_and(|aps| SHOWN.iter().any(|name| aps.get(*name).is_some_and(|value| !value.is_null())))
    }

    /// Replaces what the gateway would send; the push may have these priorities.
    ///
    /// # Errors
    /// A header is unknown, the gateway's own, or has a value that Apple refuses.
    pub fn override_headers(&self, headers: &mut Headers, priorities: &[u8]) -> Result<(), RenderError> {
        for (name, value) in &self.headers {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return Err(invalid(FIELD, format!("{name} must be text"))),
            };
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            match name.as_str() {
                "apns-push-type" => {}
                "apns-topic" if is_plain && text.len() <= 255 => headers.topic = text,
                "apns-collapse-id" if is_plain && text.len() <= COLLAPSE_LIMIT => headers.collapse = text,
                "apns-priority" => headers.priority = priority(&text, priorities, headers.kind)?,
                "apns-id" | "apns-expiration" => {
                    let message =
                        format!("{name} is decided by the gateway (hint: use the push's own id and ttl)");
                    return Err(invalid(FIELD, message));
                }
                "apns-topic" | "apns-collapse-id" => {
                    return Err(invalid(
                        FIELD,
                        format!("{name} has a value that Apple refuses (hint: 1 to 64 plain characters)"),
                    ));
                }
                _ => {
                    let message = format!(
                        "{name} is not a header to set (hint: apns-push-type, apns-topic, apns-priority, apns-collapse-id)"
                    );
                    return Err(invalid(FIELD, message));
                }
            }
        }
        Ok(())
    }

    /// Merges the rest into the payload that stands in `out` from `start` on.
    ///
    /// # Errors
    /// The result breaks a rule of its type.
    pub fn merge(self, kind: PushType, out: &mut Vec<u8>, start: usize) -> Result<(), RenderError> {
        // The one thing that can be wrong in what was just written is a value of `data`, copied as it came.
        let mut payload: Map<String, Value> = serde_json::from_slice(&out[start..])
            .map_err(|error| invalid("data", format!("is not valid JSON: {error}")))?;
        json::merge(&mut payload, self.patch);
        let Some(aps) = payload.get("aps").and_then(Value::as_object) else {
            return Err(invalid("provider.aps", "must be a JSON object"));
        };
        if kind == PushType::Background && SHOWN.iter().any(|name| aps.contains_key(*name)) {
            return Err(invalid("provider.aps", "a background push must not have alert, badge or sound"));
        }
        out.truncate(start);
        serde_json::to_writer(out, &payload)
            .expect("a vector takes everything, and a JSON value is always JSON");
        Ok(())
    }
}

fn priority(text: &str, allowed: &[u8], kind: PushType) -> Result<u8, RenderError> {
    text.parse().ok().filter(|priority| allowed.contains(priority)).ok_or_else(|| {
        let words = allowed.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        invalid(FIELD, format!("apns-priority of type {} must be one of {words}", kind.as_str()))
    })
}
