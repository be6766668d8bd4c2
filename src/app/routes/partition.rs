//! One partition and what it is doing: awake, on its way to sleep, asleep. Pure but for the cells of its pushers.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::ledger::Books;
use crate::push::RouteId;
use crate::pusher::Wiring;
use crate::units::Moment;

/// How long a partition sleeps before its place is given to another peer: far longer than a request needs from its look-up to the door.
pub(super) const REST: Duration = Duration::from_secs(60);

/// What a partition is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has pushers.
    Awake,
    /// It has pushers and gets nothing new; when it holds nothing any more it goes to sleep.
    Retiring {
        /// Since when.
        since: Moment,
    },
    /// Its pushers are being stopped.
    Stopping,
    /// It has no pushers.
    Asleep {
        /// Since when.
        since: Moment,
    },
}

/// Pushes of a route that share connections.
#[derive(Debug)]
pub struct Partition {
    /// What its pushers share; its number is in there.
    pub wiring: Arc<Wiring>,
    /// The name of its transport.
    pub transport: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    connections: u32,
    /// Which peer of the route it is for, if the route has several.
    key: Option<Box<str>>,
    /// Pushes it had accepted when that changed last, and when that was, or when it was woken for some to come.
    last_accepted: (u64, Moment),
}

// === impl Partition ===

impl Partition {
    /// Returns one that is awake, with so many pushers, for a peer with a key if the route has several.
    pub fn new(
        wiring: Arc<Wiring>,
        transport: &'static str,
        (connections, key): (u32, Option<Box<str>>),
    ) -> Self {
        let last_accepted = (0, wiring.clock.now());
        wiring.route.resize(wiring.partition, connections);
        let state = Mutex::new(State { phase: Phase::Awake, connections, key, last_accepted });
        Self { wiring, transport, state }
    }

    /// Returns its number.
    pub fn id(&self) -> RouteId {
        self.wiring.partition
    }

    /// Returns what it is doing.
    pub fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    /// Returns which peer of its route it is for, if the route has several.
    pub fn key(&self) -> Option<Box<str>> {
        self.state.lock().key.clone()
    }

    /// Returns whether it is for one peer among several of its route.
    pub fn has_key(&self) -> bool {
        self.state.lock().key.is_some()
    }

    /// Lets it deliver what it holds and then go to sleep.
    pub fn retire(&self, now: Moment) {
        let mut state = self.state.lock();
        if state.phase == Phase::Awake {
            state.phase = Phase::Retiring { since: now };
        }
    }

    /// Begins to put it to sleep; returns whether that is meant still. [`Self::stopped`] must follow.
    pub fn stop(&self) -> bool {
        let mut state = self.state.lock();
        let is_retiring = matches!(state.phase, Phase::Retiring { .. });
        if is_retiring {
            state.phase = Phase::Stopping;
        }
        is_retiring
    }

    /// Notes whether its pushers were stopped; if not, that will be tried again.
    pub fn stopped(&self, all: bool, now: Moment) {
        self.state.lock().phase =
            if all { Phase::Asleep { since: now } } else { Phase::Retiring { since: now } };
    }

    /// Wakes it, with the pushers it had; returns whether they have to be started. While they are being stopped nothing happens: whoever looks
    /// after partitions finds that it has something to do again.
    pub fn wake(&self) -> bool {
        let mut state = self.state.lock();
        let has_none = match state.phase {
            Phase::Stopping => return false,
            Phase::Asleep { .. } => true,
            Phase::Awake | Phase::Retiring { .. } => self.is_bare(state.connections),
        };
        state.phase = Phase::Awake;
        state.last_accepted.1 = self.wiring.clock.now();
        if has_none {
            self.wiring.route.resize(self.id(), state.connections);
        }
        has_none
    }

    /// Returns whether it has no pushers though it should have some: none of them could be started.
    pub fn lacks_pushers(&self) -> bool {
        let connections = self.connections();
        self.is_bare(connections)
    }

    /// Returns how many pushers it has when it is awake.
    pub fn connections(&self) -> u32 {
        self.state.lock().connections
    }

    /// Sets how many pushers it has when it is awake.
    pub fn set_connections(&self, connections: u32) {
        self.state.lock().connections = connections;
    }

    /// Returns how long it has accepted nothing since it was woken, by its books as they are now.
    pub fn idle(&self, books: &Books, now: Moment) -> Duration {
        let mut state = self.state.lock();
        if state.last_accepted.0 != books.accepted {
            state.last_accepted = (books.accepted, now);
        }
        now.since(state.last_accepted.1)
    }

    /// Returns whether it is a peer's and has slept long enough to be another's.
    pub fn is_rested(&self, now: Moment) -> bool {
        let state = self.state.lock();
        state.key.is_some() && matches!(state.phase, Phase::Asleep { since } if now.since(since) >= REST)
    }

    /// Wakes it for another peer.
    pub fn hand_over(&self, connections: u32, key: Option<Box<str>>) {
        let mut state = self.state.lock();
        state.phase = Phase::Awake;
        state.connections = connections;
        state.last_accepted.1 = self.wiring.clock.now();
        self.wiring.route.resize(self.id(), connections);
        state.key = key;
    }

    fn is_bare(&self, connections: u32) -> bool {
        connections > 0 && self.wiring.route.pushers_of(self.id()).is_empty()
    }
}
