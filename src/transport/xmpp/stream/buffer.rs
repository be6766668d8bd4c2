//! The buffers of a session: one scratch per thread for reading, two that take turns for writing and are lent out for as long as there is
//! something to write.
//!
//! The stream alone uses them.

use std::cell::Cell;

use super::super::frame::MAX_HELD;
use crate::transport::spares;

/// One TLS record, plus what a framer may have held back before it.
const SCRATCH: usize = 16 * 1024 + MAX_HELD;

thread_local! {
    /// Lent out for one poll at a time, so that a connection without traffic holds no read buffer.
    static READ_SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `work` with the thread's read buffer.
pub fn with_scratch<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut scratch = READ_SCRATCH.take();
    scratch.resize(SCRATCH, 0);
    let result = work(&mut scratch);
    READ_SCRATCH.set(scratch);
    result
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
            self.tail = spares::borrow();
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
                spares::give_back(&mut self.head);
                spares::give_back(&mut self.tail);
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
}
