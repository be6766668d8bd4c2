//! A batch of events on its way from a producer to one consumer, which cannot get lost unseen.
//!
//! Producers make it, [`ConsumerLink::deliver`](super::ConsumerLink::deliver) sends it, the consumer takes the events
//! out. Invariant: every event is either taken or given back exactly once.

use std::fmt;
use std::sync::Arc;

use actix::Message;

use super::SubscriptionId;

/// Takes back the events of a batch that nobody took: its consumer's mailbox was closed, or was dropped with the batch
/// in it, or its handler ended early.
pub trait Undelivered<E>: Send + Sync {
    /// Takes back `events`, which were addressed to `id`, in their order.
    ///
    /// It runs on the thread that dropped the batch, perhaps while that thread unwinds from a panic: it must neither
    /// panic nor block.
    fn give_back(&self, id: SubscriptionId, events: Vec<E>);
}

/// Producer to consumer: events for one subscription, never none, never more than were asked for.
///
/// A batch dropped with events in it hands them to its [`Undelivered`], if it has one; the price is paid per batch.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Events<E: Send + 'static> {
    id: SubscriptionId,
    events: Vec<E>,
    undelivered: Option<Arc<dyn Undelivered<E>>>,
}

// === impl Events ===

impl<E: Send + 'static> Events<E> {
    /// Creates a batch whose events are lost if nobody takes them.
    pub fn new(id: SubscriptionId, events: Vec<E>) -> Self {
        Self { id, events, undelivered: None }
    }

    /// Creates a batch whose events go to `undelivered` if nobody takes them.
    pub fn with_return(id: SubscriptionId, events: Vec<E>, undelivered: Arc<dyn Undelivered<E>>) -> Self {
        Self { id, events, undelivered: Some(undelivered) }
    }

    /// Returns the subscription the events are for.
    pub fn id(&self) -> SubscriptionId {
        self.id
    }

    /// Returns how many events have not been taken.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns whether all events have been taken.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns the events that have not been taken; they stay in the batch's care.
    pub fn as_slice(&self) -> &[E] {
        &self.events
    }

    /// Takes all events; from here on they are the caller's.
    pub fn take(mut self) -> Vec<E> {
        std::mem::take(&mut self.events)
    }

    /// Takes the first `count` events, or all if there are fewer; the rest can still be given back.
    pub fn take_first(&mut self, count: usize) -> Vec<E> {
        if count >= self.events.len() {
            return std::mem::take(&mut self.events);
        }
        let rest = self.events.split_off(count);
        std::mem::replace(&mut self.events, rest)
    }
}

impl<E: Send + 'static> Drop for Events<E> {
    fn drop(&mut self) {
        if self.events.is_empty() {
            return;
        }
        if let Some(undelivered) = self.undelivered.take() {
            undelivered.give_back(self.id, std::mem::take(&mut self.events));
        }
    }
}

impl<E: Send + 'static> fmt::Debug for Events<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Events")
            .field("id", &self.id)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
