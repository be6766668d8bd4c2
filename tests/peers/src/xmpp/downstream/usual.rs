//! Reads the usual push in one pass over its text, as it stands in the stanza.
//!
//! The session tries it first for every message of the usual writing. It knows compact JSON with string values and without escapes; the
//! references `&amp;`, `&lt;` and `&gt;` may stand in payload values. Invariant: what it returns is what [`unescape`] and
//! [`read`](super::read) say of the same text, and that is a push without fault. Everything else is left to them, so that there is one place
//! that names what is wrong.
//!
//! [`unescape`]: crate::xmpp::escape::unescape

use std::borrow::Cow;
use std::str::from_utf8;

use super::{MAX_TTL, Push};
use crate::xmpp::escape::check_characters;
use crate::xmpp::payload::{DEVICE_LIMIT, TOPIC_LIMIT, is_reserved};

/// Returns the push that the text asks for if it is a usual one.
#[must_use]
pub fn read(text: &[u8]) -> Option<Push<'_>> {
    if is_beyond_ascii(text)? && check_characters(from_utf8(text).ok()?).is_err() {
        return None;
    }
    let mut cursor = Cursor { rest: text };
    let mut members = Members::default();
    cursor.pass(b"{")?;
    loop {
        members.take(&mut cursor)?;
        if !cursor.goes_on()? {
            break;
        }
    }
    if cursor.rest.is_empty() { members.push() } else { None }
}

/// Returns whether there are characters beyond ASCII; nothing if there are bytes that end a string otherwise than by its quote or that XML
/// forbids: controls, escapes and markup.
fn is_beyond_ascii(text: &[u8]) -> Option<bool> {
    let (mut any, mut wrong) = (0, false);
    // One look without a branch, so that the compiler can take many bytes at once.
    for b in text {
        any |= b;
        // `<` and `>` differ in one bit.
        wrong |= (*b < 0x20) | (*b == b'\\') | (*b | 2 == b'>');
    }
    if wrong { None } else { Some(any >= 0x80) }
}

/// The members seen so far; strings with their quotes.
#[derive(Default)]
struct Members<'a> {
    id: Option<&'a [u8]>,
    to: Option<&'a [u8]>,
    ttl: Option<u64>,
    priority: Option<&'a [u8]>,
    collapse_key: Option<usize>,
    data: Option<usize>,
    notification: Option<usize>,
}

impl<'a> Members<'a> {
    /// Takes the next member, whichever of the known ones it is.
    fn take(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        match cursor.rest.get(1)? {
            b'm' => once(&mut self.id, cursor.pass(b"\"message_id\":")?.string()?),
            b't' => match cursor.pass(b"\"to\":") {
                Some(cursor) => once(&mut self.to, cursor.string()?),
                None => once(&mut self.ttl, cursor.pass(b"\"time_to_live\":")?.ttl()?),
            },
            b'p' => once(&mut self.priority, cursor.pass(b"\"priority\":")?.string()?),
            b'c' => once(&mut self.collapse_key, cursor.pass(b"\"collapse_key\":")?.measure()?),
            b'd' => once(&mut self.data, cursor.pass(b"\"data\":")?.object(is_reserved)?),
            b'n' => once(&mut self.notification, cursor.pass(b"\"notification\":")?.object(|_| false)?),
            _ => None,
        }
    }

    fn push(self) -> Option<Push<'a>> {
        let (id_json, target_json) = (from_utf8(self.id?).ok()?, from_utf8(self.to?).ok()?);
        let (id, target) = (inner(id_json), inner(target_json));
        let limit = if target.starts_with("/topics/") { TOPIC_LIMIT } else { DEVICE_LIMIT };
        let size = self.data.unwrap_or_default() + self.notification.unwrap_or_default();
        let fits = !id.is_empty() && !target.is_empty() && size <= limit;
        let known = matches!(self.priority, None | Some(b"\"normal\"" | b"\"high\""));
        (fits && known).then_some(Push {
            id: Cow::Borrowed(id),
            id_json,
            target: Cow::Borrowed(target),
            target_json,
            is_plain: true,
            receipt: false,
            fault: None,
        })
    }
}

/// Fills a place that must be empty.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    match place.replace(value) {
        None => Some(()),
        Some(_) => None,
    }
}

fn inner(quoted: &str) -> &str {
    &quoted[1..quoted.len() - 1]
}

/// What is not read yet; every step is nothing when something unusual stands there.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Passes these bytes.
    fn pass(&mut self, bytes: &[u8]) -> Option<&mut Self> {
        self.rest = self.rest.strip_prefix(bytes)?;
        Some(self)
    }

    /// Passes and returns as many bytes.
    fn skip(&mut self, count: usize) -> Option<&'a [u8]> {
        let (skipped, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(skipped)
    }

    /// Passes a comma or the end of an object; returns whether it was a comma.
    fn goes_on(&mut self) -> Option<bool> {
        match self.skip(1)? {
            b"," => Some(true),
            b"}" => Some(false),
            _ => None,
        }
    }

    /// Passes a string without references; returns it with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let inner = self.rest.strip_prefix(b"\"")?;
        let len = quote_or_reference(inner)?;
        if inner[len] == b'"' { self.skip(len + 2) } else { None }
    }

    /// Passes a string; returns how many bytes the characters it stands for have.
    fn measure(&mut self) -> Option<usize> {
        let inner = self.rest.strip_prefix(b"\"")?;
        let len = quote_or_reference(inner)?;
        self.rest = &inner[len + 1..];
        if inner[len] == b'"' { Some(len) } else { Some(len + self.measure_on()?) }
    }

    /// Does the same from within a string, behind an `&`.
    #[inline(never)]
    fn measure_on(&mut self) -> Option<usize> {
        let mut size = 0;
        loop {
            let references = [&b"amp;"[..], b"lt;", b"gt;"];
            let text = references.into_iter().find_map(|reference| self.rest.strip_prefix(reference))?;
            let len = quote_or_reference(text)?;
            size += 1 + len;
            self.rest = &text[len + 1..];
            if text[len] == b'"' {
                return Some(size);
            }
        }
    }

    /// Passes an object of strings; returns the size of its keys and values. A forbidden key is unusual.
    fn object(&mut self, is_forbidden: impl Fn(&[u8]) -> bool) -> Option<usize> {
        self.pass(b"{")?;
        if self.pass(b"}").is_some() {
            return Some(0);
        }
        let mut size = 0;
        loop {
            let key = self.string()?;
            let key = &key[1..key.len() - 1];
            if is_forbidden(key) {
                return None;
            }
            size += key.len() + self.pass(b":")?.measure()?;
            if !self.goes_on()? {
                return Some(size);
            }
        }
    }

    /// Passes a time to live in range.
    fn ttl(&mut self) -> Option<u64> {
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        // A number has no zero in front (RFC 8259 §6).
        if digits == 0 || digits > 7 || (digits > 1 && self.rest[0] == b'0') {
            return None;
        }
        let seconds =
            self.skip(digits)?.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        (seconds <= MAX_TTL).then_some(seconds)
    }
}

/// Returns where the first `"` or `&` is, looking at eight bytes at a time.
fn quote_or_reference(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // The two differ in this bit.
    const BIT: u64 = ONES * 4;
    const BOTH: u64 = ONES * (b'&' as u64);
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        // Zero where one of them is; the lowest bit of `found` is in the first such byte, those above it may be wrong.
        let differing = (u64::from_le_bytes(*word) | BIT) ^ BOTH;
        let found = differing.wrapping_sub(ONES) & !differing & (ONES << 7);
        if found != 0 {
            return Some(bytes.len() - rest.len() + found.trailing_zeros() as usize / 8);
        }
        rest = after;
    }
    let at = rest.iter().position(|b| b | 4 == b'&')?;
    Some(bytes.len() - rest.len() + at)
}

#[cfg(test)]
mod tests;
