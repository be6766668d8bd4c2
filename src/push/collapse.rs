//! What makes two pushes one: the same route, target and collapse key, as a keyed hash.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{RouteId, Target};

/// The hash of route, target and collapse key. 128 bits under keys of this process: nobody can aim at another's pushes, and chance does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CollapseId(pub u128);

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
    is_on: AtomicBool,
}

// === impl Coalesce ===

impl Coalesce {
    /// Switches it on or off for the pushes to come.
    pub fn switch(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    /// Returns the identity of a push with this collapse key, if that matters.
    pub fn id(&self, route: RouteId, target: &Target<'_>, key: Option<&str>) -> Option<Box<CollapseId>> {
        let key = key.filter(|_| self.is_on.load(Ordering::Relaxed))?;
        Some(Box::new(self.digest.collapse(route, target, key)))
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
}
