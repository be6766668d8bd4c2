//! The routes as the process runs them, and their partitions: added and re-used while everything runs, never taken out.
//!
//! A route is added at start or by a reload, with one partition. Further partitions of it are opened when its pushes cannot share
//! connections ([`super::partitions`]). What a partition is known by (its number, books, queue) stays for the life of the process; one that has
//! nothing to do sleeps, without pushers, and its place can be given to another peer of the same route.
//! Order of the growth, under one lock: results, intake, partitions; so a number that somebody knows is known everywhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use crate::collector::Intake;
use crate::config::{Connections, Route};
use crate::feedback::Feedback;
use crate::feedback::results::{Results, Source};
use crate::flow::RouteCell;
use crate::ingest::IngestRoute;
use crate::ledger::{Books, Ledger};
use crate::push::RouteId;
use crate::pusher::Wiring;
use crate::transport::Connector;
use crate::units::{Clock, MOST_SLOTS, Moment, Slots};

/// Connections of one partition that may be opening at the same time.
const LOGINS_AT_ONCE: usize = 32;
/// How long a partition sleeps before its place is given to another peer: far longer than a request needs from its look-up to the door.
const REST: Duration = Duration::from_secs(60);

/// There are as many partitions as there can be.
#[derive(Debug, thiserror::Error)]
#[error(
    "there are {MOST_SLOTS} partitions, and none to re-use (hint: each route that was ever added counts; a restart forgets those that are gone)"
)]
pub struct NoPartition;

/// What a partition is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has pushers.
    Awake,
    /// It has pushers and gets nothing new; when it holds nothing any more it goes to sleep.
    Retiring,
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
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    connections: u32,
    /// Which peer of the route it is for, if the route has several.
    key: Option<Box<str>>,
    /// Pushes it had accepted when that changed last, and when that was.
    last_accepted: (u64, Moment),
}

/// A route as it is configured.
#[derive(Debug)]
pub struct LiveRoute {
    /// What is known of it.
    pub cell: Arc<RouteCell>,
    /// Whether it is being scaled or restarted pusher by pusher.
    pub is_busy: AtomicBool,
    settings: RwLock<Route>,
    current: RwLock<Arc<Partition>>,
    keyed: RwLock<HashMap<Box<str>, Arc<Partition>>>,
}

/// What a partition is opened with.
#[derive(Debug)]
pub struct Opening {
    /// What opens its connections and reads its payloads back.
    pub connector: Arc<dyn Connector>,
    /// How many.
    pub connections: u32,
    /// Which peer of the route it is for, if the route has several.
    pub key: Option<Box<str>>,
}

/// All of them.
#[derive(Debug)]
pub struct Routes {
    intake: Arc<Intake>,
    feedback: Arc<Feedback>,
    results: Arc<Results>,
    ledger: Arc<Ledger>,
    clock: Clock,
    routes: Slots<Arc<LiveRoute>>,
    partitions: Slots<Arc<Partition>>,
    entries: Arc<Slots<IngestRoute>>,
    opening: Mutex<()>,
}

// === impl Partition ===

impl Partition {
    /// Returns its number.
    pub fn id(&self) -> RouteId {
        self.wiring.partition
    }

    /// Returns what it is doing.
    pub fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    /// Returns whether it is for one peer among several of its route.
    pub fn has_key(&self) -> bool {
        self.state.lock().key.is_some()
    }

    /// Moves on from one phase to the next; returns whether it was in that phase.
    pub fn advance(&self, from: Phase, to: Phase) -> bool {
        let mut state = self.state.lock();
        let is_there = state.phase == from;
        if is_there {
            state.phase = to;
        }
        is_there
    }

    /// Wakes it, with the pushers it had; returns whether they have to be started. While they are being stopped nothing happens: whoever looks
    /// after partitions finds that it has something to do again.
    pub fn wake(&self) -> bool {
        let mut state = self.state.lock();
        let was_asleep = matches!(state.phase, Phase::Asleep { .. });
        if state.phase != Phase::Stopping {
            state.phase = Phase::Awake;
        }
        if was_asleep {
            self.wiring.route.resize(self.id(), state.connections);
        }
        was_asleep
    }

    /// Returns how many pushers it has when it is awake.
    pub fn connections(&self) -> u32 {
        self.state.lock().connections
    }

    /// Sets how many pushers it has when it is awake.
    pub fn set_connections(&self, connections: u32) {
        self.state.lock().connections = connections;
    }

    /// Returns how long it has accepted nothing, by its books as they are now.
    pub fn idle(&self, books: &Books, now: Moment) -> Duration {
        let mut state = self.state.lock();
        if state.last_accepted.0 != books.accepted {
            state.last_accepted = (books.accepted, now);
        }
        now.since(state.last_accepted.1)
    }
}

// === impl LiveRoute ===

impl LiveRoute {
    /// Returns its settings as they are now.
    pub fn settings(&self) -> Route {
        self.settings.read().clone()
    }

    /// Returns how many connections each of its partitions may have.
    pub fn connections(&self) -> Connections {
        self.settings.read().connections
    }

    /// Sets that.
    pub fn set_connections(&self, connections: Connections) {
        self.settings.write().connections = connections;
    }

    /// Returns the partition that takes its pushes.
    pub fn current(&self) -> Arc<Partition> {
        Arc::clone(&self.current.read())
    }

    /// Returns the partition for one of its peers.
    pub fn keyed(&self, key: &str) -> Option<Arc<Partition>> {
        self.keyed.read().get(key).cloned()
    }

    /// Returns whether it is in the configuration.
    pub fn is_present(&self) -> bool {
        !self.cell.removed.load(Ordering::Relaxed)
    }
}

// === impl Routes ===

impl Routes {
    /// Returns none yet.
    pub fn new(
        intake: Arc<Intake>,
        feedback: Arc<Feedback>,
        results: Arc<Results>,
        ledger: Arc<Ledger>,
        clock: Clock,
    ) -> Self {
        let (routes, partitions, entries) = (Slots::default(), Slots::default(), Arc::default());
        Self {
            intake,
            feedback,
            results,
            ledger,
            clock,
            routes,
            partitions,
            entries,
            opening: Mutex::new(()),
        }
    }

    /// Adds a route with one partition; its pushers are not started.
    ///
    /// # Errors
    /// There are too many.
    pub fn add(&self, settings: &Route, opening: Opening) -> Result<Arc<LiveRoute>, NoPartition> {
        let _turn = self.opening.lock();
        let id = RouteId::at(self.partitions.len());
        let cell = Arc::new(RouteCell::new(id, settings.name.clone(), settings.transport.name()));
        cell.share.store(settings.share, Ordering::Relaxed);
        let connector = Arc::clone(&opening.connector);
        let partition = self.open(&cell, settings, opening)?;
        let route = Arc::new(LiveRoute {
            cell,
            is_busy: AtomicBool::new(false),
            settings: RwLock::new(settings.clone()),
            current: RwLock::new(Arc::clone(&partition)),
            keyed: RwLock::default(),
        });
        self.routes.push(Arc::clone(&route)).map_err(|_| NoPartition)?;
        self.enter(&route, &partition, connector)?;
        Ok(route)
    }

    /// Opens another partition of a route for one of its peers, or gives it the place of one that has slept long enough; its pushers
    /// are not started. One that is there already is returned as it is.
    ///
    /// # Errors
    /// There are too many.
    pub fn add_partition(&self, route: &LiveRoute, opening: Opening) -> Result<Arc<Partition>, NoPartition> {
        let _turn = self.opening.lock();
        let present = opening.key.as_deref().and_then(|key| route.keyed(key));
        if let Some(partition) = present {
            return Ok(partition);
        }
        let key = opening.key.clone();
        let partition = match self.resting(route) {
            Some(partition) => {
                self.hand_over(route, &partition, opening);
                partition
            }
            None => self.open(&route.cell, &route.settings.read(), opening)?,
        };
        if let Some(key) = key {
            route.keyed.write().insert(key, Arc::clone(&partition));
        }
        Ok(partition)
    }

    /// Returns a partition by its number.
    pub fn partition(&self, id: RouteId) -> Option<&Arc<Partition>> {
        self.partitions.get(id.index())
    }

    /// Returns all partitions, in the order of their numbers.
    pub fn partitions(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.partitions.iter()
    }

    /// Returns the partitions of a route.
    pub fn partitions_of<'a>(&'a self, route: &'a LiveRoute) -> impl Iterator<Item = &'a Arc<Partition>> {
        self.partitions().filter(|partition| partition.wiring.route.id == route.cell.id)
    }

    /// Returns the route with this name, if there is something of it to see.
    pub fn named(&self, name: &str) -> Option<&Arc<LiveRoute>> {
        self.visible().find(|route| route.cell.name == name)
    }

    /// Returns every route that ever was, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<LiveRoute>> {
        self.routes.iter()
    }

    /// Returns the routes that are in the configuration or still hold pushes.
    pub fn visible(&self) -> impl Iterator<Item = &Arc<LiveRoute>> {
        self.iter().filter(|route| route.is_present() || !self.is_asleep(route))
    }

    /// Returns whether nothing of a route is awake.
    pub fn is_asleep(&self, route: &LiveRoute) -> bool {
        self.partitions_of(route).all(|partition| matches!(partition.phase(), Phase::Asleep { .. }))
    }

    /// Returns the routes as ingest knows them.
    pub fn entries(&self) -> Arc<Slots<IngestRoute>> {
        Arc::clone(&self.entries)
    }

    /// Returns a partition's books.
    pub fn books(&self, partition: &Partition) -> Books {
        self.ledger.read(partition.id())
    }

    fn open(
        &self,
        cell: &Arc<RouteCell>,
        settings: &Route,
        opening: Opening,
    ) -> Result<Arc<Partition>, NoPartition> {
        let Opening { connector, connections, key } = opening;
        let source = Source { name: cell.name.as_str().into(), connector: Arc::clone(&connector) };
        self.results.open(source).map_err(|_| NoPartition)?;
        let id = self.intake.open(cell).ok_or(NoPartition)?;
        let reader = Arc::clone(&connector);
        self.intake.gate_of(id).read_addressees(move |payload| reader.addressee(payload));
        let wiring = Arc::new(Wiring {
            route: Arc::clone(cell),
            partition: id,
            port: self.intake.port(),
            feedback: Arc::clone(&self.feedback),
            connector: RwLock::new(connector),
            settings: RwLock::new(settings.pusher),
            clock: self.clock,
            logins: Semaphore::new(LOGINS_AT_ONCE),
        });
        cell.resize(id, connections);
        let last_accepted = (0, self.clock.now());
        let state = Mutex::new(State { phase: Phase::Awake, connections, key, last_accepted });
        let partition = Arc::new(Partition { wiring, state });
        self.partitions.push(Arc::clone(&partition)).map_err(|_| NoPartition)?;
        Ok(partition)
    }

    /// Returns a partition of a route's peers that has slept long enough and holds nothing.
    fn resting(&self, route: &LiveRoute) -> Option<Arc<Partition>> {
        let now = self.clock.now();
        let is_resting = |partition: &&Arc<Partition>| {
            let is_rested = matches!(partition.phase(), Phase::Asleep { since } if now.since(since) >= REST);
            is_rested && partition.has_key() && self.books(partition).held() == 0
        };
        self.partitions_of(route).find(is_resting).cloned()
    }

    fn hand_over(&self, route: &LiveRoute, partition: &Partition, opening: Opening) {
        let Opening { connector, connections, key } = opening;
        let mut state = partition.state.lock();
        if let Some(before) = std::mem::replace(&mut state.key, key) {
            route.keyed.write().remove(&before);
        }
        *partition.wiring.connector.write() = connector;
        self.intake.gate_of(partition.id()).reset();
        *partition.wiring.settings.write() = route.settings.read().pusher;
        state.phase = Phase::Awake;
        state.connections = connections;
        route.cell.resize(partition.id(), connections);
    }

    /// Lets ingest know where a route's pushes go.
    fn enter(
        &self,
        route: &LiveRoute,
        partition: &Partition,
        connector: Arc<dyn Connector>,
    ) -> Result<(), NoPartition> {
        let entry = IngestRoute {
            name: route.cell.name.clone(),
            id: partition.id(),
            is_open: AtomicBool::new(true),
            cell: Arc::clone(&route.cell),
            connector,
        };
        self.entries.push(entry).map(drop).map_err(|_| NoPartition)
    }
}

#[cfg(test)]
mod tests;
