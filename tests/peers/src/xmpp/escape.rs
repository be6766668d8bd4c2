//! Escapes and unescapes XML character data.
//!
//! Used for the JSON inside stanzas in both directions. Unescaping is strict: what XML 1.0 §2.2 and §4.1 do not allow is
//! an error, because a real server ends the stream on it.

use std::borrow::Cow;
use std::str::from_utf8;

use memchr::{memchr, memchr3, memmem};
use thiserror::Error;

/// Character data that XML does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextError {
    /// Bytes that are not UTF-8.
    #[error("the text is not UTF-8")]
    Encoding,
    /// A `<`, or the sequence `]]>`, that is not escaped.
    #[error("the text has unescaped markup")]
    Markup,
    /// An `&` that starts no predefined entity or character reference.
    #[error("the text has an unescaped ampersand or an unknown entity")]
    Entity,
    /// A character outside XML's `Char`, written plainly or as a reference.
    #[error("the text has a character that XML forbids")]
    Character,
}

/// Appends `text` with `&`, `<` and `>` escaped.
pub fn escape_into(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = memchr3(b'&', b'<', b'>', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            _ => b"&gt;",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends `text` escaped for an attribute value in double quotes.
pub fn escape_attribute_into(out: &mut Vec<u8>, text: &str) {
    for part in text.split_inclusive('"') {
        let (plain, quoted) = part.strip_suffix('"').map_or((part, false), |plain| (plain, true));
        escape_into(out, plain.as_bytes());
        if quoted {
            out.extend_from_slice(b"&quot;");
        }
    }
}

/// Returns the characters that escaped character data stands for, borrowed when nothing is escaped.
///
/// # Errors
/// [`TextError`] when the data is not well-formed.
pub fn unescape(data: &[u8]) -> Result<Cow<'_, str>, TextError> {
    if memchr(b'<', data).is_some() || (memchr(b'>', data).is_some() && memmem::find(data, b"]]>").is_some())
    {
        return Err(TextError::Markup);
    }
    let text = from_utf8(data).map_err(|_| TextError::Encoding)?;
    check_characters(text)?;
    let Some(first) = memchr(b'&', data) else {
        return Ok(Cow::Borrowed(text));
    };
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    let mut next = Some(first);
    while let Some(at) = next {
        plain.push_str(&rest[..at]);
        let end = at + memchr(b';', &rest.as_bytes()[at..]).ok_or(TextError::Entity)?;
        plain.push(entity(&rest[at + 1..end])?);
        rest = &rest[end + 1..];
        next = memchr(b'&', rest.as_bytes());
    }
    plain.push_str(rest);
    Ok(Cow::Owned(plain))
}

/// Finds forbidden characters with one look at the bytes and a second one only when a suspect is among them.
///
/// # Errors
/// [`TextError::Character`] when there is one.
pub fn check_characters(text: &str) -> Result<(), TextError> {
    let suspect = text.bytes().fold(false, |found, b| found | (b < 0x20) | (b == 0xEF));
    if suspect && text.chars().any(|c| !is_xml_char(c)) { Err(TextError::Character) } else { Ok(()) }
}

fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn entity(name: &str) -> Result<char, TextError> {
    match name {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => {}
    }
    let number = name.strip_prefix('#').ok_or(TextError::Entity)?;
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(TextError::Entity);
    }
    let code = u32::from_str_radix(digits, radix).map_err(|_| TextError::Entity)?;
    char::from_u32(code).filter(|c| is_xml_char(*c)).ok_or(TextError::Character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_become_their_characters() {
        assert_eq!(unescape(b"&lt;&amp;&quot;&apos;&gt;&#65;&#x1F600;").unwrap(), "<&\"'>A\u{1F600}");
        assert!(matches!(unescape(b"{\"a\":\">\"}").unwrap(), Cow::Borrowed(_)));
    }

    #[test]
    fn what_xml_forbids_is_an_error() {
        let cases: [(&[u8], TextError); 10] = [
            (b"a & b", TextError::Entity),
            (b"a &; b", TextError::Entity),
            (b"&nbsp;", TextError::Entity),
            (b"&#+1;", TextError::Entity),
            (b"a < b", TextError::Markup),
            (b"]]>", TextError::Markup),
            (b"\xFF", TextError::Encoding),
            (b"a\x01b", TextError::Character),
            (b"&#0;", TextError::Character),
            ("\u{FFFF}".as_bytes(), TextError::Character),
        ];
        for (text, error) in cases {
            assert_eq!(unescape(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn an_attribute_keeps_no_quote() {
        let mut out = Vec::new();
        escape_attribute_into(&mut out, "a\"b<\"");
        assert_eq!(out, b"a&quot;b&lt;&quot;");
    }

    proptest! {
        #[test]
        fn unescaping_undoes_escaping(text in "[ -~\\t\\né😀&<>\"]{0,80}") {
            let mut escaped = Vec::new();
            escape_into(&mut escaped, text.as_bytes());
            let plain = unescape(&escaped).unwrap().into_owned();
            prop_assert_eq!(plain, text);
        }

        #[test]
        fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = unescape(&bytes);
        }
    }
}
