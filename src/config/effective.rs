//! Writes the tree that is in effect as TOML, secrets masked, each value that is not a default with its origin. Pure.

use std::fmt::Write;

use super::fault::{printable, quoted_key};
use super::tree::{Node, Origin, Value};

/// Returns the document.
pub(super) fn write(root: &Node) -> String {
    let mut text = String::new();
    table(&mut text, root, "", "");
    text.trim_start().into()
}

/// Writes a table's own keys, then the tables in it, as TOML demands. `header` is its name in the document, `key` its path.
fn table(text: &mut String, node: &Node, header: &str, key: &str) {
    let Value::Table(entries) = &node.value else { return };
    for (name, inner) in entries.iter().filter(|(name, inner)| !is_nested(name, inner)) {
        let path = join(key, name);
        let _ = write!(text, "{} = {}", quoted_key(name), printable(&inner.value, &path));
        match &inner.origin {
            Origin::Default => text.push('\n'),
            origin => {
                let _ = writeln!(text, "  # {origin}");
            }
        }
    }
    for (name, inner) in entries.iter().filter(|(name, inner)| is_nested(name, inner)) {
        let (header, path) = (join(header, &quoted_key(name)), join(key, name));
        if let Value::List(items) = &inner.value {
            for item in items {
                let _ = writeln!(text, "\n[[{header}]]");
                table(text, item, &header, &path);
            }
            continue;
        }
        let _ = writeln!(text, "\n[{header}]");
        table(text, inner, &header, &path);
    }
}

fn is_nested(name: &str, node: &Node) -> bool {
    matches!(node.value, Value::Table(_)) || name == "route"
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}
