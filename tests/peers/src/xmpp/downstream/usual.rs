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
use crate::xmpp::payload::{DEVICE_LIMIT, TOPIC_LIMIT, is_reserved};

/// Returns the push that the text asks for if it is a usual one.
#[must_use]
pub fn read(text: &[u8]) -> Option<Push<'_>> {
    let text = from_utf8(text).ok()?;
    if is_odd(text.as_bytes()) {
        return None;
    }
    let mut cursor = Cursor { text, at: 0 };
    let mut members = Members::default();
    cursor.expect(b'{')?;
    loop {
        let key = cursor.key()?;
        members.take(key, &mut cursor)?;
        if !cursor.goes_on()? {
            break;
        }
    }
    if cursor.at == text.len() { members.push() } else { None }
}

/// Returns whether bytes are among these that end a string otherwise than by its quote, or that XML may forbid: controls, escapes, markup, and
/// the first byte of U+FFFE and U+FFFF.
fn is_odd(bytes: &[u8]) -> bool {
    // `<` and `>` differ in one bit. One look at all of it, so that the compiler can take many bytes at once.
    bytes.iter().fold(false, |odd, b| odd | (*b < 0x20) | (*b == b'\\') | (*b | 2 == b'>') | (*b == 0xEF))
}

/// The members seen so far; strings with their quotes.
#[derive(Default)]
struct Members<'a> {
    id: Option<&'a str>,
    to: Option<&'a str>,
    ttl: Option<u64>,
    priority: Option<&'a str>,
    collapse_key: Option<usize>,
    data: Option<usize>,
    notification: Option<usize>,
}

impl<'a> Members<'a> {
    fn take(&mut self, key: &str, cursor: &mut Cursor<'a>) -> Option<()> {
        match key {
            "message_id" => once(&mut self.id, cursor.string()?),
            "to" => once(&mut self.to, cursor.string()?),
            "time_to_live" => once(&mut self.ttl, cursor.ttl()?),
            "priority" => once(&mut self.priority, cursor.string()?),
            "collapse_key" => once(&mut self.collapse_key, cursor.measure()?),
            "data" => once(&mut self.data, cursor.object(is_reserved)?),
            "notification" => once(&mut self.notification, cursor.object(|_| false)?),
            _ => None,
        }
    }

    fn push(self) -> Option<Push<'a>> {
        let (id_json, target_json) = (self.id?, self.to?);
        let (id, target) = (inner(id_json), inner(target_json));
        let limit = if target.starts_with("/topics/") { TOPIC_LIMIT } else { DEVICE_LIMIT };
        let size = self.data.unwrap_or_default() + self.notification.unwrap_or_default();
        let fits = !id.is_empty() && !target.is_empty() && size <= limit;
        let known = matches!(self.priority, None | Some("\"normal\"" | "\"high\""));
        (fits && known).then_some(Push {
            id: Cow::Borrowed(id),
            id_json,
            target: Cow::Borrowed(target),
            target_json,
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

/// A place in the text; every step is nothing when something unusual stands there.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn expect(&mut self, byte: u8) -> Option<()> {
        if self.next()? == byte { Some(()) } else { None }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at)?;
        self.at += 1;
        Some(*byte)
    }

    /// Passes a comma or the end of an object; returns whether it was a comma.
    fn goes_on(&mut self) -> Option<bool> {
        match self.next()? {
            b',' => Some(true),
            b'}' => Some(false),
            _ => None,
        }
    }

    /// Passes a key and its colon; returns the key.
    fn key(&mut self) -> Option<&'a str> {
        let key = self.string()?;
        self.expect(b':')?;
        Some(inner(key))
    }

    /// Passes a string without references; returns it with its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.expect(b'"')?;
        self.at += quote_or_reference(self.text.as_bytes().get(self.at..)?)?;
        self.expect(b'"')?;
        self.text.get(start..self.at)
    }

    /// Passes a string; returns how many bytes the characters it stands for have.
    fn measure(&mut self) -> Option<usize> {
        self.expect(b'"')?;
        let start = self.at;
        let mut beyond = 0;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let stop = quote_or_reference(rest)?;
            self.at += stop + 1;
            if rest[stop] == b'"' {
                return Some(self.at - 1 - start - beyond);
            }
            let tail =
                [&b"amp;"[..], b"lt;", b"gt;"].into_iter().find(|tail| rest[stop + 1..].starts_with(tail))?;
            self.at += tail.len();
            beyond += tail.len();
        }
    }

    /// Passes an object of strings; returns the size of its keys and values. A forbidden key is unusual.
    fn object(&mut self, is_forbidden: impl Fn(&str) -> bool) -> Option<usize> {
        self.expect(b'{')?;
        if self.text.as_bytes().get(self.at) == Some(&b'}') {
            self.at += 1;
            return Some(0);
        }
        let mut size = 0;
        loop {
            let key = self.key()?;
            if is_forbidden(key) {
                return None;
            }
            size += key.len() + self.measure()?;
            if !self.goes_on()? {
                return Some(size);
            }
        }
    }

    /// Passes a time to live in range.
    fn ttl(&mut self) -> Option<u64> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        // A number has no zero in front (RFC 8259 §6).
        if digits > 1 && rest[0] == b'0' {
            return None;
        }
        let seconds = self.text.get(self.at..self.at + digits)?.parse().ok()?;
        self.at += digits;
        (seconds <= MAX_TTL).then_some(seconds)
    }
}

/// Returns where the first `"` or `&` is, looking at eight bytes at a time.
fn quote_or_reference(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // The two differ in this bit.
    const BIT: u64 = ONES * 4;
    const BOTH: u64 = ONES * (b'&' as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        // Zero where one of them is; the lowest bit of `found` is in the first such byte, those above it may be wrong.
        let differing = (u64::from_le_bytes(*word) | BIT) ^ BOTH;
        let found = differing.wrapping_sub(ONES) & !differing & (ONES << 7);
        if found != 0 {
            return Some(number * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|b| b | 4 == b'&')?;
    Some(words.len() * 8 + at)
}

#[cfg(test)]
mod tests;
