//! Provider tokens, shared by all connections of a team and key, whatever their route.
//!
//! Sessions ask [`Tokens`] for the token of the moment. Invariants: one token per team and key in the process, made when it is needed and not
//! more often than Apple allows; a token is never logged.

mod book;
pub mod key;

use std::sync::{Arc, LazyLock, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::time::Instant;

use self::book::Book;
pub use self::book::{Expired, Token};
pub use self::key::{Key, KeyError};

/// The tokens in use, so that two routes with one key, or a route before and after a reload, have the same.
static IN_USE: LazyLock<Mutex<Vec<Weak<Tokens>>>> = LazyLock::new(Mutex::default);

/// The shared token of a key.
#[derive(Debug)]
pub struct Tokens {
    key: Key,
    book: Mutex<Book>,
}

// === impl Tokens ===

impl Tokens {
    /// Returns the tokens of a key, those that are in use if there are any.
    pub fn of(key: &Key) -> Arc<Self> {
        let mut all = IN_USE.lock();
        all.retain(|known| known.strong_count() > 0);
        if let Some(known) = all.iter().filter_map(Weak::upgrade).find(|known| known.key == *key) {
            return known;
        }
        let fresh = Arc::new(Self { key: key.clone(), book: Mutex::default() });
        all.push(Arc::downgrade(&fresh));
        fresh
    }

    /// Returns the token to send with.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn get(&self) -> Result<Token, KeyError> {
        self.book.lock().get(&self.key, Instant::now(), unix())
    }

    /// Returns the team's id and the key's.
    pub fn key(&self) -> (&str, &str) {
        (&self.key.team, &self.key.id)
    }

    /// Notes that the provider called the token of this generation expired.
    pub fn expired(&self, generation: u64) -> Expired {
        self.book.lock().expired(Instant::now(), unix(), generation)
    }
}

fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::key::fixture;
    use super::*;

    #[test]
    fn one_key_has_one_token_in_the_process() {
        let (key, other) = (fixture::key(), fixture::key());
        let (first, second) = (Tokens::of(&key), Tokens::of(&key.clone()));
        assert_eq!(first.get().unwrap(), second.get().unwrap());
        assert!(!Arc::ptr_eq(&first, &Tokens::of(&other)));
        let renamed = key.clone().of("TEAM123456", "KEY7654321");
        assert!(!Arc::ptr_eq(&first, &Tokens::of(&renamed)));
        drop((first, second));
        assert_eq!(Tokens::of(&key).get().unwrap().generation, 1, "nobody held it any more");
    }
}
