//! What a producer's author writes: where events come from, and what happens to those nobody can take.

use crate::protocol::{CancelReason, SubscriptionId};

/// The part of a producer that is not the same for all. Every method has a default: a logic without any is a buffer
/// that others push into.
///
/// Callbacks return events instead of sending them; the stage serves demand, buffers and sheds. Messages of one's own
/// are added with `impl actix::Handler<MyMessage> for Producer<MyLogic>` and [`Producer::emit`](super::Producer::emit).
#[expect(unused_variables, reason = "the defaults ignore what they are told, and names belong into the docs")]
pub trait ProducerLogic: Sized + 'static {
    /// What is produced.
    type Event: Send + 'static;

    /// Returns events for demand that the buffer could not serve. More than `count` are buffered; fewer leave the rest
    /// of the demand to later events, and it is not asked for again.
    fn handle_demand(&mut self, count: u32, from: SubscriptionId) -> Vec<Self::Event> {
        Vec::new()
    }

    /// Decides about a new subscription, before it is served.
    ///
    /// # Errors
    /// Returns the reason with which the subscription is refused.
    fn handle_subscribe(&mut self, id: SubscriptionId, partition: u32) -> Result<(), CancelReason> {
        Ok(())
    }

    /// Hears that a subscription has ended; the consumer gets no event any more. Returns events for the others.
    fn handle_cancel(&mut self, id: SubscriptionId, reason: &CancelReason) -> Vec<Self::Event> {
        Vec::new()
    }

    /// Returns the partition of an event, or `None` to drop it uncounted. Asked only if there are several.
    fn partition(&self, event: &Self::Event) -> Option<u32> {
        Some(0)
    }

    /// Takes the events that were shed, and says whether the stage's own warning is logged, at most once a second.
    fn handle_discarded(&mut self, events: Vec<Self::Event>) -> Discard {
        Discard::Warn
    }

    /// Runs last when the stage stops in order, with the events that are still buffered.
    fn terminate(&mut self, reason: &CancelReason, buffered: Vec<Self::Event>) {}
}

/// Whether shed events are worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// The stage logs a warning with the number.
    Warn,
    /// The logic has dealt with it.
    Quiet,
}
