//! Finds the stanzas in what was read so far.
//!
//! The session feeds it. Plain answers are matched in place; anything unusual goes through the full parser, which carries the stream's
//! namespaces and keeps its place in a stanza that arrives in pieces. Linear in what it is fed: a stanza that stays incomplete for a few
//! turns is handed to the parser, which never looks back.

use std::ops::ControlFlow;

use minidom::Element;
use xmpp_parsers::ns;

use super::document::{Document, DocumentError, Item, is_space};
use super::scan::{GCM_NS, Scan, scan};
use super::text;

/// The most bytes of an incomplete stanza that the caller must keep; the rest is inside the parser.
pub const MAX_HELD: usize = 8 * 1024;

/// How often an incomplete stanza is looked at from its start.
const MAX_LOOKS: u8 = 4;

/// What was found.
#[derive(Debug, PartialEq)]
pub enum Frame<'a> {
    /// The text of a `gcm` element in a message that is no error.
    Json(&'a str),
    /// Any other child of the stream.
    Element(Element),
    /// The peer's closing tag.
    End,
}

/// The state between two feeds.
#[derive(Debug)]
pub struct Framer {
    document: Document,
    /// Whether the parser is inside a stanza.
    inside: bool,
    looks: u8,
    unescaped: String,
}

// === impl Framer ===

impl Framer {
    /// Returns a framer that reads on where `document` stopped, which must be between two stanzas.
    pub fn new(document: Document) -> Self {
        let mut framer = Self { document, inside: false, looks: 0, unescaped: String::new() };
        framer.relax();
        framer
    }

    /// Gives back memory that only traffic needs.
    pub fn relax(&mut self) {
        self.document.rest();
        self.unescaped = String::new();
    }

    /// Returns whether the stream could end here without cutting a stanza, given that all bytes were taken.
    pub const fn is_between(&self) -> bool {
        !self.inside
    }

    /// Hands every complete stanza to `on_frame` until it breaks; returns how many bytes are done with.
    ///
    /// The caller presents the other bytes again, with more behind them: [`MAX_HELD`] at most.
    ///
    /// # Errors
    /// [`DocumentError`]; the stream cannot be read on after it.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut on_frame: impl FnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<usize, DocumentError> {
        let mut at = 0;
        loop {
            if !self.inside {
                at += bytes[at..].iter().take_while(|byte| is_space(**byte)).count();
                if at == bytes.len() {
                    return Ok(at);
                }
            }
            let (taken, flow) = match self.look(&bytes[at..]) {
                Scan::Incomplete => return Ok(at),
                Scan::Plain { text, len } if self.unescape(text) => {
                    let json = if self.unescaped.is_empty() { text } else { &self.unescaped };
                    (len, on_frame(Frame::Json(json)))
                }
                _ => match self.parse(&bytes[at..], &mut on_frame)? {
                    Some(done) => done,
                    None => return Ok(bytes.len()),
                },
            };
            at += taken;
            self.looks = 0;
            if flow.is_break() {
                return Ok(at);
            }
        }
    }

    fn look<'a>(&mut self, bytes: &'a [u8]) -> Scan<'a> {
        if self.inside || !self.document.is_plain() {
            return Scan::Unusual;
        }
        let found = scan(bytes);
        if found == Scan::Incomplete {
            self.looks += 1;
            if self.looks > MAX_LOOKS || bytes.len() > MAX_HELD {
                return Scan::Unusual;
            }
        }
        found
    }

    /// Replaces the references in `text`, if any; `unescaped` is empty if there were none.
    fn unescape(&mut self, text: &str) -> bool {
        self.unescaped.clear();
        memchr::memchr(b'&', text.as_bytes()).is_none() || text::unescape(&mut self.unescaped, text)
    }

    fn parse(
        &mut self,
        bytes: &[u8],
        on_frame: &mut impl FnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<Option<(usize, ControlFlow<()>)>, DocumentError> {
        let mut rest = bytes;
        self.inside = true;
        let flow = match self.document.next(&mut rest)? {
            None => return Ok(None),
            Some(Item::Opened) => ControlFlow::Continue(()),
            Some(Item::Closed) => on_frame(Frame::End),
            Some(Item::Element(element)) => match payload(&element) {
                Some(json) => on_frame(Frame::Json(&json)),
                None => on_frame(Frame::Element(element)),
            },
        };
        self.inside = false;
        Ok(Some((bytes.len() - rest.len(), flow)))
    }
}

/// Returns the text of the message's payload, unless it is an error or no message of the provider's.
fn payload(element: &Element) -> Option<String> {
    if !element.is("message", ns::DEFAULT_NS) || element.attr("type") == Some("error") {
        return None;
    }
    element.get_child("gcm", GCM_NS).map(Element::text)
}

#[cfg(test)]
mod tests;
