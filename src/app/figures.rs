//! What has to be measured over time: rates, drain rates for `Retry-After`, fading of latencies, and the log's word on shedding.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use parking_lot::Mutex;
use pushweir_actors::{Exit, Link, NodeState, Stop};

use super::partitions;
use super::service::Service;
use crate::ledger::Books;
use crate::push::RouteId;
use crate::telemetry::{Rate, log as logging};
use crate::units::{Moment, Stamp};

const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Samples between two turns of the latency histograms.
const TURN_AFTER: u32 = 10;
/// Samples between two words on shedding while it goes on.
const REPORT_AFTER: u32 = 10;

/// Rates over the last seconds, in pushes per second.
#[derive(Debug, Default)]
pub struct Figures {
    /// Of all routes together.
    pub total: Rates,
    /// What ended by partition; how fast its part of the buffer is worked off.
    partitions: Vec<Rate>,
    /// Answers by route and number of the pusher.
    pushers: HashMap<(RouteId, u32), Rate>,
}

/// Rates of one account.
#[derive(Debug, Default)]
pub struct Rates {
    /// Accepted and not shed at once.
    pub accepted: Rate,
    /// Delivered.
    pub delivered: Rate,
    /// Shed.
    pub shed: Rate,
    /// Ended in any way but shed; how fast the buffer can be worked off.
    pub ended: Rate,
}

/// The actor that takes the samples.
pub struct FiguresActor {
    service: Arc<Service>,
    link: Link,
    samples: u32,
    shed_reported: u64,
    quiet_samples: u32,
}

// === impl Rates ===

impl Rates {
    fn sample(&mut self, now: Moment, books: &Books) {
        self.accepted.sample(now, books.accepted);
        self.delivered.sample(now, books.delivered);
        self.shed.sample(now, books.shed);
        self.ended.sample(now, books.worked_off());
    }
}

// === impl Figures ===

impl Figures {
    fn sample(&mut self, service: &Service) {
        let parts = &service.parts;
        let now = parts.clock.now();
        self.total.sample(now, &parts.ledger.total());
        self.partitions.resize_with(parts.intake.partitions(), Rate::default);
        for (ended, partition) in self.partitions.iter_mut().zip(parts.routes.partitions()) {
            let books = parts.routes.books(partition);
            ended.sample(now, books.worked_off());
            parts.intake.observe(partition.id(), &books);
            parts.intake.set_drain_rate(partition.id(), ended.per_second());
        }
        let mut pushers = HashMap::new();
        for route in parts.routes.alive() {
            for pusher in route.cell.pushers() {
                let key = (route.cell.id, pusher.number);
                let mut rate = self.pushers.remove(&key).unwrap_or_default();
                rate.sample(now, pusher.answered());
                pushers.insert(key, rate);
            }
        }
        self.pushers = pushers;
    }

    /// Returns a pusher's answers per second.
    pub fn answers_per_second(&self, route: RouteId, number: u32) -> f64 {
        self.pushers.get(&(route, number)).map_or(0.0, Rate::per_second)
    }
}

// === impl FiguresActor ===

impl FiguresActor {
    /// Returns an actor that samples the service once a second.
    pub const fn new(service: Arc<Service>, link: Link) -> Self {
        Self { service, link, samples: 0, shed_reported: 0, quiet_samples: 0 }
    }

    fn sample(&mut self, _ctx: &mut Context<Self>) {
        self.samples = self.samples.wrapping_add(1);
        self.service.figures.lock().sample(&self.service);
        if self.samples.is_multiple_of(TURN_AFTER) {
            self.turn_latencies();
        }
        self.report_shedding();
        logging::report_left_out();
        self.watch_routes();
        actix::spawn(partitions::tend(Arc::clone(&self.service)));
        self.service.record.sample(Stamp::now(), &self.service.snapshot());
    }

    fn turn_latencies(&self) {
        self.service.parts.intake.gauges().handler.turn();
        for route in self.service.parts.routes.alive() {
            route.cell.delivery.turn();
            route.cell.times.handler.turn();
            for pusher in route.cell.pushers() {
                pusher.latencies.turn();
            }
        }
    }

    /// One line when shedding starts, then one every [`REPORT_AFTER`] samples while it lasts.
    fn report_shedding(&mut self) {
        let shed = self.service.parts.ledger.total().shed;
        let new = shed - self.shed_reported;
        self.quiet_samples += 1;
        if new == 0 || (self.quiet_samples < REPORT_AFTER && self.shed_reported > 0) {
            return;
        }
        let load = self.service.parts.intake.load();
        log::warn!(
            "shedding: the buffer is full shed={new} shed_total={shed} buffered={} buffered_bytes={}",
            load.pushes,
            load.bytes
        );
        self.shed_reported = shed;
        self.quiet_samples = 0;
    }

    /// A route whose supervisor gave up refuses pushes until its parent has started it again.
    fn watch_routes(&self) {
        for route in self.service.parts.routes.alive() {
            let cell = &route.cell;
            let is_down = self.service.route_state(&cell.name).is_some_and(|state| {
                matches!(state, NodeState::BackingOff | NodeState::Failed | NodeState::Restarting)
            });
            if cell.down.swap(is_down, Ordering::Relaxed) != is_down {
                if is_down {
                    log::error!("the route is down: its supervisor gave up route={}", cell.name);
                } else {
                    log::info!("the route is up again route={}", cell.name);
                }
            }
        }
    }
}

impl Actor for FiguresActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.shed_reported = self.service.parts.ledger.total().shed;
        ctx.run_interval(SAMPLE_EVERY, Self::sample);
    }
}

impl Handler<Stop> for FiguresActor {
    type Result = ();

    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) {
        self.link.exit(Exit::Shutdown);
        ctx.stop();
    }
}

/// The figures behind their lock; read once per snapshot.
pub type SharedFigures = Mutex<Figures>;
