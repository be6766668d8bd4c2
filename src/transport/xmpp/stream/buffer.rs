//! The buffers of a session: one scratch per thread for reading, two that take turns for writing.
//!
//! The stream alone uses them.

use std::cell::Cell;

use super::super::frame::MAX_HELD;

/// One TLS record, plus what a framer may have held back before it.
const SCRATCH: usize = 16 * 1024 + MAX_HELD;

/// What an emptied buffer may keep; more goes back to the allocator, as thousands of connections idle most of the time.
const MAX_KEPT: usize = 2 * 1024;

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
    pub const fn tail(&mut self) -> &mut Vec<u8> {
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
        }
        (!self.head.is_empty()).then(|| &self.head[self.written..])
    }

    /// Notes that `count` bytes of those were written.
    pub const fn advance(&mut self, count: usize) {
        self.written += count;
    }

    /// Gives memory back if nothing waits.
    pub fn relax(&mut self) {
        if self.len() == 0 {
            self.head.clear();
            self.written = 0;
            self.head.shrink_to(MAX_KEPT);
            self.tail.shrink_to(MAX_KEPT);
        }
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
    fn an_idle_buffer_gives_its_memory_back() {
        let mut outgoing = Outgoing::default();
        outgoing.tail().extend_from_slice(&[0; 100_000]);
        outgoing.relax();
        assert_eq!(outgoing.len(), 100_000);
        let count = outgoing.next().map_or(0, <[u8]>::len);
        outgoing.advance(count);
        outgoing.relax();
        assert!(outgoing.head.capacity() + outgoing.tail.capacity() <= 2 * MAX_KEPT);
    }
}
