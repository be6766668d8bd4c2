//! Which bearer token is which sender: a number per token, the same wherever the token stands in the list and through every reload.
//!
//! Turns in the queue and the memory of senders' ids go by this number. Tokens are kept as keyed hashes only.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::push::{Digest, SenderId};
use crate::units::Secret;

/// The numbers that were given.
#[derive(Debug, Default)]
pub struct Senders {
    digest: Digest,
    numbers: Mutex<HashMap<u128, SenderId>>,
}

// === impl Senders ===

impl Senders {
    /// Returns the numbers of these tokens, in their order; a new token gets the next one. Beyond 65,535 tokens in the life of a process all new
    /// ones share the last number. None gets the operator's.
    pub fn numbers(&self, tokens: &[Secret]) -> Vec<SenderId> {
        let mut numbers = self.numbers.lock();
        let number = |token: &Secret| {
            let next = numbers.len() + usize::from(numbers.len() >= SenderId::OPERATOR.index());
            let next = SenderId(u16::try_from(next).unwrap_or(u16::MAX));
            *numbers.entry(self.digest.of(&[token.expose().as_bytes()])).or_insert(next)
        };
        tokens.iter().map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_keeps_its_number_when_others_come_go_and_move() {
        let senders = Senders::default();
        let numbers = |tokens: &[&str]| {
            senders.numbers(&tokens.iter().map(|token| Secret::new(*token)).collect::<Vec<_>>())
        };
        assert_eq!(numbers(&["a", "b"]), [0, 2].map(SenderId));
        assert_eq!(numbers(&["c", "b", "a"]), [3, 2, 0].map(SenderId));
        assert_eq!(numbers(&["b"]), [SenderId(2)]);
        assert_eq!(numbers(&["a", "d"]), [0, 4].map(SenderId), "a number is never given to another token");
    }
    #[test]
    fn no_token_gets_the_operators_number() {
        let senders = Senders::default();
        let tokens: Vec<_> =
            (0..=u32::from(u16::MAX) + 1).map(|token| Secret::new(token.to_string())).collect();
        let numbers = senders.numbers(&tokens);
        assert!(!numbers.contains(&SenderId::OPERATOR));
        assert_eq!(numbers[numbers.len() - 2..], [SenderId(u16::MAX); 2]);
        assert!(numbers[..usize::from(u16::MAX)].is_sorted_by(|one, next| one < next), "each its own");
    }
}
