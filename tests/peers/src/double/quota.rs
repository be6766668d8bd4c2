//! Counts per minute: how many pushes a device got, how many connections were opened.
//!
//! Pure: callers bring the time. Minutes are counted from the first use, and a new minute forgets the old one, which also
//! bounds the memory.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::double::ledger::{KeyHasher, MessageKey};

const MINUTE: Duration = Duration::from_secs(60);

/// A count per name and minute.
#[derive(Debug, Default)]
pub struct Quota {
    start: Option<Instant>,
    counts: HashMap<MessageKey, u32, KeyHasher>,
}

impl Quota {
    /// Counts one use by `name`; returns whether it is among the first `limit` of the minute. No limit is 0, and counts
    /// nothing.
    pub fn admit(&mut self, name: &str, limit: u32, now: Instant) -> bool {
        if limit == 0 {
            return true;
        }
        if self.start.is_none_or(|start| now.saturating_duration_since(start) >= MINUTE) {
            self.start = Some(now);
            self.counts.clear();
        }
        let count = self.counts.entry(MessageKey::of(name)).or_default();
        *count = count.saturating_add(1);
        *count <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_own_count_and_a_minute_gives_it_back() {
        let start = Instant::now();
        let mut quota = Quota::default();
        let first: Vec<bool> = (0..3).map(|_| quota.admit("a", 2, start)).collect();
        assert_eq!(first, [true, true, false]);
        assert!(quota.admit("b", 2, start));
        assert!(!quota.admit("a", 2, start + MINUTE - Duration::from_millis(1)));
        assert!(quota.admit("a", 2, start + MINUTE));
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let mut quota = Quota::default();
        assert!((0..1000).all(|_| quota.admit("a", 0, Instant::now())));
        assert!(quota.admit("a", 1, Instant::now()));
    }
}
