//! Answers that the current connection owes although nobody waits for them any more. Pure.
//!
//! The provider may count such a push against the window until it has answered; one push may be owed several times.

use std::collections::HashMap;

use crate::push::PushKey;

/// The pushes, each with how many answers are owed.
#[derive(Debug, Default)]
pub struct Owed {
    answers: HashMap<PushKey, u32>,
}

// === impl Owed ===

impl Owed {
    /// Notes that one more answer to a push is owed.
    pub fn add(&mut self, key: PushKey) {
        *self.answers.entry(key).or_default() += 1;
    }

    /// Takes note of an answer that nobody waited for; returns whether it was owed.
    pub fn settle(&mut self, key: PushKey) -> bool {
        let Some(left) = self.answers.get_mut(&key) else { return false };
        *left -= 1;
        if *left == 0 {
            self.answers.remove(&key);
        }
        true
    }

    /// Forgets everything: a new connection owes nothing.
    pub fn clear(&mut self) {
        self.answers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_answers_are_taken_as_are_owed() {
        let (mut owed, key) = (Owed::default(), PushKey::from_u128(1));
        owed.add(key);
        owed.add(key);
        assert!(!owed.settle(PushKey::from_u128(2)));
        assert_eq!([owed.settle(key), owed.settle(key), owed.settle(key)], [true, true, false]);
    }
}
