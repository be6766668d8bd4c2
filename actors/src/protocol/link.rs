//! The two ends of a subscription, and the only place in the project that sends past a mailbox's capacity.
//!
//! Producers keep a [`ConsumerLink`] per subscription, consumers a [`ProducerLink`]. `do_send` ignores the capacity
//! of the mailbox, which is right here and nowhere else: events are bounded by the demand that was asked for, asks by
//! the events that were delivered, and neither side may block the other. A closed mailbox is an answer, never silence.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, Recipient};

use super::{Ask, Cancel, CancelReason, Cancelled, Events, Subscribe, SubscriptionId};

/// The other side's mailbox is closed: its actor has stopped or died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stage's mailbox is closed (hint: it has stopped or died, its supervisor starts a new one)")]
pub struct Disconnected;

/// A producer's end of a subscription: where the consumer's events go.
///
/// A link that came in a [`Subscribe`] is a promise: if it is dropped without a [`cancelled`](Self::cancelled), because
/// its producer died, or died before it read the message, the consumer is told [`CancelReason::ProducerDown`]. A clone
/// promises nothing.
pub struct ConsumerLink<E: Send + 'static> {
    events: Recipient<Events<E>>,
    cancelled: Recipient<Cancelled>,
    promised: Option<SubscriptionId>,
    kept: AtomicBool,
}

/// A consumer's end of a subscription: where its demand goes.
pub struct ProducerLink<E: Send + 'static> {
    subscribe: Recipient<Subscribe<E>>,
    ask: Recipient<Ask>,
    cancel: Recipient<Cancel>,
}

/// Sends `message` if the mailbox is open. A mailbox that closes between the look and the send drops the message;
/// [`Events`] survive that by themselves, and for the others the death of the receiver is the news that follows.
#[expect(
    clippy::disallowed_methods,
    reason = "demand bounds what is sent, and a stage must not block its peer"
)]
fn send<M>(recipient: &Recipient<M>, message: M) -> Result<(), M>
where
    M: Message<Result = ()> + Send + 'static,
{
    if !recipient.connected() {
        return Err(message);
    }
    recipient.do_send(message);
    Ok(())
}

/// Sends a stage a message from itself, which nobody else's demand bounds but which it needs at most once at a time.
pub(crate) fn notify<M>(stage: &Recipient<M>, message: M)
where
    M: Message<Result = ()> + Send + 'static,
{
    // A stage that is gone has nothing left to do.
    let _ = send(stage, message);
}

// === impl ConsumerLink ===

impl<E: Send + 'static> ConsumerLink<E> {
    /// Creates a link to whoever listens to the two.
    pub fn new(events: Recipient<Events<E>>, cancelled: Recipient<Cancelled>) -> Self {
        Self { events, cancelled, promised: None, kept: AtomicBool::new(false) }
    }

    /// Creates a link to a consuming actor.
    pub fn to<A>(consumer: &Addr<A>) -> Self
    where
        A: Actor + Handler<Events<E>> + Handler<Cancelled>,
        A::Context: ToEnvelope<A, Events<E>> + ToEnvelope<A, Cancelled>,
    {
        Self::new(consumer.clone().recipient(), consumer.clone().recipient())
    }

    /// Sends a batch of events that were asked for.
    ///
    /// # Errors
    /// Returns the batch if the consumer is gone; its events are the caller's again.
    pub fn deliver(&self, events: Events<E>) -> Result<(), Events<E>> {
        send(&self.events, events)
    }

    /// Tells the consumer that its subscription has ended.
    ///
    /// # Errors
    /// Returns [`Disconnected`] if the consumer is gone.
    pub fn cancelled(&self, id: SubscriptionId, reason: CancelReason) -> Result<(), Disconnected> {
        if self.promised == Some(id) {
            self.kept.store(true, Ordering::Relaxed);
        }
        send(&self.cancelled, Cancelled { id, reason }).map_err(|_| Disconnected)
    }

    /// Returns whether the consumer's mailbox is open.
    pub fn is_connected(&self) -> bool {
        self.events.connected()
    }
}

impl<E: Send + 'static> Clone for ConsumerLink<E> {
    fn clone(&self) -> Self {
        Self::new(self.events.clone(), self.cancelled.clone())
    }
}

impl<E: Send + 'static> Drop for ConsumerLink<E> {
    fn drop(&mut self) {
        if let Some(id) = self.promised
            && !*self.kept.get_mut()
        {
            // A consumer that is gone as well needs no telling.
            let _ = send(&self.cancelled, Cancelled { id, reason: CancelReason::ProducerDown });
        }
    }
}

impl<E: Send + 'static> fmt::Debug for ConsumerLink<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ConsumerLink").field("connected", &self.is_connected()).finish()
    }
}

// === impl ProducerLink ===

impl<E: Send + 'static> ProducerLink<E> {
    /// Creates a link to whoever listens to the three.
    pub fn new(subscribe: Recipient<Subscribe<E>>, ask: Recipient<Ask>, cancel: Recipient<Cancel>) -> Self {
        Self { subscribe, ask, cancel }
    }

    /// Creates a link to a producing actor.
    pub fn to<A>(producer: &Addr<A>) -> Self
    where
        A: Actor + Handler<Subscribe<E>> + Handler<Ask> + Handler<Cancel>,
        A::Context: ToEnvelope<A, Subscribe<E>> + ToEnvelope<A, Ask> + ToEnvelope<A, Cancel>,
    {
        Self::new(producer.clone().recipient(), producer.clone().recipient(), producer.clone().recipient())
    }

    /// Subscribes; nothing comes before an [`ask`](Self::ask), which may follow at once.
    ///
    /// # Errors
    /// Returns [`Disconnected`] if the producer is gone.
    pub fn subscribe(&self, mut subscribe: Subscribe<E>) -> Result<(), Disconnected> {
        subscribe.consumer.promised = Some(subscribe.id);
        send(&self.subscribe, subscribe).map_err(|mut refused| {
            refused.consumer.promised = None;
            Disconnected
        })
    }

    /// Asks for `count` more events; asking for none sends nothing.
    ///
    /// # Errors
    /// Returns [`Disconnected`] if the producer is gone.
    pub fn ask(&self, id: SubscriptionId, count: u32) -> Result<(), Disconnected> {
        if count == 0 {
            return self.is_connected().then_some(()).ok_or(Disconnected);
        }
        send(&self.ask, Ask { id, count }).map_err(|_| Disconnected)
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// Returns [`Disconnected`] if the producer is gone, and the subscription with it.
    pub fn cancel(&self, id: SubscriptionId, reason: CancelReason) -> Result<(), Disconnected> {
        send(&self.cancel, Cancel { id, reason }).map_err(|_| Disconnected)
    }

    /// Returns whether the producer's mailbox is open.
    pub fn is_connected(&self) -> bool {
        self.ask.connected()
    }
}

impl<E: Send + 'static> Clone for ProducerLink<E> {
    fn clone(&self) -> Self {
        Self { subscribe: self.subscribe.clone(), ask: self.ask.clone(), cancel: self.cancel.clone() }
    }
}

impl<E: Send + 'static> fmt::Debug for ProducerLink<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProducerLink").field("connected", &self.is_connected()).finish()
    }
}
