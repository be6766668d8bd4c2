//! Write buffers that are lent out for as long as there is something to write.
//!
//! Thousands of connections idle most of the time and hold none; the buffer that was used last is still in the processor's cache. Each thread
//! has its own.

use std::cell::RefCell;

/// How many a thread keeps for the next that needs one.
const SPARES: usize = 16;

/// The largest of them; one that a slow peer has made grow goes back to the allocator.
const LARGEST: usize = 256 * 1024;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Returns an empty buffer.
pub fn borrow() -> Vec<u8> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Takes a buffer back and leaves one without capacity.
pub fn give_back(buffer: &mut Vec<u8>) {
    let mut buffer = std::mem::take(buffer);
    if (1..=LARGEST).contains(&buffer.capacity()) {
        buffer.clear();
        SPARE.with_borrow_mut(|spares| {
            if spares.len() < SPARES {
                spares.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_given_back_is_lent_out_first_and_empty() {
        let mut buffer = borrow();
        buffer.resize(100_000, 0);
        give_back(&mut buffer);
        assert_eq!(buffer.capacity(), 0);
        let again = borrow();
        assert!(again.capacity() >= 100_000 && again.is_empty());
    }

    #[test]
    fn a_thread_keeps_few_and_no_huge_ones() {
        for number in 0..2 * SPARES {
            give_back(&mut vec![0; if number == 0 { LARGEST + 1 } else { 10 }]);
        }
        let kept = SPARE.with_borrow(|spares| spares.iter().map(Vec::capacity).collect::<Vec<_>>());
        assert!(kept.len() == SPARES && kept.iter().all(|size| *size <= LARGEST), "{kept:?}");
    }
}
