//! Which of the senders' ids were taken lately, so that a request that is sent again does not push again. Pure but for its locks.
//!
//! The HTTP threads share it. An id belongs to its sender and route. It is claimed before its push goes to the door and settled after, in one
//! go; what the door did not take may be sent again. Two generations of ids per shard bound its memory: a full or old one replaces the
//! one before.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::push::{Digest, RouteId, SenderId};
use crate::units::Moment;

/// Locks, so that threads seldom meet.
const SHARDS: usize = 64;

/// An id, as a keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenId(u128);

/// What is known of an id that is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: it is yours, and must be settled.
    Fresh,
    /// Its push was taken within the window.
    Taken,
    /// Its push is at the door at this moment.
    Busy,
}

/// The memory.
#[derive(Debug)]
pub struct Seen {
    digest: Digest,
    window: Duration,
    /// Ids in a generation of a shard.
    room: usize,
    shards: Vec<Mutex<Shard>>,
}

#[derive(Debug, Default)]
struct Shard {
    present: HashMap<u128, Mark>,
    past: HashMap<u128, Mark>,
    began: Moment,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Moment,
    is_busy: bool,
}

// === impl Seen ===

impl Seen {
    /// Returns a memory of at most `ids` ids, each for `window`.
    pub fn new(window: Duration, ids: usize) -> Self {
        Self {
            digest: Digest::default(),
            window,
            room: (ids / SHARDS / 2).max(1),
            shards: std::iter::repeat_with(Mutex::default).take(SHARDS).collect(),
        }
    }

    /// Returns the key of a sender's id on a route.
    pub fn id(&self, sender: SenderId, route: RouteId, id: &str) -> SeenId {
        SeenId(self.digest.of(&[&sender.0.to_le_bytes(), &route.0.to_le_bytes(), id.as_bytes()]))
    }

    /// Claims an id.
    pub fn claim(&self, id: SeenId, now: Moment) -> Claim {
        let mut shard = self.shard(id).lock();
        match shard.find(id).filter(|mark| now.since(mark.at) < self.window) {
            Some(mark) if mark.is_busy => Claim::Busy,
            Some(_) => Claim::Taken,
            None => {
                shard.turn(now, self.window, self.room);
                shard.present.insert(id.0, Mark { at: now, is_busy: true });
                Claim::Fresh
            }
        }
    }

    /// Settles a claimed id: its push was taken, or may be sent again.
    pub fn settle(&self, id: SeenId, taken: bool, now: Moment) {
        let mut shard = self.shard(id).lock();
        shard.past.remove(&id.0);
        if taken {
            shard.present.insert(id.0, Mark { at: now, is_busy: false });
        } else {
            shard.present.remove(&id.0);
        }
    }

    fn shard(&self, id: SeenId) -> &Mutex<Shard> {
        &self.shards[(id.0 >> 64) as usize % SHARDS]
    }
}

// === impl Shard ===

impl Shard {
    fn find(&self, id: SeenId) -> Option<Mark> {
        self.present.get(&id.0).or_else(|| self.past.get(&id.0)).copied()
    }

    /// Begins a new generation if the present one is as old as the window or full.
    fn turn(&mut self, now: Moment, window: Duration, room: usize) {
        if now.since(self.began) >= window || self.present.len() >= room {
            self.past = std::mem::take(&mut self.present);
            self.began = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);

    fn second(number: u64) -> Moment {
        Moment::from_micros(number * 1_000_000)
    }

    #[test]
    fn an_id_is_taken_for_the_window_and_then_free_again() {
        let seen = Seen::new(WINDOW, 10_000);
        let id = seen.id(SenderId(0), RouteId(0), "a");
        assert_eq!(seen.claim(id, second(1)), Claim::Fresh);
        assert_eq!(seen.claim(id, second(1)), Claim::Busy);
        seen.settle(id, true, second(1));
        assert_eq!(seen.claim(id, second(600)), Claim::Taken);
        assert_eq!(seen.claim(id, second(601)), Claim::Fresh);
    }

    #[test]
    fn an_id_that_was_not_taken_may_be_sent_again_and_belongs_to_its_sender_and_route() {
        let seen = Seen::new(WINDOW, 10_000);
        let id = seen.id(SenderId(0), RouteId(0), "a");
        seen.claim(id, second(1));
        seen.settle(id, false, second(1));
        assert_eq!(seen.claim(id, second(2)), Claim::Fresh);
        seen.settle(id, true, second(2));
        for (sender, route) in [(1, 0), (0, 1)] {
            let other = seen.id(SenderId(sender), RouteId(route), "a");
            assert_eq!(seen.claim(other, second(2)), Claim::Fresh);
        }
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest_first() {
        let seen = Seen::new(WINDOW, 1_280);
        let id = |number: u64| seen.id(SenderId(0), RouteId(0), &number.to_string());
        for number in 0..100_000 {
            seen.claim(id(number), second(1));
            seen.settle(id(number), true, second(1));
        }
        let held: usize = seen
            .shards
            .iter()
            .map(|shard| shard.lock())
            .map(|shard| shard.present.len() + shard.past.len())
            .sum();
        assert!((600..=1_280).contains(&held), "{held}");
        assert_eq!(seen.claim(id(99_999), second(2)), Claim::Taken);
        assert_eq!(seen.claim(id(0), second(2)), Claim::Fresh);
    }

    proptest! {
        #[test]
        fn with_room_enough_no_id_is_taken_twice_within_the_window(steps in prop::collection::vec((0..20_u64, 0..300_u64, any::<bool>()), 1..200)) {
            let seen = Seen::new(WINDOW, 1_000_000);
            let mut taken = HashMap::new();
            let mut now = 1;
            for (number, pause, takes) in steps {
                now += pause;
                let id = seen.id(SenderId(0), RouteId(0), &number.to_string());
                let is_known = taken.get(&number).is_some_and(|at| now - at < WINDOW.as_secs());
                let claim = seen.claim(id, second(now));
                prop_assert_eq!(claim, if is_known { Claim::Taken } else { Claim::Fresh });
                if claim == Claim::Fresh {
                    seen.settle(id, takes, second(now));
                    if takes { taken.insert(number, now); }
                }
            }
        }
    }
}
