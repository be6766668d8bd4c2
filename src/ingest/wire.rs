//! A request body → pushes, or what is wrong with each. Pure; `http` calls [`parse`] with bytes from anywhere.
//!
//! Forms (`CONTRACT`: Ingest HTTP): JSON with one push or `{"pushes":[…]}`; NDJSON with one push a line. One typed pass borrows
//! everything from the body. Only a body that it refuses is read again, push by push, so that each fault is told with its path and
//! leaves its neighbours alone.

mod check;
mod diagnose;
mod fields;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use self::fields::{RawPush, Text};
use crate::push::PushRequest;

/// How a body is laid out, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/json`.
    Json,
    /// `application/x-ndjson`.
    Lines,
}

/// A body that could be taken apart.
#[derive(Debug)]
pub struct Parsed<'a> {
    /// Whether it was one push by itself, so that paths need no index.
    pub single: bool,
    /// The pushes, in order.
    pub items: Vec<Item<'a>>,
}

/// A push or what is wrong with it.
pub type Item<'a> = Result<PushRequest<'a>, PushFault>;

/// What is wrong with a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushFault {
    /// The sender's id, if it can be made out.
    pub id: Option<String>,
    /// The field's path inside the push; empty for the push itself.
    pub field: Cow<'static, str>,
    /// What is wrong and what to do.
    pub message: Cow<'static, str>,
}

/// What is wrong with a whole body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// It has no push.
    #[error("{0}: must hold at least one push (hint: {FORMS})")]
    Empty(&'static str),
    /// It is not text.
    #[error("the body is not UTF-8: byte {0} is wrong (hint: JSON is always UTF-8)")]
    NotText(usize),
    /// It is not JSON.
    #[error("the body is not JSON: {cause} (hint: {hint})")]
    NotJson {
        /// The parser's words.
        cause: String,
        /// What to do.
        hint: &'static str,
    },
    /// It is JSON of another form.
    #[error("{0} (hint: {FORMS})")]
    Form(String),
    /// It has more pushes than are allowed.
    #[error("{count} pushes are over the limit of {limit} (hint: [ingest] max_batch; send several requests)")]
    TooMany {
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
}

/// Bytes of a push that most are longer than.
const USUAL: usize = 160;

const FORMS: &str = "send one push object or {\"pushes\":[…]} as application/json, or one push a line as application/x-ndjson";

/// Takes a body apart. At most `limit` pushes are kept.
///
/// # Errors
/// What is wrong with the body as a whole; faults of single pushes are in the items.
pub fn parse(body: &[u8], format: Format, limit: usize) -> Result<Parsed<'_>, BodyFault> {
    match format {
        Format::Json => parse_json(body, limit),
        Format::Lines => parse_lines(body, limit),
    }
}

fn parse_json(body: &[u8], limit: usize) -> Result<Parsed<'_>, BodyFault> {
    let text = std::str::from_utf8(body).map_err(|error| BodyFault::NotText(error.valid_up_to()))?;
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err(BodyFault::Empty("the body"));
    }
    let batch = text.strip_prefix('{').is_some_and(|rest| rest.trim_ascii_start().starts_with("\"pushes\""));
    if batch {
        let items = (Batch { limit, expected: limit.min(text.len() / USUAL) }).read(text);
        if let Some(items) = items.filter(|items| !items.is_empty()) {
            return Ok(Parsed { single: false, items });
        }
    } else if let Ok(push) = serde_json::from_str::<RawPush<'_>>(text) {
        return Ok(Parsed { single: true, items: vec![check::check(push)] });
    }
    parse_faulty(text, limit)
}

/// Reads a body that the typed pass refused.
fn parse_faulty(text: &str, limit: usize) -> Result<Parsed<'_>, BodyFault> {
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| BodyFault::NotJson {
        cause: error.to_string(),
        hint: if error.is_syntax() && error.to_string().starts_with("trailing characters") {
            "several objects need the content type application/x-ndjson"
        } else {
            "check the body with a JSON tool"
        },
    })?;
    let Some(entries) = diagnose::entries(whole) else {
        let kind = diagnose::kind(whole);
        return Err(BodyFault::Form(format!("the body must be an object, not {kind}")));
    };
    let Some((_, list)) = entries.iter().find(|(key, _)| key == "pushes") else {
        return Ok(Parsed { single: true, items: vec![parse_one(whole)] });
    };
    if entries.len() > 1 {
        return Err(BodyFault::Form("pushes: must be the only key of the body".into()));
    }
    let Ok(RawList { kept, count }) = (ListOf { limit }).read(list.get()) else {
        return Err(BodyFault::Form(format!("pushes: must be a list, not {}", diagnose::kind(list))));
    };
    match count {
        0 => Err(BodyFault::Empty("pushes")),
        count if count > limit => Err(BodyFault::TooMany { count, limit }),
        _ => Ok(Parsed { single: false, items: kept.into_iter().map(parse_one).collect() }),
    }
}

fn parse_one(raw: &RawValue) -> Item<'_> {
    match serde_json::from_str(raw.get()) {
        Ok(push) => check::check(push),
        Err(error) => Err(diagnose::push(raw, &error)),
    }
}

fn parse_lines(body: &[u8], limit: usize) -> Result<Parsed<'_>, BodyFault> {
    let lines = || body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let mut items = Vec::with_capacity(memchr::memchr_iter(b'\n', body).count().min(limit) + 1);
    for line in lines() {
        if items.len() == limit {
            return Err(BodyFault::TooMany { count: lines().count(), limit });
        }
        items.push(parse_line(line));
    }
    if items.is_empty() {
        return Err(BodyFault::Empty("the body"));
    }
    Ok(Parsed { single: false, items })
}

fn parse_line(line: &[u8]) -> Item<'_> {
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(PushFault::new("", "is not UTF-8 (hint: JSON is always UTF-8)"));
    };
    match serde_json::from_str::<RawPush<'_>>(text) {
        Ok(push) => check::check(push),
        Err(_) => match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => parse_one(raw),
            Err(error) => {
                let message = format!("is not JSON: {error} (hint: each line is one whole object)");
                Err(PushFault::new("", message))
            }
        },
    }
}

// === impl PushFault ===

impl PushFault {
    pub(super) fn new(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { id: None, field: field.into(), message: message.into() }
    }
}

/// Reads `{"pushes":[…]}` in one pass.
#[derive(Clone, Copy)]
struct Batch {
    limit: usize,
    /// About how many pushes it has.
    expected: usize,
}

// === impl Batch ===

impl Batch {
    fn read(self, text: &str) -> Option<Vec<Item<'_>>> {
        let mut input = serde_json::Deserializer::from_str(text);
        let items = self.deserialize(&mut input).ok()?;
        input.end().ok()?;
        Some(items)
    }
}

impl<'de> DeserializeSeed<'de> for Batch {
    type Value = Vec<Item<'de>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Batch {
    type Value = Vec<Item<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with pushes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        if map.next_key::<Text<'_>>()?.is_none_or(|key| key.as_str() != "pushes") {
            return Err(A::Error::custom("pushes must come first"));
        }
        let items = map.next_value_seed(Pushes(self))?;
        match map.next_key::<IgnoredAny>()? {
            None => Ok(items),
            Some(_) => Err(A::Error::custom("pushes must be alone")),
        }
    }
}

#[derive(Clone, Copy)]
struct Pushes(Batch);

// === impl Pushes ===

impl<'de> DeserializeSeed<'de> for Pushes {
    type Value = Vec<Item<'de>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Pushes {
    type Value = Vec<Item<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of pushes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::with_capacity(self.0.expected);
        while let Some(push) = list.next_element::<RawPush<'de>>()? {
            if items.len() == self.0.limit {
                return Err(A::Error::custom("too many"));
            }
            items.push(check::check(push));
        }
        Ok(items)
    }
}

/// Reads a list without reading its items; keeps no more than `limit` of them.
struct ListOf {
    limit: usize,
}

struct RawList<'a> {
    kept: Vec<&'a RawValue>,
    count: usize,
}

// === impl ListOf ===

impl ListOf {
    fn read(self, text: &str) -> serde_json::Result<RawList<'_>> {
        serde::Deserializer::deserialize_seq(&mut serde_json::Deserializer::from_str(text), self)
    }
}

impl<'de> Visitor<'de> for ListOf {
    type Value = RawList<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < self.limit {
            match list.next_element()? {
                Some(item) => kept.push(item),
                None => return Ok(RawList { count: kept.len(), kept }),
            }
        }
        let mut count = kept.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(RawList { kept, count })
    }
}
