//! What the operator is told of the collector's work, and where it is counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Intake;
use crate::collector::{Gauges, Load};
use crate::flow::RouteCell;
use crate::push::RouteId;

impl Intake {
    /// Returns the figures of the actor's work.
    pub const fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// Returns the part of the buffer, `critical`'s reserve aside, that a route has when others need theirs.
    pub fn share(&self, route: RouteId) -> f64 {
        let pushes = |load: &Load| load.pushes as f64;
        let way = self.way.lock();
        way.limits.routes.get(route.index()).map_or(0.0, pushes) / pushes(&way.limits.ordinary).max(1.0)
    }

    /// Returns how many pushes were refused because they would have waited longer than they live.
    pub fn refused_late(&self) -> u64 {
        self.refused_late.load(Ordering::Relaxed)
    }

    /// Returns how many batches wait for the actor.
    pub fn waiting_batches(&self) -> usize {
        self.receiver.len()
    }

    /// Returns how many batches may wait for it.
    pub fn most_batches(&self) -> usize {
        self.receiver.capacity().unwrap_or(usize::MAX)
    }

    /// Returns what waits for the actor, and how much may.
    pub fn at_the_door(&self) -> (Load, Load) {
        let way = self.way.lock();
        (way.held.sum().all(), way.most())
    }

    /// Returns a partition's route.
    pub(in crate::collector) fn route(&self, partition: RouteId) -> Option<&Arc<RouteCell>> {
        self.routes.get(partition.index())
    }
}
