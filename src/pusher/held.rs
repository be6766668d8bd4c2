//! What a pusher owes back: its in-flight table and its subscription, returned by `Drop` however the pusher ends.

use std::sync::Arc;

use pushweir_actors::{ConsumerLink, SubscriptionId};

use super::Wiring;
use super::inflight::InFlight;
use crate::push::Push;

/// The guard. Dropping it cancels the subscription and gives every unanswered push to feedback, also while a panic unwinds.
#[derive(Debug)]
pub struct Held {
    /// The in-flight table.
    pub table: InFlight,
    subscription: Option<SubscriptionId>,
    wiring: Arc<Wiring>,
}

// === impl Held ===

impl Held {
    /// Returns a guard that holds nothing.
    pub fn new(wiring: Arc<Wiring>) -> Self {
        Self { table: InFlight::default(), subscription: None, wiring }
    }

    /// Returns the live subscription.
    pub const fn subscription(&self) -> Option<SubscriptionId> {
        self.subscription
    }

    /// Subscribes to the route's pushes.
    pub fn subscribe(&mut self, consumer: ConsumerLink<Push>) {
        self.unsubscribe();
        self.subscription = Some(self.wiring.port.subscribe(self.wiring.partition, consumer));
    }

    /// Ends the subscription; what is still on its way goes back by itself.
    pub fn unsubscribe(&mut self) {
        if let Some(id) = self.subscription.take() {
            self.wiring.port.cancel(id);
        }
    }

    /// Takes note that the producer ended the subscription.
    pub const fn forget_subscription(&mut self) {
        self.subscription = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.unsubscribe();
        let unanswered = self.table.take_all();
        if !unanswered.is_empty() {
            // What is left now was cut off by a stop or a crash of ours.
            self.wiring.feedback.abandoned(self.wiring.partition, unanswered);
        }
    }
}
