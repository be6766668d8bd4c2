//! What a producer does with each message; every handler ends with nothing buffered that somebody has asked for.

use actix::{Context, Handler, Message, StreamHandler};
use tokio::time::Instant;

use super::returns::Fetch;
use super::{Producer, ProducerLogic, Pushed};
use crate::dispatcher::demand::Asked;
use crate::dispatcher::partition::SubscribeError;
use crate::doorbell::Turn;
use crate::protocol::{Ask, Cancel, CancelReason, Subscribe};
use crate::supervisor::Stop;

/// To a producer: take these events. Answered with what became of them.
#[derive(Message, Debug)]
#[rtype(result = "Pushed")]
pub struct Push<E: Send + 'static>(pub Vec<E>);

/// To a stage: stop in order, for this reason.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct StopStage(pub CancelReason);

// === impl Producer ===

impl<L: ProducerLogic> Handler<Subscribe<L::Event>> for Producer<L> {
    type Result = ();

    fn handle(&mut self, subscribe: Subscribe<L::Event>, _: &mut Context<Self>) {
        let Subscribe { id, partition, consumer, replaces } = subscribe;
        self.counters.note_message(Instant::now());
        if self.consumers.contains_key(&id) {
            log::error!("subscription refused: its id is taken subscription={id}");
            let _ = consumer.cancelled(id, CancelReason::DuplicatedSubscription);
            return;
        }
        if let Some((old, reason)) = replaces {
            self.end(old, reason);
        }
        let refused = match self.supply.subscribe(id, partition) {
            Ok(()) => self.logic.handle_subscribe(id, partition).err(),
            Err(SubscribeError::Duplicated(_)) => Some(CancelReason::DuplicatedSubscription),
            Err(SubscribeError::UnknownPartition { .. }) => Some(CancelReason::UnknownPartition(partition)),
        };
        match refused {
            Some(reason) => {
                log::error!("subscription refused subscription={id} partition={partition} reason={reason}");
                self.supply.cancel(id);
                let _ = consumer.cancelled(id, reason);
            }
            None => {
                self.consumers.insert(id, consumer);
            }
        }
        self.flush();
    }
}

impl<L: ProducerLogic> Handler<Ask> for Producer<L> {
    type Result = ();

    fn handle(&mut self, Ask { id, count }: Ask, _: &mut Context<Self>) {
        self.counters.note_message(Instant::now());
        let served = self.supply.ask(id, count, &mut self.outflow);
        match served.asked {
            Asked::Granted => {}
            Asked::AboveMaximum(maximum) => {
                log::warn!(
                    "ask is above the expected maximum subscription={id} count={count} maximum={maximum}"
                );
            }
            Asked::Unknown => {
                // Its link is gone with the subscription, so the answer was the `Cancelled` that ended it, and a
                // consumer that never subscribed gave no link to answer to.
                log::debug!("ask of an unknown subscription subscription={id}");
                return;
            }
        }
        if served.unserved > 0 {
            let events = self.logic.handle_demand(served.unserved, id);
            self.push(events);
        }
        self.flush();
    }
}

impl<L: ProducerLogic> Handler<Cancel> for Producer<L> {
    type Result = ();

    fn handle(&mut self, Cancel { id, reason }: Cancel, _: &mut Context<Self>) {
        self.counters.note_message(Instant::now());
        self.end(id, reason);
        self.flush();
    }
}

impl<L: ProducerLogic> Handler<Push<L::Event>> for Producer<L> {
    type Result = actix::MessageResult<Push<L::Event>>;

    fn handle(&mut self, Push(events): Push<L::Event>, _: &mut Context<Self>) -> Self::Result {
        self.counters.note_message(Instant::now());
        actix::MessageResult(self.emit(events))
    }
}

impl<L: ProducerLogic> Handler<Fetch> for Producer<L> {
    type Result = ();

    fn handle(&mut self, _: Fetch, _: &mut Context<Self>) {
        let returned = self.returns.as_ref().map(|returns| returns.take()).unwrap_or_default();
        for (id, events) in returned {
            let partition = self.partition_of_returned(id, &events);
            // A consumer that lives and does not take what is its own does not know the subscription. One that died
            // has cancelled before its mailbox was emptied.
            self.end(id, CancelReason::UnknownSubscription);
            self.supply.restore(partition, id, events, &mut self.outflow);
        }
        self.flush();
    }
}

impl<L: ProducerLogic> Handler<StopStage> for Producer<L> {
    type Result = ();

    fn handle(&mut self, StopStage(reason): StopStage, ctx: &mut Context<Self>) {
        self.stop(reason, ctx);
    }
}

impl<L: ProducerLogic> Handler<Stop> for Producer<L> {
    type Result = ();

    /// A producer ends between two messages, so there is nothing to wait for, whatever the time it is given.
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.stop(CancelReason::Shutdown, ctx);
    }
}

impl<L: ProducerLogic> StreamHandler<Turn> for Producer<L> {
    fn handle(&mut self, _: Turn, _: &mut Context<Self>) {
        self.counters.note_message(Instant::now());
        let batches = self.intake.as_ref().map(|intake| intake.take_turn()).unwrap_or_default();
        for batch in batches {
            self.push(batch);
        }
        self.flush();
    }

    fn finished(&mut self, _: &mut Context<Self>) {
        // The turns of a bell never end; a stage does not stop because of its intake.
    }
}

impl<L: ProducerLogic> Producer<L> {
    /// Returns the partition of events that came back; all events of a subscription are of one.
    fn partition_of_returned(&self, id: crate::SubscriptionId, events: &[L::Event]) -> u32 {
        let known = self.supply.dispatcher().partition_of(id);
        known.or_else(|| events.first().and_then(|event| self.logic.partition(event))).unwrap_or(0)
    }
}
