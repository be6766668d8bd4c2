//! What has to be seen in the first seconds: the state, why, what to do, the figures, the books.

use std::fmt::Write;

use super::Page;
use super::html::Escaped;
use crate::admin::state::{CollectorState, Snapshot, State};
use crate::admin::view::View;
use crate::admin::words::{grouped, millis, rate, span};
use crate::ledger::Books;

/// Sign for a state, so that it is not told by colour alone.
const fn sign(state: State) -> &'static str {
    match state {
        State::Ok => "✓",
        State::Saturated => "▲",
        State::Shedding => "✗",
        State::Draining => "▼",
        State::Paused => "‖",
        State::Degraded => "!",
    }
}

pub(super) fn write(out: &mut String, page: &Page<'_>) {
    let snapshot = &page.view.snapshot;
    let role = if page.actor.is_operator() { "" } else { " (viewer: read only)" };
    let name = if page.actor.is_anybody() { "no login: everybody may act" } else { &page.actor.name };
    let _ = write!(
        out,
        "<a class=\"skip\" href=\"#main\">Skip to content</a><header class=\"bar\"><h1>pushweir</h1>\
         <span>version {}</span><span>up <span data-f=\"uptime\">{}</span></span><span>{}{role}</span>\
         <span id=\"live\" class=\"live\">as of page load – <a href=\"/\">refresh</a></span>\
         <button id=\"freeze\" type=\"button\" aria-pressed=\"false\" hidden>Pause updates</button>",
        snapshot.version,
        span(snapshot.uptime_seconds.floor()),
        Escaped(name),
    );
    if page.actor.session.is_some() {
        let _ = write!(
            out,
            "<form method=\"post\" action=\"/logout\"><input type=\"hidden\" name=\"token\" value=\"{}\">\
             <button>Log out</button></form>",
            Escaped(page.token)
        );
    }
    out.push_str("</header>");
}

pub(super) fn state(out: &mut String, page: &Page<'_>) {
    let view = page.view;
    let state = view.snapshot.state;
    let _ = write!(
        out,
        "<section class=\"state card\" id=\"state\" data-state=\"{0}\" aria-label=\"State\"><p class=\"word\">\
         <span class=\"sign\" data-f=\"sign\" aria-hidden=\"true\">{1}</span> <strong data-f=\"word\" role=\"status\" \
         aria-live=\"polite\">{0}</strong></p><div class=\"reasons\"><p class=\"why\" data-f=\"why\">{2}</p>\
         <p class=\"advice\" data-f=\"advice\">{3}</p></div>",
        state.as_str(),
        sign(state),
        Escaped(&view.why),
        Escaped(&view.advice),
    );
    if page.actor.is_operator() {
        let (verb, text) =
            if state == State::Draining { ("resume", "Resume intake") } else { ("drain", "Drain intake") };
        let _ = write!(
            out,
            "<form action=\"/confirm\" class=\"actions\"><input type=\"hidden\" name=\"target\" value=\"\">\
             <button name=\"do\" value=\"{verb}\" data-f=\"intake\">{text}</button>\
             <button name=\"do\" value=\"trace\">Trace next pushes</button><button name=\"do\" value=\"log\">Log level</button></form>"
        );
    }
    out.push_str("</section>");
}

pub(super) fn figures(out: &mut String, view: &View) {
    let snapshot = &view.snapshot;
    let (collector, rates) = (&snapshot.collector, &snapshot.rates);
    let window: u64 = snapshot.routes.iter().map(|route| route.window).sum();
    let in_flight = snapshot.ledger.in_flight;
    out.push_str("<dl class=\"figures\">");
    tile(out, ("accepted", "Accepted per second"), &rate(rates.accepted_per_second), (None, ""));
    tile(out, ("delivered", "Delivered per second"), &rate(rates.delivered_per_second), (None, ""));
    let buffered = format!("{} of {}", grouped(collector.buffered), grouped(collector.capacity));
    let meter = Some((collector.buffered, collector.capacity));
    tile(out, ("buffered-now", "Buffered"), &buffered, (meter, &at_the_door(collector)));
    shed(out, view);
    let places = format!("{} of {}", grouped(in_flight), grouped(window));
    tile(out, ("places", "In flight of window"), &places, (Some((in_flight, window)), ""));
    tile(out, ("oldest", "Oldest waiting"), &oldest(collector), (None, ""));
    tile(out, ("drain", "Buffer empty in"), &drain(collector), (None, ""));
    delivery(out, snapshot);
    out.push_str("</dl>");
}

fn shed(out: &mut String, view: &View) {
    let (minute, total) = (view.recent.shed_last_minute, view.snapshot.ledger.shed);
    let alarm = if minute > 0 { " alarm" } else { "" };
    let _ = write!(
        out,
        "<div class=\"card tile{alarm}\" data-tile=\"shed\"><dt>Shed in the last minute</dt><dd><span data-f=\"shed\">{}\
         </span> <small data-f=\"shed-total\">total {}</small></dd></div>",
        grouped(minute),
        grouped(total)
    );
}

/// What waits for the collector itself; nothing while that is next to nothing.
fn at_the_door(collector: &CollectorState) -> String {
    let CollectorState { intake_pushes, intake_capacity, .. } = collector;
    match collector.door() {
        0.0..0.1 => String::new(),
        _ => format!("at the door {} of {}", grouped(*intake_pushes), grouped(*intake_capacity)),
    }
}

fn oldest(collector: &CollectorState) -> String {
    if collector.buffered == 0 { "none waits".to_owned() } else { span(collector.oldest_age_seconds) }
}

fn drain(collector: &CollectorState) -> String {
    match collector.projected_drain_seconds {
        Some(seconds) => span(seconds),
        None if collector.buffered == 0 => "is empty".to_owned(),
        None => "not shrinking".to_owned(),
    }
}

/// Of the slowest route, and which that is: a mean over routes would hide the one that is in trouble.
fn delivery(out: &mut String, snapshot: &Snapshot) {
    let slowest = snapshot.routes.iter().max_by(|a, b| a.delivery_p99_ms.total_cmp(&b.delivery_p99_ms));
    let (shares, of) = slowest.map_or_else(
        || ("–".to_owned(), ""),
        |route| {
            let shares = [route.delivery_p50_ms, route.delivery_p95_ms, route.delivery_p99_ms].map(millis);
            (shares.join(" / "), route.name.as_str())
        },
    );
    let _ = write!(
        out,
        "<div class=\"card tile\" data-tile=\"delivery\"><dt>Delivery p50 / p95 / p99 <span data-f=\"delivery-of\">{}</span>\
         </dt><dd><span data-f=\"delivery\">{shares}</span></dd></div>",
        Escaped(of)
    );
}

type Meter = Option<(u64, u64)>;

fn tile(out: &mut String, (name, title): (&str, &str), text: &str, (meter, more): (Meter, &str)) {
    let _ = write!(
        out,
        "<div class=\"card tile\" data-tile=\"{name}\"><dt>{title}</dt><dd><span data-f=\"{name}\">{text}</span>"
    );
    if let Some((value, most)) = meter {
        let most = most.max(1);
        let _ = write!(
            out,
            "<meter data-f=\"{name}-meter\" min=\"0\" max=\"{most}\" high=\"{}\" value=\"{value}\" \
             aria-label=\"{title}\"></meter>",
            most * 4 / 5
        );
        let _ = write!(out, " <small data-f=\"{name}-more\">{more}</small>");
    }
    out.push_str("</dd></div>");
}

pub(super) fn ledger(out: &mut String, books: &Books) {
    out.push_str("<section class=\"card ledger\" aria-labelledby=\"ledger\"><h2 id=\"ledger\">Ledger</h2>");
    let doors = [("received", books.received), ("refused", books.refused), ("accepted", books.accepted)];
    sum(out, "doors", &doors, books.received == books.refused + books.accepted);
    let places = [
        ("accepted", books.accepted),
        ("delivered", books.delivered),
        ("rejected", books.rejected),
        ("unregistered", books.unregistered),
        ("expired", books.expired),
        ("exhausted", books.exhausted),
        ("coalesced", books.coalesced),
        ("shed", books.shed),
        ("lost", books.lost),
        ("buffered", books.buffered),
        ("waiting_retry", books.waiting_retry),
        ("in_flight", books.in_flight),
    ];
    sum(out, "places", &places, books.accepted == books.ended() + books.held());
    out.push_str("</section>");
}

fn sum(out: &mut String, name: &str, terms: &[(&str, u64)], holds: bool) {
    let _ = write!(out, "<p class=\"sum\" data-sum=\"{name}\">");
    for (index, (word, number)) in terms.iter().enumerate() {
        let operator = match index {
            0 => "",
            1 => "<span class=\"op\">=</span>",
            _ => "<span class=\"op\">+</span>",
        };
        let text = word.replace('_', " ");
        let zero = if *number == 0 { " zero" } else { "" };
        let _ = write!(
            out,
            "{operator}<span class=\"term{zero}\"><b data-term=\"{word}\">{}</b> {text}</span>",
            grouped(*number)
        );
    }
    let (class, text) = if holds { ("good", "✓ balances") } else { ("bad", "✗ does not balance") };
    let _ = write!(out, "<strong class=\"tick {class}\" data-f=\"{name}-tick\">{text}</strong></p>");
}
