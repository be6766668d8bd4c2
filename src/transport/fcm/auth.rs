//! Access tokens of a service account, shared by all connections of a route.
//!
//! Sessions ask [`Tokens`] for the token of the moment. Invariants: one request for a token at a time, whoever started it; nobody waits for a
//! renewal while the old token is valid; a token is never logged.

pub mod account;
mod book;
pub mod grant;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Request;
use http::header::CONTENT_TYPE;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

pub use self::account::{Account, AccountError};
use self::book::{Ask, Book};
pub use self::book::{Refused, Token};
pub use self::grant::GrantError;
use self::grant::Granted;
use crate::transport::http2::{Endpoint, once};

/// Tries per renewal, the delay before the second one, and how far delays are spread (`reference/fcm.md` 2.1).
const TRIES: u32 = 3;
const FIRST_DELAY: Duration = Duration::from_secs(1);
const SPREAD: f64 = 0.1;

/// The shared tokens of an account.
#[derive(Debug)]
pub struct Tokens {
    account: Account,
    endpoint: Endpoint,
    book: Mutex<Book>,
    /// Counts renewals that ended, so that waiters look again.
    ended: watch::Sender<u64>,
}

/// Gives the renewal up if its task is dropped.
struct Renewal {
    tokens: Arc<Tokens>,
    is_over: bool,
}

// === impl Tokens ===

impl Tokens {
    /// Returns tokens that are asked for at `endpoint`, whose origin must be that of the account's `token_uri`.
    pub fn new(account: Account, endpoint: Endpoint) -> Self {
        Self { account, endpoint, book: Mutex::default(), ended: watch::Sender::new(0) }
    }

    /// Returns the token to send with, waiting for one if need be.
    ///
    /// # Errors
    /// [`GrantError`] if there is none and will not be for a while.
    pub async fn get(self: Arc<Self>) -> Result<Token, GrantError> {
        let mut ended = self.ended.subscribe();
        loop {
            ended.mark_unchanged();
            let (ask, start) = self.book.lock().ask(Instant::now());
            if start {
                tokio::spawn(Renewal { tokens: Arc::clone(&self), is_over: false }.run());
            }
            match ask {
                Ask::Use(token) => return Ok(token),
                Ask::Failed(error) => return Err(error),
                // The sender lives as long as `self`.
                Ask::Wait => drop(ended.changed().await),
            }
        }
    }

    /// Returns whether nothing better than the token of this generation is to be had or awaited.
    pub fn is_current(&self, generation: u64) -> bool {
        self.book.lock().is_current(Instant::now(), generation)
    }

    /// Takes note that the provider refused the token of this generation.
    pub fn refused(&self, generation: u64) -> Refused {
        self.book.lock().refused(Instant::now(), generation)
    }

    async fn fetch(&self, limit: Duration) -> Result<Granted, GrantError> {
        let mut delay = FIRST_DELAY;
        for _ in 1..TRIES {
            match self.try_once(limit).await {
                Err(GrantError::Passing(reason)) => {
                    log::debug!("no access token yet reason={reason:?} next_try={delay:?}");
                    tokio::time::sleep(delay.mul_f64(1.0 + SPREAD * (2.0 * fastrand::f64() - 1.0))).await;
                    delay *= 2;
                }
                result => return result,
            }
        }
        self.try_once(limit).await
    }

    async fn try_once(&self, limit: Duration) -> Result<Granted, GrantError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let form = grant::form(&self.account, now).map_err(|error| GrantError::Final(error.to_string()))?;
        let request = Request::post(self.account.token_uri.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(())
            .expect("a parsed address and a constant header make a request");
        let reply = once::call(&self.endpoint, request, form, limit)
            .await
            .map_err(|error| GrantError::Passing(error.to_string()))?;
        grant::read(reply.status, &reply.body)
    }
}

// === impl Renewal ===

impl Renewal {
    async fn run(mut self) {
        let limit = self.tokens.endpoint.connect_timeout;
        let result = self.tokens.fetch(limit).await;
        match &result {
            Ok(granted) => log::info!(
                "got an access token account={} lifetime={:?}",
                self.tokens.account.email,
                granted.lifetime
            ),
            Err(error) => {
                log::error!("no access token account={} error={error}", self.tokens.account.email);
            }
        }
        self.tokens.book.lock().renewed(Instant::now(), result);
        self.is_over = true;
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        if !self.is_over {
            // The thread that carried it has ended; somebody else begins anew.
            self.tokens.book.lock().abandoned();
        }
        self.tokens.ended.send_modify(|count| *count = count.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests;
