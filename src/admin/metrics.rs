//! `/metrics`: OpenMetrics text from one snapshot at scrape time, so that counting costs the hot path nothing. Pure.
//!
//! Names are those of `reference/observability.md` 3.1, each from the first scrape on. Pushers are listed one by one up to
//! [`MAX_PUSHERS`], above that summed per route as the pusher `*`.

mod classic;
mod connections;
mod gates;
mod histograms;
mod telemetry;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

pub(super) use self::classic::{CONTENT_TYPE as CLASSIC_TYPE, classic};
use self::writer::Writer;
use super::actions::Backend;
use super::measured::Measured;
use super::process::Process;
use super::state::{RouteRow, Snapshot, State};
use crate::flow::PusherState;
use crate::ledger::Books;
use crate::outcome::Outcome;
use crate::telemetry::{Reading, Requests};

/// What the text is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Pushers that get series of their own.
const MAX_PUSHERS: usize = 200;

/// Routes whose histograms are told apart; the others are summed as the route `*`.
const MAX_ROUTES: usize = 20;
const END: &str = "# EOF\n";

/// Writes the metrics of the service as it is now.
///
/// # Errors
/// Never, since writing to text does not fail; the encoder's signature has it.
pub(super) fn write(backend: &dyn Backend) -> Result<String, Error> {
    let admin = backend.record().meter();
    let (requests, durations) = (admin.requests(), admin.durations());
    encode(Scrape {
        snapshot: backend.snapshot(),
        process: Process::read(),
        measured: backend.measured(),
        requests,
        durations,
    })
}

fn encode(scrape: Scrape) -> Result<String, Error> {
    let mut histograms = String::with_capacity(16 * 1_024);
    scrape.histograms(&mut histograms);
    let mut registry = Registry::with_prefix("pushweir");
    registry.register_collector(Box::new(scrape));
    let mut text = String::with_capacity(32 * 1_024);
    text::encode(&mut text, &registry)?;
    let end = text.strip_suffix(END).map_or(text.len(), str::len);
    text.truncate(end);
    Ok(text + &histograms + END)
}

const STATES: [State; 6] =
    [State::Ok, State::Saturated, State::Shedding, State::Draining, State::Paused, State::Degraded];

#[derive(Debug)]
struct Scrape {
    snapshot: Snapshot,
    process: Process,
    measured: Measured,
    /// Requests to the admin interface, and how long they took.
    requests: Vec<Requests>,
    durations: Vec<(&'static str, Reading)>,
}

/// A pusher's figures, or the sum of a route's.
#[derive(Default)]
struct Load {
    window: u64,
    in_flight: u64,
    restarts: u64,
    states: [u64; PusherState::ALL.len()],
}

// === impl Collector for Scrape ===

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut writer = Writer::new(encoder);
        self.pushes(&mut writer)?;
        self.buffer(&mut writer)?;
        self.routes(&mut writer)?;
        self.pushers(&mut writer)?;
        self.telemetry(&mut writer)?;
        self.service(&mut writer)
    }
}

// === impl Scrape ===

impl Scrape {
    fn pushes(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let ledger = &self.snapshot.ledger;
        writer.counter("pushes_received", "Pushes in readable requests", ledger.received)?;
        writer.counter("pushes_refused", "Pushes never accepted", ledger.refused)?;
        writer.counter(
            "pushes_duplicates",
            "Refused pushes that repeat one taken before",
            ledger.duplicates,
        )?;
        writer.counter(
            "pushes_refused_deadline",
            "Pushes refused because they would have waited longer than they live",
            self.snapshot.collector.refused_deadline,
        )?;
        writer.counter("pushes_accepted", "Pushes taken over", ledger.accepted)?;
        let routes = &self.snapshot.routes;
        let settled: Vec<_> = routes
            .iter()
            .flat_map(|route| Outcome::ALL.map(|outcome| (route, outcome)))
            .map(|(route, outcome)| {
                (
                    [("route", route.name.as_str()), ("outcome", outcome.as_str())],
                    ended(&route.ledger, outcome),
                )
            })
            .collect();
        writer.counters("pushes_settled", "Accepted pushes that ended, by outcome", &settled)?;
        let answers = self.snapshot.answers.iter();
        let mut answers: Vec<_> =
            answers.map(|answer| ([("code", answer.code.as_str())], answer.count)).collect();
        if answers.is_empty() {
            // Which other codes there are, the providers decide.
            answers.push(([("code", "CONNECTION_DRAINING")], 0));
        }
        writer.counters(
            "upstream_errors",
            "Answers that were not a plain success, by the provider's code",
            &answers,
        )?;
        let maybe = self.snapshot.maybe_delivered;
        writer.counter(
            "attempts_unanswered",
            "Attempts without an answer; each may be a duplicate",
            maybe,
        )?;
        let results = &self.snapshot.results;
        writer.counter("results_recorded", "Results recorded for senders", results.recorded)?;
        writer.counter("results_dropped", "Results overwritten before anybody had them", results.dropped)?;
        writer.gauge("results_held", "Results that can be fetched", results.held as f64)?;
        let reloads = [
            ([("result", "done")], self.snapshot.reloads.done),
            ([("result", "refused")], self.snapshot.reloads.refused),
        ];
        writer.counters("reloads", "Configurations read again, by what became of them", &reloads)?;
        let webhook = &self.snapshot.webhook;
        writer.counter("webhook_results_sent", "Results that the webhook's receiver took", webhook.sent)?;
        writer.counter("webhook_results_lost", "Results that it never got", webhook.lost)?;
        writer.counter("webhook_failures", "Posts to it that failed", webhook.failures)?;
        writer.gauge("webhook_results_pending", "Results that wait for it", webhook.pending as f64)?;
        writer.gauge("pushes_awaited", "Pushes that requests wait for", results.awaited as f64)?;
        let shed = [([("reason", "buffer_full")], ledger.shed)];
        writer.counters("pushes_shed", "Accepted pushes that were dropped, by reason", &shed)?;
        let behind = self.snapshot.collector.shed_behind;
        writer.counter(
            "pushes_shed_behind",
            "Those that the collector did not take in fast enough",
            behind,
        )?;
        writer.gauge(
            "waiting_retry_pushes",
            "Pushes waiting for their next attempt",
            ledger.waiting_retry as f64,
        )?;
        writer.gauge("inflight_pushes", "Pushes with a pusher", ledger.in_flight as f64)?;
        writer.gauge("unaccounted_pushes", "What the ledger is off by; must be 0", ledger.unaccounted as f64)
    }

    fn buffer(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let collector = &self.snapshot.collector;
        let gauges = [
            ("collector_buffered_pushes", "Pushes in the buffer", collector.buffered as f64),
            ("collector_buffer_capacity_pushes", "Pushes the buffer can hold", collector.capacity as f64),
            ("collector_buffered_bytes", "Bytes in the buffer", collector.buffered_bytes as f64),
            ("collector_buffer_capacity_bytes", "Bytes the buffer can hold", collector.capacity_bytes as f64),
            (
                "collector_oldest_age_seconds",
                "Age of the oldest push in the buffer",
                collector.oldest_age_seconds,
            ),
        ];
        for (name, help, value) in gauges {
            writer.gauge(name, help, value)?;
        }
        // A buffer that does not shrink will never be empty.
        let never = if collector.buffered == 0 { 0.0 } else { f64::INFINITY };
        let drain = collector.projected_drain_seconds.unwrap_or(never);
        writer.gauge("projected_drain_seconds", "When the buffer will be empty if the rates stay", drain)
    }

    fn routes(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        type Figure = fn(&RouteRow) -> f64;
        let figures: [(&str, &str, Figure); 6] = [
            (
                "route_stretched_retries",
                "Retries that waited longer for the retry budget, since the start",
                |route| route.stretched_retries as f64,
            ),
            (
                "route_drain_pushes_per_second",
                "Pushes the route delivers while it has work; 0 if not known",
                |route| route.drain_per_second.unwrap_or(0.0),
            ),
            ("route_buffered_pushes", "Pushes that wait for the route", |route| route.buffered as f64),
            ("route_delivery_p50_seconds", "Median time from admission to delivery, lately", |route| {
                route.delivery_p50_ms / 1_000.0
            }),
            ("route_delivery_p95_seconds", "95th percentile of it", |route| route.delivery_p95_ms / 1_000.0),
            ("route_delivery_p99_seconds", "99th percentile of it", |route| route.delivery_p99_ms / 1_000.0),
        ];
        for (name, help, figure) in figures {
            let series = self.snapshot.routes.iter();
            let series: Vec<_> =
                series.map(|route| ([("route", route.name.as_str())], figure(route))).collect();
            writer.gauges(name, help, &series)?;
        }
        connections::write(writer, &self.snapshot.routes)?;
        gates::write(writer, &self.snapshot.routes)
    }

    fn pushers(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let loads = self.loads();
        let each = |figure: fn(&Load) -> u64| -> Vec<_> {
            let series = |((route, pusher), load): (&(String, String), &Load)| {
                ([("route", route.clone()), ("pusher", pusher.clone())], figure(load) as f64)
            };
            loads.iter().map(series).collect()
        };
        writer.gauges("pusher_inflight_pushes", "Pushes without an answer", &each(|load| load.in_flight))?;
        writer.gauges("pusher_window_pushes", "Pushes that may be unanswered", &each(|load| load.window))?;
        let restarts: Vec<_> =
            each(|load| load.restarts).into_iter().map(|(labels, value)| (labels, value as u64)).collect();
        writer.counters("pusher_restarts", "Restarts by the supervisor", &restarts)?;
        let states: Vec<_> = loads
            .iter()
            .flat_map(|(key, load)| PusherState::ALL.map(|state| (key, load, state)))
            .map(|((route, pusher), load, state)| {
                let labels =
                    [("route", route.as_str()), ("pusher", pusher.as_str()), ("state", state.as_str())];
                (labels, load.states[state as usize] as f64)
            })
            .collect();
        writer.gauges("pusher_state", "Pushers in the state", &states)
    }

    fn loads(&self) -> BTreeMap<(String, String), Load> {
        let pushers = &self.snapshot.pushers;
        let summed = pushers.len() > MAX_PUSHERS;
        let mut loads = BTreeMap::<_, Load>::new();
        for pusher in pushers {
            let id = if summed { "*".into() } else { pusher.id.clone() };
            let load = loads.entry((pusher.route.clone(), id)).or_default();
            load.window += u64::from(pusher.window);
            load.in_flight += u64::from(pusher.in_flight);
            load.restarts += pusher.restarts;
            load.states[pusher.state as usize] += 1;
        }
        loads
    }

    fn service(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let now = self.snapshot.state;
        let states = STATES.map(|state| ([("state", state.as_str())], f64::from(u8::from(state == now))));
        writer.gauges("state", "1 for the state that the service is in", &states)?;
        writer.info("build", "The program", &[("version", self.snapshot.version)])?;
        writer.gauge("uptime_seconds", "Since the start", self.snapshot.uptime_seconds)?;
        writer.counter("process_cpu_seconds", "User and system time", self.process.cpu_seconds)?;
        let memory = self.process.resident_bytes as f64;
        writer.gauge("process_resident_memory_bytes", "Resident memory", memory)?;
        writer.gauge("process_open_fds", "Open file descriptors", self.process.open_files as f64)
    }
}

const fn ended(books: &Books, outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Delivered => books.delivered,
        Outcome::Rejected => books.rejected,
        Outcome::Unregistered => books.unregistered,
        Outcome::Expired => books.expired,
        Outcome::Exhausted => books.exhausted,
        Outcome::Coalesced => books.coalesced,
        Outcome::Shed => books.shed,
        Outcome::Lost => books.lost,
    }
}
