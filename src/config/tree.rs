//! A configuration as a tree whose every value knows where it was written; between TOML text and typed settings.
//!
//! Pure. [`parse`] reads one text; `layer` lays one tree over another; `section` takes typed values out.

use std::fmt;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// In the text that is compiled in.
    Default,
    /// In a file.
    File { name: Arc<str>, line: usize },
    /// In an environment variable.
    Env(Arc<str>),
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Keys in the order in which they were written.
    Table(Vec<(String, Node)>),
    List(Vec<Node>),
    Text(String),
    Whole(i64),
    Flag(bool),
    /// What no key takes: fractions, dates, numbers beyond 64 bits.
    Other(String),
    /// A key that has to be written and was not.
    Missing,
}

/// A fault of syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxFault {
    pub(super) line: usize,
    pub(super) message: String,
}

/// Reads a TOML document; `file` is its name, `None` for the compiled-in text.
pub(super) fn parse(text: &str, file: Option<&Arc<str>>) -> Result<Node, Vec<SyntaxFault>> {
    let lines = Lines { text, file };
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(Node { origin: lines.origin(0), value: lines.table(table.into_inner()) });
    }
    // The library's Display would quote the line, which may hold a secret; its message does not.
    let fault = |error: &toml::de::Error| SyntaxFault {
        line: lines.number(error.span().map_or(0, |span| span.start)),
        message: error.message().into(),
    };
    Err(errors.iter().map(fault).collect())
}

/// Reads one TOML value as it stands in an environment variable; `None` if it is none.
pub(super) fn parse_value(text: &str, variable: &Arc<str>) -> Option<Node> {
    let value = DeValue::parse(text).ok()?.into_inner();
    let lines = Lines { text: "", file: None };
    let mut node = Node { origin: Origin::Default, value: lines.value(value) };
    node.stamp(&Origin::Env(Arc::clone(variable)));
    Some(node)
}

struct Lines<'a> {
    text: &'a str,
    file: Option<&'a Arc<str>>,
}

// === impl Lines ===

impl Lines<'_> {
    fn number(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or(self.text.as_bytes());
        memchr::memchr_iter(b'\n', before).count() + 1
    }

    fn origin(&self, at: usize) -> Origin {
        match self.file {
            Some(name) => Origin::File { name: Arc::clone(name), line: self.number(at) },
            None => Origin::Default,
        }
    }

    fn table(&self, table: DeTable<'_>) -> Value {
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let node = |(key, value): (Spanned<_>, Spanned<_>)| {
            let origin = self.origin(key.span().start);
            let name: std::borrow::Cow<'_, str> = key.into_inner();
            (name.into_owned(), Node { origin, value: self.value(value.into_inner()) })
        };
        Value::Table(entries.into_iter().map(node).collect())
    }

    fn value(&self, value: DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Boolean(flag) => Value::Flag(flag),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Value::Other(number.to_string()), Value::Whole),
            DeValue::Float(number) => Value::Other(number.as_str().into()),
            DeValue::Datetime(date) => Value::Other(date.to_string()),
            DeValue::Array(items) => Value::List(items.into_iter().map(|item| self.item(item)).collect()),
            DeValue::Table(table) => self.table(table),
        }
    }

    fn item(&self, item: Spanned<DeValue<'_>>) -> Node {
        let origin = self.origin(item.span().start);
        Node { origin, value: self.value(item.into_inner()) }
    }
}

// === impl Node ===

impl Node {
    /// Returns the value of a key, if this is a table that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Table(entries) = &self.value else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// See [`Node::get`].
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let Value::Table(entries) = &mut self.value else { return None };
        entries.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// Returns the keys of a table.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let entries = if let Value::Table(entries) = &self.value { entries.as_slice() } else { &[] };
        entries.iter().map(|(name, _)| name.as_str())
    }

    fn stamp(&mut self, origin: &Origin) {
        self.origin = origin.clone();
        match &mut self.value {
            Value::Table(entries) => entries.iter_mut().for_each(|(_, node)| node.stamp(origin)),
            Value::List(items) => items.iter_mut().for_each(|item| item.stamp(origin)),
            _ => {}
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in config.toml"),
            Self::File { name, line } => write!(f, "{}:{line}", name.escape_debug()),
            Self::Env(name) => write!(f, "{}", name.escape_debug()),
        }
    }
}

impl fmt::Display for Value {
    /// Writes it as in TOML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", toml::Value::String(text.clone())),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Other(text) => f.write_str(text),
            Self::Missing => f.write_str("(nothing)"),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { ", " }, item.value)?;
                }
                f.write_str("]")
            }
            Self::Table(entries) => {
                f.write_str("{ ")?;
                for (index, (key, node)) in entries.iter().enumerate() {
                    write!(f, "{}{key} = {}", if index == 0 { "" } else { ", " }, node.value)?;
                }
                f.write_str(" }")
            }
        }
    }
}
