//! JSON strings and numbers, written straight into a buffer, merge patches, and a [`Reader`].
//!
//! The request renderers of the transports write with it. Only [`merge`] allocates beyond the given buffer.

pub mod lanes;
mod read;

use lanes::{Lanes, is, is_below};
pub use read::{Reader, Seen};
use serde_json::{Map, Value};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` as a JSON string with its quotes.
pub fn json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    json_inner(out, text);
    out.push(b'"');
}

/// Appends `text` as the inside of a JSON string.
pub fn json_inner(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    // Nearly all strings need nothing.
    if !lanes::contains(bytes, escaped) {
        out.extend_from_slice(bytes);
        return;
    }
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => *byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..=0x1f => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        if short == 0 {
            out.extend_from_slice(&[
                b'\\',
                b'u',
                b'0',
                b'0',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
    }
    out.extend_from_slice(&bytes[from..]);
}

/// Marks what does not stand for itself in a string, or ends it.
#[inline]
fn escaped(lanes: Lanes) -> Lanes {
    is_below(lanes, b' ') | is(lanes, b'"') | is(lanes, b'\\')
}

/// Returns the inside of a string that has no escapes and whose opening quote stands before `text`.
pub fn inside(text: &str) -> Option<&str> {
    let end = lanes::position(text.as_bytes(), 0, escaped)?;
    (text.as_bytes()[end] == b'"').then(|| &text[..end])
}

/// Appends a number.
pub fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // The remainder of a division by ten is one digit.
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Applies a merge patch (RFC 7396): objects member by member, `null` removes, anything else replaces.
pub fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match (value, target.get_mut(&name)) {
            (Value::Null, _) => {
                target.remove(&name);
            }
            (Value::Object(patch), Some(Value::Object(inner))) => merge(inner, patch),
            (Value::Object(patch), _) => {
                let mut inner = Map::new();
                merge(&mut inner, patch);
                target.insert(name, Value::Object(inner));
            }
            (value, _) => {
                target.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_patch_is_merged_as_in_the_rfc_s_example() {
        let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let mut target = object(
            r#"{"title":"Goodbye!","author":{"givenName":"John","familyName":"Doe"},"tags":["example","sample"],"content":"This will be unchanged"}"#,
        );
        let patch = r#"{"title":"Hello!","phoneNumber":"+01-123-456-7890","author":{"familyName":null},"tags":["example"]}"#;
        merge(&mut target, object(patch));
        let merged = r#"{"title":"Hello!","author":{"givenName":"John"},"tags":["example"],"content":"This will be unchanged","phoneNumber":"+01-123-456-7890"}"#;
        assert_eq!(target, object(merged));
    }

    proptest! {
        #[test]
        fn any_string_survives(text: String) {
            let mut out = Vec::new();
            json_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn numbers_are_written_as_the_library_does(value: u64) {
            let mut out = Vec::new();
            number(&mut out, value);
            prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
