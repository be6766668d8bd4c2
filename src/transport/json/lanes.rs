//! Looks at sixteen bytes at a time.
//!
//! What reads and writes texts calls it: most of them hold nothing that needs attention, and finding that out is most of the work. Callers say
//! with [`is`], [`is_below`] and `|` what they look for; the same instructions serve on every x86-64.

pub use wide::u8x16 as Lanes;

/// How many bytes are looked at together.
const WIDTH: usize = 16;

/// Marks the bytes that are this one.
#[inline]
pub fn is(lanes: Lanes, byte: u8) -> Lanes {
    lanes.simd_eq(Lanes::splat(byte))
}

/// Marks the bytes that are less than this one, which is not zero.
#[inline]
pub fn is_below(lanes: Lanes, byte: u8) -> Lanes {
    lanes.min(Lanes::splat(byte - 1)).simd_eq(lanes)
}

/// Returns the position of the first marked byte at or behind `from`.
#[inline]
pub fn position(bytes: &[u8], mut from: usize, marks: impl Fn(Lanes) -> Lanes) -> Option<usize> {
    let mut rest = bytes.get(from..)?;
    while let Some((lanes, behind)) = rest.split_first_chunk::<WIDTH>() {
        let found = marks(Lanes::new(*lanes)).to_bitmask();
        if found != 0 {
            return Some(from + found.trailing_zeros() as usize);
        }
        (rest, from) = (behind, from + WIDTH);
    }
    position_in_rest(rest, marks).map(|found| from + found)
}

/// The same for what is left at the end, which is seldom where something is found.
#[cold]
fn position_in_rest(rest: &[u8], marks: impl Fn(Lanes) -> Lanes) -> Option<usize> {
    let found = marks(padded(rest)).to_bitmask().trailing_zeros() as usize;
    (found < rest.len()).then_some(found)
}

/// Returns whether a byte is marked.
#[inline]
pub fn contains(bytes: &[u8], marks: impl Fn(Lanes) -> Lanes) -> bool {
    let (whole, rest) = bytes.as_chunks::<WIDTH>();
    let found = whole.iter().fold(Lanes::ZERO, |found, lanes| found | marks(Lanes::new(*lanes)));
    let last = match bytes.last_chunk() {
        // Once more what was looked at, and the rest.
        Some(last) => marks(Lanes::new(*last)).to_bitmask(),
        None => marks(padded(rest)).to_bitmask() & ((1 << rest.len()) - 1),
    };
    found.to_bitmask() | last != 0
}

fn padded(rest: &[u8]) -> Lanes {
    let mut lanes = [0; WIDTH];
    lanes[..rest.len()].copy_from_slice(rest);
    Lanes::new(lanes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_odd(byte: u8) -> bool {
        byte < b' ' || byte == b'"' || byte == 0xef
    }

    fn odd(lanes: Lanes) -> Lanes {
        is_below(lanes, b' ') | is(lanes, b'"') | is(lanes, 0xef)
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_look_at_each_byte_finds(
            mut bytes in prop::collection::vec(b'a'..=0xee, 0..70),
            odd_ones in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            from in 0..75_usize,
        ) {
            for (at, byte) in odd_ones {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            prop_assert_eq!(contains(&bytes, odd), bytes.iter().any(|byte| is_odd(*byte)));
            let first = bytes.iter().skip(from).position(|byte| is_odd(*byte)).map(|at| from + at);
            prop_assert_eq!(position(&bytes, from, odd), first);
        }
    }
}
