//! The consuming stage: an actor that asks for events, handles them, and finds its producer again.
//!
//! It is told to [`SubscribeTo`] a producer's [`Port`], sends `Subscribe` and `Ask`, and gets `Events` and `Cancelled`.
//! The rules are GenStage's (`reference/genstage.md` 1.2, 1.4, 1.5 and 1.8), except that a temporary subscription
//! is made again, with back-off, when its producer was lost or is not there yet. Invariant: a subscription that the
//! producer may know is in `ties`, and a dropped tie tells the producer.

mod counted;
mod flow;
mod handlers;
mod logic;
mod subscription;
mod tie;

use std::sync::Arc;

use actix::{Actor, ActorContext, AsyncContext, Context, SpawnHandle};
use tokio::time::Instant;

use crate::counters::StageCounters;
use crate::demand::{AutomaticDemand, Delivery};
use crate::protocol::{CancelReason, ConsumerLink, Events, IdMap, MailboxGauge, SubscriptionId, Upstream};
use crate::supervisor::Link;
use flow::Order;
use subscription::Consequence;
use tie::{Demand, Lost, Tie};

pub use flow::Flow;
pub use handlers::{Resubscribe, SubscribeTo, Unsubscribe};
pub use logic::{ConsumerLogic, DemandMode};
pub use subscription::{CancelMode, Subscription};

/// A consuming actor around its logic.
///
/// ```
/// use actix::Actor;
/// use pushweir_actors::{Consumer, ConsumerLogic, Flow, Port, Subscription, SubscriptionId};
///
/// struct Print;
/// impl ConsumerLogic for Print {
///     type Event = String;
///     fn handle_events(&mut self, lines: Vec<String>, _: SubscriptionId, _: &mut Flow) {
///         lines.iter().for_each(|line| println!("{line}"));
///     }
/// }
///
/// # actix::System::new().block_on(async {
/// let port = Port::new(); // where a `Producer::with_port` publishes itself
/// let consumer = Consumer::new(Print).subscribed_to(Subscription::to(port)).start();
/// # });
/// ```
pub struct Consumer<L: ConsumerLogic> {
    logic: L,
    ties: IdMap<Tie<L::Event>>,
    /// Subscriptions that wait to be made again, by the id under which they ended.
    retries: IdMap<SpawnHandle>,
    at_start: Vec<Subscription<L::Event>>,
    counters: Arc<StageCounters>,
    mailbox: Arc<MailboxGauge>,
    exit: Option<CancelReason>,
    link: Option<Link>,
}

// === impl Consumer ===

impl<L: ConsumerLogic> Consumer<L> {
    /// Creates a consumer; [`Actor::start`] starts it.
    pub fn new(logic: L) -> Self {
        Self {
            logic,
            ties: IdMap::default(),
            retries: IdMap::default(),
            at_start: Vec::new(),
            counters: Arc::default(),
            mailbox: Arc::default(),
            exit: None,
            link: None,
        }
    }

    /// Makes this subscription when the consumer starts.
    pub fn subscribed_to(mut self, subscription: Subscription<L::Event>) -> Self {
        self.at_start.push(subscription);
        self
    }

    /// Reports its end, and why, through `link` to the supervisor that started it.
    pub fn supervised_by(mut self, link: Link) -> Self {
        self.link = Some(link);
        self
    }

    /// Counts into `counters`, for instance those of the consumer it takes the place of.
    pub fn with_counters(mut self, counters: Arc<StageCounters>) -> Self {
        self.counters = counters;
        self
    }

    /// Returns the counters; take them before the start and read them from anywhere.
    pub fn counters(&self) -> Arc<StageCounters> {
        Arc::clone(&self.counters)
    }

    /// Runs `change` on the logic and carries out what it ordered.
    pub fn update<R>(&mut self, ctx: &mut Context<Self>, change: impl FnOnce(&mut L, &mut Flow) -> R) -> R {
        // On the stack: kept in the stage, it would be another cold line for each of thousands of consumers.
        let mut flow = Flow::default();
        let result = change(&mut self.logic, &mut flow);
        for order in flow.orders {
            match order {
                Order::Ask(id, count) => self.ask(id, count),
                Order::Cancel(id, reason) => self.unsubscribe(id, reason, ctx),
                Order::Stop(reason) => self.stop(reason, ctx),
            }
        }
        self.settle();
        result
    }

    /// Stops the stage in order: producers are told `reason`, then [`ConsumerLogic::terminate`] runs. The first reason
    /// counts.
    pub fn stop(&mut self, reason: CancelReason, ctx: &mut Context<Self>) {
        self.exit.get_or_insert(reason);
        ctx.stop();
    }

    fn subscribe(
        &mut self,
        plan: Subscription<L::Event>,
        replaces: Option<(SubscriptionId, CancelReason)>,
        ctx: &mut Context<Self>,
    ) -> SubscriptionId {
        match self.connect(plan, replaces, 0, ctx) {
            Ok(id) => id,
            Err(plan) => {
                let id = SubscriptionId::next();
                self.follow(Lost::unconnected(id, plan, 0), false, ctx);
                id
            }
        }
    }

    /// Subscribes, and asks if the stage is to ask; hands the plan back if there is no producer.
    fn connect(
        &mut self,
        plan: Subscription<L::Event>,
        replaces: Option<(SubscriptionId, CancelReason)>,
        failures: u32,
        ctx: &mut Context<Self>,
    ) -> Result<SubscriptionId, Subscription<L::Event>> {
        let link = ConsumerLink::counted(&ctx.address(), &self.mailbox);
        let upstream = plan
            .port
            .current()
            .and_then(|producer| Upstream::subscribe(producer, plan.partition, link, replaces).ok());
        let Some(upstream) = upstream else { return Err(plan) };
        let (id, range) = (upstream.id(), plan.range);
        self.ties.insert(id, Tie::new(upstream, plan, failures, Instant::now()));
        let mode = self.update(ctx, |logic, flow| logic.handle_subscribe(id, flow));
        if mode == DemandMode::Automatic {
            self.ask(id, range.max());
            if let Some(tie) = self.ties.get_mut(&id) {
                tie.demand = Demand::Automatic(AutomaticDemand::new(range));
            }
        }
        self.settle();
        Ok(id)
    }

    fn unsubscribe(&mut self, id: SubscriptionId, reason: CancelReason, ctx: &mut Context<Self>) {
        if let Some(retry) = self.retries.remove(&id) {
            ctx.cancel_future(retry);
        }
        if let Some(tie) = self.ties.get_mut(&id) {
            tie.wanted_end = true;
            // Without a producer the `Cancelled` of its dropped link is on its way.
            let _ = tie.upstream.cancel(reason);
        }
    }

    fn ask(&mut self, id: SubscriptionId, count: u32) {
        let Some(tie) = self.ties.get_mut(&id) else { return };
        if let Demand::Manual(outstanding) = &mut tie.demand {
            *outstanding += u64::from(count);
        }
        // Without a producer the `Cancelled` of its dropped link is on its way.
        let _ = tie.upstream.ask(count);
    }

    /// Handles the next slice of a delivery. Returns what to ask for then, or `None` if there is nothing more to do.
    fn handle_slice(
        &mut self,
        id: SubscriptionId,
        delivery: &mut Delivery,
        events: &mut Events<L::Event>,
        ctx: &mut Context<Self>,
    ) -> Option<u32> {
        if self.exit.is_some() {
            return None;
        }
        let tie = self.ties.get_mut(&id)?;
        let Demand::Automatic(demand) = &mut tie.demand else { return None };
        let slice = demand.next_slice(delivery)?;
        if slice.excess > 0 {
            log::warn!("events in excess of demand subscription={id} events={}", slice.excess);
        }
        let slice_of_events = events.take_first(slice.count);
        self.update(ctx, |logic, flow| logic.handle_events(slice_of_events, id, flow));
        self.counters.add_out(slice.count);
        Some(slice.ask)
    }

    /// Tells the logic of the end of a subscription and draws the consequence.
    fn end(&mut self, id: SubscriptionId, tie: Tie<L::Event>, reason: CancelReason, ctx: &mut Context<Self>) {
        self.update(ctx, |logic, flow| logic.handle_cancel(id, &reason, flow));
        let wanted = tie.wanted_end;
        self.follow(tie.lose(id, reason, Instant::now()), wanted, ctx);
    }

    /// Stops, stays or tries again later, now that a subscription is lost.
    fn follow(&mut self, lost: Lost<L::Event>, wanted: bool, ctx: &mut Context<Self>) {
        let Lost { id, plan, reason, lived, mut failures } = lost;
        match plan.mode.after(&reason, wanted) {
            Consequence::Stay => {}
            Consequence::Stop => {
                log::error!("consumer stops with its subscription subscription={id} reason={reason}");
                self.stop(reason, ctx);
            }
            Consequence::SubscribeAgain => {
                let delay = plan.backoff.after(&mut failures, lived, fastrand::f64());
                log::info!("subscribing again subscription={id} reason={reason} delay={delay:?}");
                let retry = ctx.run_later(delay, move |consumer, ctx| {
                    consumer.retries.remove(&id);
                    if let Err(plan) = consumer.connect(plan, None, failures, ctx) {
                        consumer.follow(Lost::unconnected(id, plan, failures), false, ctx);
                    }
                });
                self.retries.insert(id, retry);
            }
        }
    }

    fn settle(&self) {
        self.counters.set_demand(self.ties.values().map(Tie::outstanding).sum());
    }
}

/// Nothing in a stage is ever pinned, whatever its events are.
impl<L: ConsumerLogic> Unpin for Consumer<L> {}

impl<L: ConsumerLogic> Actor for Consumer<L> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.counters.watch_mailbox(Some(&self.mailbox));
        for subscription in std::mem::take(&mut self.at_start) {
            self.subscribe(subscription, None, ctx);
        }
        if let Some(link) = &self.link {
            link.observe(&self.counters);
            link.started();
        }
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.counters.watch_mailbox(None);
        // Actix runs this while a panic unwinds, too; then the dropped ties tell the producers the truth.
        if std::thread::panicking() {
            return;
        }
        let reason = self.exit.take().unwrap_or(CancelReason::Shutdown);
        for (_, mut tie) in self.ties.drain() {
            // A producer that is gone needs no telling.
            let _ = tie.upstream.cancel(reason.clone());
        }
        self.logic.terminate(&reason);
        if let Some(link) = &mut self.link {
            link.exit((&reason).into());
        }
    }
}
