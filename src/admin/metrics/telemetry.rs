//! The families about requests, the collector's work, traces and the log, and all histograms.

use std::fmt::Error;

use super::writer::Writer;
use super::{MAX_ROUTES, Scrape, histograms};
use crate::admin::measured::RouteTimes;
use crate::telemetry::{CLASSES, Reading, Requests};

// === impl Scrape ===

impl Scrape {
    pub(super) fn telemetry(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let measured = &self.measured;
        requests(
            writer,
            "ingest_requests",
            "Requests of senders, by template and status class",
            &measured.ingest,
        )?;
        let refused: Vec<_> =
            measured.refused.iter().map(|(reason, count)| ([("reason", *reason)], *count)).collect();
        writer.counters(
            "ingest_refused_requests",
            "Requests of senders of which not every push was taken, by reason",
            &refused,
        )?;
        requests(writer, "admin_requests", "Requests to the admin interface", &self.requests)?;
        writer.counter(
            "collector_dispatched",
            "Pushes that the collector gave to pushers",
            measured.dispatched,
        )?;
        let demand = measured.demand as f64;
        writer.gauge(
            "collector_demand_pushes",
            "Pushes that pushers have room for beyond what waits",
            demand,
        )?;
        let waiting: Vec<_> =
            measured.mailboxes.iter().map(|(actor, count)| ([("actor", *actor)], *count as f64)).collect();
        writer.gauges("actor_mailbox_messages", "Batches that wait for the actor", &waiting)?;
        let longest: Vec<_> =
            measured.handlers.iter().map(|(actor, took)| ([("actor", *actor)], took.as_secs_f64())).collect();
        writer.gauges("actor_handler_duration_seconds_max", "Longest run of a handler, lately", &longest)?;
        let telemetry = &self.snapshot.telemetry;
        writer.counter("trace_spans_exported", "Spans that the receiver took", telemetry.traces.exported)?;
        writer.counter("trace_spans_dropped", "Spans that were dropped", telemetry.traces.dropped)?;
        writer.gauge(
            "trace_spans_queued",
            "Spans that wait for the receiver",
            telemetry.traces.queued as f64,
        )?;
        let suppressed = telemetry.log_lines_suppressed;
        writer.counter("log_lines_suppressed", "Log lines left out because they repeat others", suppressed)
    }

    /// Writes what the library cannot: histograms with examples.
    pub(super) fn histograms(&self, out: &mut String) {
        type Part = fn(&RouteTimes) -> &Reading;
        let parts: [(&str, &str, Part); 3] = [
            ("queue_wait_seconds", "Time from admission to a pusher, of first attempts", |times| {
                &times.queue
            }),
            ("upstream_ack_duration_seconds", "Time from sending to the provider's answer", |times| {
                &times.answer
            }),
            ("delivery_duration_seconds", "Time from admission to delivery", |times| &times.delivery),
        ];
        let routes = self.routes_times();
        for (name, help, part) in parts {
            let series: Vec<_> = routes.iter().map(|times| (times.route.as_str(), part(times))).collect();
            histograms::write(out, name, help, &series);
        }
        let http = [
            ("ingest_request_duration_seconds", "Time to answer a sender", &self.measured.ingest_durations),
            ("admin_request_duration_seconds", "Time to answer an operator", &self.durations),
        ];
        for (name, help, durations) in http {
            let series: Vec<_> = durations.iter().map(|(route, reading)| (*route, reading)).collect();
            histograms::write(out, name, help, &series);
        }
    }

    /// Returns the times of the first routes, and those of all others as one route.
    fn routes_times(&self) -> Vec<RouteTimes> {
        let all = &self.measured.routes;
        let mut told: Vec<RouteTimes> = all.iter().take(MAX_ROUTES).cloned().collect();
        if let Some((first, more)) = all.get(MAX_ROUTES..).and_then(<[_]>::split_first) {
            let mut others = RouteTimes { route: "*".to_owned(), ..first.clone() };
            more.iter().for_each(|times| others.add(times));
            told.push(others);
        }
        told
    }
}

fn requests(writer: &mut Writer<'_>, name: &str, help: &str, all: &[Requests]) -> Result<(), Error> {
    let series: Vec<_> = all
        .iter()
        .flat_map(|requests| {
            CLASSES.iter().zip(requests.classes).map(move |(class, count)| (requests, class, count))
        })
        .map(|(requests, class, count)| ([("route", requests.route), ("code", *class)], count))
        .collect();
    writer.counters(name, help, &series)
}
