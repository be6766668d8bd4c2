//! A map by subscription, on the path of every ask and delivery.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::SubscriptionId;

/// A map by subscription.
pub(crate) type IdMap<V> = HashMap<SubscriptionId, V, BuildHasherDefault<IdHasher>>;

/// Ids are our own ascending numbers: nobody can choose colliding ones, so a multiplication spreads them well enough.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

// === impl IdHasher ===

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The high bits of the product are the well mixed ones, and the table uses both ends.
        self.0 = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
    }
}
