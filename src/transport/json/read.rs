//! Reads JSON in one pass and borrows it, as fast as what comes by the hundred thousand a second needs.
//!
//! Ingest reads pushes with it, the renderers `data`, the XMPP dialog answers. It takes what `serde_json` takes and finds the same in it
//! (property tests compare them), has strings with escapes decoded by it, and never says what is wrong: who has to say asks `serde_json`.

use std::borrow::Cow;
use std::str::FromStr;

use super::lanes;

/// Deepest nesting, that of `serde_json`: what skips a value is recursive.
const DEPTH: u8 = 127;

/// A place in a JSON text. After a `None` it is anywhere, and the text is not what was asked for, or not JSON at all.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// Which members of an object have been there, by numbers below 32 of the caller's own: an object with one of them twice is refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen(u32);

/// The inside of a string, as it is written.
struct Inside<'a> {
    raw: &'a str,
    has_escapes: bool,
}

#[cold]
fn decode(inside: &str) -> Option<String> {
    serde_json::from_str(&format!("\"{inside}\"")).ok()
}

// === impl Seen ===

impl Seen {
    /// Returns whether a member has been there.
    pub const fn has(self, number: u32) -> bool {
        self.0 & (1 << number) != 0
    }

    /// Notes a member; `None` if it was there before.
    #[inline]
    pub fn first(&mut self, number: u32) -> Option<()> {
        let bit = 1_u32.checked_shl(number)?;
        (self.0 & bit == 0).then(|| self.0 |= bit)
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// Begins at the start of a text.
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns whether nothing but white space is left.
    pub fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Reads an object; `member` gets each name, unescaped, and must read its value.
    #[inline]
    pub fn object(&mut self, mut member: impl FnMut(&mut Self, &str) -> Option<()>) -> Option<()> {
        self.items(b'{', b'}', |input| {
            let name = input.text()?;
            input.pass(b':')?;
            member(input, &name)
        })
    }

    /// Reads a list; `item` must read each value.
    pub fn list(&mut self, item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.items(b'[', b']', item)
    }

    /// Reads a string; it is borrowed unless it has escapes.
    #[inline]
    pub fn text(&mut self) -> Option<Cow<'a, str>> {
        let inside = self.string()?;
        if inside.has_escapes {
            return decode(inside.raw).map(Cow::Owned);
        }
        Some(Cow::Borrowed(inside.raw))
    }

    /// Reads a string if there is one; passes over any other value.
    pub fn text_or_skip(&mut self) -> Option<Option<Cow<'a, str>>> {
        match self.peek()? {
            b'"' => self.text().map(Some),
            _ => self.skip(DEPTH).map(|()| None),
        }
    }

    /// Reads any value and returns it as it is written.
    pub fn value(&mut self) -> Option<&'a str> {
        let start = self.start()?;
        self.skip(DEPTH)?;
        Some(&self.text[start..self.at])
    }

    /// Reads a number of this type.
    pub fn number<T: FromStr>(&mut self) -> Option<T> {
        let start = self.start()?;
        self.skip_number()?;
        self.text[start..self.at].parse().ok()
    }

    /// Reads `true` or `false`.
    pub fn flag(&mut self) -> Option<bool> {
        let is_true = self.peek()? == b't';
        self.literal(if is_true { "true" } else { "false" }).map(|()| is_true)
    }

    /// Reads `null`, or else what `read` does.
    #[inline]
    pub fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.peek()? == b'n' { self.literal("null").map(|()| None) } else { read(self).map(Some) }
    }

    /// Returns where the next value starts.
    fn start(&mut self) -> Option<usize> {
        self.peek().map(|_| self.at)
    }

    /// Passes over white space; returns the byte behind it.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        match *self.text.as_bytes().get(self.at)? {
            byte if byte > b' ' => Some(byte),
            _ => self.peek_behind_space(),
        }
    }

    /// Apart, as many senders write none.
    #[inline(never)]
    fn peek_behind_space(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let space = rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
        self.at += space.unwrap_or(rest.len());
        rest.get(space?).copied()
    }

    #[inline]
    fn pass(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn literal(&mut self, word: &str) -> Option<()> {
        self.text.as_bytes()[self.at..].starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    #[inline]
    fn items(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.pass(open)?;
        if self.pass(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                byte => {
                    self.at += 1;
                    return (byte == close).then_some(());
                }
            }
        }
    }

    #[inline]
    fn string(&mut self) -> Option<Inside<'a>> {
        self.pass(b'"')?;
        let start = self.at;
        self.at = lanes::position(self.text.as_bytes(), start, super::escaped)?;
        if self.text.as_bytes()[self.at] != b'"' {
            return self.string_with_escapes(start);
        }
        self.at += 1;
        Some(Inside { raw: &self.text[start..self.at - 1], has_escapes: false })
    }

    /// Goes on with a string at its first escape, or at what must not be in it.
    #[cold]
    fn string_with_escapes(&mut self, start: usize) -> Option<Inside<'a>> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes[self.at] {
                b'"' => break,
                b'\\' => self.escape()?,
                _ => return None,
            }
            self.at = lanes::position(bytes, self.at, super::escaped)?;
        }
        self.at += 1;
        Some(Inside { raw: &self.text[start..self.at - 1], has_escapes: true })
    }

    /// Passes over an escape. Whether surrogates come in pairs is seen when the string is decoded.
    fn escape(&mut self) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at + 1..];
        let len = match rest.first()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' if rest.get(1..5)?.iter().all(u8::is_ascii_hexdigit) => 6,
            _ => return None,
        };
        self.at += len;
        Some(())
    }

    fn skip(&mut self, depth: u8) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => {
                let depth = depth.checked_sub(1)?;
                self.items(b'{', b'}', |input| {
                    input.string()?;
                    input.pass(b':')?;
                    input.skip(depth)
                })
            }
            b'[' => {
                let depth = depth.checked_sub(1)?;
                self.items(b'[', b']', |input| input.skip(depth))
            }
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.skip_number(),
        }
    }

    /// Passes over a number (RFC 8259 section 6).
    fn skip_number(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        self.at += usize::from(bytes.get(self.at) == Some(&b'-'));
        if bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Some(())
    }

    /// Passes over one digit or more.
    fn digits(&mut self) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }
}

#[cfg(test)]
mod tests;
