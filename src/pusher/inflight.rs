//! What a pusher has sent and has no answer for. Pure.
//!
//! Bounded by the window. Entries know the connection (session) that carries them, since an answer is only expected there.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use crate::flow::Wanted;
use crate::push::{Push, PushKey};
use crate::units::Moment;

/// The number of a connection in the life of one pusher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SessionNumber(pub u32);

/// A push without an answer.
#[derive(Debug)]
pub struct Entry {
    /// The push.
    pub push: Push,
    /// When it was handed to the connection.
    pub sent_at: Moment,
    /// Which connection has it.
    pub session: SessionNumber,
    order: u64,
}

/// The table.
#[derive(Debug, Default)]
pub struct InFlight {
    entries: HashMap<PushKey, Entry, BuildHasherDefault<KeyHasher>>,
    next_order: u64,
}

/// Mixes the counter in a key; keys are minted by us, so nobody can aim at one bucket.
#[derive(Debug, Default)]
pub struct KeyHasher(u64);

// === impl KeyHasher ===

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn write_u128(&mut self, number: u128) {
        // Fibonacci hashing spreads the low counter bits over the high bits, which the table uses.
        self.0 = (number as u64 ^ (number >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

// === impl InFlight ===

impl InFlight {
    /// Returns how many pushes have no answer.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether every push has its answer.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns how many pushes a connection has not answered.
    pub fn on_session(&self, session: SessionNumber) -> usize {
        self.entries.values().filter(|entry| entry.session == session).count()
    }

    /// Looks for a push: at once by its key, one by one by its sender's id.
    pub fn find(&self, wanted: &Wanted) -> Option<&Entry> {
        let is_it = |entry: &&Entry| wanted.is(entry.push.sender, entry.push.key, entry.push.name.as_deref());
        let by_key = wanted.key().and_then(|key| self.entries.get(&key)).filter(is_it);
        by_key.or_else(|| self.entries.values().find(is_it))
    }

    /// Notes a push as sent.
    pub fn insert(&mut self, push: Push, sent_at: Moment, session: SessionNumber) {
        let order = self.next_order;
        self.next_order += 1;
        self.entries.insert(push.key, Entry { push, sent_at, session, order });
    }

    /// Notes in traced pushes that they have been handed to their connection.
    pub fn note_flushed(&mut self, keys: &[PushKey], now: Moment) {
        for key in keys {
            let entry = self.entries.get_mut(key);
            if let Some(trace) = entry.and_then(|entry| entry.push.trace.as_deref_mut()) {
                trace.flushed(now);
            }
        }
    }

    /// Takes out the push that a connection answered.
    pub fn settle(&mut self, key: PushKey) -> Option<Entry> {
        self.entries.remove(&key)
    }

    /// Takes out what a connection leaves unanswered, in the order of sending.
    pub fn take_session(&mut self, session: SessionNumber) -> Vec<Push> {
        self.take_where(|entry| entry.session == session)
    }

    /// Returns what [`Self::take_overdue`] would take out, in the same order.
    pub fn overdue(&self, now: Moment, limit: Duration) -> Vec<(SessionNumber, PushKey)> {
        let mut overdue: Vec<&Entry> =
            self.entries.values().filter(|entry| now.since(entry.sent_at) > limit).collect();
        overdue.sort_unstable_by_key(|entry| entry.order);
        overdue.into_iter().map(|entry| (entry.session, entry.push.key)).collect()
    }

    /// Takes out what has waited for an answer longer than `limit`, in the order of sending.
    pub fn take_overdue(&mut self, now: Moment, limit: Duration) -> Vec<(SessionNumber, Push)> {
        let mut overdue: Vec<Entry> = self
            .entries
            .extract_if(|_, entry| now.since(entry.sent_at) > limit)
            .map(|(_, entry)| entry)
            .collect();
        overdue.sort_unstable_by_key(|entry| entry.order);
        overdue.into_iter().map(|entry| (entry.session, entry.push)).collect()
    }

    /// Takes out everything, in the order of sending.
    pub fn take_all(&mut self) -> Vec<Push> {
        self.take_where(|_| true)
    }

    /// Gives memory back if nothing is in flight: a full window's table is 20 KiB, and thousands of connections idle most of the time.
    pub fn relax(&mut self) {
        if self.entries.is_empty() {
            self.entries.shrink_to_fit();
        }
    }

    fn take_where(&mut self, wanted: impl Fn(&Entry) -> bool) -> Vec<Push> {
        let mut taken: Vec<Entry> =
            self.entries.extract_if(|_, entry| wanted(entry)).map(|(_, entry)| entry).collect();
        taken.sort_unstable_by_key(|entry| entry.order);
        taken.into_iter().map(|entry| entry.push).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::Lane;
    use crate::push::fixture::push;

    fn keys(pushes: &[Push]) -> Vec<u128> {
        pushes.iter().map(|push| push.key.as_u128()).collect()
    }

    #[test]
    fn an_idle_table_keeps_no_memory() {
        let mut table = InFlight::default();
        table.insert(push(1, Lane::Normal), Moment::default(), SessionNumber(1));
        table.relax();
        assert!(table.entries.capacity() > 0 && table.len() == 1);
        assert!(table.settle(push(1, Lane::Normal).key).is_some());
        table.relax();
        assert_eq!(table.entries.capacity(), 0);
    }

    #[test]
    fn what_a_connection_leaves_comes_back_in_the_order_of_sending() {
        let mut table = InFlight::default();
        for number in [5, 3, 9, 1] {
            table.insert(push(number, Lane::Normal), Moment::default(), SessionNumber(number as u32 % 2));
        }
        table.insert(push(8, Lane::Normal), Moment::default(), SessionNumber(0));
        assert!(table.settle(PushKey::from_u128(9)).is_some());
        assert!(table.settle(PushKey::from_u128(9)).is_none());
        assert_eq!(table.on_session(SessionNumber(1)), 3);
        assert_eq!(keys(&table.take_session(SessionNumber(1))), [5, 3, 1]);
        assert_eq!(keys(&table.take_all()), [8]);
        assert!(table.is_empty());
    }

    #[test]
    fn only_answers_older_than_the_limit_are_overdue() {
        let mut table = InFlight::default();
        for number in 0..4_u64 {
            table.insert(
                push(u128::from(number), Lane::Normal),
                Moment::from_micros(number * 10),
                SessionNumber(0),
            );
        }
        let (now, limit) = (Moment::from_micros(25), Duration::from_micros(10));
        let told = table.overdue(now, limit);
        let overdue = table.take_overdue(now, limit);
        assert_eq!(overdue.len(), 2);
        assert!(overdue.iter().map(|(session, push)| (*session, push.key)).eq(told));
        assert_eq!(table.len(), 2);
    }
}
