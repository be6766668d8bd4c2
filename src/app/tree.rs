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
use super::service::Service;
use super::traces::Traces;
use crate::collector::Collector;
use crate::config::Route;
use crate::feedback::webhook::Webhook;
use crate::pusher::{Pusher, Wiring};

/// How long a pusher that is restarted or stopped in order waits for its last answers (`CONTRACT`: restart).
pub const GRACE: Duration = Duration::from_secs(10);
/// A life this long makes a pusher's failure a first one.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// How often the parts of the root may fail: a panic now and then is survived, a panic at every start is not.
const ROOT_LIMIT: Intensity = Intensity::new(20, Duration::from_secs(60));
/// How long an actor may take to come up on its thread.
const ACTOR_START: Duration = Duration::from_secs(10);

/// Returns the whole tree.
pub fn root(service: &Arc<Service>, ingest: Listener, admin: Listener) -> SupervisorSpec {
    SupervisorSpec {
        strategy: Strategy::OneForOne,
        intensity: ROOT_LIMIT,
        backoff: restart_backoff(Duration::from_millis(50), Duration::from_secs(5)),
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
    ChildSpec::worker(format!("{}/{number}", wiring.route.name), move |link: Link| {
        let Some(cell) = wiring.route.pushers().get(number as usize).cloned() else {
            return Err(StartError::Ignore);
        };
        let wiring = Arc::clone(&wiring);
        let arbiter = service.delivery_thread(number);
        let pusher = Pusher::start_in_arbiter(&arbiter, move |_| Pusher::new(wiring, cell, link));
        Ok(ChildHandle::new(pusher.recipient()))
    })
    .shutdown(Shutdown::After(GRACE))
    .announced(ACTOR_START)
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
        let routes = service.parts.config.routes.len();
        let collector = Collector::start_in_arbiter(&service.delivery_thread(0), move |_| {
            Collector::new(intake, routes, link)
        });
        service.set_collector(collector.clone());
        Ok(ChildHandle::new(collector.recipient()))
    })
    .announced(ACTOR_START)
}

fn routes(service: &Arc<Service>) -> ChildSpec {
    let service = Arc::clone(service);
    ChildSpec::supervisor("routes", move || {
        let parts = &service.parts;
        SupervisorSpec {
            strategy: Strategy::OneForOne,
            intensity: Intensity::unlimited(),
            backoff: restart_backoff(Duration::from_secs(1), Duration::from_secs(60)),
            children: parts
                .config
                .routes
                .iter()
                .zip(&parts.wirings)
                .map(|(settings, wiring)| route(&service, settings, wiring))
                .collect(),
            ..SupervisorSpec::new("routes")
        }
    })
}

fn route(service: &Arc<Service>, settings: &Route, wiring: &Arc<Wiring>) -> ChildSpec {
    let (service, settings, wiring) = (Arc::clone(service), settings.clone(), Arc::clone(wiring));
    ChildSpec::supervisor(settings.name.clone(), move || {
        wiring.route.down.store(false, Ordering::Relaxed);
        let connections = u32::try_from(wiring.route.pushers().len()).unwrap_or(u32::MAX);
        let limit = settings.restart_limit.saturating_mul(connections.max(1));
        SupervisorSpec {
            strategy: Strategy::OneForOne,
            intensity: Intensity::new(limit, settings.restart_period),
            backoff: restart_backoff(settings.restart_min, settings.restart_max),
            children: (0..connections).map(|number| pusher(&service, &wiring, number)).collect(),
            ..SupervisorSpec::new(settings.name.as_str())
        }
    })
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

fn restart_backoff(min: Duration, max: Duration) -> Backoff {
    Backoff::try_new(min, max.max(min), 0.5, HEALTHY_AFTER)
        .expect("the longest delay is no shorter than the shortest")
}
