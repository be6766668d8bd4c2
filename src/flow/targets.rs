//! Devices and topics that take nothing more for a while, since their own rate was exceeded. Pure.
//!
//! A provider names them by refusing one push; the others for the same target then wait here instead of being refused one by one. Bounded:
//! what does not fit is not remembered, and costs an attempt that is refused. Entries are hashes, so no token is kept.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::push::Addressee;
use crate::units::Moment;

/// The most that are remembered for a route; 40 bytes each.
const MOST: usize = 100_000;
/// Between two pushes that waited for the same target: what Android devices take is 240 a minute (`reference/fcm.md` 1.8).
const SPACING: Duration = Duration::from_millis(250);

/// A target that takes nothing.
#[derive(Debug, Clone, Copy)]
struct Hold {
    until: Moment,
    /// Pushes that wait for it already.
    waiting: u32,
}

/// The targets of a route.
#[derive(Debug, Default)]
pub struct Targets {
    holds: HashMap<u64, Hold>,
    hasher: RandomState,
    /// No entry ends before this.
    earliest: Moment,
}

// === impl Targets ===

impl Targets {
    /// Returns how many are held.
    pub fn len(&self) -> usize {
        self.holds.len()
    }

    /// Takes note that a target takes nothing before `until`.
    pub fn hold(&mut self, now: Moment, target: &Addressee, until: Moment) {
        if self.holds.len() >= MOST {
            self.forget_past(now);
        }
        let key = self.hasher.hash_one(target);
        if self.holds.len() >= MOST && !self.holds.contains_key(&key) {
            return;
        }
        self.earliest = if self.holds.is_empty() { until } else { self.earliest.min(until) };
        let hold = self.holds.entry(key).or_insert(Hold { until, waiting: 0 });
        if hold.until < until {
            *hold = Hold { until, waiting: 0 };
        }
    }

    /// Returns the moment at which a push for this target may be sent, if that is not now. Those that ask for the same target get moments
    /// of their own.
    pub fn wait(&mut self, now: Moment, target: &Addressee) -> Option<Moment> {
        let hold = self.holds.get_mut(&self.hasher.hash_one(target))?;
        if hold.until <= now {
            return None;
        }
        hold.waiting = hold.waiting.saturating_add(1);
        Some(hold.until.after(SPACING.saturating_mul(hold.waiting)))
    }

    /// Forgets what is over; returns at once while nothing can be.
    pub fn forget_past(&mut self, now: Moment) {
        if self.earliest > now {
            return;
        }
        self.holds.retain(|_, hold| hold.until > now);
        self.earliest = self.holds.values().map(|hold| hold.until).min().unwrap_or(Moment::NEVER);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(number: u64) -> Moment {
        Moment::from_micros(number * 1_000_000)
    }

    fn token(number: usize) -> Addressee {
        Addressee::Token(format!("token-{number}").into())
    }

    #[test]
    fn only_the_target_itself_waits_and_one_behind_the_other() {
        let mut targets = Targets::default();
        targets.hold(seconds(0), &token(1), seconds(60));
        assert_eq!(targets.wait(seconds(1), &token(2)), None);
        assert_eq!(
            targets.wait(seconds(1), &Addressee::Topic("token-1".into())),
            None,
            "a topic is no device"
        );
        let waits: Vec<_> = (0..3).filter_map(|_| targets.wait(seconds(1), &token(1))).collect();
        assert_eq!(waits, [1, 2, 3].map(|number| seconds(60).after(SPACING * number)));
        assert_eq!(targets.wait(seconds(60), &token(1)), None, "what waited goes out, and what comes now");
    }

    #[test]
    fn a_repeated_refusal_prolongs_and_an_older_one_does_not_shorten() {
        let mut targets = Targets::default();
        targets.hold(seconds(0), &token(1), seconds(60));
        targets.hold(seconds(1), &token(1), seconds(30));
        assert_eq!(targets.wait(seconds(31), &token(1)), Some(seconds(60).after(SPACING)));
        targets.hold(seconds(59), &token(1), seconds(120));
        assert_eq!(targets.wait(seconds(61), &token(1)), Some(seconds(120).after(SPACING)));
    }

    #[test]
    fn it_is_bounded_and_empties_itself() {
        let mut targets = Targets::default();
        (0..MOST + 10).for_each(|number| targets.hold(seconds(0), &token(number), seconds(60)));
        assert_eq!(targets.len(), MOST);
        targets.hold(seconds(61), &token(MOST + 20), seconds(90));
        assert_eq!(targets.len(), 1, "the room of those that are over");
        targets.forget_past(seconds(90));
        assert_eq!(targets.len(), 0);
    }

    proptest! {
        #[test]
        fn nobody_is_let_through_before_its_time(steps in prop::collection::vec((0..4_usize, 0..100_u64, any::<bool>()), 1..100)) {
            let mut targets = Targets::default();
            let mut until = [Moment::default(); 4];
            for (number, (target, span, holds)) in (0..).zip(steps) {
                let now = seconds(number);
                if holds {
                    let end = seconds(number + span);
                    targets.hold(now, &token(target), end);
                    until[target] = until[target].max(end);
                } else {
                    let wait = targets.wait(now, &token(target));
                    prop_assert_eq!(wait.is_some(), until[target] > now);
                    prop_assert!(wait.is_none_or(|wait| wait > until[target]));
                }
                targets.forget_past(now);
                prop_assert_eq!(targets.len(), until.iter().filter(|until| **until > now).count());
            }
        }
    }
}
