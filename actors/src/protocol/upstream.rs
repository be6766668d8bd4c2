//! One subscription in the hands of its consumer, which cannot be forgotten.
//!
//! Consumers keep an [`Upstream`] per subscription. Invariant: the producer hears of the end, however the consumer ends:
//! a dropped upstream, for instance of a consumer that panics, cancels with [`CancelReason::ConsumerDown`].

use super::{CancelReason, ConsumerLink, Disconnected, ProducerLink, Subscribe, SubscriptionId};

/// A live subscription to a producer.
#[derive(Debug)]
pub struct Upstream<E: Send + 'static> {
    id: SubscriptionId,
    producer: ProducerLink<E>,
    ended: bool,
}

// === impl Upstream ===

impl<E: Send + 'static> Upstream<E> {
    /// Subscribes `consumer` to a part of the producer's events under a fresh id.
    ///
    /// # Errors
    /// Returns [`Disconnected`] if the producer is gone.
    pub fn subscribe(
        producer: ProducerLink<E>,
        partition: u32,
        consumer: ConsumerLink<E>,
        replaces: Option<(SubscriptionId, CancelReason)>,
    ) -> Result<Self, Disconnected> {
        let id = SubscriptionId::next();
        producer.subscribe(Subscribe { id, partition, consumer, replaces })?;
        Ok(Self { id, producer, ended: false })
    }

    /// Returns the subscription's id.
    pub fn id(&self) -> SubscriptionId {
        self.id
    }

    /// Asks for `count` more events.
    ///
    /// # Errors
    /// Returns [`Disconnected`] if the producer is gone; a `Cancelled` is on its way then.
    pub fn ask(&self, count: u32) -> Result<(), Disconnected> {
        self.producer.ask(self.id, count)
    }

    /// Asks the producer to end the subscription; its `Cancelled` comes behind the events already sent.
    ///
    /// # Errors
    /// Returns [`Disconnected`] if the producer is gone; a `Cancelled` is on its way then.
    pub fn cancel(&mut self, reason: CancelReason) -> Result<(), Disconnected> {
        self.ended = true;
        self.producer.cancel(self.id, reason)
    }

    /// Notes that the producer has ended the subscription, so that there is nobody left to tell.
    pub fn ended(mut self) {
        self.ended = true;
    }
}

impl<E: Send + 'static> Drop for Upstream<E> {
    fn drop(&mut self) {
        if !self.ended {
            // A producer that is gone as well needs no telling.
            let _ = self.producer.cancel(self.id, CancelReason::ConsumerDown);
        }
    }
}
