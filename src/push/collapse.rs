//! What makes two pushes one: the same route, target and collapse key, as a keyed hash.
//!
//! The live pushes of an identity share a [`Collapse`], wherever they are: with it one that comes back from a provider knows that a newer one
//! has been queued, though that may be out, or delivered. It is there as long as one of them is.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::{PushKey, RouteId, Target};
use crate::units::Moment;

/// Parts of the table, so that threads seldom meet.
const SHARDS: usize = 64;

/// The hash of route, target and collapse key. 128 bits under keys of this process: nobody can aim at another's pushes, and chance does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CollapseId(pub u128);

/// What the live pushes of one identity share.
pub struct Collapse {
    id: CollapseId,
    /// The newest that was queued: when it was admitted, and its key.
    newest: Mutex<(Moment, PushKey)>,
    table: Arc<Table>,
}

/// The identities of live pushes.
#[derive(Debug, Clone)]
pub struct Collapses(Arc<Table>);

type Table = [Mutex<HashMap<u128, Weak<Collapse>>>; SHARDS];

/// Makes 128-bit hashes with keys of its own.
#[derive(Debug, Clone, Default)]
pub struct Digest {
    high: RandomState,
    low: RandomState,
}

/// Tells which pushes make which needless, while `[collector] coalesce` is on. One for the life of the process, whatever is switched.
#[derive(Debug, Default)]
pub struct Coalesce {
    digest: Digest,
    live: Collapses,
    is_on: AtomicBool,
}

// === impl Coalesce ===

impl Coalesce {
    /// Switches it on or off for the pushes to come.
    pub fn switch(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    /// Returns the identity of a push with this collapse key, if that matters.
    pub fn id(&self, route: RouteId, target: &Target<'_>, key: Option<&str>) -> Option<Arc<Collapse>> {
        let key = key.filter(|_| self.is_on.load(Ordering::Relaxed))?;
        Some(self.live.of(self.digest.collapse(route, target, key)))
    }
}

// === impl Collapses ===

impl Default for Collapses {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Mutex::default())))
    }
}

impl Collapses {
    /// Returns what the live pushes of an identity share, made if there are none.
    pub fn of(&self, id: CollapseId) -> Arc<Collapse> {
        let mut shard = shard(&self.0, id).lock();
        if let Some(known) = shard.get(&id.0).and_then(Weak::upgrade) {
            return known;
        }
        let newest = Mutex::new((Moment::default(), PushKey::from_u128(0)));
        let fresh = Arc::new(Collapse { id, newest, table: Arc::clone(&self.0) });
        shard.insert(id.0, Arc::downgrade(&fresh));
        fresh
    }

    /// Returns how many identities there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.0.iter().map(|shard| shard.lock().len()).sum()
    }
}

/// The digest is keyed, so any of its bits will do.
fn shard(table: &Table, id: CollapseId) -> &Mutex<HashMap<u128, Weak<Collapse>>> {
    &table[(id.0 >> 64) as usize % SHARDS]
}

// === impl Collapse ===

impl Collapse {
    /// Returns the identity.
    pub const fn id(&self) -> CollapseId {
        self.id
    }

    /// Takes note that a push was queued that was admitted at a moment with a key.
    pub fn queued(&self, push: (Moment, PushKey)) {
        let mut newest = self.newest.lock();
        *newest = (*newest).max(push);
    }

    /// Returns whether a newer push than this has been queued.
    pub fn is_past(&self, push: (Moment, PushKey)) -> bool {
        *self.newest.lock() > push
    }
}

impl Drop for Collapse {
    fn drop(&mut self) {
        let mut shard = shard(&self.table, self.id).lock();
        // Somebody may have made another one since the last owner of this let go.
        if shard.get(&self.id.0).is_some_and(|known| std::ptr::eq(known.as_ptr(), self)) {
            shard.remove(&self.id.0);
        }
        if shard.is_empty() {
            shard.shrink_to_fit();
        }
    }
}

impl fmt::Debug for Collapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collapse").field("id", &self.id).field("newest", &self.newest).finish_non_exhaustive()
    }
}

// === impl Digest ===

impl Digest {
    /// Returns the hash of some texts; where one ends and the next begins counts.
    pub fn of(&self, parts: &[&[u8]]) -> u128 {
        let half = |keys: &RandomState| {
            let mut hasher = keys.build_hasher();
            for part in parts {
                hasher.write_usize(part.len());
                hasher.write(part);
            }
            u128::from(hasher.finish())
        };
        half(&self.high) << 64 | half(&self.low)
    }

    /// Returns the identity under which pushes of a route to a target with this key replace each other.
    pub fn collapse(&self, route: RouteId, target: &Target<'_>, key: &str) -> CollapseId {
        let (kind, text) = match target {
            Target::Token(token) => (b"t", token),
            Target::Topic(topic) => (b"o", topic),
            Target::Condition(condition) => (b"c", condition),
            Target::WebPush { endpoint, .. } => (b"w", endpoint),
            Target::Channel { id, .. } => (b"h", id),
        };
        CollapseId(self.of(&[&route.0.to_le_bytes(), kind, text.as_bytes(), key.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts_and_no_text_runs_into_the_next() {
        let digest = Digest::default();
        let token = |text: &'static str| Target::Token(text.into());
        let ids = [
            digest.collapse(RouteId(0), &token("ab"), "c"),
            digest.collapse(RouteId(1), &token("ab"), "c"),
            digest.collapse(RouteId(0), &token("a"), "bc"),
            digest.collapse(RouteId(0), &Target::Topic("ab".into()), "c"),
            digest.collapse(RouteId(0), &token("ab"), "d"),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(ids[..index].iter().all(|other| other != id));
            assert_ne!(id.0 >> 64, id.0 & u128::from(u64::MAX));
        }
        assert_eq!(ids[0], digest.collapse(RouteId(0), &token("ab"), "c"));
    }
    #[test]
    fn the_pushes_of_an_identity_share_what_is_newest_until_the_last_of_them_is_gone() {
        let collapses = Collapses::default();
        let at = |number: u64| (Moment::from_micros(number), PushKey::from_u128(1));
        let (one, other) = (collapses.of(CollapseId(7)), collapses.of(CollapseId(7)));
        one.queued(at(5));
        one.queued(at(3));
        assert!(other.is_past(at(4)) && !other.is_past(at(5)) && !other.is_past(at(6)));
        assert!(!collapses.of(CollapseId(8)).is_past(at(1)));
        drop(one);
        assert_eq!(collapses.count(), 1);
        assert!(collapses.of(CollapseId(7)).is_past(at(4)), "one is left");
        drop(other);
        assert_eq!(collapses.count(), 0);
        assert!(!collapses.of(CollapseId(7)).is_past(at(4)));
    }
}
