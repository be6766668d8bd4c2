//! The routes and the pushers, a row each, with what can be done to them.

use std::cmp::{Ordering, Reverse};
use std::fmt::Write;

use super::html::Escaped;
use super::{Page, ROWS};
use crate::admin::forms::encode;
use crate::admin::state::{PusherRow, RouteRow, RouteState};
use crate::admin::words::{ago, grouped, millis, rate, span};
use crate::flow::PusherState;

/// Orders of the pushers: value, text.
const ORDERS: [(&str, &str); 6] = [
    ("", "number"),
    ("state", "state, worst first"),
    ("acks", "acks per second"),
    ("p99", "ack p99"),
    ("restarts", "restarts"),
    ("error", "latest error"),
];

pub(super) fn routes(out: &mut String, page: &Page<'_>) {
    open(out, "routes", "Routes");
    let heads = [
        "Route",
        "State",
        "Ready",
        "In flight of window",
        "Buffered",
        "Delivered",
        "Shed",
        "Delivery p50 / p99",
    ];
    head(out, "Routes", &heads, page.actor.is_operator());
    out.push_str("<tbody role=\"rowgroup\" id=\"route-rows\">");
    page.view.snapshot.routes.iter().for_each(|route| route_row(out, page, route));
    out.push_str("</tbody></table></div></section>");
}

fn route_row(out: &mut String, page: &Page<'_>, route: &RouteRow) {
    let name = Escaped(&route.name);
    let (state, transport) = (route.state.as_str(), route.transport);
    let (min, max) = (route.connections_min, route.connections_max);
    let bounds = if min < max { format!(", {min} to {max} connections") } else { String::new() };
    let _ = write!(
        out,
        "<tr role=\"row\" data-route=\"{name}\"><th role=\"rowheader\" scope=\"row\">{name} \
         <small>{transport}{bounds}</small></th>{0}State\"><span class=\"badge\" data-state=\"{state}\" data-c=\"state\">\
         {state}</span> <small data-c=\"breaker\">{9}</small></td>{0}Ready\"><span data-c=\"ready\">{1} of {2}</span></td>{0}In flight of window\">{3}</td>\
         {0}Buffered\"><span data-c=\"buffered\">{4}</span></td>{0}Delivered\"><span data-c=\"delivered\">{5}</span></td>\
         {0}Shed\"><span data-c=\"shed\">{6}</span></td>{0}Delivery p50 / p99\"><span data-c=\"delivery\">{7} / {8}</span></td>",
        "<td role=\"cell\" data-l=\"",
        route.ready,
        route.connections,
        meter(&route.name, route.in_flight, route.window),
        grouped(route.buffered),
        grouped(route.ledger.delivered),
        grouped(route.ledger.shed),
        millis(route.delivery_p50_ms),
        millis(route.delivery_p99_ms),
        route.breaker.words(),
    );
    if page.actor.is_operator() {
        let (verb, text) = toggle(route.state == RouteState::Paused);
        let _ = write!(
            out,
            "<td role=\"cell\" data-l=\"Actions\"><form action=\"/confirm\" class=\"actions\">\
             <input type=\"hidden\" name=\"target\" value=\"{name}\">\
             <button name=\"do\" value=\"restart\" aria-label=\"Rolling restart of {name}\">Rolling restart</button>\
             <button name=\"do\" value=\"{verb}\" data-c=\"toggle\" aria-label=\"{text} {name}\">{text}</button>\
             <button name=\"do\" value=\"scale\" aria-label=\"Scale {name}\">Scale</button>\
             <button name=\"do\" value=\"test\" aria-label=\"Test push on {name}\">Test push</button></form></td>"
        );
    }
    out.push_str("</tr>");
}

pub(super) fn pushers(out: &mut String, page: &Page<'_>) {
    let all = &page.view.snapshot.pushers;
    let only = page.fields.show == "not_ready";
    let mut chosen: Vec<&PusherRow> =
        all.iter().filter(|pusher| !only || pusher.state != PusherState::Ready).collect();
    sort(&mut chosen, &page.fields.sort);
    let pages = chosen.len().div_ceil(ROWS).max(1);
    let number = page.fields.page.parse().unwrap_or(1).clamp(1, pages);
    let shown = &chosen[(number - 1) * ROWS..chosen.len().min(number * ROWS)];
    open(out, "pushers", "Pushers");
    controls(out, page, only);
    let heads = [
        "Pusher",
        "State",
        "In flight of window",
        "Acks/s",
        "Ack p99",
        "Restarts",
        "Connected",
        "Last error",
    ];
    head(out, "Pushers", &heads, page.actor.is_operator());
    out.push_str("<tbody role=\"rowgroup\" id=\"pusher-rows\">");
    let paused = |name: &str| {
        let routes = &page.view.snapshot.routes;
        routes.iter().any(|route| route.name == name && route.state == RouteState::Paused)
    };
    for pusher in shown {
        row(out, pusher, paused(&pusher.route), page.actor.is_operator());
    }
    out.push_str("</tbody></table></div><template id=\"pusher-row\">");
    row(out, &blank(), false, page.actor.is_operator());
    let none = if shown.is_empty() { "" } else { " hidden" };
    let _ = write!(out, "</template><p id=\"no-pushers\"{none}>No pusher to show.</p>");
    pager(out, page, number, pages);
    out.push_str("</section>");
}

/// What the script makes the rows of pushers from that it has not seen before.
fn blank() -> PusherRow {
    PusherRow {
        id: String::new(),
        route: String::new(),
        state: PusherState::Connecting,
        window: 0,
        in_flight: 0,
        restarts: 0,
        errors: 0,
        last_error: None,
        last_error_age_seconds: None,
        connected_seconds: 0.0,
        acks_per_second: 0.0,
        ack_p50_ms: 0.0,
        ack_p99_ms: 0.0,
    }
}

/// `assets/page.js` has the same orders.
fn sort(pushers: &mut [&PusherRow], order: &str) {
    let descending = |a: f64, b: f64| b.total_cmp(&a);
    let severity = |pusher: &PusherRow| match pusher.state {
        PusherState::Failed => 0,
        PusherState::BackingOff => 1,
        PusherState::Connecting => 2,
        PusherState::Draining => 3,
        PusherState::Paused => 4,
        PusherState::Ready => 5,
    };
    let age = |pusher: &PusherRow| pusher.last_error_age_seconds.unwrap_or(f64::INFINITY);
    pushers.sort_by(|a, b| match order {
        "state" => severity(a).cmp(&severity(b)),
        "acks" => descending(a.acks_per_second, b.acks_per_second),
        "p99" => descending(a.ack_p99_ms, b.ack_p99_ms),
        "restarts" => Reverse(a.restarts).cmp(&Reverse(b.restarts)),
        "error" => age(a).total_cmp(&age(b)),
        _ => Ordering::Equal,
    });
}

fn controls(out: &mut String, page: &Page<'_>, only: bool) {
    out.push_str(
        "<form id=\"controls\" class=\"controls\" action=\"/#pushers\"><label>Order by <select name=\"sort\">",
    );
    for (value, text) in ORDERS {
        let selected = if value == page.fields.sort { " selected" } else { "" };
        let _ = write!(out, "<option value=\"{value}\"{selected}>{text}</option>");
    }
    let checked = if only { " checked" } else { "" };
    let _ = write!(
        out,
        "</select></label><label><input type=\"checkbox\" name=\"show\" value=\"not_ready\"{checked}> only those that \
         are not ready</label><button>Apply</button></form>"
    );
}

fn pager(out: &mut String, page: &Page<'_>, number: usize, pages: usize) {
    let fields = page.fields;
    let hidden = if pages == 1 { " hidden" } else { "" };
    let _ = write!(out, "<nav id=\"pager\" aria-label=\"Pages of pushers\"{hidden}>");
    let mut link = |to: usize, rel: &str, text: &str| {
        let hidden = if (1..=pages).contains(&to) { "" } else { " hidden" };
        let (sort, show) = (encode(&fields.sort), encode(&fields.show));
        let _ = write!(
            out,
            "<a rel=\"{rel}\" href=\"/?sort={sort}&amp;show={show}&amp;page={to}#pushers\"{hidden}>{text}</a>"
        );
    };
    link(number - 1, "prev", "Previous");
    link(number + 1, "next", "Next");
    let _ = write!(out, "<span data-f=\"page\">page {number} of {pages}</span></nav>");
}

fn row(out: &mut String, pusher: &PusherRow, route_paused: bool, is_operator: bool) {
    let id = Escaped(&pusher.id);
    let state = pusher.state.as_str();
    let _ = write!(
        out,
        "<tr role=\"row\" data-id=\"{id}\"><th role=\"rowheader\" scope=\"row\" data-c=\"id\">{id}</th>\
         {0}State\"><span class=\"badge\" data-state=\"{state}\" data-c=\"state\">{1}</span></td>\
         {0}In flight of window\">{2}</td>{0}Acks/s\"><svg class=\"spark\" viewBox=\"0 0 60 16\" \
         preserveAspectRatio=\"none\" aria-hidden=\"true\"><path data-c=\"spark\" d=\"\"></path></svg>\
         <span data-c=\"acks\">{3}</span></td>{0}Ack p99\"><span data-c=\"p99\">{4}</span></td>\
         {0}Restarts\"><span data-c=\"restarts\">{5}</span></td>{0}Connected\"><span data-c=\"connected\">{6}</span></td>\
         {0}Last error\"><span class=\"error\" data-c=\"error\">{7}</span></td>",
        "<td role=\"cell\" data-l=\"",
        state.replace('_', " "),
        meter(&pusher.id, pusher.in_flight.into(), pusher.window.into()),
        rate(pusher.acks_per_second),
        millis(pusher.ack_p99_ms),
        grouped(pusher.restarts),
        if pusher.connected_seconds > 0.0 { span(pusher.connected_seconds) } else { "–".to_owned() },
        Escaped(error(pusher)),
    );
    if is_operator {
        let (verb, text) = toggle(pusher.state == PusherState::Paused && !route_paused);
        let _ = write!(
            out,
            "<td role=\"cell\" data-l=\"Actions\"><form action=\"/confirm\" class=\"actions\">\
             <input type=\"hidden\" name=\"target\" value=\"{id}\">\
             <button name=\"do\" value=\"restart\" data-c=\"restart\" aria-label=\"Restart {id}\">Restart</button>\
             <button name=\"do\" value=\"{verb}\" data-c=\"toggle\" aria-label=\"{text} {id}\">{text}</button>\
             </form></td>"
        );
    }
    out.push_str("</tr>");
}

fn error(pusher: &PusherRow) -> String {
    match (&pusher.last_error, pusher.last_error_age_seconds) {
        (Some(text), Some(age)) => format!("{}: {text}", ago(age)),
        (Some(text), None) => text.clone(),
        (None, _) => "–".to_owned(),
    }
}

const fn toggle(paused: bool) -> (&'static str, &'static str) {
    if paused { ("resume", "Resume") } else { ("pause", "Pause") }
}

fn meter(of: &str, value: u64, most: u64) -> String {
    format!(
        "<meter data-c=\"meter\" min=\"0\" max=\"{}\" value=\"{value}\" aria-label=\"Window of {}\"></meter> \
         <span data-c=\"window\">{} of {}</span>",
        most.max(1),
        Escaped(of),
        grouped(value),
        grouped(most)
    )
}

fn open(out: &mut String, id: &str, title: &str) {
    let _ = write!(
        out,
        "<section class=\"card\" id=\"{id}\" aria-labelledby=\"{id}-title\"><h2 id=\"{id}-title\">{title}</h2>"
    );
}

fn head(out: &mut String, title: &str, heads: &[&str], is_operator: bool) {
    let _ = write!(
        out,
        "<div class=\"scroll\"><table role=\"table\" aria-label=\"{title}\"><thead role=\"rowgroup\"><tr role=\"row\">"
    );
    for head in heads {
        let _ = write!(out, "<th role=\"columnheader\" scope=\"col\">{head}</th>");
    }
    if is_operator {
        out.push_str("<th role=\"columnheader\" scope=\"col\">Actions</th>");
    }
    out.push_str("</tr></thead>");
}
