//! A push request as a Web Push message: what is kept of it in the queue, and the request that is sent (RFC 8030).
//!
//! The connector renders with [`render`] once per push, at ingest; the session writes with [`write()`] at send time, which encrypts: what never
//! gets sent costs no encryption, and each attempt has fresh keys. What the provider would refuse is refused here.
//!
//! A payload is one byte for the urgency, the endpoint and the topic behind their lengths, both keys, and the message.

mod message;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Uri};
use sha2::{Digest, Sha256};

use super::encrypt::{self, AUTH, EncryptError, Keys, MAX_PLAINTEXT, PUBLIC_KEY};
use super::origin::{Hosts, Origin};
use crate::outcome::Refusal;
use crate::push::{Addressee, Lane, PushRequest, Target};
use crate::transport::RenderError;
use crate::transport::data::invalid;

const TTL: HeaderName = HeaderName::from_static("ttl");
const URGENCY: HeaderName = HeaderName::from_static("urgency");
const TOPIC: HeaderName = HeaderName::from_static("topic");
const WNS_CACHE: HeaderName = HeaderName::from_static("x-wns-cache-policy");

/// The longest `Topic` (RFC 8030 section 5.4).
const MAX_TOPIC: usize = 32;
/// The longest time to live, in seconds: what Chrome's service takes; the others take more (`reference/apns_webpush.md` 2.4).
const MAX_TTL: u64 = 2_419_200;
/// Microsoft's push services; their errors and one header are their own.
const WNS: &str = ".notify.windows.com";

/// A payload, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts<'p> {
    urgency: &'p str,
    endpoint: &'p str,
    topic: &'p str,
    keys: Keys,
    message: &'p [u8],
}

/// Appends the payload of a push to `payload`; on an error `payload` is as before.
///
/// The message is JSON: `{"notification":{…},"data":{…}}`, each if given, with `provider` merged last (RFC 7396). A push with neither has no
/// message at all. Lanes `critical` and `high` are the urgency `high`, the others have their names.
///
/// # Errors
/// [`RenderError`] naming the field that the provider would refuse.
pub fn render(request: &PushRequest<'_>, hosts: &Hosts, payload: &mut Vec<u8>) -> Result<(), RenderError> {
    let Target::WebPush { endpoint, p256dh, auth } = &request.to else {
        return Err(invalid("to", "must be endpoint, p256dh and auth (hint: the route is over Web Push)"));
    };
    hosts.admit(endpoint).map_err(|error| invalid("to.endpoint", format!("{error}")))?;
    let keys = Keys::parse(p256dh, auth).map_err(|error| {
        let field = match error {
            encrypt::KeysError::Public => "to.p256dh",
            encrypt::KeysError::Auth => "to.auth",
        };
        invalid(field, error.to_string())
    })?;
    let length =
        u16::try_from(endpoint.len()).map_err(|_| invalid("to.endpoint", "must be at most 65535 bytes"))?;
    let start = payload.len();
    payload.push(urgency_code(request.priority));
    payload.extend_from_slice(&length.to_be_bytes());
    payload.extend_from_slice(endpoint.as_bytes());
    topic(request.collapse_key.as_deref(), payload);
    payload.extend_from_slice(&keys.public);
    payload.extend_from_slice(&keys.auth);
    let body = payload.len();
    let result = message::write(request, payload).and_then(|()| check_size(payload.len() - body));
    if result.is_err() {
        payload.truncate(start);
    }
    result
}

/// Returns whom a payload is for; `None` if [`render`] did not write it.
pub fn addressee(payload: &[u8]) -> Option<Addressee> {
    Parts::read(payload).map(|parts| Addressee::Endpoint(parts.endpoint.into()))
}

/// Returns the push service that a payload goes to; `None` if [`render`] did not write it.
pub fn origin(payload: &[u8]) -> Option<Origin> {
    Origin::of(&Parts::read(payload)?.endpoint.parse().ok()?).ok()
}

/// Returns the request for a payload, but for its credential, with this time left to live; `pad_to` is what the message's length is made a
/// multiple of, 0 for nothing.
///
/// # Errors
/// [`EncryptError`] if the library fails.
///
/// # Panics
/// If [`render`] did not write the payload.
pub fn write(
    payload: &[u8],
    time_left: Duration,
    pad_to: usize,
) -> Result<(Request<()>, Bytes), EncryptError> {
    let parts = Parts::read(payload).expect("payloads of this route are rendered here");
    let uri: Uri = parts.endpoint.parse().expect("the door admits addresses that can be parsed");
    let is_wns = uri.host().is_some_and(|host| host.to_ascii_lowercase().ends_with(WNS));
    let mut head = Request::post(uri).body(()).expect("an address that was parsed makes a request");
    let headers = head.headers_mut();
    // A fraction of a second left counts as a whole one, because 0 means "now or never".
    let seconds = time_left.as_secs().saturating_add(u64::from(time_left.subsec_nanos() > 0)).min(MAX_TTL);
    headers.insert(TTL, HeaderValue::from(seconds));
    if is_wns {
        headers.insert(WNS_CACHE, HeaderValue::from_static(if seconds == 0 { "no-cache" } else { "cache" }));
    }
    let text = |text: &str| HeaderValue::from_str(text).expect("words of visible ASCII make a header");
    headers.insert(URGENCY, text(parts.urgency));
    if !parts.topic.is_empty() {
        headers.insert(TOPIC, text(parts.topic));
    }
    if parts.message.is_empty() {
        return Ok((head, Bytes::new()));
    }
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let padding = encrypt::padding(parts.message.len(), pad_to);
    Ok((head, encrypt::encrypt(parts.message, &parts.keys, padding)?))
}

/// Writes the topic behind its length: the collapse key if it is one already, else its digest.
fn topic(key: Option<&str>, out: &mut Vec<u8>) {
    let is_topic = |key: &str| {
        key.len() <= MAX_TOPIC
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    match key {
        None | Some("") => out.push(0),
        Some(key) if is_topic(key) => push_topic(key.as_bytes(), out),
        Some(key) => {
            let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(key.as_bytes()));
            push_topic(&digest.as_bytes()[..MAX_TOPIC], out);
        }
    }
}

fn push_topic(topic: &[u8], out: &mut Vec<u8>) {
    out.push(u8::try_from(topic.len()).unwrap_or_default());
    out.extend_from_slice(topic);
}

const URGENCIES: [&str; 3] = ["low", "normal", "high"];

const fn urgency_code(lane: Lane) -> u8 {
    match lane {
        Lane::Critical | Lane::High => 2,
        Lane::Normal => 1,
        Lane::Low => 0,
    }
}

fn check_size(size: usize) -> Result<(), RenderError> {
    if size <= MAX_PLAINTEXT {
        return Ok(());
    }
    let message =
        format!("the message has {size} bytes of JSON, over the limit of {MAX_PLAINTEXT} (hint: less data)");
    Err(RenderError { refusal: Refusal::RefusedTooLarge, field: "data", message })
}

// === impl Parts ===

impl<'p> Parts<'p> {
    fn read(payload: &'p [u8]) -> Option<Self> {
        let (code, rest) = payload.split_first()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (endpoint, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let (length, rest) = rest.split_first()?;
        let (topic, rest) = rest.split_at_checked((*length).into())?;
        let (public, rest) = rest.split_first_chunk::<PUBLIC_KEY>()?;
        let (auth, message) = rest.split_first_chunk::<AUTH>()?;
        Some(Self {
            urgency: URGENCIES.get(usize::from(*code))?,
            endpoint: std::str::from_utf8(endpoint).ok()?,
            topic: std::str::from_utf8(topic).ok()?,
            keys: Keys { public: *public, auth: *auth },
            message,
        })
    }
}

#[cfg(test)]
mod tests;
