//! What is wrong with a configuration: collected, never one at a time. Pure.

use std::cell::RefCell;
use std::fmt;

use super::tree::{Node, Origin, Value};

/// Keys whose values are never printed.
const SECRET_KEYS: [&str; 12] = [
    "users",
    "tokens",
    "token",
    "password",
    "password_hash",
    "server_key",
    "secret",
    "service_account",
    "private_key",
    "key",
    "certificate",
    "certificate_password",
];
/// Keys whose values are addresses, in which a login may stand that they must not have.
const ADDRESS_KEYS: [&str; 3] = ["url", "endpoint", "proxy"];
/// Longest value that is quoted, in characters.
const QUOTED: usize = 80;

/// What stands for a secret.
const MASK: &str = "\"***\"";

/// Everything that is wrong with a configuration, in the order in which it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// File and line, or environment variable.
    pub place: String,
    /// The key's path, such as `route[0].xmpp.port`; empty if the fault is not about a key.
    pub key: String,
    /// The value, with secrets masked.
    pub value: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What is allowed.
    pub allowed: String,
    /// What to do.
    pub hint: String,
}

/// Where faults are put while a configuration is read.
#[derive(Debug, Default)]
pub(super) struct Collected(RefCell<Vec<Fault>>);

/// What a fault says beside place, key and value.
pub(super) struct Complaint<'a> {
    pub(super) problem: &'a str,
    pub(super) allowed: &'a str,
    pub(super) hint: &'a str,
}

// === impl Faults ===

impl Faults {
    /// Returns the faults.
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "the configuration has {} fault{plural}:", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{} (allowed: {}; hint: {})", self.problem, self.allowed, self.hint)
    }
}

// === impl Collected ===

impl Collected {
    /// Adds a fault about the value at `key`.
    pub(super) fn about(&self, node: &Node, key: &str, complaint: &Complaint<'_>) {
        let missing = matches!(node.value, Value::Missing);
        self.push(Fault {
            place: node.origin.to_string(),
            key: key.into(),
            value: (!missing).then(|| quote(node, key)),
            problem: complaint.problem.into(),
            allowed: complaint.allowed.into(),
            hint: complaint.hint.into(),
        });
    }

    /// Adds a fault about a key that does not exist, or has no table that it should; what is there may be a secret, so it is not shown.
    pub(super) fn unknown(&self, origin: &Origin, key: &str, complaint: &Complaint<'_>) {
        self.push(Fault {
            place: origin.to_string(),
            key: key.escape_debug().to_string(),
            value: None,
            problem: complaint.problem.into(),
            allowed: complaint.allowed.into(),
            hint: complaint.hint.into(),
        });
    }

    pub(super) fn push(&self, fault: Fault) {
        self.0.borrow_mut().push(fault);
    }

    /// Returns whether anything was found about a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.borrow().iter().any(|fault| fault.key == key)
    }

    /// Returns what was found, if anything.
    pub(super) fn into_result(self) -> Result<(), Faults> {
        let faults = self.0.into_inner();
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
    }
}

/// Returns whether values at this path are secret.
pub(super) fn is_secret(key: &str) -> bool {
    // In the tables of these lists not everything is secret; what stands there instead of a list or a table may be.
    let inner = key.strip_prefix("admin.tokens").or_else(|| key.strip_prefix("admin.users"));
    let key = inner.filter(|inner| inner.contains('.')).unwrap_or(key);
    key.split(['.', '[']).any(|part| SECRET_KEYS.contains(&part))
}

/// Returns a leaf as it may be printed: a reference to a secret as it is, a secret itself as `"***"`.
pub(super) fn printable(value: &Value, key: &str) -> String {
    match value {
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| printable(&item.value, key)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) => {
            let entry = |(name, node): &(String, Node)| {
                format!("{} = {}", quoted_key(name), printable(&node.value, &format!("{key}.{name}")))
            };
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Text(text) if is_secret(key) && (text.starts_with("env:") || text.starts_with("file:")) => {
            value.to_string()
        }
        Value::Text(text) if text.is_empty() => value.to_string(),
        _ if is_secret(key) => MASK.into(),
        _ => value.to_string(),
    }
}

/// Returns a key as TOML wants it.
pub(super) fn quoted_key(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !key.is_empty() && key.bytes().all(bare) {
        return key.into();
    }
    toml::Value::String(key.into()).to_string()
}

fn quote(node: &Node, key: &str) -> String {
    let is_address = key.rsplit('.').next().is_some_and(|name| ADDRESS_KEYS.contains(&name));
    let has_login = is_address && matches!(&node.value, Value::Text(text) if text.contains('@'));
    let text = if has_login { MASK.to_owned() } else { printable(&node.value, key) };
    let mut quoted: String = text.chars().take(QUOTED).flat_map(escape_control).collect();
    if text.chars().nth(QUOTED).is_some() {
        quoted.push('…');
    }
    quoted
}

fn escape_control(character: char) -> impl Iterator<Item = char> {
    let shown = if character.is_control() { ' ' } else { character };
    std::iter::once(shown)
}
