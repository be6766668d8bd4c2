//! A route as the process runs it: what it is configured as, and which of its partitions takes what.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use super::partition::Partition;
use crate::config::{Connections, OnDemand, Route};
use crate::flow::RouteCell;

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

// === impl LiveRoute ===

impl LiveRoute {
    /// Returns a route whose pushes go to `current`.
    pub fn new(cell: Arc<RouteCell>, settings: Route, current: Arc<Partition>) -> Self {
        let (settings, current) = (RwLock::new(settings), RwLock::new(current));
        Self { cell, is_busy: AtomicBool::new(false), settings, current, keyed: RwLock::default() }
    }

    /// Follows other settings; what has to be done for them is the caller's.
    pub fn set_settings(&self, settings: Route) {
        *self.settings.write() = settings;
    }

    /// Returns its settings as they are now.
    pub fn settings(&self) -> Route {
        self.settings.read().clone()
    }

    /// Returns how many connections each of its partitions may have.
    pub fn connections(&self) -> Connections {
        self.settings.read().connections
    }

    /// Returns how it opens connections, if it opens them when pushes come.
    pub fn on_demand(&self) -> Option<OnDemand> {
        self.settings.read().transport.on_demand()
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

    /// Gives its pushes to another of its partitions.
    pub fn set_current(&self, partition: &Arc<Partition>) {
        *self.current.write() = Arc::clone(partition);
        self.cell.set_transport(partition.transport);
    }

    /// Remembers the partition for one of its peers.
    pub fn set_keyed(&self, key: Box<str>, partition: Arc<Partition>) {
        self.keyed.write().insert(key, partition);
    }

    /// Forgets one of its peers.
    pub fn forget_key(&self, key: &str) {
        self.keyed.write().remove(key);
    }
}
