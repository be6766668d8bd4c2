//! What the operator is told of the collector's work, and where it is counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Intake;
use crate::collector::{Gauges, Load};
use crate::flow::RouteCell;
use crate::push::RouteId;
use crate::units::Moment;

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

    /// Returns how long the push that has waited longest has waited; as it was up to a second ago while the queue is in use. Whoever looks at the
    /// service does not wait for the queue: under load its lock is busy, and a thread that cannot have it loses its turn on the processor.
    pub fn oldest_age(&self) -> Duration {
        match self.queue.try_lock() {
            Some(queue) => self.age(queue.oldest()),
            None => self.gauges.oldest(),
        }
    }

    /// Takes note of how long the push has waited that has waited longest; to be called about once a second.
    pub(in crate::collector) fn note_oldest(&self) {
        let oldest = self.with_queue(|queue| queue.oldest());
        self.gauges.set_oldest(self.age(oldest));
    }

    fn age(&self, accepted: Option<Moment>) -> Duration {
        accepted.map_or(Duration::ZERO, |moment| self.clock.now().since(moment))
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
