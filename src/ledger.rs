//! Double-entry books: every push is received once and from then on is in exactly one place.
//!
//! Written by admission (received, refused, accepted), by the collector (dispatch, shed, expired) and by `feedback` (answers);
//! each write is one batch under one lock, so a [`Books`] read at any instant balances:
//! `received = refused + accepted` and `accepted = outcomes + buffered + waiting_retry + in_flight`.
//! A move of more than a place holds is counted as `unaccounted` instead of being hidden.

use parking_lot::Mutex;
use serde::Serialize;

use crate::outcome::Outcome;
use crate::push::RouteId;
use crate::units::Slots;

/// Where a push that has not ended is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the intake or the collector's queue.
    Buffered,
    /// Waiting for its next attempt.
    WaitingRetry,
    /// With a pusher.
    InFlight,
}

/// The words of the balance, in pushes; one account per partition, and sums of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Books {
    /// Pushes in readable requests.
    pub received: u64,
    /// Never accepted.
    pub refused: u64,
    /// Those of the refused that repeat one taken before, by its id; their sender is told that it is accepted.
    pub duplicates: u64,
    /// Taken over; sheds at the door are among them, and end as `shed`.
    pub accepted: u64,
    /// See [`Outcome::Delivered`].
    pub delivered: u64,
    /// See [`Outcome::Rejected`].
    pub rejected: u64,
    /// See [`Outcome::Unregistered`].
    pub unregistered: u64,
    /// See [`Outcome::Expired`].
    pub expired: u64,
    /// See [`Outcome::Exhausted`].
    pub exhausted: u64,
    /// See [`Outcome::Coalesced`].
    pub coalesced: u64,
    /// See [`Outcome::Shed`].
    pub shed: u64,
    /// See [`Outcome::Lost`].
    pub lost: u64,
    /// See [`Place::Buffered`].
    pub buffered: u64,
    /// See [`Place::WaitingRetry`].
    pub waiting_retry: u64,
    /// See [`Place::InFlight`].
    pub in_flight: u64,
    /// What the two sums are off by; 0 unless there is a bug.
    pub unaccounted: u64,
}

/// The accounts of all partitions. One is opened by the first entry on it and never closed: what a route did counts when it is gone too.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: Slots<Mutex<Books>>,
    no_route: Mutex<Books>,
}

// === impl Books ===

impl Books {
    /// Returns accepted pushes that have not ended.
    pub const fn held(&self) -> u64 {
        self.buffered + self.waiting_retry + self.in_flight
    }

    /// Returns pushes that have ended.
    pub const fn ended(&self) -> u64 {
        self.delivered
            + self.rejected
            + self.unregistered
            + self.expired
            + self.exhausted
            + self.coalesced
            + self.shed
            + self.lost
    }

    /// Returns pushes that have left the buffer because they were served, or would have been: drops that make room do not count.
    pub const fn worked_off(&self) -> u64 {
        self.ended() - self.shed - self.coalesced
    }

    /// Returns whether both sums hold.
    pub const fn is_balanced(&self) -> bool {
        self.difference() == 0
    }

    /// Adds another account's figures.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.refused += other.refused;
        self.duplicates += other.duplicates;
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.rejected += other.rejected;
        self.unregistered += other.unregistered;
        self.expired += other.expired;
        self.exhausted += other.exhausted;
        self.coalesced += other.coalesced;
        self.shed += other.shed;
        self.lost += other.lost;
        self.buffered += other.buffered;
        self.waiting_retry += other.waiting_retry;
        self.in_flight += other.in_flight;
        self.unaccounted += other.unaccounted;
    }

    /// Enters `count` pushes that were refused.
    pub fn refuse(&mut self, count: u64) {
        self.received += count;
        self.refused += count;
    }

    /// Enters `count` pushes that repeat others.
    pub fn repeat(&mut self, count: u64) {
        self.refuse(count);
        self.duplicates += count;
    }

    /// Enters pushes taken over: `held` that got a place in the buffer and `shed` that did not.
    pub fn accept(&mut self, held: u64, shed: u64) {
        self.received += held + shed;
        self.accepted += held + shed;
        self.buffered += held;
        self.shed += shed;
    }

    /// Moves `count` pushes from one place to another.
    pub fn transfer(&mut self, count: u64, from: Place, to: Place) {
        let moved = self.take(count, from);
        *self.place(to) += moved;
    }

    /// Ends `count` pushes that were at `from`.
    pub fn end(&mut self, count: u64, from: Place, outcome: Outcome) {
        let moved = self.take(count, from);
        *self.outcome(outcome) += moved;
    }

    fn take(&mut self, count: u64, from: Place) -> u64 {
        let place = self.place(from);
        let moved = count.min(*place);
        *place -= moved;
        self.unaccounted += count - moved;
        moved
    }

    const fn place(&mut self, place: Place) -> &mut u64 {
        match place {
            Place::Buffered => &mut self.buffered,
            Place::WaitingRetry => &mut self.waiting_retry,
            Place::InFlight => &mut self.in_flight,
        }
    }

    const fn outcome(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Delivered => &mut self.delivered,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Unregistered => &mut self.unregistered,
            Outcome::Expired => &mut self.expired,
            Outcome::Exhausted => &mut self.exhausted,
            Outcome::Coalesced => &mut self.coalesced,
            Outcome::Shed => &mut self.shed,
            Outcome::Lost => &mut self.lost,
        }
    }

    const fn difference(&self) -> u64 {
        self.received.abs_diff(self.refused + self.accepted)
            + self.accepted.abs_diff(self.ended() + self.held())
            + self.unaccounted
    }
}

// === impl Ledger ===

impl Ledger {
    /// Makes the entries of one batch on a partition's account.
    pub fn enter(&self, route: RouteId, entries: impl FnOnce(&mut Books)) {
        entries(&mut self.accounts.at(route.index()).lock());
    }

    /// Enters pushes that were refused before their route was known.
    pub fn refuse_without_route(&self, count: u64) {
        self.no_route.lock().refuse(count);
    }

    /// Returns a partition's account as it is at this instant.
    pub fn read(&self, route: RouteId) -> Books {
        read(self.accounts.at(route.index()))
    }

    /// Returns the sum over all partitions and the pushes without a route; balanced, since each account is.
    pub fn total(&self) -> Books {
        self.sum(self.accounts.iter().map(read))
    }

    /// Returns the sum of accounts that were read before and the pushes without a route.
    pub fn sum(&self, accounts: impl IntoIterator<Item = Books>) -> Books {
        let mut sum = *self.no_route.lock();
        accounts.into_iter().for_each(|books| sum.add(&books));
        sum
    }
}

fn read(account: &Mutex<Books>) -> Books {
    let mut books = *account.lock();
    books.unaccounted = books.difference();
    books
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACES: [Place; 3] = [Place::Buffered, Place::WaitingRetry, Place::InFlight];

    #[test]
    fn moving_more_than_is_there_shows_as_unaccounted() {
        let ledger = Ledger::default();
        ledger.enter(RouteId(0), |books| {
            books.accept(3, 0);
            books.end(5, Place::Buffered, Outcome::Delivered);
        });
        let books = ledger.total();
        assert_eq!((books.delivered, books.buffered, books.unaccounted), (3, 0, 2));
        assert!(!books.is_balanced());
    }

    proptest! {
        #[test]
        fn possible_entries_always_balance(steps in prop::collection::vec((0..5_u8, 0..3_usize, 0..Outcome::ALL.len(), 0..50_u64), 0..80)) {
            let mut books = Books::default();
            for (kind, place, other, count) in steps {
                let from = PLACES[place];
                let there = *books.place(from);
                match kind {
                    0 => books.accept(count, count / 3),
                    1 => books.refuse(count),
                    2 => books.transfer(count.min(there), from, PLACES[other % 3]),
                    _ => books.end(count.min(there), from, Outcome::ALL[other]),
                }
                prop_assert!(books.is_balanced(), "{:?}", books);
            }
        }
    }
}
