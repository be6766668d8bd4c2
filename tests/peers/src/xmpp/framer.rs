//! Cuts the byte stream of one XMPP connection into stream headers, whole stanzas and the stream's end.
//!
//! The session asks it after every read. It keeps what is incomplete and never looks twice at text it has passed.
//! Invariant: the frames do not depend on how the bytes were split over reads. It finds the borders only; whether a
//! stanza is well-formed is decided by whoever parses it. Comments, processing instructions and DTDs are refused as
//! RFC 6120 §11.1 asks; CDATA is allowed.

use std::ops::Range;

use memchr::{memchr, memchr3, memmem};
use thiserror::Error;

use crate::xmpp::plain::Plain;

/// The most bytes one stanza may have before the stream is given up.
pub const MAX_STANZA: usize = 64 * 1024;

/// One piece of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The opening tag of the stream.
    Header(&'a [u8]),
    /// A message of the usual writing.
    Message(Plain<'a>),
    /// Any other whole element below the stream.
    Stanza(&'a [u8]),
    /// The closing tag of the stream.
    End,
}

/// Why the stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Bytes that no XML stream can contain there.
    #[error("the stream is not XML")]
    NotXml,
    /// A comment, DTD or processing instruction.
    #[error("the stream uses XML that XMPP forbids")]
    Restricted,
    /// A stanza beyond [`MAX_STANZA`].
    #[error("a stanza is larger than {MAX_STANZA} bytes")]
    TooLarge,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Header,
    Stanza,
    End,
}

enum Step {
    /// Go on scanning at this offset.
    Continue(usize),
    /// A frame ends before this offset.
    Found(Kind, usize),
    /// The token is not complete.
    Wait,
}

/// The cutter; see the module's documentation.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    place: Place,
}

/// Where in the buffer the cutter is.
#[derive(Debug, Default)]
struct Place {
    /// Where the current item starts.
    start: usize,
    /// Where to go on looking.
    scan: usize,
    /// Whether a stream header was seen.
    open: bool,
    /// How many elements of the current stanza are open.
    level: u32,
}

// === impl Framer ===

impl Framer {
    /// Returns the buffer to append received bytes to.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Forgets that a stream header was seen: the next one is expected, as after SASL success.
    pub fn restart(&mut self) {
        self.place.open = false;
    }

    /// Returns the number of bytes that belong to no frame yet.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.buffer.len() - self.place.start
    }

    /// Returns the next frame, or nothing until more bytes are appended.
    ///
    /// # Errors
    /// [`FrameError`] when the stream is beyond repair; every further call returns an error too.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let Self { buffer, place } = self;
        if let Some(message) = place.message(buffer) {
            return Ok(Some(Frame::Message(message)));
        }
        let Some((kind, range)) = place.advance(buffer)? else {
            return Ok(None);
        };
        let bytes = &buffer[range];
        Ok(Some(match kind {
            Kind::Header => Frame::Header(bytes),
            Kind::Stanza => Plain::read(bytes).map_or(Frame::Stanza(bytes), Frame::Message),
            Kind::End => Frame::End,
        }))
    }

    /// Drops the bytes of the frames already returned. Call it once per read, not per frame.
    pub fn compact(&mut self) {
        let Place { start, scan, .. } = &mut self.place;
        if *start == self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..*start);
        }
        *scan -= *start;
        *start = 0;
    }
}

// === impl Place ===

impl Place {
    /// Passes a whole message of the usual writing if one starts here.
    #[inline]
    fn message<'a>(&mut self, buffer: &'a [u8]) -> Option<Plain<'a>> {
        if !self.open || self.level > 0 || self.scan > self.start {
            return None;
        }
        let plain = Plain::read(&buffer[self.start..]).filter(|plain| plain.stanza.len() <= MAX_STANZA)?;
        self.start += plain.stanza.len();
        self.scan = self.start;
        Some(plain)
    }

    fn advance(&mut self, buffer: &[u8]) -> Result<Option<(Kind, Range<usize>)>, FrameError> {
        loop {
            let Some(offset) = memchr(b'<', &buffer[self.scan..]) else {
                self.pass_text(buffer, buffer.len())?;
                return Ok(None);
            };
            self.pass_text(buffer, self.scan + offset)?;
            match self.tag(buffer)? {
                Step::Wait => return Ok(None),
                Step::Continue(at) => {
                    self.scan = at;
                    if self.level == 0 {
                        self.start = at;
                    }
                }
                Step::Found(kind, end) => {
                    self.scan = end;
                    self.check_size()?;
                    let range = self.start..end;
                    self.start = end;
                    return Ok(Some((kind, range)));
                }
            }
        }
    }

    /// Moves over text that ends at `end`; outside a stanza only white space is text.
    fn pass_text(&mut self, buffer: &[u8], end: usize) -> Result<(), FrameError> {
        if self.level == 0 {
            if !buffer[self.scan..end].iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
                return Err(FrameError::NotXml);
            }
            self.start = end;
        }
        self.scan = end;
        self.check_size()
    }

    fn check_size(&self) -> Result<(), FrameError> {
        if self.scan - self.start > MAX_STANZA { Err(FrameError::TooLarge) } else { Ok(()) }
    }

    /// Classifies the tag at `scan`, which is a `<`.
    fn tag(&mut self, buffer: &[u8]) -> Result<Step, FrameError> {
        let rest = &buffer[self.scan..];
        let step = match rest.get(1) {
            None => Step::Wait,
            Some(b'?') => self.instruction(rest)?,
            Some(b'!') => self.cdata(rest)?,
            Some(b'/') => match memchr(b'>', rest) {
                None => Step::Wait,
                Some(at) => return self.closing(self.scan + at + 1),
            },
            Some(_) => {
                let end = tag_end(rest);
                // No `<` may stand inside a tag: waiting for its end would hide the fault (XML 1.0 §3.1).
                if memchr(b'<', &rest[1..end.unwrap_or(rest.len())]).is_some() {
                    return Err(FrameError::NotXml);
                }
                match end {
                    None => Step::Wait,
                    Some(at) => return self.opening(buffer, self.scan + at + 1),
                }
            }
        };
        if matches!(step, Step::Wait) && rest.len() > MAX_STANZA {
            return Err(FrameError::TooLarge);
        }
        Ok(step)
    }

    fn instruction(&self, rest: &[u8]) -> Result<Step, FrameError> {
        let declaration: &[u8] = b"<?xml";
        let seen = rest.len().min(declaration.len());
        if self.open || rest[..seen] != declaration[..seen] {
            return Err(FrameError::Restricted);
        }
        Ok(memmem::find(rest, b"?>").map_or(Step::Wait, |at| Step::Continue(self.scan + at + 2)))
    }

    fn cdata(&self, rest: &[u8]) -> Result<Step, FrameError> {
        let opener: &[u8] = b"<![CDATA[";
        let seen = rest.len().min(opener.len());
        if self.level == 0 || rest[..seen] != opener[..seen] {
            return Err(FrameError::Restricted);
        }
        Ok(memmem::find(rest, b"]]>").map_or(Step::Wait, |at| Step::Continue(self.scan + at + 3)))
    }

    fn closing(&mut self, end: usize) -> Result<Step, FrameError> {
        if !self.open {
            return Err(FrameError::NotXml);
        }
        if self.level == 0 {
            self.open = false;
            return Ok(Step::Found(Kind::End, end));
        }
        self.level -= 1;
        Ok(if self.level == 0 { Step::Found(Kind::Stanza, end) } else { Step::Continue(end) })
    }

    fn opening(&mut self, buffer: &[u8], end: usize) -> Result<Step, FrameError> {
        let self_closed = buffer[end - 2] == b'/';
        if !self.open {
            if self_closed {
                return Err(FrameError::NotXml);
            }
            self.open = true;
            return Ok(Step::Found(Kind::Header, end));
        }
        if self_closed {
            return Ok(if self.level == 0 { Step::Found(Kind::Stanza, end) } else { Step::Continue(end) });
        }
        self.level += 1;
        Ok(Step::Continue(end))
    }
}

/// Returns where the `>` of the opening tag at the start of `bytes` is, looking past quoted attribute values.
fn tag_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        let found = at + memchr3(b'>', b'"', b'\'', &bytes[at..])?;
        match bytes[found] {
            b'>' => return Some(found),
            quote => at = found + 2 + memchr(quote, &bytes[found + 1..])?,
        }
    }
}

#[cfg(test)]
mod tests;
