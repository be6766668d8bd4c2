//! The running service: the parts, the handles of its tree, and what is measured.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use actix::prelude::*;
use parking_lot::Mutex;
use pushweir_actors::{NodeState, SupervisorHandle};

use super::autosize::Autosize;
use super::figures::SharedFigures;
use super::parts::Parts;
use crate::admin::Record;
use crate::admin::state::ReloadCounts;
use crate::collector::Collector;

/// Shared by the tree's children and the operator's interface.
pub struct Service {
    /// What outlives the actors.
    pub parts: Parts,
    /// What is measured once a second.
    pub figures: SharedFigures,
    /// What the operator's page remembers.
    pub record: Record,
    /// Set from the signal to stop until the end.
    pub is_stopping: AtomicBool,
    /// Held by whoever looks after the partitions.
    pub tending: tokio::sync::Mutex<()>,
    /// What routes that choose their number of connections have shown.
    pub autosize: Mutex<Autosize>,
    /// Held by the reload that is under way.
    pub reloading: tokio::sync::Mutex<()>,
    /// What became of reloads.
    pub reloads: Mutex<ReloadCounts>,
    delivery: Vec<ArbiterHandle>,
    root: OnceLock<SupervisorHandle>,
    collector: Mutex<Option<Addr<Collector>>>,
}

// === impl Service ===

impl Service {
    /// Returns a service whose pushers will live on these threads, its collector on the first of them.
    pub fn new(parts: Parts, delivery: Vec<ArbiterHandle>) -> Self {
        Self {
            parts,
            tending: tokio::sync::Mutex::default(),
            figures: SharedFigures::default(),
            record: Record::default(),
            is_stopping: AtomicBool::new(false),
            autosize: Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
            reloads: Mutex::default(),
            delivery,
            root: OnceLock::new(),
            collector: Mutex::new(None),
        }
    }

    /// Returns the thread for pusher `number`; they are dealt out in turn.
    pub fn delivery_thread(&self, number: u32) -> ArbiterHandle {
        self.delivery[number as usize % self.delivery.len()].clone()
    }

    /// Keeps the handle of the tree; called once, when it has been started.
    pub fn set_root(&self, root: SupervisorHandle) {
        if self.root.set(root).is_err() {
            log::error!("the tree was started twice");
        }
    }

    /// Returns the handle of the tree, once it has been started.
    pub fn root(&self) -> Option<&SupervisorHandle> {
        self.root.get()
    }

    /// Returns the live supervisor of all routes.
    pub fn routes_supervisor(&self) -> Option<SupervisorHandle> {
        self.root()?.nested(&["routes"])
    }

    /// Returns the live supervisor of a route.
    pub fn route_supervisor(&self, name: &str) -> Option<SupervisorHandle> {
        self.root()?.nested(&["routes", name])
    }

    /// Returns the state of a route's supervisor.
    pub fn route_state(&self, name: &str) -> Option<NodeState> {
        let routes = self.routes_supervisor()?;
        routes.which_children().into_iter().find(|child| child.id == name).map(|child| child.state)
    }

    /// Keeps the address of the collector's present incarnation.
    pub fn set_collector(&self, collector: Addr<Collector>) {
        *self.collector.lock() = Some(collector);
    }

    /// Returns the address of the collector's present incarnation.
    pub fn collector(&self) -> Option<Addr<Collector>> {
        self.collector.lock().clone()
    }

    /// Returns the names of the routes, for error texts.
    pub fn route_names(&self) -> String {
        let names = self.parts.routes.alive().map(|route| route.cell.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("routes", &self.route_names()).finish_non_exhaustive()
    }
}
