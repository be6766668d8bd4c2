//! The picture: a state as lines of text for a terminal of a size. Pure.
//!
//! Invariant: no line is wider than the terminal, no picture is higher, and nothing that came from outside can steer the terminal.

use std::fmt::Display;

use super::state::{Breaker, Pusher, Route, State};
use crate::admin::words::{grouped, millis, rate, span};
use crate::units::Stamp;

/// What a terminal is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Screen {
    pub(super) width: usize,
    /// Lines; none without a limit.
    pub(super) height: Option<usize>,
    pub(super) has_colour: bool,
}

/// Columns that a meter's bar takes.
const BAR: usize = 24;
const PROBLEMS: usize = 5;

/// Lines under construction.
struct Picture {
    screen: Screen,
    lines: Vec<String>,
}

/// Returns the picture, a line each without ends; `address` is where the state is from.
pub(super) fn draw(state: &State, address: &str, screen: Screen) -> Vec<String> {
    let mut picture = Picture { screen, lines: Vec::new() };
    picture.head(state, address);
    picture.figures(state);
    picture.ledger(state);
    picture.routes(&state.routes);
    let problems = picture.problems(state);
    let left = screen.height.map(|height| height.saturating_sub(picture.lines.len() + problems.len()));
    picture.pushers(&state.pushers, left);
    picture.lines.extend(problems);
    if let Some(height) = screen.height {
        picture.lines.truncate(height);
    }
    picture.lines
}

// === impl Picture ===

impl Picture {
    fn head(&mut self, state: &State, address: &str) {
        let up = span(state.uptime_seconds.floor());
        // The word first: a narrow terminal cuts what is behind it.
        let word = self.cut(&state.state.to_uppercase());
        let line = self.cut(&format!("{word}  pushweir {} at {address}, up {up}", state.version));
        let rest = line.strip_prefix(&word).unwrap_or_default();
        self.lines.push(format!("{}{rest}", self.paint(&word, colour(&state.state))));
        self.put(&state.why);
        self.put(&format!("-> {}", state.advice));
        self.put("");
    }

    fn figures(&mut self, state: &State) {
        let (rates, collector) = (&state.rates, &state.collector);
        self.put(&format!(
            "{:<10}{:>10}   {:<12}{:>10}   {:<8}{:>10}   {:<16}{}",
            "accepted/s",
            rate(rates.accepted_per_second),
            "delivered/s",
            rate(rates.delivered_per_second),
            "shed/s",
            rate(rates.shed_per_second),
            "shed last minute",
            format_args!(" {}", grouped(state.recent.shed_last_minute)),
        ));
        let drain = match collector.projected_drain_seconds {
            Some(seconds) => format!("empty in {}", span(seconds)),
            None if collector.buffered == 0 => "empty".to_owned(),
            None => "not shrinking".to_owned(),
        };
        let oldest = if collector.buffered == 0 {
            String::new()
        } else {
            format!(", oldest {}", span(collector.oldest_age_seconds))
        };
        let meter = meter(collector.buffered, collector.capacity);
        self.put(&format!("{:<10}{meter}, {drain}{oldest}", "buffer"));
        let sum = |figure: fn(&Route) -> u64| state.routes.iter().map(figure).sum::<u64>();
        let places = self::meter(sum(|route| route.in_flight), sum(|route| route.window));
        let slowest = state.routes.iter().max_by(|a, b| a.delivery_p99_ms.total_cmp(&b.delivery_p99_ms));
        let delivery = slowest.map_or_else(String::new, |route| {
            let shares = [route.delivery_p50_ms, route.delivery_p95_ms, route.delivery_p99_ms].map(millis);
            format!(", delivery p50/p95/p99 {}", shares.join(" / "))
        });
        self.put(&format!("{:<10}{places}{delivery}", "windows"));
    }

    fn ledger(&mut self, state: &State) {
        let books = &state.ledger;
        let sign = |holds: bool| if holds { "balances:" } else { "DOES NOT BALANCE:" };
        let (received, refused, accepted) =
            (grouped(books.received), grouped(books.refused), grouped(books.accepted));
        let doors = sign(books.doors_hold());
        self.put(&format!(
            "{:<10}{doors} {received} received = {refused} refused + {accepted} accepted",
            "ledger"
        ));
        let parts = books.places().into_iter().filter(|(_, number)| *number > 0);
        let parts: Vec<String> = parts.map(|(name, number)| format!("{} {name}", grouped(number))).collect();
        let parts = if parts.is_empty() { "0".to_owned() } else { parts.join(" + ") };
        self.put(&format!("{:<10}{} {accepted} accepted = {parts}", "", sign(books.places_hold())));
        self.put("");
    }

    fn routes(&mut self, routes: &[Route]) {
        self.put(&format!(
            "{:<16}{:<12}{:>9}{:>14}{:>11}{:>13}{:>11}{:>11}",
            "ROUTE", "STATE", "READY", "WINDOW", "BUFFERED", "DELIVERED", "SHED", "P99"
        ));
        for route in routes {
            let ready = format!("{}/{}", route.ready, route.connections);
            let window = format!("{}/{}", route.in_flight, route.window);
            self.row(
                &route.state,
                &format!(
                    "{:<16}{:<12}{ready:>9}{window:>14}{:>11}{:>13}{:>11}{:>11}",
                    short(&route.name, 15),
                    route.state,
                    grouped(route.buffered),
                    grouped(route.ledger.delivered),
                    grouped(route.ledger.shed),
                    millis(route.delivery_p99_ms)
                ),
            );
            self.breaker(&route.breaker);
        }
        self.put("");
    }

    fn breaker(&mut self, breaker: &Breaker) {
        if matches!(breaker.state.as_str(), "" | "closed") {
            return;
        }
        let reason = breaker.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
        let left =
            breaker.until_seconds.map_or_else(String::new, |seconds| format!(", {} left", span(seconds)));
        let state = breaker.state.replace('_', " ");
        self.row(&breaker.state, &format!("  breaker {state}{reason}{left}"));
    }

    /// Those in trouble first; the others by number. What does not fit is counted.
    fn pushers(&mut self, pushers: &[Pusher], left: Option<usize>) {
        self.put(&format!(
            "{:<16}{:<12}{:>9}{:>9}{:>11}{:>9}  {}",
            "PUSHER", "STATE", "WINDOW", "ACKS/S", "ACK P99", "RESTARTS", "LAST ERROR"
        ));
        let mut sorted: Vec<&Pusher> = pushers.iter().collect();
        sorted.sort_by_key(|pusher| severity(&pusher.state));
        // The head is written, and a line is kept for the count.
        let fit = left.map_or(sorted.len(), |left| left.saturating_sub(1));
        let shown = if sorted.len() <= fit { sorted.len() } else { fit.saturating_sub(1) };
        for pusher in &sorted[..shown] {
            let window = format!("{}/{}", pusher.in_flight, pusher.window);
            let error = match (&pusher.last_error, pusher.last_error_age_seconds) {
                (Some(error), Some(age)) => format!("{} ago: {error}", span(age.floor())),
                (Some(error), None) => error.clone(),
                (None, _) => String::new(),
            };
            self.row(
                &pusher.state,
                &format!(
                    "{:<16}{:<12}{window:>9}{:>9}{:>11}{:>9}  {error}",
                    short(&pusher.id, 15),
                    pusher.state.replace('_', " "),
                    rate(pusher.acks_per_second),
                    millis(pusher.ack_p99_ms),
                    grouped(pusher.restarts)
                ),
            );
        }
        if shown < sorted.len() {
            self.put(&format!("... and {} more", sorted.len() - shown));
        }
    }

    fn problems(&self, state: &State) -> Vec<String> {
        let problems = &state.recent.problems;
        if problems.is_empty() {
            return Vec::new();
        }
        let line = |problem: &super::state::Problem| {
            let (at, times) = (Stamp::from_millis(problem.last).clock(), grouped(problem.count));
            self.cut(&format!("{at}  {times:>9}x  {:<11}{}", problem.kind, problem.reason))
        };
        let head = [String::new(), self.cut("RECENT PROBLEMS (UTC)")].into_iter();
        head.chain(problems.iter().take(PROBLEMS).map(line)).collect()
    }

    fn put(&mut self, text: &str) {
        let line = self.cut(text);
        self.lines.push(line);
    }

    /// Writes a row in the colour of its state, if that is one.
    fn row(&mut self, state: &str, text: &str) {
        let line = self.cut(text);
        let colour = if matches!(state, "ready") { "" } else { colour(state) };
        self.lines.push(self.paint(&line, colour));
    }

    /// Cuts a line to the width; control characters are blanks, so that nobody's error text steers the terminal.
    fn cut(&self, text: &str) -> String {
        let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        shown.take(self.screen.width).collect::<String>().trim_end().to_owned()
    }

    fn paint(&self, text: impl Display, colour: &str) -> String {
        if self.screen.has_colour && !colour.is_empty() {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

fn meter(value: u64, most: u64) -> String {
    let full = value.min(most) as f64 / most.max(1) as f64 * BAR as f64;
    let full = full.round() as usize;
    let (taken, free) = ("#".repeat(full), "-".repeat(BAR - full));
    format!("[{taken}{free}] {} of {}", grouped(value), grouped(most))
}

fn short(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn severity(state: &str) -> usize {
    let order = ["failed", "backing_off", "connecting", "draining", "paused", "ready"];
    order.iter().position(|known| *known == state).unwrap_or(0)
}

/// Codes of ECMA-48 "select graphic rendition".
fn colour(state: &str) -> &'static str {
    match state {
        "ok" | "ready" => "1;32",
        "saturated" | "draining" | "paused" | "connecting" => "1;33",
        _ => "1;31",
    }
}
