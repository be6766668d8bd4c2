//! A push on its way: what the collector queues and a pusher sends.
//!
//! The provider's payload is rendered once, at ingest ([`Push::payload`]); after that no stage looks into it.

mod collapse;
#[cfg(test)]
pub(crate) mod fixture;
mod key;
mod lane;
mod request;
pub mod trace;

use std::time::Duration;

use bytes::Bytes;
pub use collapse::{Coalesce, CollapseId, Digest};
pub use key::{KeyMint, PushKey};
pub use lane::Lane;
pub use request::{Addressee, Notification, PushRequest, RawJson, Target};

use crate::units::Moment;

/// The number of a partition: pushes of one route that are served by the same connections. Stable for the life of the process.
///
/// Most routes have one. A route has several if its pushes cannot share connections: for Web Push one for each push service; after a change
/// of its transport, one with the pushes that were rendered for the old one. A configured route is known by the number of the partition that it
/// was opened with ([`crate::flow::RouteCell::id`]); shares of the buffer, books and pusher numbers are those of the route, over all its
/// partitions. What is indexed by it grows while the process runs ([`crate::units::Slots`]), up to [`crate::units::MOST_SLOTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u16);

/// Who sent a push: the number of its bearer token, the same as long as the process runs, wherever in `[ingest] tokens` it stands; 0 where
/// no tokens are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SenderId(pub u16);

/// One push, rendered for its route's transport.
#[derive(Debug, Clone)]
pub struct Push {
    /// Identity inside the gateway and towards the provider; the same on every attempt.
    pub key: PushKey,
    /// The sender's own id, if one was given.
    pub name: Option<Box<str>>,
    /// What the transport's `request` module rendered (for XMPP: escaped JSON members).
    pub payload: Bytes,
    /// When it was admitted.
    pub accepted_at: Moment,
    /// After this it is not worth sending.
    pub deadline: Moment,
    /// Where it goes.
    pub route: RouteId,
    /// Who sent it.
    pub sender: SenderId,
    /// Its priority lane.
    pub lane: Lane,
    /// Set if a newer push with the same identity makes this one needless.
    pub collapse: Option<Box<CollapseId>>,
    /// Set if its way is traced; `None`, which costs nothing, for nearly all.
    pub trace: Option<Box<trace::Trace>>,
    /// Attempts that counted so far.
    pub attempts: u8,
    /// Whether an earlier attempt ended without an answer, so that the provider may have it already.
    pub maybe_delivered: bool,
}

/// Bytes of a collapse identity and its entry in the index.
const COLLAPSE_COST: usize = 80;

// === impl RouteId ===

impl RouteId {
    /// Returns the partition with this index; there is none above [`crate::units::MOST_SLOTS`].
    pub fn at(index: usize) -> Self {
        Self(u16::try_from(index).unwrap_or(u16::MAX))
    }

    /// Returns the number as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

// === impl SenderId ===

impl SenderId {
    /// Returns the position in the list of senders.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

// === impl Push ===

impl Push {
    /// Returns the bytes it occupies in the buffer, overhead included; what `buffer_bytes` bounds.
    pub fn cost(&self) -> u64 {
        let text = self.payload.len() + self.name.as_ref().map_or(0, |name| name.len());
        let collapse = if self.collapse.is_some() { COLLAPSE_COST } else { 0 };
        let trace = if self.trace.is_some() { size_of::<trace::Trace>() } else { 0 };
        (text + size_of::<Self>() + collapse + trace) as u64
    }

    /// Copies its payload out of the buffer that it shares with its batch, so that a push that stays behind does not keep the whole
    /// batch in memory.
    pub fn detach(&mut self) {
        self.payload = Bytes::copy_from_slice(&self.payload);
    }

    /// Returns what is left of its time to live, zero if it has passed.
    pub fn time_left(&self, now: Moment) -> Duration {
        self.deadline.since(now)
    }

    /// Returns whether it was admitted after another.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.accepted_at, self.key) > (other.accepted_at, other.key)
    }

    /// Returns whether its deadline has passed.
    pub fn is_expired(&self, now: Moment) -> bool {
        self.deadline < now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detached_push_keeps_nothing_of_its_batch() {
        let batch = Bytes::from(vec![7; 1000]);
        let mut push = fixture::push(1, Lane::Normal);
        push.payload = batch.slice(10..20);
        assert!(!batch.is_unique());
        push.detach();
        assert_eq!(&push.payload[..], [7; 10]);
        assert!(batch.is_unique());
    }

    #[test]
    fn a_buffered_push_stays_compact() {
        assert!(size_of::<Push>() <= 104, "{} bytes", size_of::<Push>());
    }
}
