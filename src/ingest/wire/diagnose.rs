//! Finds the field that made a push unreadable. Pure, and off the fast path.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::PushFault;
use super::check::{TOO_DEEP, is_too_deep, usable_id};
use crate::transport::json::Reader;

/// What a field holds.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Object,
    Number(&'static str),
    Flag,
    Fields(&'static [(&'static str, Kind)]),
}

/// Must name the fields of [`super::fields`]; a property test compares the two.
const PUSH: &[(&str, Kind)] = &[
    ("id", Kind::Text),
    ("route", Kind::Text),
    ("to", Kind::Fields(TARGET)),
    ("priority", Kind::Text),
    ("ttl", Kind::Number("must be a whole number of seconds, 0 to 2419200")),
    ("collapse_key", Kind::Text),
    ("notification", Kind::Fields(NOTIFICATION)),
    ("data", Kind::Object),
    ("provider", Kind::Object),
];

const TARGET: &[(&str, Kind)] = &[
    ("token", Kind::Text),
    ("topic", Kind::Text),
    ("condition", Kind::Text),
    ("endpoint", Kind::Text),
    ("p256dh", Kind::Text),
    ("auth", Kind::Text),
    ("channel", Kind::Text),
    ("stored", Kind::Flag),
];

const NOTIFICATION: &[(&str, Kind)] = &[
    ("title", Kind::Text),
    ("body", Kind::Text),
    ("image", Kind::Text),
    ("sound", Kind::Text),
    ("badge", Kind::Number("must be a whole number, 0 to 4294967295")),
];

/// Longest unknown field name that is repeated, in characters.
const QUOTED: usize = 40;

/// Returns what is wrong with a push that could not be read.
pub(super) fn push(raw: &RawValue) -> PushFault {
    let (field, message) = object(raw, "", PUSH).unwrap_or_else(|| (String::new(), "is no push".into()));
    let entries = entries(raw).unwrap_or_default();
    let id = entries.iter().find(|(key, _)| key == "id").and_then(|(_, raw)| usable_id(raw));
    PushFault { id, ..PushFault::new(field, message) }
}

/// Returns an object's members with their names unescaped; `None` if it is no object.
pub(super) fn entries(raw: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    serde_json::Deserializer::from_str(raw.get()).deserialize_map(Members).ok()
}

/// Names the kind of a value.
pub(super) fn kind(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// A path and what is wrong there.
type Problem = (String, String);

fn object(raw: &RawValue, path: &str, fields: &[(&str, Kind)]) -> Option<Problem> {
    let Some(entries) = entries(raw) else {
        let problem = match raw.get().starts_with('{') {
            true => "holds a name that is not text".into(),
            false => format!("must be an object, not {}", kind(raw)),
        };
        return Some((path.into(), problem));
    };
    for (index, (key, value)) in entries.iter().enumerate() {
        let Some((_, kind)) = fields.iter().find(|(name, _)| name == key) else {
            let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
            let key: String = key.chars().take(QUOTED).collect();
            return Some((
                join(path, &key),
                format!("is unknown (hint: the fields are {})", names.join(", ")),
            ));
        };
        if entries[..index].iter().any(|(earlier, _)| earlier == key) {
            return Some((join(path, key), "is there twice (hint: remove one)".into()));
        }
        if let Some(problem) = member(value, &join(path, key), *kind) {
            return Some(problem);
        }
    }
    let lacks_target = path.is_empty() && !entries.iter().any(|(key, _)| key == "to");
    lacks_target.then(|| ("to".into(), "is missing (hint: {\"token\":\"…\"} names a device)".into()))
}

fn member(raw: &RawValue, path: &str, kind_wanted: Kind) -> Option<Problem> {
    if raw.get() == "null" && path != "to" {
        return None;
    }
    let problem = |text: String| Some((path.to_owned(), text));
    match kind_wanted {
        Kind::Fields(fields) => object(raw, path, fields),
        Kind::Object if is_too_deep(raw.get()) => problem(TOO_DEEP.into()),
        Kind::Object if raw.get().starts_with('{') => None,
        Kind::Object => problem(format!("must be an object, not {}", kind(raw))),
        Kind::Flag if matches!(raw.get(), "true" | "false") => None,
        Kind::Flag => problem(format!("must be true or false, not {}", kind(raw))),
        Kind::Number(text) => match serde_json::from_str::<u32>(raw.get()) {
            Ok(_) => None,
            Err(_) => problem(format!("{text}, not {}", describe(raw))),
        },
        Kind::Text if !raw.get().starts_with('"') => problem(format!("must be text, not {}", kind(raw))),
        Kind::Text => match Reader::new(raw.get()).text() {
            Some(_) => None,
            None => problem("holds an escape that is no character (hint: surrogates come in pairs)".into()),
        },
    }
}

fn describe(raw: &RawValue) -> &str {
    let number = kind(raw) == "a number" && raw.get().len() <= QUOTED;
    if number { raw.get() } else { kind(raw) }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}.{key}") }
}

struct Members;

// === impl Members ===

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
