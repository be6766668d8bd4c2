//! Biggest demand first: GenStage's `DemandDispatcher` (`reference/genstage.md` 1.9) with constant-time books.
//!
//! Producers tell it of subscriptions, asks and cancels, and let it [`assign`](DemandDispatcher::assign) events.
//! Subscriptions of equal demand are served in the order in which they came to that demand, so single events go round
//! robin. Two deliberate differences: the demand of a cancelled subscription is dropped, not remembered as `pending`
//! (which lets buffered events lie while demand is live), and asks and deliveries cost the same for one consumer as
//! for thousands.

mod buckets;

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use crate::SubscriptionId;
use crate::protocol::IdMap;
use buckets::Buckets;
pub(super) use buckets::Slot;

/// How a batch is shared out among subscriptions with demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Fills one subscription's demand before the next: fewer and larger batches.
    #[default]
    Greedy,
    /// Gives everybody the same, as far as they have demand; an odd rest goes to the biggest demands. A batch costs per
    /// subscription that gets some of it.
    Even,
}

/// The answer to an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Asked {
    /// The demand is on the books.
    Granted,
    /// The demand is on the books, though it is above the most one ask was expected to be: a consumer that asks for
    /// more than its peers gets most of the events.
    AboveMaximum(u32),
    /// Nobody subscribed under this id; nothing changed.
    Unknown,
}

/// The books of one pool of consumers.
///
/// ```
/// use pushweir_actors::{DemandDispatcher, SubscriptionId};
///
/// let (one, two) = (SubscriptionId::next(), SubscriptionId::next());
/// let mut dispatcher = DemandDispatcher::default();
/// dispatcher.subscribe(one);
/// dispatcher.subscribe(two);
/// let _ = dispatcher.ask(one, 3);
/// let _ = dispatcher.ask(two, 2);
/// let mut deliveries = Vec::new();
/// assert_eq!(dispatcher.assign(7, &mut deliveries), 5);
/// assert_eq!(deliveries, [(one, 3), (two, 2)]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct DemandDispatcher {
    slots: IdMap<Slot>,
    buckets: Buckets,
    total: u64,
    policy: Policy,
    max_demand: Option<u32>,
    shuffle: Option<fastrand::Rng>,
    round: Vec<Share>,
}

/// One subscription's part in a round of sharing out.
#[derive(Clone, Copy, Debug)]
struct Share {
    slot: Slot,
    open: u32,
    given: u32,
}

// === impl DemandDispatcher ===

impl DemandDispatcher {
    /// Creates books without subscriptions.
    pub fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Sets the most that one ask is expected to be; otherwise the first ask sets it.
    pub fn with_max_demand(mut self, max_demand: u32) -> Self {
        self.max_demand = Some(max_demand);
        self
    }

    /// Serves the subscriptions of the first dispatch in random order, so that the first consumer of every producer
    /// does not get the first events of all.
    pub fn with_shuffle(mut self, rng: fastrand::Rng) -> Self {
        self.shuffle = Some(rng);
        self
    }

    /// Adds a subscription without demand. Returns false if the id is taken; then nothing changes.
    pub fn subscribe(&mut self, id: SubscriptionId) -> bool {
        self.enter(id).is_some()
    }

    /// Adds `count` to a subscription's demand.
    pub fn ask(&mut self, id: SubscriptionId, count: u32) -> Asked {
        match self.slots.get(&id) {
            Some(&slot) => self.ask_at(slot, count),
            None => Asked::Unknown,
        }
    }

    /// As [`Self::subscribe`], but returns the place by which [`Self::ask_at`] finds the subscription without a look-up.
    pub(super) fn enter(&mut self, id: SubscriptionId) -> Option<Slot> {
        let Entry::Vacant(entry) = self.slots.entry(id) else { return None };
        Some(*entry.insert(self.buckets.insert(id)))
    }

    /// As [`Self::ask`], for a subscription that is there.
    pub(super) fn ask_at(&mut self, slot: Slot, count: u32) -> Asked {
        let before = self.buckets.demand(slot);
        let after = before.saturating_add(count);
        self.buckets.set_demand(slot, after);
        self.total += u64::from(after - before);
        let maximum = *self.max_demand.get_or_insert(count);
        if count > maximum { Asked::AboveMaximum(maximum) } else { Asked::Granted }
    }

    /// Forgets a subscription. Returns the demand it had left, which is gone with it, or `None` if it is unknown.
    pub fn cancel(&mut self, id: SubscriptionId) -> Option<u32> {
        let slot = self.slots.remove(&id)?;
        let unfilled = self.buckets.remove(slot);
        self.total -= u64::from(unfilled);
        Some(unfilled)
    }

    /// Returns the demand of all subscriptions together.
    pub fn total_demand(&self) -> u64 {
        self.total
    }

    /// Returns a subscription's demand, or `None` if it is unknown.
    pub fn demand(&self, id: SubscriptionId) -> Option<u32> {
        self.slots.get(&id).map(|&slot| self.buckets.demand(slot))
    }

    /// Returns whether the id is subscribed.
    pub fn contains(&self, id: SubscriptionId) -> bool {
        self.slots.contains_key(&id)
    }

    /// Returns the number of subscriptions.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether nobody is subscribed.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Shares out up to `available` events and appends who gets how many to `out`, in the order in which the events are
    /// to be taken from the queue. Every subscription appears at most once. Returns how many were shared out; the
    /// deliveries are off the books at once.
    pub fn assign(&mut self, available: usize, out: &mut Vec<(SubscriptionId, usize)>) -> usize {
        if self.total == 0 || available == 0 {
            return 0;
        }
        let assigned = match (self.shuffle.take(), self.policy) {
            (Some(mut rng), policy) => {
                self.open_round(usize::MAX);
                rng.shuffle(&mut self.round);
                self.share_round(available, policy, out)
            }
            (None, Policy::Greedy) => self.assign_greedily(available, out),
            (None, Policy::Even) => {
                self.open_round(available);
                self.share_round(available, Policy::Even, out)
            }
        };
        self.total -= assigned as u64;
        debug_assert!(self.is_consistent());
        assigned
    }

    /// Shares out the events at the front of `queue` and hands each batch to `deliver`; what nobody asked for stays.
    /// Returns how many events left.
    pub fn dispatch<E>(
        &mut self,
        queue: &mut VecDeque<E>,
        mut deliver: impl FnMut(SubscriptionId, Vec<E>),
    ) -> usize {
        let mut deliveries = Vec::new();
        let assigned = self.assign(queue.len(), &mut deliveries);
        for (id, count) in deliveries {
            deliver(id, queue.drain(..count).collect());
        }
        assigned
    }

    /// Returns all subscriptions with their demand in the order in which they are served.
    pub fn demands(&self) -> Vec<(SubscriptionId, u32)> {
        self.buckets.in_order()
    }

    /// Checks the books: the demands add up to the total and are in the order of service. It looks at every
    /// subscription, which is why only debug builds and tests call it.
    pub fn is_consistent(&self) -> bool {
        let demands = self.demands();
        let sum: u64 = demands.iter().map(|&(_, demand)| u64::from(demand)).sum();
        sum == self.total
            && demands.len() == self.slots.len()
            && demands.is_sorted_by(|left, right| left.1.min(buckets::TOP) >= right.1.min(buckets::TOP))
    }

    fn assign_greedily(&mut self, available: usize, out: &mut Vec<(SubscriptionId, usize)>) -> usize {
        let mut left = available;
        while left > 0 {
            let Some(slot) = self.buckets.first_with_demand() else { break };
            let demand = self.buckets.demand(slot);
            let given = demand.min(u32::try_from(left).unwrap_or(u32::MAX));
            self.buckets.set_demand(slot, demand - given);
            out.push((self.buckets.id(slot), given as usize));
            left -= given as usize;
        }
        available - left
    }

    /// Takes the first `most` subscriptions with demand out of the buckets and into the round.
    fn open_round(&mut self, most: usize) {
        self.round.clear();
        while self.round.len() < most {
            let Some(slot) = self.buckets.first_with_demand() else { break };
            let open = self.buckets.demand(slot);
            self.buckets.set_demand(slot, 0);
            self.round.push(Share { slot, open, given: 0 });
        }
    }

    /// Shares `available` events out within the round and puts its subscriptions back into the buckets.
    fn share_round(
        &mut self,
        available: usize,
        policy: Policy,
        out: &mut Vec<(SubscriptionId, usize)>,
    ) -> usize {
        let mut left = available;
        while left > 0 {
            let open = self.round.iter().filter(|share| share.open > 0).count();
            if open == 0 {
                break;
            }
            let portion = match policy {
                Policy::Greedy => usize::MAX,
                Policy::Even => (left / open).max(1),
            };
            for share in &mut self.round {
                let given = share.open.min(u32::try_from(portion.min(left)).unwrap_or(u32::MAX));
                share.open -= given;
                share.given += given;
                left -= given as usize;
            }
        }
        for share in self.round.drain(..) {
            self.buckets.set_demand(share.slot, share.open);
            if share.given > 0 {
                out.push((self.buckets.id(share.slot), share.given as usize));
            }
        }
        available - left
    }
}

#[cfg(test)]
mod tests;
