//! Push identity: UUIDv7 (RFC 9562 section 5.7), minted in batches without a lock.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The identity of a push: a UUIDv7 whose random part is a counter seeded at start.
///
/// It is the provider's `message_id` too, on every attempt, and the key of the in-flight table.
///
/// Two halves, the high one first, and not one number: that would align every push to 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PushKey(u64, u64);

/// Makes keys that are unique in this process and, by a random seed, across processes.
#[derive(Debug)]
pub struct KeyMint {
    seed: u64,
    next: AtomicU64,
}

/// Bits of the counter: RFC 9562 section 6.2 method 1 with a long counter in `rand_b`.
const COUNTER_BITS: u32 = 36;
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// Where in the text each byte's two digits begin.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// The digits of each byte.
const TEXT_OF: [[u8; 2]; 256] = texts();

const fn texts() -> [[u8; 2]; 256] {
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    table
}

// === impl PushKey ===

impl PushKey {
    /// The length of the text form.
    pub const TEXT_LEN: usize = 36;

    /// Returns the number behind the UUID.
    pub const fn as_u128(self) -> u128 {
        (self.0 as u128) << 64 | self.1 as u128
    }

    /// Returns the key with this number.
    pub const fn from_u128(number: u128) -> Self {
        Self((number >> 64) as u64, number as u64)
    }

    /// Returns when it was made, in milliseconds since 1970 (RFC 9562 section 5.7).
    pub const fn unix_millis(self) -> u64 {
        self.0 >> 16
    }

    /// Returns the hyphenated lower-case text.
    pub fn to_text(self) -> [u8; Self::TEXT_LEN] {
        let mut text = [b'-'; Self::TEXT_LEN];
        for (byte, at) in self.as_u128().to_be_bytes().into_iter().zip(PLACES) {
            text[at..at + 2].copy_from_slice(&TEXT_OF[usize::from(byte)]);
        }
        text
    }

    /// Returns the key that `text` spells in exactly the form of [`PushKey::to_text`], if it does.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: &[u8; Self::TEXT_LEN] = text.try_into().ok()?;
        if HYPHENS.iter().any(|at| text[*at] != b'-') {
            return None;
        }
        let four = |at: usize| [text[at], text[at + 1], text[at + 2], text[at + 3]];
        let eight = |first: usize, second: usize| {
            let (first, second) = (u32::from_be_bytes(four(first)), u32::from_be_bytes(four(second)));
            eight_digits(u64::from(first) << 32 | u64::from(second))
        };
        let (a, b, c, d) = (eight(0, 4)?, eight(9, 14)?, eight(19, 24)?, eight(28, 32)?);
        Some(Self(a << 32 | b, c << 32 | d))
    }
}

/// Returns the number that eight lower-case hexadecimal digits spell, all at once: an answer's key is parsed for every push.
const fn eight_digits(text: u64) -> Option<u64> {
    const ONES: u64 = u64::MAX / 0xff;
    // A letter has bit 6, which `0` to `9` have not.
    let letters = text >> 6 & ONES;
    let values = (text & (ONES * 0x0f)) + letters * 9;
    let written = values + ONES * b'0' as u64 + letters * (b'a' - b'0' - 10) as u64;
    // What is over nine must have been a letter, and nothing else; over fifteen there is nothing.
    let over_nine = (values + ONES * (0x80 - 10)) >> 7 & ONES;
    if written != text || over_nine != letters || values & (ONES * 0x10) != 0 {
        return None;
    }
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    Some((fours | fours >> 16) & 0xffff_ffff)
}

impl Hash for PushKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.as_u128());
    }
}

impl fmt::Display for PushKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_text()).expect("digits and hyphens are ASCII"))
    }
}

impl fmt::Debug for PushKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl KeyMint ===

impl KeyMint {
    /// Returns a mint with this seed; give each process a random one.
    pub const fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(0) }
    }

    /// Returns `count` fresh keys in rising order, stamped with the wall clock.
    pub fn batch(&self, count: usize) -> impl Iterator<Item = PushKey> + use<> {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let first = self.next.fetch_add(count as u64, Ordering::Relaxed);
        let seed = self.seed;
        (first..first + count as u64).map(move |counter| Self::key(seed, millis, counter))
    }

    /// Lays out: 48 bits of milliseconds, version, 12 bits of seed, variant, 26 bits of seed, the counter.
    fn key(seed: u64, millis: u128, counter: u64) -> PushKey {
        let seed_a = u128::from(seed & 0xfff);
        let seed_b = u128::from(seed >> 12 & 0x3ff_ffff);
        let low = u128::from(counter & ((1 << COUNTER_BITS) - 1));
        PushKey::from_u128(
            (millis & 0xffff_ffff_ffff) << 80
                | 7 << 76
                | seed_a << 64
                | 2 << 62
                | seed_b << COUNTER_BITS
                | low,
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn minted_keys_are_version_7_uuids_in_rising_order() {
        let mint = KeyMint::new(0x1234_5678_9abc_def0);
        let keys: Vec<_> = mint.batch(3).chain(mint.batch(2)).collect();
        for pair in keys.windows(2) {
            assert!(pair[0] < pair[1]);
        }
        let parsed = uuid::Uuid::parse_str(&keys[0].to_string()).unwrap();
        assert_eq!(parsed.get_version_num(), 7);
        assert_eq!(parsed.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(parsed.as_u128(), keys[0].as_u128());
    }

    proptest! {
        #[test]
        fn text_and_number_agree_with_the_uuid_crate(number: u128) {
            let key = PushKey::from_u128(number);
            prop_assert_eq!(key.to_string(), uuid::Uuid::from_u128(number).to_string());
            prop_assert_eq!(PushKey::parse(&key.to_text()), Some(key));
        }

        #[test]
        fn one_wrong_byte_makes_it_no_key(number: u128, at in 0..PushKey::TEXT_LEN, byte: u8) {
            let mut text = PushKey::from_u128(number).to_text();
            text[at] = byte;
            let is_right = if HYPHENS.contains(&at) { byte == b'-' } else { DIGITS.contains(&byte) };
            prop_assert_eq!(PushKey::parse(&text).is_some(), is_right);
        }

        #[test]
        fn other_text_is_never_a_key(text in "[0-9a-zA-Z-]{30,40}") {
            if let Some(key) = PushKey::parse(text.as_bytes()) {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
