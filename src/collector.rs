//! The Push Collector: the one producer of a machine. It owns the queue and sends a pusher only what the pusher asked for.
//!
//! In: batches through [`Intake`] (bounded channel, one bell), `Subscribe`/`Ask`/`Cancel` from pushers, returns through [`Intake`].
//! Out: `Events` to pushers; sheds and expiries to the ledger.
//! Invariant after every event, per partition: queue empty or no live demand. The queue lives in [`Intake`] and so outlives this actor;
//! demand does not: a new incarnation connects to the port, and every pusher subscribes again.

mod delayed;
mod drain;
mod fifo;
mod gauges;
mod handout;
mod intake;
mod lanes;
mod line;
mod occupancy;
mod places;
mod queue;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
pub use gauges::Gauges;
use handout::Handout;
pub use intake::Intake;
pub use occupancy::Load;
use pushweir_actors::{
    Ask, Asked, Cancel, CancelReason, ConsumerLink, DemandDispatcher, Exit, Link, ProducerLink, Stop,
    Subscribe, SubscriptionId, Turn,
};

use crate::push::{Push, RouteId};
use crate::telemetry::Tally;
use crate::units::Moment;

/// Pushes moved from the intake per turn; between turns mailbox and timers run.
const TURN_BUDGET: usize = 4096;
/// How often figures are noted, and expired pushes are looked for behind the heads of the lanes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Places at which expired pushes are looked for at once, and the pause before the next ones: a million of them take a second or less, and
/// hold nobody up.
const SWEEP_STEP: usize = 8_192;
const SWEEP_PAUSE: Duration = Duration::from_millis(5);

/// What goes when the buffer is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// The oldest push of the lowest lane goes (GenStage's `:last`).
    #[default]
    Newest,
    /// The arriving push is refused (GenStage's `:first`).
    Oldest,
}

/// `[collector]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Pushes the buffer holds.
    pub buffer: u64,
    /// Bytes the buffer holds, overhead included.
    pub buffer_bytes: u64,
    /// The share of both that only `critical` pushes may use, 0 to 0.9.
    pub critical_reserve: f64,
    /// What goes when it is full.
    pub keep: Keep,
    /// Whether a push that would wait longer than it lives is refused at the door.
    pub refuse_late: bool,
    /// Whether a newer push with the same route, target and collapse key replaces one in the buffer.
    pub coalesce: bool,
    /// Batches that may wait between the HTTP threads and the collector.
    pub intake: usize,
}

/// Makes the actor panic, to prove in a running service that supervision works (`[runtime] fault_injection`).
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct InjectPanic;

/// The actor.
#[derive(Debug)]
pub struct Collector {
    intake: Arc<Intake>,
    link: Link,
    /// By partition; as long as the highest that was subscribed to.
    demand: Vec<DemandDispatcher>,
    consumers: HashMap<SubscriptionId, (RouteId, ConsumerLink<Push>)>,
    due_timer: Option<(Moment, SpawnHandle)>,
    is_sweeping: bool,
}

// === impl Collector ===

impl Collector {
    /// Returns an incarnation that serves what is in `intake`; `link` tells its supervisor how it fares.
    pub fn new(intake: Arc<Intake>, link: Link) -> Self {
        Self {
            intake,
            link,
            demand: Vec::new(),
            consumers: HashMap::new(),
            due_timer: None,
            is_sweeping: false,
        }
    }

    fn serve_all(&mut self, ctx: &mut Context<Self>) {
        // One look at all, as there may be a thousand with demand and nothing to do.
        for route in self.intake.with_pushes() {
            if route.index() < self.demand.len() {
                self.serve(route);
            }
        }
        self.schedule_due(ctx);
    }

    /// Gives a partition's waiting pushes to those who asked, until one of the two has run out or the partition's gate lets no more out.
    fn serve(&mut self, route: RouteId) {
        let mut assigned = Vec::new();
        while self.demand[route.index()].total_demand() > 0 {
            let ready = self.intake.ready(route);
            if ready == 0 {
                return;
            }
            self.demand[route.index()].assign(ready, &mut assigned);
            for (id, count) in assigned.drain(..) {
                self.deliver(route, id, count);
            }
        }
    }

    fn deliver(&mut self, route: RouteId, id: SubscriptionId, count: usize) {
        let now = self.intake.clock().now();
        let handout = Handout::take(&self.intake, route, count, now);
        let taken = handout.len();
        self.count(route, handout.pushes(), now);
        let events = handout.into_events(id, now);
        if taken < count {
            // Pushes that are too late or have to wait fill no demand.
            let _known = self.demand[route.index()].ask(id, u32::try_from(count - taken).unwrap_or(u32::MAX));
        }
        let gone = match self.consumers.get(&id) {
            Some(_) if events.is_empty() => false,
            Some((_, consumer)) => consumer.deliver(events).is_err(),
            None => true,
        };
        if gone {
            self.forget(id);
        }
    }

    fn count(&self, route: RouteId, pushes: &[Push], now: Moment) {
        self.intake.gauges().add_dispatched(pushes.len());
        let mut waits = Tally::default();
        // What comes back from a pusher has waited for other reasons too.
        for push in pushes.iter().filter(|push| push.attempts == 0) {
            waits.add(now.since(push.accepted_at), push.trace.as_ref().map(|trace| trace.name().trace));
        }
        if let Some(cell) = self.intake.route(route) {
            cell.times.queue.enter(&waits);
        }
    }

    fn forget(&mut self, id: SubscriptionId) {
        if let Some((route, _)) = self.consumers.remove(&id) {
            self.demand[route.index()].cancel(id);
        }
        self.intake.port().forget(id);
    }

    fn release_due(&mut self, ctx: &mut Context<Self>) {
        self.due_timer = None;
        let now = self.intake.clock().now();
        for route in (0..self.intake.partitions()).map(RouteId::at) {
            self.intake.release_due(route, now);
            // A gate that opens by itself does so here at the latest, or the timer would be set for the same moment again and again.
            self.intake.gate_of(route).advance(now);
        }
        self.serve_all(ctx);
    }

    fn schedule_due(&mut self, ctx: &mut Context<Self>) {
        let Some(due) = self.intake.next_due() else { return };
        match self.due_timer {
            Some((scheduled, _)) if scheduled <= due => return,
            Some((_, timer)) => ctx.cancel_future(timer),
            None => false,
        };
        let delay = due.since(self.intake.clock().now());
        self.due_timer = Some((due, ctx.run_later(delay, Self::release_due)));
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        let demand = self.demand.iter().map(|demand| demand.total_demand()).sum();
        self.intake.gauges().set_demand(demand);
        let now = self.intake.clock().now();
        (0..self.intake.partitions())
            .for_each(|route| self.intake.gate_of(RouteId::at(route)).forget_past(now));
        if !self.is_sweeping {
            self.sweep(ctx);
        }
        self.intake.note_oldest();
    }

    fn sweep(&mut self, ctx: &mut Context<Self>) {
        self.is_sweeping = !self.intake.sweep(SWEEP_STEP);
        if self.is_sweeping {
            ctx.run_later(SWEEP_PAUSE, Self::sweep);
        }
    }
}

impl Actor for Collector {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        Self::add_stream(self.intake.bell().turns(), ctx);
        ctx.run_interval(LOOK_EVERY, Self::look);
        self.intake.port().connect(ProducerLink::to(&ctx.address()));
        // The incarnation before may have died between a ring and its turn.
        self.intake.bell().ring();
        self.link.started();
    }
}

impl StreamHandler<Turn> for Collector {
    fn handle(&mut self, _turn: Turn, ctx: &mut Self::Context) {
        let begun = self.intake.clock().now();
        self.intake.acknowledge_returns();
        self.intake.drain_channel(TURN_BUDGET);
        self.serve_all(ctx);
        let intake = &self.intake;
        intake.bell().rest_if(|| intake.is_quiet());
        intake.gauges().handler.note(intake.clock().now().since(begun));
    }
}

impl Handler<Subscribe<Push>> for Collector {
    type Result = ();

    fn handle(&mut self, request: Subscribe<Push>, _ctx: &mut Self::Context) {
        let partition = request.partition as usize;
        if partition >= self.intake.partitions() {
            let reason = CancelReason::UnknownPartition(request.partition);
            if request.consumer.cancelled(request.id, reason).is_err() {
                log::debug!("a subscriber is gone subscription={}", request.id);
            }
            return;
        }
        if partition >= self.demand.len() {
            self.demand.resize_with(partition + 1, DemandDispatcher::default);
        }
        let demand = &mut self.demand[partition];
        if let Some((old, _)) = request.replaces {
            demand.cancel(old);
            self.consumers.remove(&old);
        }
        if demand.subscribe(request.id) {
            self.consumers.insert(request.id, (RouteId::at(partition), request.consumer));
        }
    }
}

impl Handler<Ask> for Collector {
    type Result = ();

    fn handle(&mut self, ask: Ask, ctx: &mut Self::Context) {
        let Some((route, _)) = self.consumers.get(&ask.id) else {
            if let Some(consumer) = self.intake.port().forget(ask.id) {
                let _gone = consumer.cancelled(ask.id, CancelReason::UnknownSubscription);
            }
            return;
        };
        let route = *route;
        if self.demand[route.index()].ask(ask.id, ask.count) != Asked::Unknown {
            self.serve(route);
            if self.intake.gate_of(route).is_limited() {
                self.schedule_due(ctx);
            }
        }
    }
}

impl Handler<Cancel> for Collector {
    type Result = ();

    fn handle(&mut self, cancel: Cancel, _ctx: &mut Self::Context) {
        self.forget(cancel.id);
    }
}

impl Handler<Stop> for Collector {
    type Result = ();

    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) {
        self.link.exit(Exit::Shutdown);
        ctx.stop();
    }
}

impl Handler<InjectPanic> for Collector {
    type Result = ();

    fn handle(&mut self, _message: InjectPanic, _ctx: &mut Self::Context) {
        panic!("injected by the operator");
    }
}
