//! The tokens that are in use, one per origin.
//!
//! All connections of a route share it. Invariants: an origin's token changes when it nears its end or was refused, and then at most every
//! [`SHORTEST`]; no more than [`MOST`] are kept.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use parking_lot::Mutex;

use super::super::origin::Origin;
use super::Key;

/// How long before its end a token is not used any more; a slow clock at the service must not matter.
const MARGIN: Duration = Duration::from_secs(3600);

/// The least age at which a token that was refused is replaced.
const SHORTEST: Duration = Duration::from_secs(600);

/// Far more than there are push services; what is above it goes, oldest first, and costs a signature when it is needed again.
const MOST: usize = 1024;

/// A token for one origin.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The whole `Authorization`.
    pub header: HeaderValue,
    /// Tells it from the one before and after.
    pub generation: u64,
}

/// The shared tokens of a key.
#[derive(Debug)]
pub struct Tokens {
    key: Key,
    subject: String,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    entries: HashMap<Origin, Entry>,
    last: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    token: Token,
    made: SystemTime,
    ends: SystemTime,
}

// === impl Tokens ===

impl Tokens {
    /// Returns tokens signed by `key` that name `subject` as whom to ask about the pushes.
    pub fn new(key: Key, subject: String) -> Self {
        Self { key, subject, book: Mutex::default() }
    }

    /// Returns the token to send to an origin with at `now`.
    ///
    /// # Errors
    /// None can be made, as a sentence for the log.
    pub fn get(&self, origin: &Origin, now: SystemTime) -> Result<Token, String> {
        let mut book = self.book.lock();
        match book.entries.get(origin).filter(|entry| entry.is_good(now)) {
            Some(entry) => Ok(entry.token.clone()),
            None => self.renew(&mut book, origin, now),
        }
    }

    /// Takes note that an origin refused the token of this generation; returns whether there is another one to try.
    ///
    /// A token that is young was not refused for its age, so a new one would be refused, too.
    pub fn refused(&self, origin: &Origin, generation: u64, now: SystemTime) -> bool {
        let mut book = self.book.lock();
        let Some(entry) = book.entries.get(origin) else { return true };
        if entry.token.generation != generation {
            return true;
        }
        let age = now.duration_since(entry.made).unwrap_or_default();
        age >= SHORTEST && self.renew(&mut book, origin, now).is_ok()
    }

    fn renew(&self, book: &mut Book, origin: &Origin, now: SystemTime) -> Result<Token, String> {
        let (header, ends) = self.key.sign(origin, &self.subject, now)?;
        book.last += 1;
        let token = Token { header, generation: book.last };
        if book.entries.len() >= MOST && !book.entries.contains_key(origin) {
            let oldest = book.entries.iter().min_by_key(|(_, entry)| entry.token.generation);
            if let Some(origin) = oldest.map(|(origin, _)| origin.clone()) {
                book.entries.remove(&origin);
            }
        }
        log::debug!("made a vapid token origin={origin}");
        book.entries.insert(origin.clone(), Entry { token: token.clone(), made: now, ends });
        Ok(token)
    }
}

// === impl Entry ===

impl Entry {
    /// A clock that was set back leaves a token that seems to be from the future and would be refused as too long-lived.
    fn is_good(&self, now: SystemTime) -> bool {
        now + MARGIN < self.ends && self.made <= now + MARGIN
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("generation", &self.generation).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_is_bounded() {
        let key = Key::parse("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").unwrap();
        let tokens = Tokens::new(key, "mailto:push@example.com".into());
        let origin = |number: usize| Origin::fixture(&format!("https://h{number}.example/"));
        let now = SystemTime::UNIX_EPOCH;
        let first = tokens.get(&origin(0), now).unwrap();
        let second = tokens.get(&origin(1), now).unwrap();
        (2..=MOST).for_each(|number| drop(tokens.get(&origin(number), now).unwrap()));
        assert_eq!(tokens.book.lock().entries.len(), MOST);
        assert_eq!(tokens.get(&origin(1), now).unwrap(), second);
        assert_ne!(tokens.get(&origin(0), now).unwrap(), first, "the oldest made room");
    }
}
