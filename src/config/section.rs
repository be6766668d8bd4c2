//! Takes typed values out of a table. Pure, but for the secrets, which come through [`Outside`].
//!
//! Invariant: what a getter returns after it has found a fault is a stand-in; `config` returns the faults instead of it.

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::fault::{Collected, Complaint};
use super::tree::{Node, Origin, Value};
use crate::units::{Secret, format_duration, format_size, parse_duration, parse_size};

/// What secrets may be taken from.
#[derive(Clone, Copy)]
pub(super) struct Outside<'a> {
    /// Reads an environment variable.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Reads a file.
    pub(super) read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
}

/// A table at a path.
pub(super) struct Section<'a> {
    pub(super) path: String,
    node: &'a Node,
    faults: &'a Collected,
    outside: Outside<'a>,
}

static MISSING: Node = Node { origin: Origin::Default, value: Value::Missing };

const SECRET_FORMS: &str = "\"env:NAME\", \"file:PATH\" or the secret itself";
const DOCUMENT_FORMS: &str = "\"file:PATH\", \"env:NAME\" or the document itself";

// === impl Section ===

impl<'a> Section<'a> {
    /// Returns the whole document.
    pub(super) const fn root(node: &'a Node, faults: &'a Collected, outside: Outside<'a>) -> Self {
        Self { path: String::new(), node, faults, outside }
    }

    /// Returns the path of a key.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.into() } else { format!("{}.{key}", self.path) }
    }

    /// Returns whether a key that may be left out is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.node.get(key).is_some()
    }

    /// Returns a table in this one.
    pub(super) fn table(&self, key: &str) -> Section<'a> {
        Section { path: self.key(key), node: self.node(key), faults: self.faults, outside: self.outside }
    }

    /// Returns whether a table is written for a key that may have another value, too.
    pub(super) fn is_table(&self, key: &str) -> bool {
        matches!(self.node(key).value, Value::Table(_))
    }

    /// Returns a table in this one that has no other keys than these.
    pub(super) fn closed_table(&self, key: &str, keys: &[&str]) -> Section<'a> {
        let table = self.table(key);
        table.allow(keys);
        table
    }

    /// Returns the tables of a list.
    pub(super) fn tables(&self, key: &str, keys: &[&str]) -> Vec<Section<'a>> {
        let section = |(index, node)| {
            let path = format!("{}[{index}]", self.key(key));
            Section { path, node, faults: self.faults, outside: self.outside }
        };
        let sections: Vec<_> = self.list(key).iter().enumerate().map(section).collect();
        sections.iter().for_each(|section| section.allow(keys));
        sections
    }

    /// Returns the routes, whose keys were checked when they were laid over the default route.
    pub(super) fn routes(&self) -> Vec<Section<'a>> {
        let section = |(index, node)| {
            let path = format!("route[{index}]");
            Section { path, node, faults: self.faults, outside: self.outside }
        };
        self.list("route").iter().enumerate().map(section).collect()
    }

    /// Adds a fault about a key of this table.
    pub(super) fn fault(&self, key: &str, problem: &str, allowed: &str, hint: &str) {
        let complaint = Complaint { problem, allowed, hint };
        match self.node.get(key) {
            Some(node) => self.faults.about(node, &self.key(key), &complaint),
            None => {
                let node = Node { origin: self.node.origin.clone(), value: Value::Missing };
                self.faults.about(&node, &self.key(key), &complaint);
            }
        }
    }

    /// Returns whether nothing was found wrong with these keys.
    pub(super) fn is_sound(&self, keys: &[&str]) -> bool {
        !keys.iter().any(|key| self.faults.has(&self.key(key)))
    }

    /// Reads text that satisfies `check`.
    pub(super) fn text(&self, key: &str, allowed: &str, check: impl Fn(&str) -> bool) -> String {
        let Some(text) = self.string(key, allowed) else { return String::new() };
        if !check(text) {
            self.fault(key, "is not allowed", allowed, "correct the value");
        }
        text.into()
    }

    /// Reads a whole number.
    pub(super) fn whole<N: TryFrom<u64> + Default>(&self, key: &str, range: RangeInclusive<u64>) -> N {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        let Value::Whole(number) = self.node(key).value else {
            self.mistyped(key, "is not a whole number", &allowed);
            return N::default();
        };
        let read = u64::try_from(number).ok().filter(|number| range.contains(number));
        read.and_then(|number| N::try_from(number).ok()).unwrap_or_else(|| {
            self.fault(key, "is out of range", &allowed, "choose a value in the range");
            N::default()
        })
    }

    /// Reads a share of a whole.
    pub(super) fn share(&self, key: &str, range: RangeInclusive<f64>) -> f64 {
        let allowed = format!("a number from {} to {}", range.start(), range.end());
        let read = match &self.node(key).value {
            Value::Whole(number) => Some(*number as f64),
            Value::Other(text) => text.parse::<f64>().ok(),
            _ => None,
        };
        let Some(read) = read else {
            self.mistyped(key, "is not a number", &allowed);
            return *range.start();
        };
        if !range.contains(&read) {
            self.fault(key, "is out of range", &allowed, "choose a value in the range");
        }
        read
    }

    /// Reads a switch.
    pub(super) fn flag(&self, key: &str) -> bool {
        let Value::Flag(flag) = self.node(key).value else {
            self.mistyped(key, "is not a switch", "true or false");
            return false;
        };
        flag
    }

    /// Reads a duration.
    pub(super) fn duration(&self, key: &str, range: RangeInclusive<Duration>) -> Duration {
        let (least, most) = (format_duration(*range.start()), format_duration(*range.end()));
        let allowed = format!("\"{least}\" to \"{most}\"");
        let hint = "a whole number and ms, s, m, h or d, such as \"5s\"";
        self.amount(key, (&allowed, hint), parse_duration, |read| range.contains(read)).unwrap_or_default()
    }

    /// Reads a size in bytes.
    pub(super) fn size(&self, key: &str, range: RangeInclusive<u64>) -> u64 {
        let allowed = format!("\"{}\" to \"{}\"", format_size(*range.start()), format_size(*range.end()));
        let hint = "a whole number and B, KiB, MiB or GiB, such as \"64 KiB\"";
        self.amount(key, (&allowed, hint), parse_size, |read| range.contains(read)).unwrap_or_default()
    }

    /// Reads a socket address.
    pub(super) fn address(&self, key: &str) -> SocketAddr {
        let stand_in = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let allowed = "an IP address and a port, such as \"127.0.0.1:8650\" or \"[::1]:8650\"";
        let Some(text) = self.string(key, allowed) else { return stand_in };
        text.parse().unwrap_or_else(|_| {
            self.fault(
                key,
                "is not a socket address",
                allowed,
                "write the address as numbers, not as a name",
            );
            stand_in
        })
    }

    /// Reads one of several words.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> T {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let allowed = words.join(", ");
        let stand_in = choices[0].1;
        let Some(text) = self.string(key, &allowed) else { return stand_in };
        choices.iter().find(|(word, _)| *word == text).map_or_else(
            || {
                self.fault(key, "is not one of the choices", &allowed, "choose one of them");
                stand_in
            },
            |(_, choice)| *choice,
        )
    }

    /// Reads a secret.
    pub(super) fn secret(&self, key: &str) -> Secret {
        let text = self.string(key, SECRET_FORMS);
        text.map_or_else(|| Secret::new(""), |text| self.resolve(key, self.node(key), text))
    }

    /// Reads a secret that is a document of several lines, such as a key file; `check` says what is wrong with it.
    pub(super) fn document<T, E: Display>(
        &self,
        key: &str,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.file(key, |bytes| match std::str::from_utf8(bytes) {
            Ok(text) => check(text.trim_end_matches(['\r', '\n'])).map_err(|error| error.to_string()),
            Err(_) => Err("is not text".to_owned()),
        })
    }

    /// Reads a secret that may be a file of any bytes, such as PKCS#12; `check` says what is wrong with it.
    pub(super) fn file<T, E: Display>(&self, key: &str, check: impl Fn(&[u8]) -> Result<T, E>) -> Option<T> {
        let text = self.string(key, DOCUMENT_FORMS)?;
        let found = self.find_bytes(text).and_then(|bytes| check(&bytes).map_err(|error| error.to_string()));
        found
            .map_err(|problem| self.fault(key, &problem, DOCUMENT_FORMS, "check what the key refers to"))
            .ok()
    }

    /// Returns whether a text is there and not empty.
    pub(super) fn is_given(&self, key: &str) -> bool {
        !matches!(&self.node(key).value, Value::Text(text) if text.is_empty())
    }

    /// Reads a list of secrets.
    pub(super) fn secrets(&self, key: &str) -> Vec<Secret> {
        let read = |(index, node): (usize, &Node)| {
            let key = format!("{key}[{index}]");
            match &node.value {
                Value::Text(text) => self.resolve(&key, node, text),
                _ => {
                    self.complain(node, &key, "is not text", SECRET_FORMS, "write it in quotes");
                    Secret::new("")
                }
            }
        };
        self.list(key).iter().enumerate().map(read).collect()
    }

    /// Reads a list of texts.
    pub(super) fn texts(&self, key: &str, allowed: &str, check: impl Fn(&str) -> bool) -> Vec<String> {
        let read = |(index, node): (usize, &Node)| match &node.value {
            Value::Text(text) if check(text) => Some(text.clone()),
            _ => {
                let key = format!("{key}[{index}]");
                self.complain(node, &key, "is not allowed", allowed, "correct the value");
                None
            }
        };
        self.list(key).iter().enumerate().filter_map(read).collect()
    }

    fn node(&self, key: &str) -> &'a Node {
        self.node.get(key).unwrap_or(&MISSING)
    }

    fn list(&self, key: &str) -> &'a [Node] {
        if let Value::List(items) = &self.node(key).value {
            return items;
        }
        self.mistyped(key, "is not a list", "a list in brackets");
        &[]
    }

    fn allow(&self, keys: &[&str]) {
        let allowed = keys.join(", ");
        if !matches!(self.node.value, Value::Table(_)) {
            let complaint =
                Complaint { problem: "is not a table", allowed: &allowed, hint: "write { key = … }" };
            return self.faults.about(self.node, &self.path, &complaint);
        }
        for key in self.node.keys().filter(|key| !keys.contains(key)) {
            let hint = "correct or remove the key";
            let complaint = Complaint { problem: "is not a key", allowed: &allowed, hint };
            self.faults.unknown(&self.node(key).origin, &self.key(key), &complaint);
        }
    }

    fn string(&self, key: &str, allowed: &str) -> Option<&'a str> {
        if let Value::Text(text) = &self.node(key).value {
            return Some(text);
        }
        self.mistyped(key, "is not text", allowed);
        None
    }

    fn amount<T, E: Display>(
        &self,
        key: &str,
        (allowed, hint): (&str, &str),
        parse: impl Fn(&str) -> Result<T, E>,
        check: impl Fn(&T) -> bool,
    ) -> Option<T> {
        match parse(self.string(key, allowed)?) {
            Ok(read) if check(&read) => return Some(read),
            Ok(_) => self.fault(key, "is out of range", allowed, hint),
            Err(error) => self.fault(key, &error.to_string(), allowed, hint),
        }
        None
    }

    fn mistyped(&self, key: &str, problem: &str, allowed: &str) {
        if matches!(self.node(key).value, Value::Missing) {
            return self.fault(key, "is missing", allowed, "add the key");
        }
        self.fault(key, problem, allowed, "change the value's type");
    }

    fn complain(&self, node: &Node, key: &str, problem: &str, allowed: &str, hint: &str) {
        self.faults.about(node, &self.key(key), &Complaint { problem, allowed, hint });
    }

    /// Returns what a secret's text refers to.
    fn find_bytes(&self, text: &str) -> Result<Vec<u8>, String> {
        if let Some(name) = text.strip_prefix("env:") {
            let found = (self.outside.variable)(name);
            found.map(String::into_bytes).ok_or_else(|| format!("the variable {name} is not set"))
        } else if let Some(path) = text.strip_prefix("file:") {
            let read = (self.outside.read)(Path::new(path));
            read.map_err(|error| format!("the file {path} cannot be read: {error}"))
        } else {
            Ok(text.as_bytes().to_vec())
        }
    }

    /// Returns what a secret's text refers to, as text.
    fn find(&self, text: &str) -> Result<String, String> {
        let found = String::from_utf8(self.find_bytes(text)?).map_err(|_| "is not text".to_owned())?;
        Ok(if text.starts_with("file:") { found.trim_end_matches(['\r', '\n']).to_owned() } else { found })
    }

    fn resolve(&self, key: &str, node: &Node, text: &str) -> Secret {
        let usable = self.find(text).and_then(|secret| match secret.is_empty() {
            true => Err("is empty".into()),
            false if secret.contains(char::is_control) => Err("holds control characters".into()),
            false => Ok(secret),
        });
        usable.map_or_else(
            |problem| {
                self.complain(node, key, &problem, SECRET_FORMS, "check what the key refers to");
                Secret::new("")
            },
            Secret::new,
        )
    }
}
