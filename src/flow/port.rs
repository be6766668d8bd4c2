//! A fixed address for a producer that may be restarted: consumers keep a [`Port`] and never learn which incarnation serves them.
//!
//! When a new incarnation connects, every subscription that the one before knew is cancelled with `ProducerDown`, so that each consumer
//! subscribes again and asks for all its free room: connections outlive a crash of the collector.

use std::collections::HashMap;

use parking_lot::Mutex;
use pushweir_actors::{CancelReason, ConsumerLink, ProducerLink, Subscribe, SubscriptionId};

use crate::push::{Push, RouteId};

/// The consumers' view of the collector.
#[derive(Debug, Default)]
pub struct Port {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    producer: Option<ProducerLink<Push>>,
    consumers: HashMap<SubscriptionId, ConsumerLink<Push>>,
}

// === impl Port ===

impl Port {
    /// Connects a new incarnation of the producer.
    pub fn connect(&self, producer: ProducerLink<Push>) {
        let mut state = self.state.lock();
        state.producer = Some(producer);
        for (id, consumer) in state.consumers.drain() {
            if consumer.cancelled(id, CancelReason::ProducerDown).is_err() {
                log::debug!("a subscriber is gone subscription={id}");
            }
        }
    }

    /// Subscribes a consumer to a route's pushes. Whether a producer is there at the moment does not matter.
    pub fn subscribe(&self, route: RouteId, consumer: ConsumerLink<Push>) -> SubscriptionId {
        let id = SubscriptionId::next();
        let mut state = self.state.lock();
        state.consumers.insert(id, consumer.clone());
        if let Some(producer) = &state.producer {
            let request = Subscribe { id, partition: u32::from(route.0), consumer, replaces: None };
            if producer.subscribe(request).is_err() {
                log::debug!("the producer is being restarted subscription={id}");
            }
        }
        id
    }

    /// Asks for more pushes. If the producer is being restarted, the subscription will be cancelled, and nothing is lost.
    pub fn ask(&self, id: SubscriptionId, count: u32) {
        let state = self.state.lock();
        if let Some(Err(_)) = state.producer.as_ref().map(|producer| producer.ask(id, count)) {
            log::debug!("the producer is being restarted subscription={id}");
        }
    }

    /// Ends a subscription; its unfilled demand is dropped.
    pub fn cancel(&self, id: SubscriptionId) {
        let mut state = self.state.lock();
        state.consumers.remove(&id);
        if let Some(Err(_)) =
            state.producer.as_ref().map(|producer| producer.cancel(id, CancelReason::Shutdown))
        {
            log::debug!("the producer is being restarted subscription={id}");
        }
    }

    /// Forgets a subscription that its producer ended, and returns where its consumer is.
    pub fn forget(&self, id: SubscriptionId) -> Option<ConsumerLink<Push>> {
        self.state.lock().consumers.remove(&id)
    }
}
