//! Separate books per partition, so that a full, slow or dead partition never holds up another.
//!
//! Producers whose consumers each want a part of the events use it. GenStage pools the demand of all partitions
//! (`reference/genstage.md` 1.10), which lets one hot partition absorb everybody's; here nothing is shared. Invariant:
//! a subscription belongs to exactly one partition.

use super::demand::{Asked, DemandDispatcher, Policy, Slot};
use crate::SubscriptionId;
use crate::protocol::IdMap;

/// The books of all partitions, numbered from 0. Several consumers may serve one partition.
#[derive(Clone, Debug)]
pub struct PartitionDispatcher {
    partitions: Vec<DemandDispatcher>,
    members: IdMap<Member>,
}

/// Where a subscription is.
#[derive(Clone, Copy, Debug)]
struct Member {
    partition: u32,
    slot: Slot,
}

/// What an ask came to in the books of a known subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The partition whose demand has grown.
    pub partition: u32,
    /// By how much; less than asked for only at the largest number there is.
    pub added: u64,
    /// Whether the ask was within what is expected.
    pub asked: Asked,
}

/// Why a subscription was refused; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The id is taken, in whichever partition.
    #[error("subscription {0} exists already")]
    Duplicated(SubscriptionId),
    /// There is no such partition.
    #[error("partition {partition} is unknown (hint: the partitions are 0 to {last})")]
    UnknownPartition {
        /// The partition that was asked for.
        partition: u32,
        /// The last partition there is.
        last: u32,
    },
}

// === impl PartitionDispatcher ===

impl PartitionDispatcher {
    /// Creates empty books for `partitions` partitions, at least one.
    pub fn new(partitions: u32, policy: Policy) -> Self {
        let books = |_| DemandDispatcher::new(policy);
        Self { partitions: (0..partitions.max(1)).map(books).collect(), members: IdMap::default() }
    }

    /// Adds a subscription without demand to a partition.
    ///
    /// # Errors
    /// Returns [`SubscribeError`] if the id is taken or the partition does not exist.
    pub fn subscribe(&mut self, id: SubscriptionId, partition: u32) -> Result<(), SubscribeError> {
        if self.members.contains_key(&id) {
            return Err(SubscribeError::Duplicated(id));
        }
        let last = self.last();
        let unknown = SubscribeError::UnknownPartition { partition, last };
        let books = self.partitions.get_mut(partition as usize).ok_or(unknown)?;
        let slot = books.enter(id).ok_or(SubscribeError::Duplicated(id))?;
        self.members.insert(id, Member { partition, slot });
        Ok(())
    }

    /// Adds `count` to a subscription's demand; `None` if it is unknown. One look-up, however many consumers there are.
    pub fn ask(&mut self, id: SubscriptionId, count: u32) -> Option<Entered> {
        let &Member { partition, slot } = self.members.get(&id)?;
        let books = &mut self.partitions[partition as usize];
        let before = books.total_demand();
        let asked = books.ask_at(slot, count);
        Some(Entered { partition, added: books.total_demand() - before, asked })
    }

    /// Forgets a subscription. Returns the demand it had left, which is gone with it, or `None` if it is unknown.
    pub fn cancel(&mut self, id: SubscriptionId) -> Option<u32> {
        let Member { partition, .. } = self.members.remove(&id)?;
        self.partitions[partition as usize].cancel(id)
    }

    /// Shares out up to `available` events of one partition; see [`DemandDispatcher::assign`]. A partition that does
    /// not exist takes nothing.
    pub fn assign(
        &mut self,
        partition: u32,
        available: usize,
        out: &mut Vec<(SubscriptionId, usize)>,
    ) -> usize {
        self.partitions.get_mut(partition as usize).map_or(0, |books| books.assign(available, out))
    }

    /// Returns the partition a subscription belongs to, or `None` if it is unknown.
    pub fn partition_of(&self, id: SubscriptionId) -> Option<u32> {
        self.members.get(&id).map(|member| member.partition)
    }

    /// Returns a subscription's demand; 0 if it is unknown.
    pub fn demand_of(&self, id: SubscriptionId) -> u32 {
        let books = |partition| self.partition(partition)?.demand(id);
        self.partition_of(id).and_then(books).unwrap_or(0)
    }

    /// Returns the books of one partition, or `None` if it does not exist.
    pub fn partition(&self, partition: u32) -> Option<&DemandDispatcher> {
        self.partitions.get(partition as usize)
    }

    /// Returns the demand of one partition; 0 if it does not exist.
    pub fn demand(&self, partition: u32) -> u64 {
        self.partition(partition).map_or(0, DemandDispatcher::total_demand)
    }

    /// Returns the demand of all partitions together.
    pub fn total_demand(&self) -> u64 {
        self.partitions.iter().map(DemandDispatcher::total_demand).sum()
    }

    /// Returns the number of subscriptions.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns whether nobody is subscribed.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns the ids of all subscriptions, in no order.
    pub fn ids(&self) -> Vec<SubscriptionId> {
        self.members.keys().copied().collect()
    }

    /// Checks that every partition's books balance and that they hold the members and nobody else.
    pub fn is_consistent(&self) -> bool {
        let in_books: usize = self.partitions.iter().map(DemandDispatcher::len).sum();
        in_books == self.members.len()
            && self.partitions.iter().all(DemandDispatcher::is_consistent)
            && self
                .members
                .iter()
                .all(|(&id, member)| self.partitions[member.partition as usize].contains(id))
    }

    fn last(&self) -> u32 {
        u32::try_from(self.partitions.len() - 1).expect("the number of partitions was given as a u32")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_without_demand_holds_up_no_other() {
        let mut dispatcher = PartitionDispatcher::new(2, Policy::Greedy);
        let (idle, busy) = (SubscriptionId::next(), SubscriptionId::next());
        dispatcher.subscribe(idle, 0).unwrap();
        dispatcher.subscribe(busy, 1).unwrap();
        assert_eq!(dispatcher.ask(busy, 5), Some(Entered { partition: 1, added: 5, asked: Asked::Granted }));
        let mut out = Vec::new();
        assert_eq!(dispatcher.assign(0, 9, &mut out), 0);
        assert_eq!(dispatcher.assign(1, 3, &mut out), 3);
        assert_eq!(out, [(busy, 3)]);
        assert_eq!((dispatcher.demand(0), dispatcher.demand(1), dispatcher.total_demand()), (0, 2, 2));
    }

    #[test]
    fn a_partition_may_have_several_consumers_and_lose_one() {
        let mut dispatcher = PartitionDispatcher::new(1, Policy::Greedy);
        let (one, two) = (SubscriptionId::next(), SubscriptionId::next());
        for id in [one, two] {
            dispatcher.subscribe(id, 0).unwrap();
            assert_eq!(
                dispatcher.ask(id, 4),
                Some(Entered { partition: 0, added: 4, asked: Asked::Granted })
            );
        }
        assert_eq!(dispatcher.cancel(one), Some(4));
        assert_eq!(dispatcher.cancel(one), None);
        let mut out = Vec::new();
        dispatcher.assign(0, 9, &mut out);
        assert_eq!(out, [(two, 4)]);
        assert!(dispatcher.is_consistent());
    }

    #[test]
    fn unknown_partitions_and_taken_ids_are_refused() {
        let mut dispatcher = PartitionDispatcher::new(2, Policy::Greedy);
        let id = SubscriptionId::next();
        let unknown = SubscribeError::UnknownPartition { partition: 2, last: 1 };
        assert_eq!(dispatcher.subscribe(id, 2), Err(unknown));
        dispatcher.subscribe(id, 0).unwrap();
        assert_eq!(dispatcher.subscribe(id, 1), Err(SubscribeError::Duplicated(id)));
        assert_eq!(dispatcher.ask(SubscriptionId::next(), 1), None);
        assert_eq!(dispatcher.assign(7, 3, &mut Vec::new()), 0);
        assert!(dispatcher.is_consistent());
    }
}
