//! The last deliveries, so that a sender who asks for one can be told. Pure; bounded in entries; one write per batch of answers.

use std::collections::VecDeque;

use crate::flow::Wanted;
use crate::push::{Push, PushKey, RouteId, SenderId};
use crate::units::Moment;

/// A delivered push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its key.
    pub key: PushKey,
    /// The sender's own id.
    pub name: Option<Box<str>>,
    /// When it was accepted.
    pub accepted_at: Moment,
    /// When it was sent for the last time.
    pub sent_at: Moment,
    /// When it was answered.
    pub answered_at: Moment,
    /// The pusher's number.
    pub pusher: u32,
    /// Its route.
    pub route: RouteId,
    /// Who sent it.
    pub sender: SenderId,
    /// Attempts, the last one included.
    pub attempts: u8,
    /// Whether an earlier attempt may have arrived too.
    pub maybe_delivered: bool,
}

/// The deliveries.
#[derive(Debug, Default)]
pub struct History {
    entries: VecDeque<Done>,
    limit: usize,
    /// How many were there and are not any more; the number of the oldest.
    gone: u64,
}

// === impl Done ===

impl Done {
    /// Returns the entry of a push that a pusher had an answer for.
    pub fn new(push: &Push, pusher: u32, sent_at: Moment, answered_at: Moment) -> Self {
        Self {
            key: push.key,
            name: push.name.clone(),
            accepted_at: push.accepted_at,
            sent_at,
            answered_at,
            pusher,
            route: push.route,
            sender: push.sender,
            attempts: push.attempts.saturating_add(1),
            maybe_delivered: push.maybe_delivered,
        }
    }
}

// === impl History ===

impl History {
    /// Follows a new limit.
    pub fn resize(&mut self, limit: usize) {
        self.limit = limit;
        self.trim();
        self.entries.shrink_to(limit);
    }

    /// Adds deliveries; the oldest go.
    pub fn add(&mut self, done: Vec<Done>) {
        self.entries.extend(done);
        self.trim();
    }

    /// Looks at up to `most` deliveries before a number, the latest first; returns the one that is wanted, or the number before which there is
    /// more to look at. To begin with, any number is high enough that no delivery has.
    pub fn find_below(&self, number: u64, most: usize, wanted: &Wanted) -> (Option<Done>, Option<u64>) {
        let end =
            usize::try_from(number.saturating_sub(self.gone)).unwrap_or(usize::MAX).min(self.entries.len());
        let start = end.saturating_sub(most);
        let is_it = |done: &&Done| wanted.is(done.sender, done.key, done.name.as_deref());
        let found = self.entries.range(start..end).rev().find(is_it).cloned();
        (found, (start > 0).then_some(self.gone + start as u64))
    }

    fn trim(&mut self) {
        let excess = self.entries.len().saturating_sub(self.limit);
        self.entries.drain(..excess);
        self.gone += excess as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::Lane;
    use crate::push::fixture::push;

    fn done(number: u128, name: Option<&str>) -> Done {
        let push = Push { name: name.map(Into::into), ..push(number, Lane::Normal) };
        Done::new(&push, 3, Moment::from_micros(1), Moment::from_micros(2))
    }

    #[test]
    fn the_last_deliveries_are_found_by_key_and_by_own_id() {
        let mut history = History::default();
        history.resize(3);
        history.add(vec![done(1, None), done(2, Some("mine"))]);
        history.add(vec![done(3, Some("mine")), done(4, None)]);
        let find = |id: &str| {
            let (mut below, wanted) = (Some(u64::MAX), Wanted::new(id, None));
            let one = |below: u64| history.find_below(below, 1, &wanted);
            let mut found = None;
            while let (None, Some(number)) = (&found, below) {
                (found, below) = one(number);
            }
            found.map(|done| done.key.as_u128())
        };
        assert_eq!(find(&PushKey::from_u128(4).to_string()), Some(4));
        assert_eq!(find("mine"), Some(3), "the latest of one id");
        assert_eq!(find(&PushKey::from_u128(1).to_string()), None, "the oldest is gone");
        assert_eq!(done(1, None).attempts, 1);
    }

    #[test]
    fn an_entry_stays_compact() {
        assert!(size_of::<Done>() <= 80, "{} bytes", size_of::<Done>());
    }
}
