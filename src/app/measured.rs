//! What scrapers are told besides the snapshot, and the state of log and traces.

use super::service::Service;
use crate::admin::measured::{Measured, RouteTimes};
use crate::admin::state::{TelemetryState, TraceState};
use crate::telemetry::log as logging;

impl Service {
    /// Returns what is measured for scrapers.
    pub fn measured(&self) -> Measured {
        let parts = &self.parts;
        let gauges = parts.intake.gauges();
        let times = parts.routes.alive().map(|route| RouteTimes {
            route: route.cell.name.clone(),
            queue: route.cell.times.queue.read(),
            answer: route.cell.times.answer.read(),
            delivery: route.cell.times.delivery.read(),
        });
        let pushers = parts.routes.alive().map(|route| route.cell.times.handler.read()).max();
        Measured {
            dispatched: gauges.dispatched(),
            demand: gauges.demand(),
            mailboxes: vec![("collector", parts.intake.waiting_batches() as u64)],
            handlers: vec![("collector", gauges.handler.read()), ("pushers", pushers.unwrap_or_default())],
            routes: times.collect(),
            ingest: parts.meter.requests(),
            refused: parts.refusals.counts(),
            ingest_durations: parts.meter.durations(),
        }
    }

    /// Returns the state of log and traces.
    pub fn telemetry(&self) -> TelemetryState {
        let counts = self.parts.tracer.counts();
        let traces = TraceState {
            is_on: self.parts.tracer.is_on(),
            wanted: counts.wanted,
            exported: counts.exported,
            dropped: counts.dropped,
            queued: counts.queued,
        };
        TelemetryState { log: logging::filter(), log_lines_suppressed: logging::left_out(), traces }
    }
}
