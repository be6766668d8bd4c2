//! The two ends of a subscription, and, with `line` below them, the only place in the project that sends past a mailbox's
//! capacity.
//!
//! Producers keep a [`ConsumerLink`] per subscription, consumers a [`ProducerLink`]. `do_send` ignores the capacity
//! of the mailbox, which is right here and nowhere else: events are bounded by the demand that was asked for, asks by
//! the events that were delivered, and neither side may block the other. A closed mailbox is an answer, never silence.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, Recipient};

use super::line::{Counted, Line, MailboxGauge};
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
    events: Line<Events<E>>,
    cancelled: Line<Cancelled>,
    promised: Option<SubscriptionId>,
    kept: AtomicBool,
}

/// A consumer's end of a subscription: where its demand goes. Clones share one set of lines, so that thousands of
/// consumers ask through the same few cache lines.
pub struct ProducerLink<E: Send + 'static>(Arc<Lines<E>>);

/// The ways to a producer.
struct Lines<E: Send + 'static> {
    subscribe: Line<Subscribe<E>>,
    ask: Line<Ask>,
    cancel: Line<Cancel>,
}

/// Sends a stage a message from itself, which nobody else's demand bounds but which it needs at most once at a time.
pub(crate) fn notify<M>(stage: &Recipient<M>, message: M)
where
    M: Message<Result = ()> + Send + 'static,
{
    // A stage that is gone has nothing left to do.
    let _ = Line::Plain(stage.clone()).send(message);
}

// === impl ConsumerLink ===

impl<E: Send + 'static> ConsumerLink<E> {
    /// Creates a link to whoever listens to the two.
    pub fn new(events: Recipient<Events<E>>, cancelled: Recipient<Cancelled>) -> Self {
        Self::over(events.into(), cancelled.into())
    }

    /// Creates a link to a consuming actor.
    pub fn to<A>(consumer: &Addr<A>) -> Self
    where
        A: Actor + Handler<Events<E>> + Handler<Cancelled>,
        A::Context: ToEnvelope<A, Events<E>> + ToEnvelope<A, Cancelled>,
    {
        Self::new(consumer.clone().recipient(), consumer.clone().recipient())
    }

    /// Creates a link to a consumer of this crate that counts what it takes from its mailbox.
    pub(crate) fn counted<A>(consumer: &Addr<A>, gauge: &Arc<MailboxGauge>) -> Self
    where
        A: Actor + Handler<Counted<Events<E>>> + Handler<Counted<Cancelled>>,
        A::Context: ToEnvelope<A, Counted<Events<E>>> + ToEnvelope<A, Counted<Cancelled>>,
    {
        let gauge = || Arc::clone(gauge);
        let events = Line::Counted(consumer.clone().recipient(), gauge());
        Self::over(events, Line::Counted(consumer.clone().recipient(), gauge()))
    }

    fn over(events: Line<Events<E>>, cancelled: Line<Cancelled>) -> Self {
        Self { events, cancelled, promised: None, kept: AtomicBool::new(false) }
    }

    /// Sends a batch of events that were asked for.
    ///
    /// # Errors
    /// Returns the batch if the consumer is gone; its events are the caller's again.
    pub fn deliver(&self, events: Events<E>) -> Result<(), Events<E>> {
        self.events.send(events)
    }

    /// Tells the consumer that its subscription has ended.
    ///
    /// # Errors
    /// Returns [`Disconnected`] if the consumer is gone.
    pub fn cancelled(&self, id: SubscriptionId, reason: CancelReason) -> Result<(), Disconnected> {
        if self.promised == Some(id) {
            self.kept.store(true, Ordering::Relaxed);
        }
        self.cancelled.send(Cancelled { id, reason }).map_err(|_| Disconnected)
    }

    /// Returns whether the consumer's mailbox is open.
    pub fn is_connected(&self) -> bool {
        self.events.connected()
    }
}

impl<E: Send + 'static> Clone for ConsumerLink<E> {
    fn clone(&self) -> Self {
        Self::over(self.events.clone(), self.cancelled.clone())
    }
}

impl<E: Send + 'static> Drop for ConsumerLink<E> {
    fn drop(&mut self) {
        if let Some(id) = self.promised
            && !*self.kept.get_mut()
        {
            // A consumer that is gone as well needs no telling.
            let _ = self.cancelled.send(Cancelled { id, reason: CancelReason::ProducerDown });
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
        Self(Arc::new(Lines { subscribe: subscribe.into(), ask: ask.into(), cancel: cancel.into() }))
    }

    /// Creates a link to a producing actor.
    pub fn to<A>(producer: &Addr<A>) -> Self
    where
        A: Actor + Handler<Subscribe<E>> + Handler<Ask> + Handler<Cancel>,
        A::Context: ToEnvelope<A, Subscribe<E>> + ToEnvelope<A, Ask> + ToEnvelope<A, Cancel>,
    {
        Self::new(producer.clone().recipient(), producer.clone().recipient(), producer.clone().recipient())
    }

    /// Creates a link to a producer of this crate that counts what it takes from its mailbox.
    pub(crate) fn counted<A>(producer: &Addr<A>, gauge: &Arc<MailboxGauge>) -> Self
    where
        A: Actor + Handler<Counted<Subscribe<E>>> + Handler<Counted<Ask>> + Handler<Counted<Cancel>>,
        A::Context: ToEnvelope<A, Counted<Subscribe<E>>>
            + ToEnvelope<A, Counted<Ask>>
            + ToEnvelope<A, Counted<Cancel>>,
    {
        let gauge = || Arc::clone(gauge);
        Self(Arc::new(Lines {
            subscribe: Line::Counted(producer.clone().recipient(), gauge()),
            ask: Line::Counted(producer.clone().recipient(), gauge()),
            cancel: Line::Counted(producer.clone().recipient(), gauge()),
        }))
    }

    /// Subscribes; nothing comes before an [`ask`](Self::ask), which may follow at once.
    ///
    /// # Errors
    /// Returns [`Disconnected`] if the producer is gone.
    pub fn subscribe(&self, mut subscribe: Subscribe<E>) -> Result<(), Disconnected> {
        subscribe.consumer.promised = Some(subscribe.id);
        self.0.subscribe.send(subscribe).map_err(|mut refused| {
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
        self.0.ask.send(Ask { id, count }).map_err(|_| Disconnected)
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// Returns [`Disconnected`] if the producer is gone, and the subscription with it.
    pub fn cancel(&self, id: SubscriptionId, reason: CancelReason) -> Result<(), Disconnected> {
        self.0.cancel.send(Cancel { id, reason }).map_err(|_| Disconnected)
    }

    /// Returns whether the producer's mailbox is open.
    pub fn is_connected(&self) -> bool {
        self.0.ask.connected()
    }
}

impl<E: Send + 'static> Clone for ProducerLink<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: Send + 'static> fmt::Debug for ProducerLink<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProducerLink").field("connected", &self.is_connected()).finish()
    }
}
