//! Where the pushes with a collapse identity stand, so that a newer one finds the one that it makes needless. Pure.
//!
//! It holds an entry for each such push in the lanes and no other, so the buffer's bound is its bound. Pushes without an identity cost it a
//! branch.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::push::{CollapseId, Lane, Push, SenderId};

/// Where a push stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its lane.
    pub lane: Lane,
    /// Its sender.
    pub sender: SenderId,
    /// Its number in that sender's FIFO.
    pub number: u64,
}

/// The index.
#[derive(Debug, Default)]
pub struct Places {
    places: HashMap<CollapseId, Place, BuildHasherDefault<Ready>>,
}

/// What it hashes is a keyed hash already.
#[derive(Debug, Default)]
struct Ready(u64);

// === impl Places ===

impl Places {
    /// Returns where the push with this identity stands.
    pub fn get(&self, id: CollapseId) -> Option<Place> {
        self.places.get(&id).copied()
    }

    /// Notes where the push with this identity stands.
    pub fn set(&mut self, id: CollapseId, place: Place) {
        self.places.insert(id, place);
    }

    /// Notes that a push that stands somewhere has another number now.
    pub fn note(&mut self, push: &Push, number: u64) {
        if let Some(collapse) = push.collapse.as_deref() {
            self.set(collapse.id(), Place { lane: push.lane, sender: push.sender, number });
        }
    }

    /// Forgets a push that has left the lanes.
    pub fn forget(&mut self, push: &Push) {
        if let Some(collapse) = push.collapse.as_deref() {
            self.places.remove(&collapse.id());
        }
    }

    /// Returns how many it knows.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.places.len()
    }
}

// === impl Ready ===

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u128(&mut self, hash: u128) {
        // Its low half.
        self.0 = hash as u64;
    }
}
