//! The pushes of one connection that have no answer yet, and when their answers are due.
//!
//! Owned by the session, which opens an entry per push and takes out what is due. Answer texts live in recycled buffers, so a
//! push costs no allocation, and answers that fall due in the order of their pushes, which is usual, wait in a plain queue. Invariant: an entry is counted as un-acked from `open` until `take_due` or `take_all`
//! hands it out.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Instant;

use crate::double::ledger::{KeyHasher, MessageKey};

/// What is to be said about a push.
#[derive(Debug, Default)]
pub struct Answer {
    /// The push.
    pub key: MessageKey,
    /// Its JSON.
    pub json: Vec<u8>,
    /// Whether the JSON is known to have no character that XML escapes.
    pub is_plain: bool,
    /// What kind of answer.
    pub kind: AnswerKind,
    /// The code of a nack.
    pub code: String,
    /// The receipt to send after the ack, as message id and JSON.
    pub receipt: Option<Box<(String, String)>>,
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

/// When an answer is due, what decides among equals, and where it is.
type Due = (Instant, u64, usize);

/// The un-acked pushes of a connection.
#[derive(Debug, Default)]
pub struct Flight {
    answers: Vec<Answer>,
    free: Vec<usize>,
    /// Those that are due after all that were put here before them.
    queue: VecDeque<Due>,
    /// The others.
    heap: BinaryHeap<Reverse<Due>>,
    keys: HashMap<MessageKey, u32, KeyHasher>,
    highest: usize,
}

impl Flight {
    /// Returns how many pushes are un-acked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len() + self.heap.len()
    }

    /// Returns whether every push is answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the most pushes that were un-acked at once since the last call.
    pub fn take_highest(&mut self) -> usize {
        let now = self.len();
        std::mem::replace(&mut self.highest, now)
    }

    /// Notes a push that [`Self::open`] is called for next; returns whether one with this message id is un-acked already.
    pub fn claim(&mut self, key: MessageKey) -> bool {
        let count = self.keys.entry(key).or_default();
        *count += 1;
        *count > 1
    }

    /// Adds a push that was claimed and whose answer is due at `at`; `write` fills in the answer.
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
        let due = (at, order, slot);
        if self.queue.back().is_none_or(|last| *last < due) {
            self.queue.push_back(due);
        } else {
            self.heap.push(Reverse(due));
        }
        self.highest = self.highest.max(self.len());
    }

    /// Returns when the next answer is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        let others = self.heap.peek().map(|Reverse((at, ..))| *at);
        self.queue.front().map(|(at, ..)| *at).into_iter().chain(others).min()
    }

    /// Hands the answers due at `now` to `send`, in order.
    pub fn take_due(&mut self, now: Instant, mut send: impl FnMut(&mut Answer)) {
        while let Some(slot) = self.take_next(|due| due <= now) {
            self.hand_out(slot, &mut send);
        }
    }

    /// Hands every answer to `send`, in order, due or not.
    pub fn take_all(&mut self, mut send: impl FnMut(&mut Answer)) {
        while let Some(slot) = self.take_next(|_| true) {
            self.hand_out(slot, &mut send);
        }
    }

    /// Takes out which answer is due next, if it may be taken.
    fn take_next(&mut self, may: impl Fn(Instant) -> bool) -> Option<usize> {
        let queued = self.queue.front().copied();
        match self.heap.peek() {
            Some(Reverse(other)) if queued.is_none_or(|queued| *other < queued) => {
                let (at, _, slot) = *other;
                may(at).then(|| self.heap.pop())?;
                Some(slot)
            }
            _ => {
                let (_, _, slot) = queued.filter(|(at, ..)| may(*at))?;
                self.queue.pop_front();
                Some(slot)
            }
        }
    }

    fn hand_out(&mut self, slot: usize, send: &mut impl FnMut(&mut Answer)) {
        let answer = &mut self.answers[slot];
        if let Entry::Occupied(mut count) = self.keys.entry(answer.key) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
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
        assert!(!flight.claim(key(1)));
        flight.open(key(1), (now, 0), |_| {});
        assert!(flight.claim(key(1)));
        flight.open(key(1), (now + Duration::from_secs(1), 1), |_| {});
        flight.take_due(now, |_| {});
        assert!(flight.claim(key(1)));
        flight.open(key(1), (now, 2), |_| {});
        flight.take_all(|_| {});
        assert!(flight.is_empty() && !flight.claim(key(1)));
        assert_eq!((flight.take_highest(), flight.take_highest()), (2, 0));
    }

    proptest! {
        #[test]
        fn answers_come_once_each_when_due_and_in_order(dues in prop::collection::vec(0u64..50, 0..80)) {
            let start = Instant::now();
            let mut flight = Flight::default();
            for (n, due) in dues.iter().enumerate() {
                let at = start + Duration::from_millis(*due);
                flight.claim(key(n as u32));
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
