//! What has to be measured over time: rates, drain rates for `Retry-After`, fading of latencies, and the log's word on shedding.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use parking_lot::Mutex;
use pushweir_actors::{Exit, Link, NodeState, Stop};

use super::autosize;
use super::partitions;
use super::service::Service;
use super::shedding::{Shedding, Word};
use crate::admin::record::Change;
use crate::admin::state::State;
use crate::ledger::Books;
use crate::push::RouteId;
use crate::telemetry::{Rate, log as logging};
use crate::units::{Moment, Stamp};

const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Samples between two turns of the latency histograms.
const TURN_AFTER: u32 = 10;

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
    /// Shed because the collector is behind.
    pub shed_behind: Rate,
    /// Ended in any way but shed; how fast the buffer can be worked off.
    pub ended: Rate,
}

/// The actor that takes the samples.
pub struct FiguresActor {
    service: Arc<Service>,
    link: Link,
    samples: u32,
    shedding: Shedding,
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
        self.total.shed_behind.sample(now, parts.intake.gauges().shed_behind());
        self.partitions.resize_with(parts.intake.partitions(), Rate::default);
        for (ended, partition) in self.partitions.iter_mut().zip(parts.routes.partitions()) {
            let books = parts.routes.books(partition);
            ended.sample(now, books.worked_off());
            parts.intake.observe(partition.id(), &books);
            parts.intake.set_drain_rate(partition.id(), ended.per_second());
            partition.wiring.tell_troubles();
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
    pub fn new(service: Arc<Service>, link: Link) -> Self {
        Self { service, link, samples: 0, shedding: Shedding::default() }
    }

    fn sample(&mut self, _ctx: &mut Context<Self>) {
        self.samples = self.samples.wrapping_add(1);
        self.service.figures.lock().sample(&self.service);
        if self.samples.is_multiple_of(TURN_AFTER) {
            self.turn_latencies();
        }
        self.report_shedding();
        let parts = &self.service.parts;
        parts.refusals.due(parts.clock.now()).iter().for_each(|line| line.log());
        logging::report_left_out();
        self.watch_routes();
        actix::spawn(partitions::tend(Arc::clone(&self.service)));
        if let Some(change) = self.service.record.sample(Stamp::now(), &self.service.snapshot()) {
            report(&change);
        }
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

    fn report_shedding(&mut self) {
        let total = self.service.parts.ledger.total().shed;
        let Some(word) = self.shedding.look(total) else { return };
        let intake = &self.service.parts.intake;
        let (load, bound) = (intake.load(), intake.bound());
        match word {
            Word::Lasts(dropped) => log::warn!(
                "shedding: pushes are dropped shed={dropped} shed_total={total} buffered={} capacity={} buffered_bytes={} \
                 capacity_bytes={} (hint: the admin page says why; [collector] buffer absorbs longer bursts)",
                load.pushes,
                bound.pushes,
                load.bytes,
                bound.bytes
            ),
            Word::Over(dropped) => {
                log::info!("shedding is over shed={dropped} shed_total={total} buffered={}", load.pushes);
            }
        }
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

/// Tells when the service gets into trouble or out of it; that pushes wait for a second is none.
fn report(change: &Change) {
    let Change { from, to, why } = change;
    let words = format_args!("the state changed from={} to={} why={why:?}", from.as_str(), to.as_str());
    match (from, to) {
        (State::Ok | State::Saturated, State::Ok | State::Saturated) => log::debug!("{words}"),
        (_, State::Shedding | State::Degraded) => log::warn!("{words}"),
        _ => log::info!("{words}"),
    }
}

impl Actor for FiguresActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.shedding = Shedding::new(self.service.parts.ledger.total().shed);
        ctx.run_interval(SAMPLE_EVERY, Self::sample);
        ctx.run_interval(autosize::LOOK_EVERY, |figures, _ctx| autosize::look(&figures.service));
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
