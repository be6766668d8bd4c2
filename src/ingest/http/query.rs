//! The query of a request, for the few keys that the senders' calls take. Pure.

use std::time::Duration;

use crate::ingest::answer::Answer;
use crate::units::{format_duration, parse_duration};

/// The longest that a request may wait.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Keys and values, each key one of those that are known.
pub(super) struct Query<'a>(Vec<(&'a str, &'a str)>);

// === impl Query ===

impl<'a> Query<'a> {
    /// Takes a query apart.
    ///
    /// # Errors
    /// The answer for one with a key that is not `known`, or that is there twice.
    pub(super) fn parse(query: &'a str, known: &[&str]) -> Result<Self, Answer> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let mut read = Vec::new();
        for (key, value) in pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
            if !known.contains(&key) {
                let key: String = key.chars().take(32).collect();
                return Err(bad(&format!("{key:?} is not known (hint: there is {})", known.join(", "))));
            }
            if read.iter().any(|(other, _)| *other == key) {
                return Err(bad(&format!("{key} is there twice")));
            }
            read.push((key, value));
        }
        Ok(Self(read))
    }

    /// Reads how long the request may wait; not at all if it does not say.
    ///
    /// # Errors
    /// The answer for a value that is no duration, or a too long one.
    pub(super) fn wait(&self) -> Result<Duration, Answer> {
        let Some(text) = self.get("wait") else { return Ok(Duration::ZERO) };
        let longest = format_duration(LONGEST_WAIT);
        let wait =
            parse_duration(text).map_err(|error| bad(&format!("wait: {error} (hint: such as wait=5s)")))?;
        if wait > LONGEST_WAIT {
            return Err(bad(&format!("wait: must be 0s to {longest}")));
        }
        Ok(wait)
    }

    /// Reads a whole number.
    ///
    /// # Errors
    /// The answer for another value.
    pub(super) fn number(&self, key: &str, default: u64, most: u64) -> Result<u64, Answer> {
        let Some(text) = self.get(key) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| *number <= most);
        number.ok_or_else(|| bad(&format!("{key}: must be a whole number, at most {most}")))
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }
}

fn bad(message: &str) -> Answer {
    Answer::error(400, "invalid_query", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys_are_read_and_others_named() {
        let query = Query::parse("after=7&wait=5s", &["after", "limit", "wait"]);
        let Ok(query) = query else { panic!("it is fine") };
        assert_eq!(query.wait(), Ok(Duration::from_secs(5)));
        assert_eq!(query.number("after", 0, u64::MAX), Ok(7));
        assert_eq!(query.number("limit", 100, 1_000), Ok(100));
        for (text, part) in [("whait=5s", "whait"), ("wait=1s&wait=2s", "twice")] {
            let Err(answer) = Query::parse(text, &["wait"]) else { panic!("{text}") };
            assert!(String::from_utf8(answer.body).unwrap().contains(part), "{text}");
        }
        for text in ["wait=31s", "wait=5", "wait="] {
            let Ok(query) = Query::parse(text, &["wait"]) else { panic!("{text}") };
            assert_eq!(query.wait().unwrap_err().status, 400, "{text}");
        }
    }
}
