//! The admin page as HTML: complete without a script, and what the script keeps up to date afterwards. Pure.
//!
//! What changes has a name: `data-f` for single figures, `data-c` for the cells of a row; `assets/page.js` fills the same places. What
//! comes from outside is escaped, and there is no inline script or style.

mod confirm;
mod header;
mod html;
mod lists;
mod login;
mod tables;
#[cfg(test)]
mod tests;

use std::fmt::Write;

pub(super) use self::confirm::render as confirm;
use self::html::Escaped;
pub(super) use self::login::{LoginForm, render as login};
use super::actions::PATHS;
use super::assets::Asset;
use super::forms::Fields;
use super::guard::Actor;
use super::record::Entry;
use super::view::View;

/// Pushers on one page.
const ROWS: usize = 200;

/// Everything that a page is made of.
pub(super) struct Page<'a> {
    /// The service.
    pub(super) view: &'a View,
    /// Who looks.
    pub(super) actor: &'a Actor,
    /// Of the form that logs out.
    pub(super) token: &'a str,
    /// What is asked for in the address.
    pub(super) fields: &'a Fields,
    /// Actions, the latest first.
    pub(super) audit: &'a [Entry],
    /// The configuration that is in effect, secrets masked.
    pub(super) configuration: &'a str,
}

// === impl Page ===

impl Page<'_> {
    /// Returns the page.
    pub(super) fn render(&self) -> String {
        let mut out = String::with_capacity(64 * 1_024);
        let state = self.view.snapshot.state.as_str();
        begin(&mut out, &format!("{state} – pushweir"), true);
        header::write(&mut out, self);
        out.push_str("<main id=\"main\">");
        self.notice(&mut out);
        header::state(&mut out, self);
        header::figures(&mut out, self.view);
        tables::routes(&mut out, self);
        graphs(&mut out, self.view);
        header::ledger(&mut out, &self.view.snapshot.ledger);
        tables::pushers(&mut out, self);
        lists::problems(&mut out, &self.view.recent.problems);
        lists::audit(&mut out, self.audit);
        lists::tree(&mut out, &self.view.snapshot.tree);
        let _ = write!(
            out,
            "<details class=\"card\"><summary>Configuration in effect</summary><pre tabindex=\"0\" \
             aria-label=\"Configuration\">{}</pre></details><details class=\"card\"><summary>API</summary><ul>",
            Escaped(self.configuration)
        );
        for path in PATHS {
            let _ = write!(out, "<li><code>{}</code></li>", Escaped(path));
        }
        out.push_str(
            "</ul></details></main><dialog id=\"dialog\" aria-labelledby=\"question\"></dialog></body></html>\n",
        );
        out
    }

    /// What became of the action before, for browsers without a script.
    fn notice(&self, out: &mut String) {
        let number = self.fields.note.parse().ok();
        let entry = number.and_then(|number: u64| self.audit.iter().find(|entry| entry.number == number));
        out.push_str("<p id=\"notice\" role=\"status\">");
        if let Some(entry) = entry {
            let word = if entry.audited.is_done { "Done" } else { "Refused" };
            let _ = write!(out, "{word}: {}", Escaped(entry.audited.summary()));
            if let Some(result) = entry.audited.said() {
                let _ = write!(out, " – {}", Escaped(result));
            }
        }
        out.push_str("</p>");
    }
}

/// Writes what is before the header; `live` pages have the script.
fn begin(out: &mut String, title: &str, live: bool) {
    let address = |name| Asset::find(name).map(Asset::address).unwrap_or_default();
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{}</title><link rel=\"icon\" href=\"{}\"><link rel=\"stylesheet\" href=\"{}\">",
        Escaped(title),
        address("icon.svg"),
        address("page.css")
    );
    if live {
        let _ = write!(out, "<script type=\"module\" src=\"{}\"></script>", address("page.js"));
    }
    out.push_str("</head><body>");
}

fn graphs(out: &mut String, view: &View) {
    out.push_str("<section class=\"graphs\" aria-label=\"The last 15 minutes\">");
    for (name, title) in [("rates", "Pushes per second"), ("buffered", "Pushes buffered")] {
        let _ = write!(
            out,
            "<figure class=\"card\"><h2>{title}</h2><div class=\"graph\" data-graph=\"{name}\">\
             <noscript>Graphs need JavaScript; their figures are at <a href=\"/admin/api/history\">\
             /admin/api/history</a>.</noscript></div><figcaption data-f=\"{name}\">Last 15 minutes</figcaption></figure>"
        );
    }
    out.push_str(
        "<div class=\"card\"><h2>What happened</h2><ol class=\"marks\" data-f=\"marks\" \
             tabindex=\"0\" aria-label=\"What happened\">",
    );
    lists::marks(out, &view.recent.marks);
    out.push_str("</ol></div></section>");
}
