//! Lays a file's tree and the environment's values over the defaults. Pure.
//!
//! The defaults name every key, so a key that they lack is unknown. A list replaces the list below it; a `[[route]]` takes the
//! keys that it leaves out from the default route, except those in [`REQUIRED`]. The default route has a table for every transport; a route
//! keeps only its own.

use std::ffi::OsString;
use std::sync::Arc;

use super::fault::{Collected, Complaint};
use super::tree::{Node, Origin, Value, parse_value};

/// Before every environment variable that is ours.
const PREFIX: &str = "PUSHWEIR__";
/// Keys of a route for which the demonstration's values would be a trap.
const REQUIRED: [&[&str]; 9] = [
    &["name"],
    &["transport"],
    &["xmpp", "host"],
    &["xmpp", "sender_id"],
    &["xmpp", "server_key"],
    &["fcm", "service_account"],
    &["apns", "topic"],
    &["webpush", "private_key"],
    &["webpush", "subject"],
];
/// The key of a route whose value is a table or a number, so that a later layer may have the other.
const NUMBER_OR_TABLE: &str = ".connections";
/// The tables of a route that are named after transports.
const TRANSPORTS: [&str; 4] = ["xmpp", "fcm", "apns", "webpush"];

/// The tree that is being built.
pub(super) struct Layers<'a> {
    root: Node,
    route: Node,
    faults: &'a Collected,
}

// === impl Layers ===

impl<'a> Layers<'a> {
    /// Starts with the defaults.
    pub(super) fn new(defaults: Node, faults: &'a Collected) -> Self {
        let mut route = match defaults.get("route").map(|node| &node.value) {
            Some(Value::List(routes)) => routes.first().cloned(),
            _ => None,
        }
        .expect("the compiled-in text has a route");
        for path in REQUIRED {
            let key = path.iter().try_fold(&mut route, |node, key| node.get_mut(key));
            key.expect("the default route has every required key").value = Value::Missing;
        }
        Self { root: defaults, route, faults }
    }

    /// Lays a file over what is there.
    pub(super) fn file(&mut self, file: Node) {
        let Value::Table(entries) = file.value else { return };
        for (key, node) in entries {
            self.set(&key, node);
        }
    }

    /// Lays environment variables over what is there, in the order of their names.
    pub(super) fn environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut ours: Vec<_> = variables
            .into_iter()
            .filter(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
            .collect();
        ours.sort();
        for (name, value) in ours {
            let variable: Arc<str> = name.to_string_lossy().into();
            let origin = Origin::Env(Arc::clone(&variable));
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                self.faults.unknown(
                    &origin,
                    "",
                    &Complaint { problem: "is not UTF-8", allowed: "UTF-8 text", hint: "write it again" },
                );
                continue;
            };
            self.variable(&variable, &name[PREFIX.len()..].to_lowercase(), value);
        }
    }

    /// Returns the tree.
    pub(super) fn finish(mut self) -> Node {
        if let Some(Value::List(routes)) = self.root.get_mut("route").map(|node| &mut node.value) {
            for route in routes {
                keep_own_table(route);
            }
        }
        self.root
    }

    fn set(&mut self, key: &str, node: Node) {
        if key != "route" {
            return match self.root.get_mut(key) {
                Some(base) => overlay(base, node, key, self.faults),
                None => unknown(&node.origin, key, &self.root, self.faults),
            };
        }
        let Value::List(routes) = node.value else {
            self.faults.unknown(&node.origin, key, &MUST_BE_ROUTES);
            return;
        };
        let lay = |(index, route): (usize, Node)| {
            let mut base = self.route.clone();
            place_missing(&mut base, &route.origin);
            base.origin = route.origin.clone();
            overlay(&mut base, route, &format!("route[{index}]"), self.faults);
            base
        };
        let routes = routes.into_iter().enumerate().map(lay).collect();
        let base = self.root.get_mut("route").expect("the compiled-in text has a route");
        *base = Node { origin: node.origin, value: Value::List(routes) };
    }

    fn variable(&mut self, variable: &Arc<str>, name: &str, text: &str) {
        let path: Vec<&str> = name.split("__").collect();
        let value = |base: Option<&Node>| from_text(text, variable, base);
        if path == ["route"] {
            let node = value(self.root.get("route"));
            return self.set("route", node);
        }
        let origin = Origin::Env(Arc::clone(variable));
        let mut node = &mut self.root;
        let mut key = String::new();
        for part in path {
            let parent = keys_of(node);
            let next = if key == "route" { named_route(node, part) } else { node.get_mut(part) };
            join(&mut key, part);
            let Some(next) = next else {
                let hint = format!("existing: {parent}");
                let complaint =
                    Complaint { problem: "is not a key", allowed: "a key of config.toml", hint: &hint };
                return self.faults.unknown(&origin, &key, &complaint);
            };
            node = next;
        }
        let over = value(Some(node));
        overlay(node, over, &key, self.faults);
    }
}

const MUST_BE_ROUTES: Complaint<'static> = Complaint {
    problem: "is not a list of routes",
    allowed: "[[route]] tables",
    hint: "write [[route]], not [route]",
};

fn overlay(base: &mut Node, over: Node, key: &str, faults: &Collected) {
    let is_number = matches!(over.value, Value::Whole(_)) && key.ends_with(NUMBER_OR_TABLE);
    if !matches!(base.value, Value::Table(_)) || is_number {
        *base = over;
        return;
    }
    let Value::Table(entries) = over.value else {
        let hint = format!("write [{key}] and its keys below");
        let complaint = Complaint { problem: "is not a table", allowed: "a table", hint: &hint };
        return faults.unknown(&over.origin, key, &complaint);
    };
    for (name, node) in entries {
        let path = format!("{key}.{name}");
        match base.get_mut(&name) {
            Some(inner) => overlay(inner, node, &path, faults),
            None => unknown(&node.origin, &path, base, faults),
        }
    }
}

fn unknown(origin: &Origin, key: &str, parent: &Node, faults: &Collected) {
    let allowed = keys_of(parent);
    let hint = "correct or remove the key; config.toml documents every one";
    faults.unknown(origin, key, &Complaint { problem: "is not a key", allowed: &allowed, hint });
}

fn keys_of(node: &Node) -> String {
    if let Value::List(items) = &node.value {
        let names: Vec<_> = items.iter().filter_map(route_name).collect();
        return names.join(", ");
    }
    let keys: Vec<_> = node.keys().collect();
    keys.join(", ")
}

/// Leaves the tables of other transports aside: a copy of config.toml, which documents them all, is a configuration too.
fn keep_own_table(route: &mut Node) {
    let Some(Value::Text(own)) = route.get("transport").map(|node| node.value.clone()) else { return };
    if !TRANSPORTS.contains(&own.as_str()) {
        return;
    }
    let Value::Table(entries) = &mut route.value else { return };
    entries.retain(|(name, _)| !TRANSPORTS.contains(&name.as_ref()) || *name == own);
}

fn join(key: &mut String, part: &str) {
    if !key.is_empty() {
        key.push('.');
    }
    key.push_str(part);
}

fn route_name(route: &Node) -> Option<&str> {
    match &route.get("name")?.value {
        Value::Text(name) => Some(name),
        _ => None,
    }
}

/// Finds a route by its name as it is spelt in a variable, where `-` cannot stand.
fn named_route<'a>(routes: &'a mut Node, part: &str) -> Option<&'a mut Node> {
    let Value::List(routes) = &mut routes.value else { return None };
    routes.iter_mut().find(|route| route_name(route).is_some_and(|name| name.replace('-', "_") == part))
}

/// Makes faults about required keys point at the route that lacks them.
fn place_missing(node: &mut Node, origin: &Origin) {
    if matches!(node.value, Value::Missing) {
        node.origin = origin.clone();
    }
    if let Value::Table(entries) = &mut node.value {
        entries.iter_mut().for_each(|(_, inner)| place_missing(inner, origin));
    }
}

/// Reads a variable's text: literally where text is expected, else as TOML.
fn from_text(text: &str, variable: &Arc<str>, base: Option<&Node>) -> Node {
    let literal = || Node { origin: Origin::Env(Arc::clone(variable)), value: Value::Text(text.into()) };
    match base.map(|node| &node.value) {
        Some(Value::Text(_) | Value::Missing) => literal(),
        _ => parse_value(text, variable).unwrap_or_else(literal),
    }
}
