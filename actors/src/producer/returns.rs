//! The way back for events that a consumer did not take.
//!
//! Every batch a producer sends carries the same [`Returns`]; dead mailboxes put their events into it, and the producer
//! is told to fetch them. Bounded by demand, as only delivered events come back.

use std::sync::Arc;

use actix::{Message, Recipient, WeakRecipient};
use parking_lot::Mutex;

use crate::counters::StageCounters;
use crate::protocol::{SubscriptionId, Undelivered};

/// To the producer itself: events have come back.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Fetch;

/// One producer's returned events, in the order in which they came back.
pub(super) struct Returns<E> {
    waiting: Mutex<Vec<(SubscriptionId, Vec<E>)>>,
    producer: WeakRecipient<Fetch>,
    counters: Arc<StageCounters>,
}

// === impl Returns ===

impl<E> Returns<E> {
    pub(super) fn new(producer: &Recipient<Fetch>, counters: Arc<StageCounters>) -> Self {
        Self { waiting: Mutex::default(), producer: producer.downgrade(), counters }
    }

    pub(super) fn take(&self) -> Vec<(SubscriptionId, Vec<E>)> {
        std::mem::take(&mut self.waiting.lock())
    }
}

impl<E: Send> Undelivered<E> for Returns<E> {
    fn give_back(&self, id: SubscriptionId, events: Vec<E>) {
        let count = events.len();
        self.counters.add_returned(count);
        let Some(producer) = self.producer.upgrade().filter(Recipient::connected) else {
            self.counters.add_lost(count);
            log::error!("events lost: consumer and producer are gone subscription={id} events={count}");
            return;
        };
        let mut waiting = self.waiting.lock();
        let is_first = waiting.is_empty();
        waiting.push((id, events));
        drop(waiting);
        if is_first {
            crate::protocol::notify(&producer, Fetch);
        }
    }
}

impl<E> Drop for Returns<E> {
    fn drop(&mut self) {
        let count: usize = self.waiting.get_mut().iter().map(|(_, events)| events.len()).sum();
        self.counters.add_lost(count);
    }
}
