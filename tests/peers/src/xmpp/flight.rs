//! The pushes of one connection that have no answer yet, and when their answers are due.
//!
//! Owned by the session, which opens an entry per push and takes out what is due. Answer texts live in recycled buffers, so a
//! push costs no allocation. Invariant: an entry is counted as un-acked from `open` until `take_due` or `take_all`
//! hands it out.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

use crate::double::ledger::{KeyHasher, MessageKey};

/// What is to be said about a push.
#[derive(Debug, Default)]
pub struct Answer {
    /// The push.
    pub key: MessageKey,
    /// Its JSON.
    pub json: Vec<u8>,
    /// What kind of answer.
    pub kind: AnswerKind,
    /// The code of a nack.
    pub code: String,
    /// The receipt to send after the ack, as message id and JSON.
    pub receipt: Option<(String, String)>,
}

/// The kinds of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnswerKind {
    /// The push was delivered; say so.
    #[default]
    Ack,
    /// The same, said twice.
    AckTwice,
    /// The push was delivered, and nobody is told.
    Lost,
    /// The push was refused.
    Nack,
}

/// When an answer is due; `order` decides among equals.
type Due = Reverse<(Instant, u64, usize)>;

/// The un-acked pushes of a connection.
#[derive(Debug, Default)]
pub struct Flight {
    answers: Vec<Answer>,
    free: Vec<usize>,
    due: BinaryHeap<Due>,
    keys: HashMap<MessageKey, u32, KeyHasher>,
    highest: usize,
}

impl Flight {
    /// Returns how many pushes are un-acked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Returns whether every push is answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Returns the most pushes that were un-acked at once since the last call.
    pub fn take_highest(&mut self) -> usize {
        std::mem::replace(&mut self.highest, self.due.len())
    }

    /// Returns whether a push with this message id is un-acked.
    #[must_use]
    pub fn contains(&self, key: &MessageKey) -> bool {
        self.keys.contains_key(key)
    }

    /// Adds a push whose answer is due at `at`; `write` fills in the answer.
    pub fn open(&mut self, key: MessageKey, (at, order): (Instant, u64), write: impl FnOnce(&mut Answer)) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.answers.push(Answer::default());
            self.answers.len() - 1
        });
        let answer = &mut self.answers[slot];
        answer.key = key;
        answer.json.clear();
        answer.code.clear();
        answer.receipt = None;
        write(answer);
        self.due.push(Reverse((at, order, slot)));
        *self.keys.entry(key).or_default() += 1;
        self.highest = self.highest.max(self.due.len());
    }

    /// Returns when the next answer is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Hands the answers due at `now` to `send`, in order.
    pub fn take_due(&mut self, now: Instant, mut send: impl FnMut(&mut Answer)) {
        while self.next_due().is_some_and(|at| at <= now) {
            self.take_next(&mut send);
        }
    }

    /// Hands every answer to `send`, in order, due or not.
    pub fn take_all(&mut self, mut send: impl FnMut(&mut Answer)) {
        while !self.due.is_empty() {
            self.take_next(&mut send);
        }
    }

    fn take_next(&mut self, send: &mut impl FnMut(&mut Answer)) {
        let Some(Reverse((_, _, slot))) = self.due.pop() else {
            return;
        };
        let answer = &mut self.answers[slot];
        if let Some(count) = self.keys.get_mut(&answer.key) {
            *count -= 1;
            if *count == 0 {
                self.keys.remove(&answer.key);
            }
        }
        send(answer);
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn key(n: u32) -> MessageKey {
        MessageKey::of(&n.to_string())
    }

    #[test]
    fn a_message_id_is_in_flight_until_its_last_answer_is_taken() {
        let now = Instant::now();
        let mut flight = Flight::default();
        flight.open(key(1), (now, 0), |_| {});
        flight.open(key(1), (now + Duration::from_secs(1), 1), |_| {});
        flight.take_due(now, |_| {});
        assert!(flight.contains(&key(1)));
        flight.take_all(|_| {});
        assert!(!flight.contains(&key(1)) && flight.is_empty());
        assert_eq!((flight.take_highest(), flight.take_highest()), (2, 0));
    }

    proptest! {
        #[test]
        fn answers_come_once_each_when_due_and_in_order(dues in prop::collection::vec(0u64..50, 0..80)) {
            let start = Instant::now();
            let mut flight = Flight::default();
            for (n, due) in dues.iter().enumerate() {
                let at = start + Duration::from_millis(*due);
                flight.open(key(n as u32), (at, n as u64), |answer| answer.json.extend_from_slice(&[n as u8]));
            }
            let mut taken = Vec::new();
            for tick in 0..50 {
                flight.take_due(start + Duration::from_millis(tick), |answer| taken.push((tick, answer.json[0])));
            }
            let mut expected: Vec<(u64, u8)> = dues.iter().enumerate().map(|(n, due)| (*due, n as u8)).collect();
            expected.sort_unstable();
            prop_assert_eq!(taken, expected);
            prop_assert!(flight.is_empty());
        }
    }
}
