//! The supervision tree as data: who supervises whom, in which order, on which thread.
//!
//! ```text
//! root (one_for_one) ─ traces
//!                    ├ collector · routes (one_for_one) ─ route (one_for_one) ─ pusher 0 … n
//!                    ├ figures
//!                    ├ webhook
//!                    ├ ingest                    started in this order, stopped in reverse
//!                    └ admin
//! ```
//! The root is not rest_for_one although pushers depend on the collector: a pusher subscribes again when the collector is restarted
//! (`flow::Port`), so its connection stays, and what is in flight on it is not sent twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use pushweir_actors::{
    Backoff, ChildHandle, ChildSpec, Intensity, Link, Shutdown, StartError, Strategy, SupervisorSpec,
};

use super::endpoint::{Endpoint, Listener};
use super::figures::FiguresActor;
use super::routes::LiveRoute;
use super::service::Service;
use super::traces::Traces;
use crate::collector::Collector;
use crate::config::Route;
use crate::feedback::webhook::Webhook;
use crate::flow::PusherCell;
use crate::pusher::{Pusher, Wiring};

/// How long a pusher that is restarted or stopped in order waits for its last answers (`CONTRACT`: restart).
pub const GRACE: Duration = Duration::from_secs(10);
/// A life this long makes a pusher's failure a first one.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// How often the parts of the root may fail: a panic now and then is survived, a panic at every start is not.
const ROOT_LIMIT: Intensity = Intensity::new(15, Duration::from_secs(60));
/// The shortest and the longest that a part of the root waits before it is started again.
const ROOT_DELAYS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How long an actor may take to come up on its thread.
const ACTOR_START: Duration = Duration::from_secs(10);

/// Returns the whole tree.
pub fn root(service: &Arc<Service>, ingest: Listener, admin: Listener) -> SupervisorSpec {
    SupervisorSpec {
        strategy: Strategy::OneForOne,
        intensity: ROOT_LIMIT,
        backoff: restart_backoff(ROOT_DELAYS.0, ROOT_DELAYS.1),
        children: vec![
            traces(service),
            collector(service),
            routes(service),
            figures(service),
            webhook(service),
            ingest_http(service, ingest),
            admin_http(service, admin),
        ],
        ..SupervisorSpec::new("root")
    }
}

/// Returns a pusher's place under its route's supervisor.
pub fn pusher(service: &Arc<Service>, wiring: &Arc<Wiring>, number: u32) -> ChildSpec {
    let (service, wiring) = (Arc::clone(service), Arc::clone(wiring));
    let teller = Arc::clone(&wiring);
    ChildSpec::worker(format!("{}/{number}", wiring.route.name), move |link: Link| {
        let Some(cell) = wiring.route.pusher(number) else { return Err(StartError::Ignore) };
        let wiring = Arc::clone(&wiring);
        let arbiter = service.delivery_thread(number);
        let pusher = Pusher::start_in_arbiter(&arbiter, move |_| Pusher::new(wiring, cell, link));
        Ok(ChildHandle::new(pusher.recipient()))
    })
    .shutdown(Shutdown::After(GRACE))
    .announced(ACTOR_START)
    .on_failure(move |setback| teller.restarts(number, setback))
}

fn traces(service: &Arc<Service>) -> ChildSpec {
    let service = Arc::clone(service);
    ChildSpec::worker("traces", move |link| {
        let parts = &service.parts;
        let traces = Traces::new(Arc::clone(&parts.tracer), parts.clock, link).start();
        Ok(ChildHandle::new(traces.recipient()))
    })
}

fn collector(service: &Arc<Service>) -> ChildSpec {
    let service = Arc::clone(service);
    ChildSpec::worker("collector", move |link| {
        let intake = Arc::clone(&service.parts.intake);
        let collector =
            Collector::start_in_arbiter(&service.delivery_thread(0), move |_| Collector::new(intake, link));
        service.set_collector(collector.clone());
        Ok(ChildHandle::new(collector.recipient()))
    })
    .announced(ACTOR_START)
}

fn routes(service: &Arc<Service>) -> ChildSpec {
    let service = Arc::clone(service);
    ChildSpec::supervisor("routes", move || SupervisorSpec {
        strategy: Strategy::OneForOne,
        intensity: Intensity::unlimited(),
        backoff: restart_backoff(Duration::from_secs(1), Duration::from_secs(60)),
        children: service.parts.routes.alive().map(|live| route(&service, live)).collect(),
        ..SupervisorSpec::new("routes")
    })
}

/// Returns a route's place under the supervisor of all routes; it starts whatever pushers the route has when it is started.
pub fn route(service: &Arc<Service>, live: &Arc<LiveRoute>) -> ChildSpec {
    let (service, live) = (Arc::clone(service), Arc::clone(live));
    ChildSpec::supervisor(live.cell.name.clone(), move || {
        live.cell.down.store(false, Ordering::Relaxed);
        let (settings, cells) = (live.settings(), live.cell.pushers());
        let child = |cell: &Arc<PusherCell>| {
            let partition = service.parts.routes.partition(cell.partition)?;
            Some(pusher(&service, &partition.wiring, cell.number))
        };
        SupervisorSpec {
            strategy: Strategy::OneForOne,
            intensity: restart_limit(&settings, cells.len()),
            backoff: restart_backoff(settings.restart_min, settings.restart_max),
            children: cells.iter().filter_map(child).collect(),
            ..SupervisorSpec::new(live.cell.name.as_str())
        }
    })
}

/// Returns how often the pushers of a route may fail before its supervisor gives up.
pub fn restart_limit(settings: &Route, connections: usize) -> Intensity {
    let connections = u32::try_from(connections).unwrap_or(u32::MAX).max(1);
    Intensity::new(settings.restart_limit.saturating_mul(connections), settings.restart_period)
}

fn figures(service: &Arc<Service>) -> ChildSpec {
    let service = Arc::clone(service);
    ChildSpec::worker("figures", move |link| {
        let figures = FiguresActor::new(Arc::clone(&service), link).start();
        Ok(ChildHandle::new(figures.recipient()))
    })
}

fn webhook(service: &Arc<Service>) -> ChildSpec {
    let service = Arc::clone(service);
    ChildSpec::worker("webhook", move |link| {
        let webhook = Webhook::new(Arc::clone(&service.parts.hook), link).start();
        Ok(ChildHandle::new(webhook.recipient()))
    })
}

fn ingest_http(service: &Arc<Service>, listener: Listener) -> ChildSpec {
    let service = Arc::clone(service);
    ChildSpec::worker("ingest", move |link| {
        let server = service.ingest_server(listener.take()?).map_err(StartError::failed)?;
        Ok(ChildHandle::new(Endpoint::new(server, link).start().recipient()))
    })
}

fn admin_http(service: &Arc<Service>, listener: Listener) -> ChildSpec {
    let service = Arc::clone(service);
    ChildSpec::worker("admin", move |link| {
        let server = Arc::clone(&service).admin_server(listener.take()?).map_err(StartError::failed)?;
        Ok(ChildHandle::new(Endpoint::new(server, link).start().recipient()))
    })
}

/// Returns how long something that failed waits before it is started again.
pub fn restart_backoff(min: Duration, max: Duration) -> Backoff {
    Backoff::try_new(min, max.max(min), 0.5, HEALTHY_AFTER)
        .expect("the longest delay is no shorter than the shortest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_fails_at_every_start_ends_the_service_whatever_the_delays() {
        let backoff = restart_backoff(ROOT_DELAYS.0, ROOT_DELAYS.1);
        for chance in [0.0, 0.5, 1.0] {
            let (mut failures, mut passed, mut restarts) = (0, Duration::ZERO, 0);
            while passed <= ROOT_LIMIT.period {
                restarts += 1;
                passed += backoff.after(&mut failures, Duration::ZERO, chance);
            }
            assert!(restarts > ROOT_LIMIT.max_restarts, "{restarts} in the first minute");
        }
    }
}
