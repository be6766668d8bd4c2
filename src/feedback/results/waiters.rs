//! Requests that wait for the ends of their own pushes (`POST /v1/pushes?wait=`). Bounded in pushes that are waited for.
//!
//! While nobody waits the path of a push costs one relaxed read per batch.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::record::Record;
use crate::push::PushKey;

/// Who waits for what.
#[derive(Debug, Default)]
pub struct Waiters {
    count: AtomicUsize,
    limit: AtomicUsize,
    keys: Mutex<HashMap<PushKey, Arc<Slot>>>,
}

/// Where the ends of one request's pushes are gathered.
#[derive(Debug, Default)]
struct Slot {
    ended: Mutex<HashMap<PushKey, Arc<Record>>>,
    news: Notify,
}

/// One request's wait; dropping it ends the wait.
#[derive(Debug)]
pub struct Ticket {
    waiters: Arc<Waiters>,
    slot: Arc<Slot>,
    keys: Vec<PushKey>,
}

// === impl Waiters ===

impl Waiters {
    /// Sets how many pushes may be waited for at the same time.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Returns how many pushes are waited for.
    pub fn awaited(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Returns a ticket for one request.
    pub fn ticket(self: &Arc<Self>) -> Ticket {
        Ticket { waiters: Arc::clone(self), slot: Arc::default(), keys: Vec::new() }
    }

    /// Hands the ends of pushes to those who wait for them.
    pub fn tell<'r>(&self, records: impl Iterator<Item = &'r Arc<Record>>) {
        if self.awaited() == 0 {
            return;
        }
        let mut keys = self.keys.lock();
        for record in records {
            let Some(slot) = keys.remove(&record.key) else { continue };
            slot.ended.lock().insert(record.key, Arc::clone(record));
            slot.news.notify_one();
        }
        self.count.store(keys.len(), Ordering::Relaxed);
    }
}

// === impl Ticket ===

impl Ticket {
    /// Waits for these pushes too; call it before they are admitted, so that no end is missed. Those above the limit are not waited for.
    pub fn watch(&mut self, keys: impl Iterator<Item = PushKey>) {
        let limit = self.waiters.limit.load(Ordering::Relaxed);
        let mut watched = self.waiters.keys.lock();
        for key in keys.take(limit.saturating_sub(watched.len())) {
            watched.insert(key, Arc::clone(&self.slot));
            self.keys.push(key);
        }
        // Seen by every thread that ends one of them: the batch goes to it through a channel or a lock after this.
        self.waiters.count.store(watched.len(), Ordering::Relaxed);
    }

    /// Stops waiting for these, since they were not admitted.
    pub fn unwatch(&mut self, keys: &[PushKey]) {
        self.keys.retain(|key| !keys.contains(key));
        self.waiters.forget(keys);
    }

    /// Returns when all of them have ended, or at the deadline.
    pub async fn wait(&self, deadline: Instant) {
        while self.slot.ended.lock().len() < self.keys.len() {
            if tokio::time::timeout_at(deadline, self.slot.news.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Returns how a push ended, if it has.
    pub fn end_of(&self, key: PushKey) -> Option<Arc<Record>> {
        self.slot.ended.lock().get(&key).map(Arc::clone)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiters.forget(&self.keys);
    }
}

// === impl Waiters ===

impl Waiters {
    fn forget(&self, gone: &[PushKey]) {
        if gone.is_empty() {
            return;
        }
        let mut keys = self.keys.lock();
        for key in gone {
            keys.remove(key);
        }
        self.count.store(keys.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::record::tests::record;
    use super::*;

    fn key(number: u128) -> PushKey {
        PushKey::from_u128(number)
    }

    fn waiters(limit: usize) -> Arc<Waiters> {
        let waiters = Arc::new(Waiters::default());
        waiters.set_limit(limit);
        waiters
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_the_last_push_and_leaves_nothing_behind() {
        let waiters = waiters(10);
        let mut ticket = waiters.ticket();
        ticket.watch([key(1), key(2), key(3)].into_iter());
        ticket.unwatch(&[key(3)]);
        let deadline = Instant::now() + Duration::from_secs(30);
        let tell = async {
            waiters.tell([Arc::new(record(2)), Arc::new(record(9))].iter());
            tokio::task::yield_now().await;
            waiters.tell([Arc::new(record(1))].iter());
        };
        tokio::join!(ticket.wait(deadline), tell);
        assert!(Instant::now() < deadline);
        assert!(ticket.end_of(key(1)).is_some() && ticket.end_of(key(2)).is_some());
        assert_eq!(ticket.end_of(key(3)), None);
        assert_eq!(waiters.awaited(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_deadline_what_has_not_ended_is_given_up() {
        let waiters = waiters(2);
        let mut ticket = waiters.ticket();
        ticket.watch((1..9).map(key));
        assert_eq!(waiters.awaited(), 2, "the limit holds");
        let deadline = Instant::now() + Duration::from_secs(5);
        waiters.tell([Arc::new(record(1))].iter());
        ticket.wait(deadline).await;
        assert!(Instant::now() >= deadline);
        drop(ticket);
        assert_eq!(waiters.awaited(), 0);
    }
}
