//! A request body → pushes, or what is wrong with each. Pure; `http` calls [`parse`] with bytes from anywhere.
//!
//! Forms (`CONTRACT`: Ingest HTTP): JSON with one push or `{"pushes":[…]}`; NDJSON with one push a line. One pass borrows
//! everything from the body. Only a body that it refuses is read again, push by push, so that each fault is told with its path and
//! leaves its neighbours alone.

mod check;
mod diagnose;
mod fields;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use self::fields::RawPush;
use crate::push::PushRequest;
use crate::transport::json::{Reader, Seen};

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
    let text = simdutf8::compat::from_utf8(body).map_err(|error| BodyFault::NotText(error.valid_up_to()))?;
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err(BodyFault::Empty("the body"));
    }
    let is_batch =
        text.strip_prefix('{').is_some_and(|rest| rest.trim_ascii_start().starts_with("\"pushes\""));
    if is_batch {
        if let Some(items) = read_batch(text, limit).filter(|items| !items.is_empty()) {
            return Ok(Parsed { single: false, items });
        }
    } else if let Some(push) = read_push(text) {
        return Ok(Parsed { single: true, items: vec![push] });
    }
    parse_faulty(text, limit)
}

/// Reads `{"pushes":[…]}` in one pass.
fn read_batch(text: &str, limit: usize) -> Option<Vec<Item<'_>>> {
    let mut items = Vec::with_capacity(limit.min(text.len() / USUAL));
    let (mut input, mut seen) = (Reader::new(text), Seen::default());
    input.object(|input, name| {
        if name != "pushes" {
            return None;
        }
        seen.first(0)?;
        input.list(|input| {
            let mut push = RawPush::default();
            push.read(input)?;
            if items.len() == limit {
                return None;
            }
            items.push(check::check(&mut push));
            Some(())
        })
    })?;
    input.is_at_end().then_some(items)
}

/// Reads a push that is alone.
fn read_push(text: &str) -> Option<Item<'_>> {
    let mut input = Reader::new(text);
    let mut push = RawPush::default();
    push.read(&mut input)?;
    input.is_at_end().then(|| check::check(&mut push))
}

/// Reads a body that the one pass refused.
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
    read_push(raw.get()).unwrap_or_else(|| Err(diagnose::push(raw)))
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
    if let Some(push) = read_push(text) {
        return push;
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => parse_one(raw),
        Err(error) => {
            let message = format!("is not JSON: {error} (hint: each line is one whole object)");
            Err(PushFault::new("", message))
        }
    }
}

// === impl PushFault ===

impl PushFault {
    pub(super) fn new(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { id: None, field: field.into(), message: message.into() }
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
