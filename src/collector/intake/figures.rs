//! What the operator is told of the collector's work, and where it is counted.

use std::sync::Arc;

use super::Intake;
use crate::collector::Gauges;
use crate::flow::RouteCell;
use crate::push::RouteId;

impl Intake {
    /// Returns the figures of the actor's work.
    pub const fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// Returns how many batches wait for the actor.
    pub fn waiting_batches(&self) -> usize {
        self.receiver.len()
    }

    /// Returns a partition's route.
    pub(in crate::collector) fn route(&self, partition: RouteId) -> Option<&Arc<RouteCell>> {
        self.routes.get(partition.index())
    }
}
