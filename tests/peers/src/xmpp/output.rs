//! The bytes a session wants to send, with the places where one write must end.
//!
//! Filled by the session, emptied by the connection's shell. Answers of one read go out in one write; a border keeps two
//! texts apart where the real server was seen to write twice (`reference/fcm.md` 1.3).

use std::collections::VecDeque;

/// How many bytes of the buffer are never used.
///
/// The TLS library copies what is written to just behind the start of a buffer of its own, and large buffers start at a page. Some processors
/// (AMD's, with `rep movsb`) copy twenty times slower to an address a few bytes further in its page than the source.
const MARGIN: usize = 256;

/// Pending output of one connection.
#[derive(Debug)]
pub struct Output {
    bytes: Vec<u8>,
    sent: usize,
    borders: VecDeque<usize>,
}

impl Default for Output {
    fn default() -> Self {
        Self { bytes: vec![0; MARGIN], sent: MARGIN, borders: VecDeque::new() }
    }
}

impl Output {
    /// Returns the buffer to append to.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends text.
    pub fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Ends the current write here.
    pub fn border(&mut self) {
        if self.bytes.len() > self.sent {
            self.borders.push_back(self.bytes.len());
        }
    }

    /// Returns how many bytes are not sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Returns whether everything is sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns what the next write should hold.
    #[must_use]
    pub fn chunk(&self) -> &[u8] {
        let end = self.borders.front().copied().unwrap_or(self.bytes.len());
        &self.bytes[self.sent..end]
    }

    /// Notes that the first `count` bytes were written.
    pub fn advance(&mut self, count: usize) {
        self.sent += count;
        while self.borders.front().is_some_and(|end| *end <= self.sent) {
            self.borders.pop_front();
        }
        if self.sent == self.bytes.len() {
            self.clear();
        }
    }

    /// Drops everything that is not sent.
    pub fn clear(&mut self) {
        self.bytes.truncate(MARGIN);
        self.sent = MARGIN;
        self.borders.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_not_sent_later() {
        let mut output = Output::default();
        output.text("abc");
        output.border();
        output.clear();
        output.text("d");
        assert_eq!((output.len(), output.chunk()), (1, &b"d"[..]));
    }

    #[test]
    fn a_border_ends_a_write_and_partial_writes_go_on_where_they_stopped() {
        let mut output = Output::default();
        output.text("abc");
        output.border();
        output.text("de");
        assert_eq!(output.chunk(), b"abc");
        output.advance(2);
        assert_eq!(output.chunk(), b"c");
        output.advance(1);
        assert_eq!(output.chunk(), b"de");
        output.advance(2);
        assert!(output.is_empty());
        assert_eq!(output.chunk(), b"");
    }
}
