//! Recognises the one shape in which nearly all answers come: `<message …><gcm xmlns="google:mobile:data">JSON</gcm></message>`.
//!
//! The framer asks it about every stanza; whatever is not exactly that shape is for the full parser. The rule: what is accepted here,
//! the full parser reads as the same text, and tests compare the two.

use memchr::{memchr, memchr2};

use crate::transport::json::lanes::{self, Lanes, is, is_below};

/// The namespace of the payload element.
pub const GCM_NS: &str = "google:mobile:data";

/// What the bytes at the start of a stanza are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan<'a> {
    /// A whole stanza of the plain shape.
    Plain {
        /// The text inside `gcm`, entities not yet replaced.
        text: &'a str,
        /// The length of the stanza in bytes.
        len: usize,
    },
    /// It may become one.
    Incomplete,
    /// It is something else, or wrong; the full parser decides.
    Unusual,
}

/// A step of the match: the next position, or the verdict on the whole.
type Step<T> = Result<T, Scan<'static>>;

const MESSAGE: &[u8] = b"<message";
const MESSAGE_END: &[u8] = b"></message>";
/// The heads and the payload tag that answers usually have, matched as a whole; what follows them is read attribute by attribute.
const SHORT_HEADS: [&[u8]; 2] = [b" id=\"\">", b">"];
const USUAL_OPEN: &[u8] = b"<gcm xmlns=\"google:mobile:data\">";
const ATTRIBUTES: [&[u8]; 5] = [b"id", b"to", b"from", b"type", b"xml:lang"];

/// Looks at the stanza that starts at the first byte.
pub fn scan(bytes: &[u8]) -> Scan<'_> {
    match scan_stanza(bytes) {
        Ok((text, len)) => Scan::Plain { text, len },
        Err(verdict) => verdict,
    }
}

fn scan_stanza(bytes: &[u8]) -> Step<(&str, usize)> {
    let at = expect(bytes, 0, MESSAGE)?;
    let at = match SHORT_HEADS.iter().find(|head| bytes[at..].starts_with(head)) {
        Some(head) => at + head.len(),
        None => skip_attributes(bytes, at)?,
    };
    let (name, start) = open_gcm(bytes, at)?;
    // `]]>` must not stand in text; any `>` goes to the parser that knows.
    let ends_text = |bytes| unprintable(bytes) | is(bytes, b'<') | is(bytes, b'>');
    let end = lanes::position(bytes, start, ends_text).ok_or(Scan::Incomplete)?;
    let at = expect(bytes, end, b"</")?;
    let at = expect(bytes, at, name)?;
    Ok((ascii(&bytes[start..end])?, expect(bytes, at, MESSAGE_END)?))
}

/// Passes over attributes that change nothing, up to and including the `>`.
fn skip_attributes(bytes: &[u8], mut at: usize) -> Step<usize> {
    let mut seen = [false; ATTRIBUTES.len()];
    loop {
        match bytes.get(at) {
            Some(b'>') => return Ok(at + 1),
            Some(b' ') => at += 1,
            Some(_) => return Err(Scan::Unusual),
            None => return Err(Scan::Incomplete),
        }
        let rest = &bytes[at..];
        if matches!(rest.first(), Some(b' ' | b'>')) {
            continue;
        }
        let name = name(rest, b'=')?;
        let which = ATTRIBUTES.iter().position(|known| *known == name).ok_or(Scan::Unusual)?;
        if std::mem::replace(&mut seen[which], true) {
            return Err(Scan::Unusual);
        }
        let (value, next) = quoted(bytes, at + name.len() + 1)?;
        // Only a stanza error has a type that matters.
        if name == b"type" && value == "error" {
            return Err(Scan::Unusual);
        }
        at = next;
    }
}

/// Passes over `<gcm xmlns="…">` or `<p:gcm xmlns:p="…">`; returns the element's full name too.
fn open_gcm(bytes: &[u8], at: usize) -> Step<(&[u8], usize)> {
    if bytes[at..].starts_with(USUAL_OPEN) {
        return Ok((b"gcm", at + USUAL_OPEN.len()));
    }
    let at = expect(bytes, at, b"<")?;
    let name = name(&bytes[at..], b' ')?;
    let at = expect(bytes, at + name.len(), b" xmlns")?;
    let at = match name.strip_suffix(b":gcm") {
        Some(prefix) if is_simple_prefix(prefix) => expect(bytes, expect(bytes, at, b":")?, prefix)?,
        None if name == b"gcm" => at,
        _ => return Err(Scan::Unusual),
    };
    let (value, at) = quoted(bytes, expect(bytes, at, b"=")?)?;
    if value != GCM_NS {
        return Err(Scan::Unusual);
    }
    Ok((name, expect(bytes, at, b">")?))
}

/// Reads a simple name that `end` must follow.
fn name(bytes: &[u8], end: u8) -> Step<&[u8]> {
    let len = bytes.iter().take_while(|byte| byte.is_ascii_lowercase() || **byte == b':').count();
    match bytes.get(len) {
        Some(byte) if *byte == end => Ok(&bytes[..len]),
        Some(_) => Err(Scan::Unusual),
        None => Err(Scan::Incomplete),
    }
}

fn is_simple_prefix(prefix: &[u8]) -> bool {
    !prefix.is_empty() && !prefix.starts_with(b"xml") && prefix.iter().all(u8::is_ascii_lowercase)
}

/// Reads a quoted value without references; returns it and the position after it.
fn quoted(bytes: &[u8], at: usize) -> Step<(&str, usize)> {
    let quote = match bytes.get(at) {
        Some(quote @ (b'"' | b'\'')) => *quote,
        Some(_) => return Err(Scan::Unusual),
        None => return Err(Scan::Incomplete),
    };
    let rest = &bytes[at + 1..];
    let len = memchr(quote, rest).ok_or(Scan::Incomplete)?;
    let value = printable(&rest[..len])?;
    if memchr2(b'<', b'&', value.as_bytes()).is_some() {
        return Err(Scan::Unusual);
    }
    Ok((value, at + len + 2))
}

fn expect(bytes: &[u8], at: usize, wanted: &[u8]) -> Step<usize> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.starts_with(wanted) {
        return Ok(at + wanted.len());
    }
    Err(if wanted.starts_with(rest) { Scan::Incomplete } else { Scan::Unusual })
}

/// Returns the text if it is printable ASCII: legal XML without a look at any table, and the same before and after normalisation.
fn printable(bytes: &[u8]) -> Step<&str> {
    if lanes::contains(bytes, unprintable) {
        return Err(Scan::Unusual);
    }
    ascii(bytes)
}

fn unprintable(bytes: Lanes) -> Lanes {
    is_below(bytes, b' ') | !is_below(bytes, b'~' + 1)
}

fn ascii(bytes: &[u8]) -> Step<&str> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| Scan::Unusual)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(stanza: &str) -> Option<&str> {
        match scan(stanza.as_bytes()) {
            Scan::Plain { text, len } => {
                assert_eq!(len, stanza.len());
                Some(text)
            }
            _ => None,
        }
    }

    #[test]
    fn the_documented_forms_are_plain() {
        for stanza in [
            r#"<message id=""><gcm xmlns="google:mobile:data">{"a":1}</gcm></message>"#,
            r#"<message><data:gcm xmlns:data="google:mobile:data">{"a":1}</data:gcm></message>"#,
            r#"<message to='a@b/c' from="x@y"  type='normal' xml:lang='en' ><gcm xmlns='google:mobile:data'>{"a":1}</gcm></message>"#,
        ] {
            assert_eq!(text(stanza), Some(r#"{"a":1}"#), "{stanza}");
        }
    }

    #[test]
    fn every_true_prefix_of_a_plain_stanza_is_incomplete() {
        let stanza = r#"<message id="x"><data:gcm xmlns:data="google:mobile:data">{"a":"&quot;"}</data:gcm></message>"#;
        for len in 0..stanza.len() {
            assert_eq!(scan(&stanza.as_bytes()[..len]), Scan::Incomplete, "{}", &stanza[..len]);
        }
        assert_eq!(text(stanza), Some(r#"{"a":"&quot;"}"#));
    }

    #[test]
    fn everything_else_is_for_the_full_parser() {
        for stanza in [
            "<iq type='get'/>",
            "<messages>",
            "<message/>",
            "<message type='error'><gcm xmlns='google:mobile:data'>{}</gcm></message>",
            "<message xmlns='jabber:server'><gcm xmlns='google:mobile:data'>{}</gcm></message>",
            "<message id='1' id='2'><gcm xmlns='google:mobile:data'>{}</gcm></message>",
            "<message id='1'to='2'><gcm xmlns='google:mobile:data'>{}</gcm></message>",
            "<message id='a&amp;'><gcm xmlns='google:mobile:data'>{}</gcm></message>",
            "<message><gcm xmlns='other'>{}</gcm></message>",
            "<message><gcm xmlns:gcm='google:mobile:data'>{}</gcm></message>",
            "<message><xmla:gcm xmlns:xmla='google:mobile:data'>{}</xmla:gcm></message>",
            "<message><a:gcm xmlns:b='google:mobile:data'>{}</a:gcm></message>",
            "<message><gcm xmlns='google:mobile:data'><![CDATA[{}]]></gcm></message>",
            "<message><gcm xmlns='google:mobile:data'>{}]]></gcm></message>",
            "<message><gcm xmlns='google:mobile:data'>\u{e9}</gcm></message>",
            "<message><gcm xmlns='google:mobile:data'>\u{1}</gcm></message>",
            "<message><gcm xmlns='google:mobile:data'>{}</gcm><x/></message>",
            "<message><gcm xmlns='google:mobile:data'>{}</gcm> </message>",
            "<message><body>hi</body></message>",
            "<message><body/></message>",
            "<message> <gcm xmlns='google:mobile:data'>{}</gcm></message>",
            "<message><gcm xmlns='google:mobile:data'>{}<!-- --></gcm></message>",
        ] {
            assert_eq!(scan(stanza.as_bytes()), Scan::Unusual, "{stanza}");
        }
    }
}
