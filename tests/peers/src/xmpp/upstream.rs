//! Upstream messages: those waiting for a connection, and which connection must ack which.
//!
//! The control face adds messages, sessions take a share and report acks, and give back what is un-acked when they close, so
//! that another connection carries it (`reference/fcm.md` 1.7). Receipts are known here only for their acks; they are
//! not carried over to another connection.

use std::collections::{HashMap, VecDeque};

use crate::xmpp::answer::upstream_json;

/// The most un-acked upstream messages and receipts on one connection.
pub const UPSTREAM_WINDOW: usize = 100;

/// An upstream message or receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its message id.
    pub id: String,
    /// Whom the ack must be addressed to.
    pub from: String,
    /// Its JSON.
    pub json: String,
    /// Whether it is a delivery receipt.
    pub receipt: bool,
}

/// What an ack turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckVerdict {
    /// It settles the message.
    Settled,
    /// The message was settled before; harmless after a second send.
    Again,
    /// Another connection carries the message.
    WrongConnection,
    /// It is addressed to somebody else than the message's sender.
    WrongAddress,
    /// There is no such message.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Waiting,
    With { connection: u64, from: String },
    Settled,
}

/// All upstream messages; see the module's documentation.
#[derive(Debug, Default)]
pub struct Pool {
    waiting: VecDeque<Upstream>,
    places: HashMap<String, Place>,
    created: u64,
    /// Sends, repeats included.
    pub sent: u64,
    /// Messages and receipts acked.
    pub acked: u64,
    /// Acks for messages acked before.
    pub acked_again: u64,
    /// Sends of a message sent before.
    pub resent: u64,
    /// Receipts sent.
    pub receipts: u64,
}

impl Pool {
    /// Adds `count` new messages.
    pub fn create(&mut self, count: u64) {
        for _ in 0..count {
            self.created += 1;
            let (id, from) = (format!("up-{}", self.created), format!("device-{}", self.created % 1000));
            let json = upstream_json(&id, &from);
            self.places.insert(id.clone(), Place::Waiting);
            self.waiting.push_back(Upstream { id, from, json, receipt: false });
        }
    }

    /// Returns how many messages wait for a connection.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Sets the counters to zero.
    pub fn reset_counters(&mut self) {
        (self.sent, self.acked, self.acked_again, self.resent, self.receipts) = (0, 0, 0, 0, 0);
    }

    /// Hands up to `most` messages to a connection.
    pub fn take(&mut self, connection: u64, most: usize) -> Vec<Upstream> {
        let count = most.min(self.waiting.len());
        let taken: Vec<Upstream> = self.waiting.drain(..count).collect();
        for message in &taken {
            self.carry(connection, message);
        }
        taken
    }

    /// Notes that a connection carries a message, such as a new receipt.
    pub fn carry(&mut self, connection: u64, message: &Upstream) {
        self.sent += 1;
        self.receipts += u64::from(message.receipt);
        let place = Place::With { connection, from: message.from.clone() };
        self.places.insert(message.id.clone(), place);
    }

    /// Takes back what a closed connection had un-acked.
    pub fn give_back(&mut self, messages: impl Iterator<Item = Upstream>) {
        for message in messages {
            if message.receipt {
                self.places.remove(&message.id);
                continue;
            }
            self.resent += 1;
            self.places.insert(message.id.clone(), Place::Waiting);
            self.waiting.push_back(message);
        }
    }

    /// Judges an ack that came on `connection`.
    pub fn ack(&mut self, connection: u64, to: &str, id: &str) -> AckVerdict {
        match self.places.get_mut(id) {
            None => AckVerdict::Unknown,
            Some(Place::Settled) => {
                self.acked_again += 1;
                AckVerdict::Again
            }
            Some(Place::Waiting) => AckVerdict::WrongConnection,
            Some(Place::With { connection: owner, .. }) if *owner != connection => {
                AckVerdict::WrongConnection
            }
            Some(Place::With { from, .. }) if from != to => AckVerdict::WrongAddress,
            Some(place) => {
                *place = Place::Settled;
                self.acked += 1;
                AckVerdict::Settled
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_counts_only_on_its_own_connection_and_to_its_sender() {
        let mut pool = Pool::default();
        pool.create(1);
        let message = pool.take(1, 5).remove(0);
        assert_eq!(pool.ack(2, &message.from, &message.id), AckVerdict::WrongConnection);
        assert_eq!(pool.ack(1, "device-x", &message.id), AckVerdict::WrongAddress);
        assert_eq!(pool.ack(1, &message.from, &message.id), AckVerdict::Settled);
        assert_eq!(pool.ack(1, &message.from, &message.id), AckVerdict::Again);
        assert_eq!(pool.ack(1, "x", "nobody"), AckVerdict::Unknown);
        assert_eq!((pool.sent, pool.acked, pool.acked_again), (1, 1, 1));
    }

    #[test]
    fn what_a_closed_connection_owed_goes_to_the_next() {
        let mut pool = Pool::default();
        pool.create(3);
        let taken = pool.take(1, 2);
        pool.give_back(taken.into_iter());
        assert_eq!(pool.waiting(), 3);
        let again = pool.take(2, 10);
        assert_eq!(again.len(), 3);
        assert_eq!(pool.ack(1, &again[0].from, &again[0].id), AckVerdict::WrongConnection);
        assert_eq!((pool.sent, pool.resent), (5, 2));
    }
}
