//! The `provider` object: raw fields of the provider's own, merged last.
//!
//! Called by the renderer for the few pushes that have any; here allocation does not matter.

use serde_json::{Map, Value};

use super::check_key;
use crate::push::RawJson;
use crate::transport::data::{self, check_size, invalid};
use crate::transport::{RenderError, json};

/// What the gateway decides; each with its path for the error.
const RESERVED: [(&str, &str); 6] = [
    ("message_id", "provider.message_id"),
    ("message_type", "provider.message_type"),
    ("time_to_live", "provider.time_to_live"),
    ("to", "provider.to"),
    ("condition", "provider.condition"),
    ("registration_ids", "provider.registration_ids"),
];

/// Merges `raw` into the members that stand in `out` from `start` on, and checks the result like the rest.
///
/// # Errors
/// It is no object, names a reserved field, or makes something the provider refuses.
pub fn merge(out: &mut Vec<u8>, start: usize, raw: RawJson<'_>, limit: usize) -> Result<(), RenderError> {
    let patch = data::patch(raw)?;
    for (name, path) in RESERVED {
        if patch.contains_key(name) {
            return Err(invalid(path, "is decided by the gateway (hint: use the push's own to and ttl)"));
        }
    }
    let mut members = parse(&out[start..])?;
    json::merge(&mut members, patch);
    out.truncate(start);
    write(out, &members, limit)
}

fn parse(members: &[u8]) -> Result<Map<String, Value>, RenderError> {
    let text = [b"{", members, b"}"].concat();
    // The one thing that can be wrong in what was just written is a value of `data`, copied as it came.
    serde_json::from_slice(&text).map_err(|error| invalid("data", format!("is not valid JSON: {error}")))
}

fn write(out: &mut Vec<u8>, members: &Map<String, Value>, limit: usize) -> Result<(), RenderError> {
    let mut size = data::shown_size(members.get("notification"))?;
    check_size(size, limit)?;
    check_priority(members.get("priority"))?;
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        super::text::json_string(out, name);
        out.push(b':');
        let text = value.to_string();
        if name == "data" {
            size = data::write(out, RawJson::of_read(&text), size, limit, check_key)?;
        } else {
            out.extend_from_slice(text.as_bytes());
        }
    }
    Ok(())
}

fn check_priority(priority: Option<&Value>) -> Result<(), RenderError> {
    match priority {
        None => Ok(()),
        Some(Value::String(text)) if text == "high" || text == "normal" => Ok(()),
        Some(_) => Err(invalid("provider.priority", "must be \"high\" or \"normal\"")),
    }
}
