//! What a consumer does with each message.

use actix::{Context, Handler, Message};
use tokio::time::Instant;

use super::subscription::Subscription;
use super::{Consumer, ConsumerLogic, Demand};
use crate::producer::StopStage;
use crate::protocol::{CancelReason, Cancelled, Events, SubscriptionId};
use crate::supervisor::Stop;

/// To a consumer: make this subscription. Answered with its id once the producer has been sent the message, or, where
/// no producer is and the mode is temporary, once the first retry is due.
#[derive(Message, Debug)]
#[rtype(result = "SubscriptionId")]
pub struct SubscribeTo<E: Send + 'static>(pub Subscription<E>);

/// To a consumer: make this subscription in place of another, which ends for `reason`; it need not exist any more.
#[derive(Message, Debug)]
#[rtype(result = "SubscriptionId")]
pub struct Resubscribe<E: Send + 'static> {
    /// The subscription to end.
    pub old: SubscriptionId,
    /// Why it ends.
    pub reason: CancelReason,
    /// The subscription to make.
    pub new: Subscription<E>,
}

/// To a consumer: end this subscription, or stop trying to make it again.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct Unsubscribe {
    /// The subscription to end; an unknown one is ignored.
    pub id: SubscriptionId,
    /// Why it ends.
    pub reason: CancelReason,
}

// === impl Consumer ===

impl<L: ConsumerLogic> Handler<SubscribeTo<L::Event>> for Consumer<L> {
    type Result = actix::MessageResult<SubscribeTo<L::Event>>;

    fn handle(
        &mut self,
        SubscribeTo(subscription): SubscribeTo<L::Event>,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        self.counters.note_message(Instant::now());
        actix::MessageResult(self.subscribe(subscription, None, ctx))
    }
}

impl<L: ConsumerLogic> Handler<Resubscribe<L::Event>> for Consumer<L> {
    type Result = actix::MessageResult<Resubscribe<L::Event>>;

    fn handle(&mut self, resubscribe: Resubscribe<L::Event>, ctx: &mut Context<Self>) -> Self::Result {
        let Resubscribe { old, reason, new } = resubscribe;
        self.counters.note_message(Instant::now());
        let id = self.subscribe(new, Some((old, reason.clone())), ctx);
        // The old one may be another producer's, or wait to be made again; the producer that replaced it ignores this.
        self.unsubscribe(old, reason, ctx);
        actix::MessageResult(id)
    }
}

impl<L: ConsumerLogic> Handler<Unsubscribe> for Consumer<L> {
    type Result = ();

    fn handle(&mut self, Unsubscribe { id, reason }: Unsubscribe, ctx: &mut Context<Self>) {
        self.counters.note_message(Instant::now());
        self.unsubscribe(id, reason, ctx);
    }
}

impl<L: ConsumerLogic> Handler<Events<L::Event>> for Consumer<L> {
    type Result = ();

    fn handle(&mut self, mut events: Events<L::Event>, ctx: &mut Context<Self>) {
        self.counters.note_message(Instant::now());
        let id = events.id();
        let Some(tie) = self.ties.get_mut(&id) else {
            // Dropped unread, they go back to the producer and end the subscription there.
            log::debug!("events of an unknown subscription subscription={id} events={}", events.len());
            return;
        };
        self.counters.add_in(events.len());
        let demand = match &mut tie.demand {
            Demand::Automatic(demand) => *demand,
            Demand::Manual(outstanding) => {
                let events = events.take();
                let count = events.len();
                *outstanding = outstanding.saturating_sub(count as u64);
                self.update(ctx, |logic, flow| logic.handle_events(events, id, flow));
                self.counters.add_out(count);
                return;
            }
        };
        // The slices not handled yet stay in the batch, so that a panic in the logic gives them back.
        let mut delivery = demand.deliver(events.len());
        while let Some(asked) = self.handle_slice(id, &mut delivery, &mut events, ctx) {
            self.ask(id, asked);
        }
        self.settle();
    }
}

impl<L: ConsumerLogic> Handler<Cancelled> for Consumer<L> {
    type Result = ();

    fn handle(&mut self, Cancelled { id, reason }: Cancelled, ctx: &mut Context<Self>) {
        self.counters.note_message(Instant::now());
        if let Some(tie) = self.ties.remove(&id) {
            self.end(id, tie, reason, ctx);
        }
    }
}

impl<L: ConsumerLogic> Handler<StopStage> for Consumer<L> {
    type Result = ();

    fn handle(&mut self, StopStage(reason): StopStage, ctx: &mut Context<Self>) {
        self.stop(reason, ctx);
    }
}

impl<L: ConsumerLogic> Handler<Stop> for Consumer<L> {
    type Result = ();

    /// A consumer ends between two messages, so there is nothing to wait for, whatever the time it is given.
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.stop(CancelReason::Shutdown, ctx);
    }
}
