//! The state of a shared provider token: when to use it and when to make another. Pure.
//!
//! The shared tokens keep one under a lock; callers bring the times. Invariant: never two tokens within [`LEAST_AGE`].

use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use super::key::{Key, KeyError};

/// A token is replaced at this age, when it is next used; Apple refuses one that is older than an hour.
pub const RENEW_AGE: Duration = Duration::from_secs(50 * 60);

/// Apple wants no new token sooner than this after the last.
pub const LEAST_AGE: Duration = Duration::from_secs(20 * 60);

/// A token, ready for the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// `bearer …`, marked as sensitive.
    pub header: HeaderValue,
    /// Counts up with each token.
    pub generation: u64,
    /// When to ask for another.
    pub renew_at: Instant,
}

/// What follows from a token that was refused for its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// There is or will be another one: send again.
    Replaced,
    /// The token is young: the clocks differ, which another token would not change.
    Young,
}

/// The state; see the module's documentation.
#[derive(Debug, Default)]
pub struct Book {
    token: Option<Token>,
    made_at: Option<Instant>,
    generation: u64,
}

// === impl Book ===

impl Book {
    /// Returns the token to send with, made anew if it is time; `unix` is in seconds since 1970.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn get(&mut self, key: &Key, now: Instant, unix: u64) -> Result<Token, KeyError> {
        if let Some(token) = self.token.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.clone());
        }
        let header = key.sign(unix)?;
        self.generation += 1;
        let token = Token { header, generation: self.generation, renew_at: now + RENEW_AGE };
        log::debug!("made a provider token team={} key={}", key.team, key.id);
        (self.token, self.made_at) = (Some(token.clone()), Some(now));
        Ok(token)
    }

    /// Notes that the provider called the token of this generation expired.
    pub fn expired(&mut self, now: Instant, generation: u64) -> Expired {
        if generation < self.generation || self.token.is_none() {
            return Expired::Replaced;
        }
        if self.made_at.is_some_and(|made| now < made + LEAST_AGE) {
            return Expired::Young;
        }
        self.token = None;
        Expired::Replaced
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::fixture;
    use super::*;

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    #[test]
    fn a_token_is_used_for_fifty_minutes_and_then_made_anew() {
        let (key, start) = (fixture::key(), Instant::now());
        let mut book = Book::default();
        let first = book.get(&key, start, 0).unwrap();
        let late = start + minutes(50) - Duration::from_millis(1);
        assert_eq!(book.get(&key, late, 2999).unwrap(), first);
        let second = book.get(&key, start + minutes(50), 3000).unwrap();
        assert_eq!((first.generation, second.generation), (1, 2));
        assert_ne!(first.header, second.header);
    }

    #[test]
    fn an_expired_token_is_replaced_once_and_never_within_twenty_minutes() {
        let (key, start) = (fixture::key(), Instant::now());
        let mut book = Book::default();
        book.get(&key, start, 0).unwrap();
        assert_eq!(book.expired(start + minutes(19), 1), Expired::Young);
        let at = start + minutes(20);
        assert_eq!(book.expired(at, 1), Expired::Replaced);
        assert_eq!(book.expired(at, 1), Expired::Replaced, "many requests carried the same token");
        assert_eq!(book.get(&key, at, 1200).unwrap().generation, 2);
        assert_eq!(book.expired(at, 1), Expired::Replaced);
        assert_eq!(book.expired(at, 2), Expired::Young);
    }
}
