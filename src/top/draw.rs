//! The picture: a state as lines of text for a terminal of a size. Pure.
//!
//! Invariant: no line is wider than the terminal, no picture is higher, and nothing that came from outside can steer the terminal.

use std::fmt::Display;

use super::state::{Breaker, Pusher, Route, State};
use super::text::{cut, wrap};
use crate::admin::words::{ago, grouped, millis, rate, span};
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
const BAR: usize = 16;
/// Where the figures begin.
const INDENT: usize = 10;
/// From this width on there is room for every column.
const WIDE: usize = 100;
/// From this height on there is room for blank lines.
const HIGH: usize = 30;
/// Lines of a sentence.
const SENTENCE: usize = 3;

/// Lines under construction.
struct Picture {
    screen: Screen,
    lines: Vec<String>,
}

/// Returns the picture, a line each without ends; `address` is where the state is from, `trouble` why it is not of now.
pub(super) fn draw(state: &State, address: &str, trouble: Option<&str>, screen: Screen) -> Vec<String> {
    let mut picture = Picture { screen, lines: Vec::new() };
    if let Some(trouble) = trouble {
        picture.not_live(trouble);
    }
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
    fn not_live(&mut self, trouble: &str) {
        for line in wrap(&format!("NOT LIVE: {trouble}"), self.screen.width, 0, SENTENCE) {
            let line = self.paint(&line, BAD);
            self.lines.push(line);
        }
    }

    fn head(&mut self, state: &State, address: &str) {
        let up = span(state.uptime_seconds.floor());
        // The word first: a narrow terminal cuts what is behind it.
        let word = self.cut(&state.state.to_uppercase());
        let line = self.cut(&format!("{word}  pushweir {} at {address}, up {up}", state.version));
        let rest = line.strip_prefix(&word).unwrap_or_default();
        self.lines.push(format!("{}{rest}", self.paint(&word, colour(&state.state))));
        self.sentence(&state.why, 0, SENTENCE);
        self.sentence(&format!("-> {}", state.advice), 3, SENTENCE);
        self.gap();
    }

    fn figures(&mut self, state: &State) {
        let (rates, collector) = (&state.rates, &state.collector);
        self.put(&format!(
            "{:<10}{:>9}  {:<11}{:>9}  {:<6}{:>9}  ({} in a minute)",
            "accepted/s",
            rate(rates.accepted_per_second),
            "delivered/s",
            rate(rates.delivered_per_second),
            "shed/s",
            rate(rates.shed_per_second),
            grouped(state.recent.shed_last_minute),
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
        self.put(&format!("{:<INDENT$}{meter}, {drain}{oldest}", "buffer"));
        self.door(state);
        let sum = |figure: fn(&Route) -> u64| state.routes.iter().map(figure).sum::<u64>();
        let places = self::meter(sum(|route| route.in_flight), sum(|route| route.window));
        self.put(&format!("{:<INDENT$}{places}", "windows"));
        let slowest = state.routes.iter().max_by(|a, b| a.delivery_p99_ms.total_cmp(&b.delivery_p99_ms));
        if let Some(route) = slowest {
            let [median, most, last] =
                [route.delivery_p50_ms, route.delivery_p95_ms, route.delivery_p99_ms].map(millis);
            self.put(&format!(
                "{:<INDENT$}p50 {median}, p95 {most}, p99 {last} of {}",
                "delivery", route.name
            ));
        }
    }

    /// What waits for the collector itself; nothing while that is next to nothing.
    fn door(&mut self, state: &State) {
        let (collector, shed) = (&state.collector, state.rates.shed_behind_per_second);
        let door = meter(collector.intake_pushes, collector.intake_capacity);
        let batches = collector.intake_batches * 10 >= collector.intake_capacity_batches.max(1);
        if batches || collector.intake_pushes * 10 >= collector.intake_capacity.max(1) || shed > 0.0 {
            let (waiting, most) = (collector.intake_batches, collector.intake_capacity_batches);
            self.put(&format!(
                "{:<INDENT$}{door}, {} of {} batches, {}/s shed here: the collector is behind",
                "door",
                grouped(waiting),
                grouped(most),
                rate(shed)
            ));
        }
    }

    fn ledger(&mut self, state: &State) {
        let books = &state.ledger;
        let sign = |holds: bool| if holds { "balances:" } else { "DOES NOT BALANCE:" };
        let (received, refused, accepted) =
            (grouped(books.received), grouped(books.refused), grouped(books.accepted));
        let doors = sign(books.doors_hold());
        let door = format!(
            "{:<INDENT$}{doors} {received} received = {refused} refused + {accepted} accepted",
            "ledger"
        );
        self.sentence(&door, INDENT, 2);
        let parts = books.places().into_iter().filter(|(_, number)| *number > 0);
        let parts: Vec<String> = parts.map(|(name, number)| format!("{} {name}", grouped(number))).collect();
        let parts = if parts.is_empty() { "0".to_owned() } else { parts.join(" + ") };
        let places = format!("{:<INDENT$}{} {accepted} accepted = {parts}", "", sign(books.places_hold()));
        self.sentence(&places, INDENT, SENTENCE);
        self.gap();
    }

    fn routes(&mut self, routes: &[Route]) {
        let heads =
            ["ROUTE", "STATE", "READY", "WINDOW", "BUFFERED", "DELIVERED", "SHED", "P99"].map(str::to_owned);
        self.route_row("ready", &heads);
        for route in routes {
            let cells = [
                short(&route.name, 15),
                route.state.clone(),
                format!("{}/{}", route.ready, route.connections),
                format!("{}/{}", route.in_flight, route.window),
                grouped(route.buffered),
                grouped(route.ledger.delivered),
                grouped(route.ledger.shed),
                millis(route.delivery_p99_ms),
            ];
            self.route_row(&route.state, &cells);
            self.breaker(&route.breaker);
        }
        self.gap();
    }

    /// What has been delivered is in the ledger, too; it goes first where there is no room.
    fn route_row(&mut self, state: &str, cells: &[String; 8]) {
        let [name, word, ready, window, buffered, delivered, shed, p99] = cells;
        let delivered = if self.is_wide() { format!("{delivered:>13}") } else { String::new() };
        self.row(
            state,
            &format!(
                "{name:<16}{word:<11}{ready:>9}{window:>13}{buffered:>10}{delivered}{shed:>11}{p99:>10}"
            ),
        );
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
        let heads =
            ["PUSHER", "STATE", "WINDOW", "ACKS/S", "ACK P99", "RESTARTS", "LAST ERROR"].map(str::to_owned);
        self.pusher_row("ready", &heads);
        let mut sorted: Vec<&Pusher> = pushers.iter().collect();
        sorted.sort_by_key(|pusher| severity(&pusher.state));
        // The head is written, and a line is kept for the count.
        let fit = left.map_or(sorted.len(), |left| left.saturating_sub(1));
        let shown = if sorted.len() <= fit { sorted.len() } else { fit.saturating_sub(1) };
        for pusher in &sorted[..shown] {
            let error = match (&pusher.last_error, pusher.last_error_age_seconds) {
                (Some(error), Some(age)) => format!("{}: {error}", ago(age)),
                (Some(error), None) => error.clone(),
                (None, _) => String::new(),
            };
            let cells = [
                short(&pusher.id, 15),
                pusher.state.replace('_', " "),
                format!("{}/{}", pusher.in_flight, pusher.window),
                rate(pusher.acks_per_second),
                millis(pusher.ack_p99_ms),
                grouped(pusher.restarts),
                error,
            ];
            self.pusher_row(&pusher.state, &cells);
        }
        if shown < sorted.len() {
            self.put(&format!("... and {} more", sorted.len() - shown));
        }
    }

    /// The error is what somebody looks for; the restarts go first where there is no room.
    fn pusher_row(&mut self, state: &str, cells: &[String; 7]) {
        let [id, word, window, acks, p99, restarts, error] = cells;
        let restarts = if self.is_wide() { format!("{restarts:>10}") } else { String::new() };
        self.row(state, &format!("{id:<16}{word:<12}{window:>9}{acks:>8}{p99:>10}{restarts}  {error}"));
    }

    fn problems(&self, state: &State) -> Vec<String> {
        let problems = &state.recent.problems;
        if problems.is_empty() {
            return Vec::new();
        }
        let lines = |problem: &super::state::Problem| {
            let (at, times) = (Stamp::from_millis(problem.last).clock(), grouped(problem.count));
            let text = format!("{at}  {times:>9}x  {:<11}{}", problem.kind, problem.reason);
            wrap(&text, self.screen.width, 10, 2)
        };
        let (gap, most) = if self.is_high() { (vec![String::new()], 5) } else { (Vec::new(), 2) };
        let head = gap.into_iter().chain([self.cut("RECENT PROBLEMS (UTC)")]);
        head.chain(problems.iter().take(most).flat_map(lines)).collect()
    }

    fn is_wide(&self) -> bool {
        self.screen.width >= WIDE
    }

    fn is_high(&self) -> bool {
        self.screen.height.is_none_or(|height| height >= HIGH)
    }

    fn gap(&mut self) {
        if self.is_high() {
            self.lines.push(String::new());
        }
    }

    fn sentence(&mut self, text: &str, indent: usize, most: usize) {
        self.lines.extend(wrap(text, self.screen.width, indent, most));
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

    fn cut(&self, text: &str) -> String {
        cut(text, self.screen.width)
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

const BAD: &str = "1;31";

/// Codes of ECMA-48 "select graphic rendition".
fn colour(state: &str) -> &'static str {
    match state {
        "ok" | "ready" => "1;32",
        "saturated" | "draining" | "paused" | "connecting" => "1;33",
        _ => BAD,
    }
}
