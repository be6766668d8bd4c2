//! Looking for one push: by our key or the sender's own id, on demand, so that pushes nobody asks about pay nothing.

use std::sync::Arc;
use std::time::Duration;

use actix::Message;
use tokio::sync::mpsc;

use super::{Door, RouteCell};
use crate::push::{Lane, Push, PushKey, RouteId, SenderId};
use crate::units::Moment;

/// How long the pushers' answers are waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is looked for: the text is a sender's own id, or the text of a key, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    key: Option<PushKey>,
    name: Box<str>,
    /// Whose it must be; nobody's in particular where senders are not told apart.
    sender: Option<SenderId>,
}

/// How far a search through the queue has come. It goes through one partition after the other: what waits for a retry, then lane by lane and
/// sender by sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Search {
    /// The partition.
    pub part: usize,
    /// What of it is looked at.
    pub spot: Spot,
    /// Whether everything has been looked at.
    pub is_over: bool,
}

/// A place in a partition's part of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// Behind this one of those that wait for a retry, by moment and number.
    Delayed(Option<(Moment, u64)>),
    /// At this place of a sender's pushes in a lane, or behind it.
    Lane {
        /// The lane.
        lane: usize,
        /// The sender.
        sender: usize,
        /// The place.
        place: u64,
    },
}

/// A push that is held, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its key.
    pub key: PushKey,
    /// The sender's own id.
    pub name: Option<Box<str>>,
    /// Its route.
    pub route: RouteId,
    /// Its lane.
    pub lane: Lane,
    /// Attempts that counted so far.
    pub attempts: u8,
    /// Whether it may have arrived already.
    pub maybe_delivered: bool,
    /// When it was accepted.
    pub accepted_at: Moment,
    /// After this it is not sent any more.
    pub deadline: Moment,
    /// Where it is.
    pub place: Whereabouts,
}

/// Where a push is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// In the queue.
    Buffered,
    /// Waiting for its next attempt.
    WaitingRetry {
        /// When that is.
        due: Moment,
    },
    /// With a pusher, sent and not answered.
    InFlight {
        /// The pusher's number in its route.
        pusher: u32,
        /// When it was sent.
        sent_at: Moment,
    },
}

/// Asks a pusher whether it has a push in flight; it drops the message if not.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Look {
    /// Which push.
    pub wanted: Arc<Wanted>,
    /// Where the answer goes; holds one.
    pub answer: mpsc::Sender<Sighting>,
}

// === impl Spot ===

impl Default for Spot {
    fn default() -> Self {
        Self::Delayed(None)
    }
}

// === impl Wanted ===

impl Wanted {
    /// Returns what a sender means by an id; with `None` any sender's push is meant.
    pub fn new(id: &str, sender: Option<SenderId>) -> Self {
        Self { key: PushKey::parse(id.as_bytes()), name: id.into(), sender }
    }

    /// Returns the key, if the id can be one.
    pub const fn key(&self) -> Option<PushKey> {
        self.key
    }

    /// Returns whether a push of this sender with this key and own id is the one.
    pub fn is(&self, sender: SenderId, key: PushKey, name: Option<&str>) -> bool {
        (self.key == Some(key) || name == Some(&self.name))
            && self.sender.is_none_or(|wanted| wanted == sender)
    }
}

// === impl Sighting ===

impl Sighting {
    /// Returns a push as it was found in a place.
    pub fn of(push: &Push, place: Whereabouts) -> Self {
        Self {
            key: push.key,
            name: push.name.clone(),
            route: push.route,
            lane: push.lane,
            attempts: push.attempts,
            maybe_delivered: push.maybe_delivered,
            accepted_at: push.accepted_at,
            deadline: push.deadline,
            place,
        }
    }
}

/// Looks for a push through everything that is queued or waits for a retry, in steps between which others get at the queue. A push that is
/// put back meanwhile may be missed.
pub async fn find_queued(door: &dyn Door, wanted: &Wanted) -> Option<Sighting> {
    let mut search = Search::default();
    while !search.is_over {
        let found = door.find(wanted, &mut search);
        if found.is_some() {
            return found;
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Asks all pushers of these routes, each with one message, and returns what one of them found. A pusher that is too busy to take a message,
/// or does not come to it within a second, is passed over.
pub async fn find_in_flight(routes: &[Arc<RouteCell>], wanted: &Arc<Wanted>) -> Option<Sighting> {
    let (answer, mut found) = mpsc::channel(1);
    for route in routes {
        for pusher in route.pushers() {
            pusher.look(Look { wanted: Arc::clone(wanted), answer: answer.clone() });
        }
    }
    // The last message that is dropped without an answer closes the channel.
    drop(answer);
    tokio::time::timeout(PATIENCE, found.recv()).await.ok().flatten()
}
