//! What a consumer's logic wants done, collected during a callback and carried out by the stage afterwards.

use smallvec::SmallVec;

use crate::protocol::{CancelReason, SubscriptionId};

/// The orders of one callback.
#[derive(Debug, Default)]
pub struct Flow {
    pub(super) orders: SmallVec<[Order; 2]>,
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
    /// how many are in flight is the caller's arithmetic. What one callback asks for in a row is sent as one ask.
    pub fn ask(&mut self, id: SubscriptionId, count: u32) {
        if count == 0 {
            return;
        }
        match self.orders.last_mut() {
            Some(Order::Ask(last, sum)) if *last == id && sum.checked_add(count).is_some() => *sum += count,
            _ => self.orders.push(Order::Ask(id, count)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_in_a_row_are_one_and_no_other_order_is_overtaken() {
        let (one, two) = (SubscriptionId::next(), SubscriptionId::next());
        let mut flow = Flow::default();
        (0..3).for_each(|_| flow.ask(one, 2));
        flow.ask(two, 1);
        flow.ask(one, 0);
        flow.ask(two, u32::MAX);
        flow.cancel(one, CancelReason::Normal);
        flow.ask(one, 1);
        let ended = Order::Cancel(one, CancelReason::Normal);
        let asks = [(one, 6), (two, 1), (two, u32::MAX)].map(|(id, count)| Order::Ask(id, count));
        assert_eq!(flow.orders[..3], asks);
        assert_eq!(flow.orders[3..], [ended, Order::Ask(one, 1)]);
    }
}
