//! XML text, written and read in place, and the JSON that goes into it.
//!
//! The request renderer and the stanza encoder write with it, the framer reads with it. Nothing here allocates beyond the given buffer.

use memchr::{memchr, memchr_iter, memchr3_iter, memrchr_iter, memrchr3};

use crate::transport::json::lanes::{self, is};
pub use crate::transport::json::{json_inner, json_string, number};

/// Makes the JSON from `start` on fit for XML text, in place.
///
/// `&`, `<` and `>` become references. U+FFFE and U+FFFF, which XML 1.0 forbids and JSON allows, become JSON escapes; they can only
/// stand inside JSON strings.
pub fn escape_json(out: &mut Vec<u8>, start: usize) {
    let growth = growth(&out[start..]);
    let mut read = out.len();
    let mut write = read + growth;
    out.resize(write, 0);
    // Backwards, so that each stretch between two references is moved once.
    while read < write {
        let Some((at, taken, text)) = last_to_escape(&out[start..read]) else { break };
        let plain = start + at + taken;
        out.copy_within(plain..read, write - (read - plain));
        write -= read - plain + text.len();
        out[write..write + text.len()].copy_from_slice(text);
        read = start + at;
    }
}

/// Returns by how many bytes [`escape_json`] lengthens this.
fn growth(bytes: &[u8]) -> usize {
    // Most payloads need nothing.
    if !lanes::contains(bytes, |bytes| is(bytes, b'&') | is(bytes, b'<') | is(bytes, b'>') | is(bytes, 0xef))
    {
        return 0;
    }
    let references: usize =
        memchr3_iter(b'&', b'<', b'>', bytes).map(|at| if bytes[at] == b'&' { 4 } else { 3 }).sum();
    let noncharacters = memchr_iter(0xef, bytes).filter(|at| is_noncharacter(&bytes[*at..])).count();
    references + 3 * noncharacters
}

/// Returns where the last thing to escape is, its length, and what takes its place.
fn last_to_escape(bytes: &[u8]) -> Option<(usize, usize, &'static [u8])> {
    let reference = memrchr3(b'&', b'<', b'>', bytes);
    let behind = reference.map_or(0, |at| at + 1);
    let mut noncharacters = memrchr_iter(0xef, &bytes[behind..]).map(|at| behind + at);
    if let Some(at) = noncharacters.find(|at| is_noncharacter(&bytes[*at..])) {
        return Some((at, 3, if bytes[at + 2] == 0xbe { b"\\ufffe" } else { b"\\uffff" }));
    }
    let at = reference?;
    let text: &[u8] = match bytes[at] {
        b'&' => b"&amp;",
        b'<' => b"&lt;",
        _ => b"&gt;",
    };
    Some((at, 1, text))
}

fn is_noncharacter(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xef, 0xbf, 0xbe]) || bytes.starts_with(&[0xef, 0xbf, 0xbf])
}

/// Appends XML text to `out` with the five predefined references replaced.
///
/// Returns false, with `out` in any state, when there is another reference: the full parser knows those.
pub fn unescape(out: &mut String, mut text: &str) -> bool {
    const REFERENCES: [(&str, char); 5] =
        [("&quot;", '"'), ("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&apos;", '\'')];
    while let Some(at) = memchr(b'&', text.as_bytes()) {
        out.push_str(&text[..at]);
        let found = REFERENCES
            .iter()
            .find_map(|(name, plain)| text[at..].strip_prefix(name).map(|rest| (plain, rest)));
        let Some((plain, rest)) = found else { return false };
        out.push(*plain);
        text = rest;
    }
    out.push_str(text);
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = b"&kept".to_vec();
        out.extend_from_slice(text.as_bytes());
        escape_json(&mut out, 5);
        String::from_utf8(out).unwrap().strip_prefix("&kept").unwrap().to_owned()
    }

    #[test]
    fn only_what_xml_forbids_is_escaped() {
        assert_eq!(escaped("a<b>&c\"'"), "a&lt;b&gt;&amp;c\"'");
        assert_eq!(escaped("\u{fffe}x\u{ffff}<"), "\\ufffex\\uffff&lt;");
        assert_eq!(escaped("\u{fffd}\u{ff01}\u{7f}"), "\u{fffd}\u{ff01}\u{7f}");
        assert_eq!(escaped(""), "");
    }

    #[test]
    fn unknown_references_are_left_to_the_parser() {
        let mut out = String::new();
        assert!(unescape(&mut out, "&quot;&amp;lt;&apos;"));
        assert_eq!(out, "\"&lt;'");
        for text in ["&#34;", "&", "&quot", "&nbsp;"] {
            assert!(!unescape(&mut String::new(), text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_string_survives_json_and_xml(text: String) {
            let mut out = Vec::new();
            json_string(&mut out, &text);
            escape_json(&mut out, 0);
            let xml = String::from_utf8(out).unwrap();
            let element: minidom::Element = format!("<a xmlns='x'>{xml}</a>").parse().unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&element.text()).unwrap(), text);
        }
    }
}
