//! What a message id is known by: small, and close to those that were counted before and after it.
//!
//! The ledger and the sessions key their tables by it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// How many shards there are; a power of two.
pub(super) const SHARDS: u64 = 1024;

/// How many ids that follow each other lie in one shard; a power of two.
const STRETCH: u64 = 4096;

/// How many ids that follow each other are a run; a power of two.
pub(super) const PAGE: usize = 64;

/// A message id: the time and the lower half of a UUID, the hash of anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageKey {
    low: u64,
    /// 48 bits, and [`UUID`].
    high: u64,
}

/// The mark of a UUID.
const UUID: u64 = 1 << 63;

/// The same where many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed([u8; 14]);

/// UUIDs that differ in the last bits only, whatever their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run(u64);

impl MessageKey {
    /// Returns the key of a message id.
    #[must_use]
    pub fn of(id: &str) -> Self {
        if let Some(number) = uuid(id) {
            return Self { low: number as u64, high: UUID | (number >> 80) as u64 };
        }
        let mut low = DefaultHasher::new();
        id.hash(&mut low);
        let low = low.finish();
        let mut high = DefaultHasher::new();
        high.write_u64(low);
        id.hash(&mut high);
        Self { low, high: high.finish() & ((1 << 48) - 1) }
    }

    /// Returns what the lower half does not say.
    pub(super) fn time(self) -> [u8; 6] {
        let [a, b, c, d, e, f, ..] = self.high.to_le_bytes();
        [a, b, c, d, e, f]
    }

    pub(super) fn packed(self) -> Packed {
        let mut packed = [0; 14];
        packed[..8].copy_from_slice(&self.low.to_le_bytes());
        packed[8..].copy_from_slice(&self.time());
        Packed(packed)
    }

    /// Returns the run of a UUID, and its place in that.
    pub(super) fn run(self) -> Option<(Run, usize)> {
        let page = PAGE as u64;
        (self.high & UUID != 0).then(|| (Run(self.low / page), (self.low % page) as usize))
    }

    /// Returns in which of [`SHARDS`] it lies.
    pub(super) fn shard(self) -> usize {
        // Below [`SHARDS`].
        (self.low / STRETCH % SHARDS) as usize
    }
}

/// Returns the number that a hyphenated UUID in lower case spells.
fn uuid(text: &str) -> Option<u128> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    if [8, 13, 18, 23].iter().any(|at| text[*at] != b'-') {
        return None;
    }
    let half =
        |at: usize| u64::from(u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]));
    let mut number = 0;
    // Where the digits lie in fours.
    for (first, second) in [(0, 4), (9, 14), (19, 24), (28, 32)] {
        number = (number << 32) | u128::from(eight_digits(half(first) | half(second) << 32)?);
    }
    Some(number)
}

/// Returns the number that eight hexadecimal digits in lower case spell, the first of them in the lowest byte.
fn eight_digits(text: u64) -> Option<u32> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let is_letter = text >> 6 & ONES;
    let values = (text & (ONES * 0x0F)) + is_letter * 9;
    // Nothing but a digit is what its value is written as.
    let is_beyond_nine = (values + ONES * 6) >> 4 & ONES;
    let written = values + ONES * u64::from(b'0') + is_beyond_nine * u64::from(b'a' - b'0' - 10);
    if written != text || values & (ONES * 0xF0) != 0 {
        return None;
    }
    let bytes = values.swap_bytes();
    let bytes = (bytes | bytes >> 4) & 0x00FF_00FF_00FF_00FF;
    let bytes = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
    // The two halves have become one.
    Some((bytes | bytes >> 16) as u32)
}

impl Run {
    /// Returns a number that differs between neighbours.
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

impl Hash for MessageKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The shard's bits say nothing within it.
        let place = (self.low % STRETCH) + self.low / (STRETCH * SHARDS) * STRETCH;
        state.write_u64(neighbourly(place, self.low));
    }
}

impl Hash for Packed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        MessageKey { low: u64::from_le_bytes([a, b, c, d, e, f, g, h]), high: 0 }.hash(state);
    }
}

impl Hash for Run {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(neighbourly(self.0, self.0));
    }
}

/// Returns a hash that keeps neighbours together: tables take a place from the low bits, and seven more from the top to tell neighbours apart.
fn neighbourly(place: u64, number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (place & (u64::MAX >> 8)) | (mixed & !(u64::MAX >> 8))
}

/// Passes what a [`MessageKey`] or [`Run`] says through, which is a hash already.
#[derive(Debug, Default)]
pub struct PassThrough(u64);

impl Hasher for PassThrough {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The hasher for maps keyed by [`MessageKey`].
pub type KeyHasher = BuildHasherDefault<PassThrough>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_uuid_is_the_number_its_digits_spell(number: u128, at in 0usize..36, byte: u8) {
            let digits = format!("{number:032x}");
            let text = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-");
            prop_assert_eq!(uuid(&text), Some(number));
            let mut other = text.clone().into_bytes();
            other[at] = byte;
            let is_right = if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { matches!(byte, b'0'..=b'9' | b'a'..=b'f') };
            if let Ok(other) = String::from_utf8(other) {
                prop_assert_eq!(uuid(&other).is_some(), is_right);
            }
        }
    }

    #[test]
    fn uuids_that_follow_each_other_lie_side_by_side_and_other_ids_anywhere() {
        let ids = [
            "019a9f2e-7f68-7abc-9234-00000000000f",
            "019a9f2e-7f68-7abc-9234-000000000010",
            "019a9f2e-7f69-7abc-9234-000000000010",
            "m-1",
            "m-2",
        ];
        let keys = ids.map(MessageKey::of);
        assert!((0..5).all(|at| !keys[at + 1..].contains(&keys[at])));
        assert_eq!((keys[0].shard(), keys[1].low - keys[0].low), (keys[1].shard(), 1));
        assert_eq!(uuid(ids[1]), Some(0x019a_9f2e_7f68_7abc_9234_0000_0000_0010));
        for other in
            ["", "m-1", "019a9f2e-7f68-7abc-9234-00000000000g", "019a9f2e07f6807abc092340000000000010"]
        {
            assert_eq!(uuid(other), None, "{other}");
        }
    }
}
