//! The state of the shared access token: when to use it, renew it, wait, or give up. Pure.
//!
//! The shared tokens keep one under a lock; callers bring the time. Invariant: never two renewals at once.

use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use super::grant::{GrantError, Granted};

/// A token is renewed this long before its end, and used until its end.
pub const RENEW_AHEAD: Duration = Duration::from_secs(300);

/// A token that the provider refuses is replaced at most this often: if a fresh one is refused too, another will not help.
pub const REPLACE_EVERY: Duration = Duration::from_secs(60);

/// How long a failed renewal is believed before anybody asks again, at first and at most; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A token, ready for the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// `Bearer …`, marked as sensitive.
    pub header: HeaderValue,
    /// Counts up with each token.
    pub generation: u64,
}

/// What there is for one who wants to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// This token.
    Use(Token),
    /// Nothing yet: somebody renews.
    Wait,
    /// Nothing: the last renewal failed a moment ago.
    Failed(GrantError),
}

/// What follows from a refused token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is or will be another one: send again.
    Replaced,
    /// Fresh tokens are refused: it is not the token.
    Hopeless,
}

/// The state; see the module's documentation.
#[derive(Debug, Default)]
pub struct Book {
    token: Option<Held>,
    generation: u64,
    is_renewing: bool,
    failure: Option<(GrantError, Instant)>,
    failures: u32,
    replaced_at: Option<Instant>,
}

/// A token with its times.
#[derive(Debug)]
struct Held {
    token: Token,
    renew_at: Instant,
    end: Instant,
}

// === impl Book ===

impl Book {
    /// Returns what there is, and whether the caller must start a renewal now.
    pub fn ask(&mut self, now: Instant) -> (Ask, bool) {
        let valid = self.token.as_ref().filter(|held| now < held.end);
        let is_blocked = self.failure.as_ref().is_some_and(|(_, until)| now < *until);
        let wanted = valid.is_none_or(|held| now >= held.renew_at);
        let start = wanted && !self.is_renewing && !is_blocked;
        let answer = match (valid, &self.failure) {
            (Some(held), _) => Ask::Use(held.token.clone()),
            (None, Some((error, _))) if is_blocked => Ask::Failed(error.clone()),
            (None, _) => Ask::Wait,
        };
        self.is_renewing |= start;
        (answer, start)
    }

    /// Notes how a renewal ended.
    pub fn renewed(&mut self, now: Instant, result: Result<Granted, GrantError>) {
        self.is_renewing = false;
        let header = result.and_then(|granted| {
            let mut header = HeaderValue::try_from(format!("Bearer {}", granted.token)).map_err(|_| {
                GrantError::Passing("the token service gave a token that is no header".into())
            })?;
            header.set_sensitive(true);
            Ok((header, granted.lifetime))
        });
        match header {
            Ok((header, lifetime)) => {
                self.generation += 1;
                let token = Token { header, generation: self.generation };
                // Half of its life for a token that lives shorter than the lead, which would be renewed without end.
                let renew_at = now + lifetime.saturating_sub(RENEW_AHEAD).max(lifetime / 2);
                self.token = Some(Held { token, renew_at, end: now + lifetime });
                (self.failure, self.failures) = (None, 0);
            }
            Err(error) => {
                let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(10)).min(LONGEST_WAIT);
                self.failures = self.failures.saturating_add(1);
                self.failure = Some((error, now + wait));
            }
        }
    }

    /// Notes that a renewal was given up without a result.
    pub fn abandoned(&mut self) {
        self.is_renewing = false;
    }

    /// Notes that the provider refused the token of this generation.
    pub fn refused(&mut self, now: Instant, generation: u64) -> Refused {
        if generation < self.generation || self.token.is_none() {
            return Refused::Replaced;
        }
        if self.replaced_at.is_some_and(|at| now < at + REPLACE_EVERY) {
            return Refused::Hopeless;
        }
        self.replaced_at = Some(now);
        self.token = None;
        Refused::Replaced
    }

    /// Returns whether the token of this generation is the newest and valid, and no renewal is due.
    pub fn is_current(&self, now: Instant, generation: u64) -> bool {
        self.token.as_ref().is_some_and(|held| held.token.generation == generation && now < held.renew_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(seconds: u64) -> Result<Granted, GrantError> {
        Ok(Granted { token: format!("t{seconds}"), lifetime: Duration::from_secs(seconds) })
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn generation(ask: Ask) -> u64 {
        match ask {
            Ask::Use(token) => token.generation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_renews_and_the_others_wait() {
        let start = Instant::now();
        let mut book = Book::default();
        assert_eq!(book.ask(start), (Ask::Wait, true));
        assert_eq!(book.ask(start), (Ask::Wait, false));
        book.renewed(start, granted(3600));
        let (ask, renew) = book.ask(start);
        assert_eq!((generation(ask), renew), (1, false));
        assert!(book.is_current(start, 1) && !book.is_current(start, 2));
    }

    #[test]
    fn an_ageing_token_is_used_while_one_renews_it() {
        let start = Instant::now();
        let mut book = Book::default();
        book.ask(start);
        book.renewed(start, granted(3600));
        let late = after(start, 3400);
        assert!(!book.is_current(late, 1));
        let (ask, renew) = book.ask(late);
        assert_eq!((generation(ask), renew), (1, true));
        let (ask, renew) = book.ask(late);
        assert_eq!((generation(ask), renew), (1, false));
        book.renewed(late, granted(3600));
        assert_eq!(generation(book.ask(late).0), 2);
    }

    #[test]
    fn a_failure_is_believed_for_a_while_that_doubles() {
        let start = Instant::now();
        let mut book = Book::default();
        book.ask(start);
        let error = GrantError::Passing("503".into());
        book.renewed(start, Err(error.clone()));
        assert_eq!(book.ask(start), (Ask::Failed(error.clone()), false));
        assert_eq!(book.ask(after(start, 1)), (Ask::Wait, true));
        book.renewed(after(start, 1), Err(error.clone()));
        assert_eq!(book.ask(after(start, 2)), (Ask::Failed(error), false));
        assert_eq!(book.ask(after(start, 3)), (Ask::Wait, true));
        book.abandoned();
        assert_eq!(book.ask(after(start, 3)), (Ask::Wait, true));
    }

    #[test]
    fn a_refused_token_is_replaced_once_a_minute() {
        let start = Instant::now();
        let mut book = Book::default();
        book.ask(start);
        book.renewed(start, granted(3600));
        assert_eq!(book.refused(start, 1), Refused::Replaced);
        assert_eq!(book.ask(start), (Ask::Wait, true));
        assert_eq!(book.refused(start, 1), Refused::Replaced, "many requests carried the same token");
        book.renewed(start, granted(3600));
        assert_eq!(book.refused(start, 1), Refused::Replaced);
        assert_eq!(book.refused(start, 2), Refused::Hopeless);
        assert_eq!(book.refused(after(start, 60), 2), Refused::Replaced);
    }

    #[test]
    fn a_token_that_lives_shorter_than_the_lead_does_not_spin() {
        let start = Instant::now();
        let mut book = Book::default();
        book.ask(start);
        book.renewed(start, granted(60));
        let (ask, renew) = book.ask(after(start, 29));
        assert_eq!((generation(ask), renew), (1, false));
        let half = after(start, 30);
        let (ask, renew) = book.ask(half);
        assert_eq!((generation(ask), renew), (1, true));
        book.renewed(half, Err(GrantError::Passing("no".into())));
        let (ask, renew) = book.ask(half);
        assert_eq!((generation(ask), renew), (1, false), "the old one stays in use");
    }
}
