//! The messages between a producer and its consumers, generic over the event type.
//!
//! A consumer chooses a [`SubscriptionId`] and sends [`Subscribe`], then [`Ask`] as often as it has room; the
//! producer answers with [`Events`], never more than were asked for. Either side ends a subscription with [`Cancel`]
//! or [`Cancelled`]. One consumer may hold several subscriptions; demand is counted per subscription.
//! The rules are those of GenStage (`reference/genstage.md` 1.1).
//!
//! Everything is sent through [`ConsumerLink`] and [`ProducerLink`], where a closed mailbox is an answer, and events
//! that a dead mailbox swallowed come back through [`Undelivered`].

mod events;
mod id_map;
mod line;
mod link;
mod port;
mod upstream;

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::Message;

use crate::supervisor::Exit;

pub use events::{Events, Undelivered};
pub(crate) use id_map::IdMap;
pub(crate) use line::{Counted, MailboxGauge};
pub(crate) use link::notify;
pub use link::{ConsumerLink, Disconnected, ProducerLink};
pub use port::Port;
pub use upstream::Upstream;

/// Identifies one subscription; unique within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(NonZeroU64);

/// Consumer to producer: serve me from now on, once I ask.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe<E: Send + 'static> {
    /// The subscription's name from now on; a known one is refused with [`CancelReason::DuplicatedSubscription`].
    pub id: SubscriptionId,
    /// The part of the producer's events this consumer wants; 0 where the producer has only one.
    pub partition: u32,
    /// Where events and the end of the subscription are sent.
    pub consumer: ConsumerLink<E>,
    /// A subscription of the same consumer that this one takes the place of, cancelled first.
    pub replaces: Option<(SubscriptionId, CancelReason)>,
}

/// Consumer to producer: there is room for `count` more events.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct Ask {
    /// The subscription with the room; an unknown one is ignored, as the [`Cancelled`] that ended it was the answer.
    pub id: SubscriptionId,
    /// Events that may be sent in addition to those asked for before.
    pub count: u32,
}

/// Consumer to producer: send nothing more. What was sent already still arrives; [`Cancelled`] follows it.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct Cancel {
    /// The subscription to end; an unknown one is ignored.
    pub id: SubscriptionId,
    /// Why, for the producer's log and its `handle_cancel`.
    pub reason: CancelReason,
}

/// Producer to consumer: this subscription has ended.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct Cancelled {
    /// The subscription that ended.
    pub id: SubscriptionId,
    /// Why it ended.
    pub reason: CancelReason,
}

/// Why a subscription ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CancelReason {
    /// The work is done.
    #[error("normal")]
    Normal,
    /// One side is being stopped in order.
    #[error("shutdown")]
    Shutdown,
    /// The producer does not know the subscription, for instance because it was restarted.
    #[error("unknown subscription")]
    UnknownSubscription,
    /// The producer serves a subscription of this name already.
    #[error("duplicated subscription")]
    DuplicatedSubscription,
    /// The producer has no such partition.
    #[error("unknown partition {0}")]
    UnknownPartition(u32),
    /// No producer was there to subscribe to.
    #[error("no producer")]
    NoProducer,
    /// The producer died without a word.
    #[error("producer down")]
    ProducerDown,
    /// The consumer died without a word.
    #[error("consumer down")]
    ConsumerDown,
    /// Something failed; the text says what.
    #[error("{0}")]
    Failed(String),
}

// === impl SubscriptionId ===

impl SubscriptionId {
    /// Returns an id that no other call in this process returns.
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let id = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        Self(NonZeroU64::new(id).expect("2^64 subscriptions are never made"))
    }

    /// Returns the bare number, for logs and metrics.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl std::fmt::Display for SubscriptionId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

// === impl CancelReason ===

impl CancelReason {
    /// Returns whether this is an end in order, after which a transient consumer stays (`reference/genstage.md` 1.8).
    pub fn is_orderly(&self) -> bool {
        matches!(self, Self::Normal | Self::Shutdown)
    }
}

/// How a stage that stopped for this reason reports its end to its supervisor.
impl From<&CancelReason> for Exit {
    fn from(reason: &CancelReason) -> Self {
        match reason {
            CancelReason::Normal => Self::Normal,
            CancelReason::Shutdown => Self::Shutdown,
            failure => Self::Failed(failure.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
