//! The admin page: one snapshot as HTML tables. Pure; it needs no script, and everything in it is escaped.

use std::fmt::{self, Write};

use super::actions::PATHS;
use super::state::{Snapshot, TreeNode};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;margin:1rem auto;max-width:72rem;padding:0 1rem}\
table{border-collapse:collapse;margin:.5rem 0 1.5rem;width:100%}\
caption{font-weight:600;text-align:left}\
th,td{border-bottom:1px solid #8886;padding:.25rem .5rem;text-align:left}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
.scroll{overflow-x:auto}";

/// Text as HTML may hold it.
struct Escaped<T>(T);

/// A table that is being written.
struct Table<'a> {
    page: &'a mut String,
}

/// Returns the page.
pub(super) fn render(snapshot: &Snapshot) -> String {
    let mut page = String::with_capacity(16 * 1_024);
    let state = snapshot.state.as_str();
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>pushweir: {state}</title><style>{STYLE}</style></head><body><main>\
         <h1>pushweir: {state}</h1><p>Version {}, up for {} s. <a href=\"/\">Refresh</a></p>",
        snapshot.version, snapshot.uptime_seconds as u64,
    );
    figures(&mut page, snapshot);
    buffer(&mut page, snapshot);
    routes(&mut page, snapshot);
    pushers(&mut page, snapshot);
    page.push_str("<h2>Supervision tree</h2><ul>");
    tree(&mut page, &snapshot.tree);
    page.push_str("</ul><h2>API</h2><ul>");
    for path in PATHS {
        let _ = write!(page, "<li><code>{}</code></li>", Escaped(path));
    }
    page.push_str("</ul></main></body></html>\n");
    page
}

fn figures(page: &mut String, snapshot: &Snapshot) {
    let ledger = &snapshot.ledger;
    let mut table = Table::open(page, "Pushes", &["", "count"]);
    let rows = [
        ("received", ledger.received),
        ("refused", ledger.refused),
        ("accepted", ledger.accepted),
        ("delivered", ledger.delivered),
        ("rejected", ledger.rejected),
        ("unregistered", ledger.unregistered),
        ("expired", ledger.expired),
        ("exhausted", ledger.exhausted),
        ("coalesced", ledger.coalesced),
        ("shed", ledger.shed),
        ("lost", ledger.lost),
        ("buffered", ledger.buffered),
        ("waiting for a retry", ledger.waiting_retry),
        ("in flight", ledger.in_flight),
        ("unaccounted", ledger.unaccounted),
    ];
    for (name, count) in rows {
        table.row(&name, &[&count]);
    }
    table.close();
}

fn buffer(page: &mut String, snapshot: &Snapshot) {
    let collector = &snapshot.collector;
    let mut table = Table::open(page, "Buffer and rates", &["", "value"]);
    table.row(&"buffered pushes", &[&format_args!("{} of {}", collector.buffered, collector.capacity)]);
    table.row(
        &"buffered bytes",
        &[&format_args!("{} of {}", collector.buffered_bytes, collector.capacity_bytes)],
    );
    table.row(&"age of the oldest, s", &[&format_args!("{:.1}", collector.oldest_age_seconds)]);
    match collector.projected_drain_seconds {
        Some(seconds) => table.row(&"empty in, s", &[&format_args!("{seconds:.0}")]),
        None if collector.buffered == 0 => table.row(&"empty in, s", &[&"empty"]),
        None => table.row(&"empty in, s", &[&"not shrinking"]),
    }
    let rates = &snapshot.rates;
    table.row(&"accepted per second", &[&format_args!("{:.1}", rates.accepted_per_second)]);
    table.row(&"delivered per second", &[&format_args!("{:.1}", rates.delivered_per_second)]);
    table.row(&"shed per second", &[&format_args!("{:.1}", rates.shed_per_second)]);
    table.close();
}

fn routes(page: &mut String, snapshot: &Snapshot) {
    let heads =
        ["route", "transport", "state", "ready", "in flight / window", "buffered", "delivered", "shed"];
    let mut table = Table::open(page, "Routes", &heads);
    for route in &snapshot.routes {
        let (transport, state) = (route.transport, route.state.as_str());
        let ready = format_args!("{} of {}", route.ready, route.connections).to_string();
        let load = format!("{} / {}", route.in_flight, route.window);
        let (delivered, shed) = (route.ledger.delivered, route.ledger.shed);
        table.row(&route.name, &[&transport, &state, &ready, &load, &route.buffered, &delivered, &shed]);
    }
    table.close();
}

fn pushers(page: &mut String, snapshot: &Snapshot) {
    let heads =
        ["pusher", "state", "in flight / window", "acks/s", "p50 ms", "p99 ms", "restarts", "last error"];
    let mut table = Table::open(page, "Pushers", &heads);
    for pusher in &snapshot.pushers {
        let load = format!("{} / {}", pusher.in_flight, pusher.window);
        let acks = format!("{:.1}", pusher.acks_per_second);
        let (p50, p99) = (format!("{:.1}", pusher.ack_p50_ms), format!("{:.1}", pusher.ack_p99_ms));
        let error = pusher.last_error.as_deref().unwrap_or("");
        let state = pusher.state.as_str();
        table.row(&pusher.id, &[&state, &load, &acks, &p50, &p99, &pusher.restarts, &error]);
    }
    table.close();
}

fn tree(page: &mut String, node: &TreeNode) {
    let _ = write!(page, "<li>{} ({}): {}", Escaped(&node.id), Escaped(&node.kind), Escaped(&node.state));
    if let Some(strategy) = &node.strategy {
        let _ = write!(page, ", {}", Escaped(strategy));
    }
    let _ = write!(page, ", {} restarts", node.restarts);
    if let Some(exit) = &node.last_exit {
        let _ = write!(page, ", last exit: {}", Escaped(exit));
    }
    if !node.children.is_empty() {
        page.push_str("<ul>");
        node.children.iter().for_each(|child| tree(page, child));
        page.push_str("</ul>");
    }
    page.push_str("</li>");
}

// === impl Table ===

impl<'a> Table<'a> {
    fn open(page: &'a mut String, caption: &str, heads: &[&str]) -> Self {
        let _ = write!(page, "<div class=\"scroll\"><table><caption>{caption}</caption><thead><tr>");
        for (index, head) in heads.iter().enumerate() {
            let _ = write!(page, "<th scope=\"col\"{}>{}</th>", class(index), Escaped(head));
        }
        page.push_str("</tr></thead><tbody>");
        Self { page }
    }

    fn row(&mut self, name: &dyn fmt::Display, cells: &[&dyn fmt::Display]) {
        let _ = write!(self.page, "<tr><th scope=\"row\">{}</th>", Escaped(name));
        for cell in cells {
            let _ = write!(self.page, "<td{}>{}</td>", class(1), Escaped(cell));
        }
        self.page.push_str("</tr>");
    }

    fn close(self) {
        self.page.push_str("</tbody></table></div>");
    }
}

const fn class(column: usize) -> &'static str {
    if column == 0 { "" } else { " class=\"n\"" }
}

// === impl Escaped ===

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut writer = Escaping(f);
        write!(writer, "{}", self.0)
    }
}

struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '&' => self.0.write_str("&amp;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                other => self.0.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::fresh;
    use super::*;

    #[test]
    fn what_a_peer_said_is_text_and_never_markup() {
        let mut snapshot = fresh(1);
        snapshot.pushers[0].last_error = Some("<script>alert('&\"')</script>".into());
        snapshot.tree.last_exit = Some("<b>".into());
        let page = render(&snapshot);
        assert!(page.contains("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"), "{page}");
        assert!(!page.contains("<script") && !page.contains("<b>"));
        assert!(page.contains("android/0") && page.contains("0 of 10"));
    }
}
