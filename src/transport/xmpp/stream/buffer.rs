//! The buffers of a session: one scratch per thread for reading, two that take turns for writing and are lent out for as long as there is
//! something to write.
//!
//! The stream alone uses them.

use std::cell::{Cell, RefCell};

use super::super::frame::MAX_HELD;

/// One TLS record, plus what a framer may have held back before it.
const SCRATCH: usize = 16 * 1024 + MAX_HELD;

/// Write buffers that a thread keeps for the next session that needs one. Thousands of connections idle most of the time, and the buffer that
/// was used last is still in the processor's cache.
const SPARES: usize = 16;

/// The largest of them; one that a slow peer has made grow goes back to the allocator.
const LARGEST_SPARE: usize = 256 * 1024;

thread_local! {
    /// Lent out for one poll at a time, so that a connection without traffic holds no read buffer.
    static READ_SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with the thread's read buffer.
pub fn with_scratch<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut scratch = READ_SCRATCH.take();
    scratch.resize(SCRATCH, 0);
    let result = work(&mut scratch);
    READ_SCRATCH.set(scratch);
    result
}

fn borrow_spare() -> Vec<u8> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

fn give_back(buffer: &mut Vec<u8>) {
    let mut buffer = std::mem::take(buffer);
    if (1..=LARGEST_SPARE).contains(&buffer.capacity()) {
        buffer.clear();
        SPARE.with_borrow_mut(|spares| {
            if spares.len() < SPARES {
                spares.push(buffer);
            }
        });
    }
}

/// Bytes on their way out: a head that is being written and must not move, a tail that grows meanwhile.
#[derive(Debug, Default)]
pub struct Outgoing {
    head: Vec<u8>,
    written: usize,
    tail: Vec<u8>,
}

// === impl Outgoing ===

impl Outgoing {
    /// Returns where to append.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        if self.tail.capacity() == 0 {
            self.tail = borrow_spare();
        }
        &mut self.tail
    }

    /// Returns how many bytes wait.
    pub const fn len(&self) -> usize {
        self.head.len() - self.written + self.tail.len()
    }

    /// Returns the bytes to write next, the same until [`Outgoing::advance`]; nothing if all is written.
    pub fn next(&mut self) -> Option<&[u8]> {
        if self.written == self.head.len() {
            self.head.clear();
            self.written = 0;
            std::mem::swap(&mut self.head, &mut self.tail);
            if self.head.is_empty() {
                give_back(&mut self.head);
                give_back(&mut self.tail);
                return None;
            }
        }
        Some(&self.head[self.written..])
    }

    /// Notes that `count` bytes of those were written.
    pub const fn advance(&mut self, count: usize) {
        self.written += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_while_more_arrive() {
        let mut outgoing = Outgoing::default();
        assert_eq!(outgoing.next(), None);
        outgoing.tail().extend_from_slice(b"abc");
        assert_eq!(outgoing.next(), Some(b"abc".as_slice()));
        outgoing.advance(1);
        outgoing.tail().extend_from_slice(b"de");
        assert_eq!(outgoing.len(), 4);
        assert_eq!(outgoing.next(), Some(b"bc".as_slice()));
        outgoing.advance(2);
        assert_eq!(outgoing.next(), Some(b"de".as_slice()));
        outgoing.advance(2);
        assert_eq!(outgoing.next(), None);
        assert_eq!(outgoing.len(), 0);
    }

    #[test]
    fn an_idle_session_has_no_buffer_and_the_next_one_gets_its_last() {
        let mut outgoing = Outgoing::default();
        outgoing.tail().extend_from_slice(&[0; 100_000]);
        let count = outgoing.next().map_or(0, <[u8]>::len);
        outgoing.advance(count);
        assert_eq!((count, outgoing.next()), (100_000, None));
        assert_eq!(outgoing.head.capacity() + outgoing.tail.capacity(), 0);
        let mut other = Outgoing::default();
        assert!(other.tail().capacity() >= 100_000 && other.len() == 0);
    }

    #[test]
    fn a_thread_keeps_few_buffers_and_no_huge_ones() {
        let mut sessions: Vec<Outgoing> = (0..2 * SPARES).map(|_| Outgoing::default()).collect();
        for (number, outgoing) in sessions.iter_mut().enumerate() {
            outgoing.tail().resize(if number == 0 { LARGEST_SPARE + 1 } else { 10 }, 0);
        }
        for outgoing in &mut sessions {
            let count = outgoing.next().map_or(0, <[u8]>::len);
            outgoing.advance(count);
            assert_eq!(outgoing.next(), None);
        }
        let kept = SPARE.with_borrow(|spares| spares.iter().map(Vec::capacity).collect::<Vec<_>>());
        assert!(kept.len() == SPARES && kept.iter().all(|size| *size <= LARGEST_SPARE), "{kept:?}");
    }
}
