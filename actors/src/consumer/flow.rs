//! What a consumer's logic wants done, collected during a callback and carried out by the stage afterwards.

use crate::protocol::{CancelReason, SubscriptionId};

/// The orders of one callback.
#[derive(Debug, Default)]
pub struct Flow {
    pub(super) orders: Vec<Order>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    Ask(SubscriptionId, u32),
    Cancel(SubscriptionId, CancelReason),
    Stop(CancelReason),
}

// === impl Flow ===

impl Flow {
    /// Asks for `count` more events; asking for none does nothing. Minimum and maximum of the subscription do not apply:
    /// how many are in flight is the caller's arithmetic.
    pub fn ask(&mut self, id: SubscriptionId, count: u32) {
        if count > 0 {
            self.orders.push(Order::Ask(id, count));
        }
    }

    /// Ends a subscription; its cancel mode decides what follows, except that it is not made again.
    pub fn cancel(&mut self, id: SubscriptionId, reason: CancelReason) {
        self.orders.push(Order::Cancel(id, reason));
    }

    /// Stops the stage in order.
    pub fn stop(&mut self, reason: CancelReason) {
        self.orders.push(Order::Stop(reason));
    }
}
