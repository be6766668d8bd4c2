//! The state of a shared provider token: when to use it and when to make another. Pure.
//!
//! The shared tokens keep one under a lock; callers bring the times. Invariant: never two tokens within [`LEAST_AGE`], unless the machine's clock
//! was set meanwhile: Apple reads from a token when it was made, so one of a wrong time is of no use.

use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use super::key::{Key, KeyError};

/// A token is replaced at this age, when it is next used; Apple refuses one that is older than an hour.
pub const RENEW_AGE: Duration = Duration::from_secs(50 * 60);

/// Apple wants no new token sooner than this after the last.
pub const LEAST_AGE: Duration = Duration::from_secs(20 * 60);

/// How far the wall clock may have moved against the monotonic one since a token was made, in seconds; more than [`RENEW_AGE`] leaves of an hour
/// would let a token be refused that counts as young.
const MOST_DRIFT: u64 = 5 * 60;

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
    /// When it was made, by either clock.
    made_at: Option<(Instant, u64)>,
    generation: u64,
}

// === impl Book ===

impl Book {
    /// Returns the token to send with, made anew if it is time; `unix` is in seconds since 1970.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn get(&mut self, key: &Key, now: Instant, unix: u64) -> Result<Token, KeyError> {
        if let Some(token) =
            self.token.as_ref().filter(|token| now < token.renew_at && !self.has_drifted(now, unix))
        {
            return Ok(token.clone());
        }
        let header = key.sign(unix)?;
        self.generation += 1;
        let token = Token { header, generation: self.generation, renew_at: now + RENEW_AGE };
        log::debug!("made a provider token team={} key={}", key.team, key.id);
        (self.token, self.made_at) = (Some(token.clone()), Some((now, unix)));
        Ok(token)
    }

    /// Notes that the provider called the token of this generation expired; `unix` is in seconds since 1970.
    pub fn expired(&mut self, now: Instant, unix: u64, generation: u64) -> Expired {
        if generation < self.generation || self.token.is_none() {
            return Expired::Replaced;
        }
        let is_young = self.made_at.is_some_and(|(made, _)| now < made + LEAST_AGE);
        if is_young && !self.has_drifted(now, unix) {
            return Expired::Young;
        }
        self.token = None;
        Expired::Replaced
    }

    /// Returns whether the wall clock was set since the token was made, or the machine slept, which the monotonic clock does not count.
    fn has_drifted(&self, now: Instant, unix: u64) -> bool {
        self.made_at.is_some_and(|(made, then)| {
            (then + now.duration_since(made).as_secs()).abs_diff(unix) > MOST_DRIFT
        })
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
        assert_eq!(book.expired(start + minutes(19), 1140, 1), Expired::Young);
        let at = start + minutes(20);
        assert_eq!(book.expired(at, 1200, 1), Expired::Replaced);
        assert_eq!(book.expired(at, 1200, 1), Expired::Replaced, "many requests carried the same token");
        assert_eq!(book.get(&key, at, 1200).unwrap().generation, 2);
        assert_eq!(book.expired(at, 1200, 1), Expired::Replaced);
        assert_eq!(book.expired(at, 1200, 2), Expired::Young);
    }

    #[test]
    fn a_clock_that_was_set_right_makes_a_token_of_the_wrong_time_worthless() {
        let (key, start) = (fixture::key(), Instant::now());
        for (wrong, right) in [(1_000, 1_000 + 86_400), (1_000 + 86_400, 1_000)] {
            let mut book = Book::default();
            assert_eq!(book.get(&key, start, wrong).unwrap().generation, 1);
            let soon = start + minutes(1);
            assert_eq!(book.expired(soon, right, 1), Expired::Replaced, "{wrong}");
            assert_eq!(book.get(&key, soon, right).unwrap().generation, 2);
            assert_eq!(book.expired(soon, right, 2), Expired::Young);
            let mut idle = Book::default();
            idle.get(&key, start, wrong).unwrap();
            assert_eq!(idle.get(&key, soon, right).unwrap().generation, 2, "nobody had to refuse it");
        }
    }

    #[test]
    fn a_machine_that_slept_does_not_use_the_token_of_yesterday() {
        // Its monotonic clock stood still.
        let (key, start) = (fixture::key(), Instant::now());
        let mut book = Book::default();
        book.get(&key, start, 1_000).unwrap();
        assert_eq!(book.get(&key, start, 1_000 + 51 * 60).unwrap().generation, 2);
    }
}
