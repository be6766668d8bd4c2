//! The routes as the process runs them, and their partitions: added and re-used while everything runs, never taken out.
//!
//! A route is added at start or by a reload, with one partition. Further partitions of it are opened when its pushes cannot share
//! connections ([`super::partitions`]). What a partition is known by (its number, books, queue) stays for the life of the process; one that has
//! nothing to do sleeps, without pushers, and its place can be given to another peer of the same route.
//! Order of the growth, under one lock: results, intake, partitions; so a number that somebody knows is known everywhere.

mod live;
mod partition;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use live::LiveRoute;
use parking_lot::{Mutex, RwLock};
pub use partition::{Partition, Phase};
use tokio::sync::Semaphore;

use crate::collector::Intake;
use crate::config::Route;
use crate::feedback::Feedback;
use crate::feedback::results::{Results, Source};
use crate::flow::RouteCell;
use crate::ingest::IngestRoute;
use crate::ledger::{Books, Ledger};
use crate::push::RouteId;
use crate::pusher::Wiring;
use crate::transport::Connector;
use crate::units::{Clock, MOST_SLOTS, Slots};

/// Connections of one partition that may be opening at the same time.
const LOGINS_AT_ONCE: usize = 32;
/// There are as many partitions as there can be.
#[derive(Debug, thiserror::Error)]
#[error(
    "there are {MOST_SLOTS} partitions, and none to re-use (hint: each route that was ever added counts; a restart forgets those that are gone)"
)]
pub struct NoPartition;

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
        let route = Arc::new(LiveRoute::new(cell, settings.clone(), Arc::clone(&partition)));
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
                let Opening { connector, connections, key } = opening;
                *partition.wiring.connector.write() = connector;
                *partition.wiring.settings.write() = route.settings().pusher;
                self.intake.reset_gate(partition.id());
                // Before it is awake: nobody may find it under the peer it was for.
                partition.key().into_iter().for_each(|before| route.forget_key(&before));
                partition.hand_over(connections, key);
                partition
            }
            None => self.open(&route.cell, &route.settings(), opening)?,
        };
        if let Some(key) = key {
            route.set_keyed(key, Arc::clone(&partition));
        }
        Ok(partition)
    }

    /// Gives a route what renders and opens connections from now on; connections that are open stay as they are.
    pub fn reconnect(&self, route: &LiveRoute, connector: &Arc<dyn Connector>) {
        let transport = route.cell.transport();
        for partition in self.partitions_of(route).filter(|each| each.transport == transport) {
            let own = match partition.key() {
                None => Some(Arc::clone(connector)),
                Some(key) => connector.towards(&key),
            };
            if let Some(own) = own {
                *partition.wiring.connector.write() = own;
            }
            // What kept pushes back were answers to the old account or of the old peer.
            self.intake.reset_gate(partition.id());
        }
        let entries = self.entries.iter().filter(|entry| entry.cell.id == route.cell.id && entry.is_open());
        entries.for_each(|entry| *entry.connector.write() = Arc::clone(connector));
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

    /// Returns the route with this name, if it is alive.
    pub fn named(&self, name: &str) -> Option<&Arc<LiveRoute>> {
        self.alive().find(|route| route.cell.name == name)
    }

    /// Returns the route with this name, if there ever was one.
    pub fn ever_named(&self, name: &str) -> Option<&Arc<LiveRoute>> {
        self.iter().find(|route| route.cell.name == name)
    }

    /// Returns every route that ever was, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<LiveRoute>> {
        self.routes.iter()
    }

    /// Returns the routes that are in the configuration or still hold pushes.
    pub fn alive(&self) -> impl Iterator<Item = &Arc<LiveRoute>> {
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

    /// Takes a route out of the configuration: it takes nothing new, and each partition goes to sleep when it holds nothing any more.
    pub fn remove(&self, route: &LiveRoute) {
        route.cell.removed.store(true, Ordering::Relaxed);
        self.direct(route, None);
        let now = self.clock.now();
        self.partitions_of(route).for_each(|partition| partition.retire(now));
    }

    /// Brings a route into the configuration again; its partition still has to be woken.
    pub fn restore(&self, route: &LiveRoute) {
        route.cell.removed.store(false, Ordering::Relaxed);
        self.direct(route, Some(&route.current()));
    }

    /// Gives a route's pushes to a partition with the transport that the route has now, opened for it if there is none; what the others hold
    /// was rendered for another transport, so they deliver it and go to sleep. Returns the partition; its pushers are not started.
    ///
    /// # Errors
    /// There are too many.
    pub fn switch(&self, route: &LiveRoute, opening: Opening) -> Result<Arc<Partition>, NoPartition> {
        let _turn = self.opening.lock();
        let settings = route.settings();
        let has_it = |each: &&Arc<Partition>| each.transport == settings.transport.name() && !each.has_key();
        let (connector, connections) = (Arc::clone(&opening.connector), opening.connections);
        let known = self.partitions_of(route).find(has_it).cloned();
        let partition = match known {
            Some(partition) => {
                *partition.wiring.connector.write() = connector;
                partition.set_connections(connections);
                partition
            }
            None => {
                let partition = self.open(&route.cell, &settings, opening)?;
                self.enter(route, &partition, connector)?;
                partition
            }
        };
        route.set_current(&partition);
        self.direct(route, Some(&partition));
        let now = self.clock.now();
        let others = self.partitions_of(route).filter(|other| other.id() != partition.id());
        others.for_each(|other| other.retire(now));
        Ok(partition)
    }

    /// Makes ingest send a route's pushes to this partition and to no other.
    fn direct(&self, route: &LiveRoute, to: Option<&Partition>) {
        let entries = || self.entries.iter().filter(|entry| entry.cell.id == route.cell.id);
        let is_meant = |entry: &IngestRoute| to.is_some_and(|partition| entry.id == partition.id());
        // First the new one: in between both are open, and the older is found.
        entries()
            .filter(|entry| is_meant(entry))
            .for_each(|entry| entry.is_open.store(true, Ordering::Release));
        entries()
            .filter(|entry| !is_meant(entry))
            .for_each(|entry| entry.is_open.store(false, Ordering::Release));
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
            troubles: Mutex::default(),
        });
        let transport = settings.transport.name();
        let partition = Arc::new(Partition::new(wiring, transport, (connections, key)));
        self.partitions.push(Arc::clone(&partition)).map_err(|_| NoPartition)?;
        Ok(partition)
    }

    /// Returns a partition of a route's peers that has slept long enough and holds nothing.
    pub fn resting(&self, route: &LiveRoute) -> Option<Arc<Partition>> {
        let now = self.clock.now();
        let is_resting =
            |partition: &&Arc<Partition>| partition.is_rested(now) && self.books(partition).held() == 0;
        self.partitions_of(route).find(is_resting).cloned()
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
            connector: RwLock::new(connector),
        };
        self.entries.push(entry).map(drop).map_err(|_| NoPartition)
    }
}
