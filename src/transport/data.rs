//! The `data` object, checked and measured while it is copied: as strings to strings, or as it is.
//!
//! The renderers call it, and again for what `provider` fields made of it; each brings its own list of reserved keys.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::RenderError;
use super::json::{self, Reader};
use crate::outcome::Refusal;
use crate::push::RawJson;

/// The most bytes of keys and values of `data` and `notification` together that FCM takes to a device.
pub const DEVICE_LIMIT: usize = 4096;

/// The same, to a topic or condition.
pub const TOPIC_LIMIT: usize = 2048;

/// The most bytes of a whole message to FCM. Far above what its own limits leave room for, so it only stops what could never be sent; a window of
/// such pushes fits a session's buffer.
pub const MESSAGE_LIMIT: usize = 32 * 1024;

/// Refuses a key that the provider reserves.
pub type CheckKey = fn(&str) -> Result<(), RenderError>;

/// How many keys are remembered without an allocation.
const INLINE_KEYS: usize = 16;

/// Appends `raw` as an object of strings; returns `size` plus the bytes of its keys and values.
///
/// # Errors
/// It is no object, `check_key` refuses a key, one is repeated, or the size exceeds `limit`.
pub fn write(
    out: &mut Vec<u8>,
    raw: RawJson<'_>,
    size: usize,
    limit: usize,
    check_key: CheckKey,
) -> Result<usize, RenderError> {
    let form = Form { size, limit, check_key, as_is: false };
    copy(out, raw.get(), form)
}

/// Appends `raw` as it is; returns the bytes of its keys and values.
///
/// # Errors
/// It is no object, `check_key` refuses a key, one is repeated, or the size exceeds `limit`.
pub fn write_as_is(
    out: &mut Vec<u8>,
    raw: RawJson<'_>,
    limit: usize,
    check_key: CheckKey,
) -> Result<usize, RenderError> {
    copy(out, raw.get(), Form { size: 0, limit, check_key, as_is: true })
}

fn copy(out: &mut Vec<u8>, raw: &str, form: Form) -> Result<usize, RenderError> {
    let mut copier = Copier { out, size: form.size, form: &form, keys: Keys::default() };
    let mut refused = None;
    let read = Reader::new(raw).object(|input, key| {
        let value = input.value()?;
        refused = copier.member(key, value).err();
        refused.is_none().then_some(())
    });
    match (read, refused) {
        (_, Some(fault)) => Err(fault),
        (Some(()), None) => Ok(copier.end()),
        (None, None) => Err(invalid("data", "must be a JSON object")),
    }
}

/// Returns how many bytes a JSON value has as a string, without making it.
pub fn measure(raw: &str) -> usize {
    let Some(inner) = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) else { return raw.len() };
    let mut size = 0;
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (bytes, taken) = escape_size(&rest[at..]);
        size += at + bytes;
        rest = rest.get(at + taken..).unwrap_or_default();
    }
    size + rest.len()
}

/// Returns how many bytes of UTF-8 the escape at the start stands for, and its own length.
fn escape_size(text: &str) -> (usize, usize) {
    let unit = |at: usize| text.get(at..at + 4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    if !text.starts_with("\\u") {
        return (1, 2);
    }
    match unit(2) {
        Some(0..0x80) => (1, 6),
        Some(0x80..0x800) => (2, 6),
        // A pair of surrogates; a lone one was refused when the body was parsed, or is refused by the provider.
        Some(0xd800..0xdc00) if text.get(6..8) == Some("\\u") => (4, 12),
        _ => (3, 6),
    }
}

/// Copies an object while it is parsed.
struct Copier<'o> {
    out: &'o mut Vec<u8>,
    /// The bytes of keys and values so far.
    size: usize,
    form: &'o Form,
    keys: Keys,
}

/// How an object is copied.
struct Form {
    /// The bytes of keys and values before it.
    size: usize,
    limit: usize,
    check_key: CheckKey,
    /// Whether values stay as they are, and do not become strings.
    as_is: bool,
}

/// The keys so far: where in the output the first are.
#[derive(Default)]
struct Keys {
    inline: [(usize, usize); INLINE_KEYS],
    count: usize,
    /// The others, as they are: thousands of them must not be compared with each other.
    more: Option<HashSet<Box<[u8]>>>,
}

// === impl Copier ===

impl Copier<'_> {
    fn member(&mut self, key: &str, value: &str) -> Result<(), RenderError> {
        self.write_key(key)?;
        self.write_value(value)
    }

    /// Ends the object; returns the bytes of its keys and values.
    fn end(self) -> usize {
        self.out.extend_from_slice(if self.keys.count == 0 { b"{}" } else { b"}" });
        self.size
    }

    fn write_key(&mut self, key: &str) -> Result<(), RenderError> {
        (self.form.check_key)(key)?;
        self.out.push(if self.keys.count == 0 { b'{' } else { b',' });
        let start = self.out.len();
        json::json_string(self.out, key);
        if !self.keys.insert(self.out, (start, self.out.len())) {
            return Err(invalid("data", format!("has the key {key:?} twice")));
        }
        self.out.push(b':');
        self.size += key.len();
        Ok(())
    }

    fn write_value(&mut self, raw: &str) -> Result<(), RenderError> {
        match raw.strip_prefix('"') {
            // Few strings have an escape at all.
            Some(rest) if memchr::memchr(b'\\', rest.as_bytes()).is_none() => {
                self.out.extend_from_slice(raw.as_bytes());
                self.size += rest.len() - 1;
            }
            is_text => {
                if self.form.as_is || is_text.is_some() {
                    check_surrogates(raw)?;
                    self.out.extend_from_slice(raw.as_bytes());
                } else {
                    json::json_string(self.out, raw);
                }
                self.size += measure(raw);
            }
        }
        // Checked at each member, so that a huge object costs no more than a large one.
        check_size(self.size, self.form.limit)
    }
}

// === impl Keys ===

impl Keys {
    /// Notes a key; returns whether it is new. Equal keys are equal bytes, because they were all written by the same rules.
    fn insert(&mut self, out: &[u8], key: (usize, usize)) -> bool {
        let text = &out[key.0..key.1];
        if self.inline[..self.count].iter().any(|(start, end)| &out[*start..*end] == text) {
            return false;
        }
        let Some(slot) = self.inline.get_mut(self.count) else {
            return self.more.get_or_insert_default().insert(text.into());
        };
        *slot = key;
        self.count += 1;
        true
    }
}

/// Refuses a string that spells half a character, which is JSON by its grammar and text to nobody.
fn check_surrogates(raw: &str) -> Result<(), RenderError> {
    let Some(first) = memchr::memchr(b'\\', raw.as_bytes()) else { return Ok(()) };
    let escapes = &raw.as_bytes()[first..];
    let is_suspicious = [b"\\ud", b"\\uD"].iter().any(|half| memchr::memmem::find(escapes, *half).is_some());
    if is_suspicious && serde_json::from_str::<Value>(raw).is_err() {
        return Err(invalid("data", "has a string with half a surrogate pair"));
    }
    Ok(())
}

/// Checks the bytes of keys and values so far.
///
/// # Errors
/// They exceed `limit`.
pub fn check_size(size: usize, limit: usize) -> Result<(), RenderError> {
    if size <= limit {
        return Ok(());
    }
    let message = format!(
        "data and notification have at least {size} bytes of keys and values, over the limit of {limit}"
    );
    Err(RenderError { refusal: Refusal::RefusedTooLarge, field: "data", message })
}

/// Checks the bytes of a whole message.
///
/// # Errors
/// They exceed [`MESSAGE_LIMIT`].
pub fn check_message(size: usize) -> Result<(), RenderError> {
    if size <= MESSAGE_LIMIT {
        return Ok(());
    }
    let message = format!("the whole message has {size} bytes, over the limit of {MESSAGE_LIMIT}");
    Err(RenderError { refusal: Refusal::RefusedTooLarge, field: "push", message })
}

/// Checks a topic's name.
///
/// # Errors
/// It has other characters than FCM takes.
pub fn check_topic(name: &str) -> Result<(), RenderError> {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)) {
        return Ok(());
    }
    Err(invalid("to.topic", "may only have letters, digits and -_.~% (hint: give the name without /topics/)"))
}

/// Returns the members of a `provider` object.
///
/// # Errors
/// It is none.
pub fn patch(raw: RawJson<'_>) -> Result<Map<String, Value>, RenderError> {
    serde_json::from_str(raw.get()).map_err(|_| invalid("provider", "must be a JSON object"))
}

/// Returns the bytes of keys and values of a notification, if there is one.
///
/// # Errors
/// It is no object.
pub fn shown_size(notification: Option<&Value>) -> Result<usize, RenderError> {
    match notification {
        None => Ok(0),
        Some(Value::Object(fields)) => {
            Ok(fields.iter().map(|(name, value)| name.len() + measure(&value.to_string())).sum())
        }
        Some(_) => Err(invalid("provider.notification", "must be a JSON object")),
    }
}

/// Returns the error for a field with a value that is not allowed.
pub fn invalid(field: &'static str, message: impl Into<String>) -> RenderError {
    RenderError { refusal: Refusal::RefusedInvalid, field, message: message.into() }
}
