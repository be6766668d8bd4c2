//! A push request as Apple's headers and payload (`reference/apns_webpush.md` 1.3).
//!
//! The connector renders with [`render`] once per push, at ingest; the session writes the request from the envelope and the payload behind it. What the provider would refuse is refused here. Without `provider` fields little is allocated but the payload itself.

pub mod broadcast;
mod provider;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::envelope::{Address, Envelope};
use super::kind::PushType;
use crate::outcome::Refusal;
use crate::push::{Addressee, Notification, PushRequest, Target};
use crate::transport::data::{self, invalid};
use crate::transport::{RenderError, json};

/// The longest `apns-collapse-id`, in bytes.
const COLLAPSE_LIMIT: usize = 64;

/// The longest device token, in digits: far above any that is known, since Apple wants no length to be assumed.
const TOKEN_LIMIT: usize = 2048;

/// The most bytes of `data`, so that no huge object is copied only to be refused; the payload's own limit is smaller.
const DATA_LIMIT: usize = 8 * 1024;

/// What a route sends unless a push says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// The app's bundle id.
    pub topic: String,
    /// The type; without one, what shows something is an alert and all else in the background.
    pub kind: Option<PushType>,
}

/// What stands in the headers of a push.
pub struct Headers {
    kind: PushType,
    priority: u8,
    topic: String,
    collapse: String,
}

/// Appends the envelope and the payload, such as `{"aps":{"alert":{"title":"…"}},"room":17}`; on an error `payload` is as before.
///
/// Lanes `critical` and `high` have priority 10, `normal` 5 and `low` 1, as far as the type allows. Members of `data` stand beside `aps` as they
/// are; a picture is `image` beside it, with `mutable-content` for the app's extension. `provider` is merged last into the payload (RFC 7396),
/// but for its `headers`, which are the request's.
///
/// # Errors
/// [`RenderError`] naming the field that the provider would refuse.
pub fn render(
    request: &PushRequest<'_>,
    defaults: &Defaults,
    payload: &mut Vec<u8>,
) -> Result<(), RenderError> {
    let start = payload.len();
    let result = write(request, defaults, payload);
    if result.is_err() {
        payload.truncate(start);
    }
    result
}

/// Returns whom a rendered push is for; `None` if it is none.
pub fn addressee(payload: &[u8]) -> Option<Addressee> {
    Envelope::read(payload).map(|(envelope, _)| match envelope.to {
        Address::Device(token) => Addressee::Token(token.into()),
        Address::Channel { id, .. } => Addressee::Channel(id.into()),
    })
}

fn write(request: &PushRequest<'_>, defaults: &Defaults, out: &mut Vec<u8>) -> Result<(), RenderError> {
    let to = address(&request.to)?;
    if matches!(to, Address::Channel { .. }) {
        return write_broadcast(request, defaults, to, out);
    }
    let Some(raw) = request.provider else {
        let kind = defaults.kind.unwrap_or_else(|| implied(request.notification.is_some()));
        let headers = Headers::of(request, kind, &defaults.topic);
        let start = headers.write(to, out);
        write_payload(request, kind, out)?;
        return check_size(out.len() - start, kind.limit(), kind);
    };
    let raw = provider::read(raw)?;
    let kind = match raw.kind.or(defaults.kind) {
        Some(kind) => kind,
        None => implied(request.notification.is_some() || raw.shows_something()),
    };
    let mut headers = Headers::of(request, kind, &defaults.topic);
    raw.override_headers(&mut headers, kind.priorities())?;
    let start = headers.write(to, out);
    write_payload(request, kind, out)?;
    raw.merge(kind, out, start)?;
    check_size(out.len() - start, kind.limit(), kind)
}

fn write_broadcast(
    request: &PushRequest<'_>,
    defaults: &Defaults,
    to: Address<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RenderError> {
    let raw = request.provider.map(provider::read).transpose()?;
    let kind = broadcast::kind(raw.as_ref().and_then(|raw| raw.kind))?;
    let mut headers = Headers::of(request, kind, &defaults.topic);
    headers.priority = PushType::Alert.priority(request.priority);
    // A collapse key is the gateway's own matter here.
    headers.collapse.clear();
    if let Some(raw) = &raw {
        raw.override_headers(&mut headers, broadcast::PRIORITIES)?;
    }
    broadcast::adapt(&mut headers)?;
    let start = headers.write(to, out);
    write_payload(request, kind, out)?;
    if let Some(raw) = raw {
        raw.merge(kind, out, start)?;
    }
    check_size(out.len() - start, broadcast::PAYLOAD_LIMIT, kind)?;
    broadcast::check(&out[start..])
}

const fn implied(shows_something: bool) -> PushType {
    if shows_something { PushType::Alert } else { PushType::Background }
}

fn address<'a>(to: &'a Target<'_>) -> Result<Address<'a>, RenderError> {
    let other = |field, what: &str| {
        Err(invalid(
            field,
            format!("this route sends by APNs, which has no {what} (hint: give a token, or another route)"),
        ))
    };
    let token = match to {
        Target::Token(token) => token,
        Target::Topic(_) => return other("to.topic", "topics to send to"),
        Target::Condition(_) => return other("to.condition", "conditions"),
        Target::WebPush { .. } => return other("to.endpoint", "Web Push subscriptions"),
        Target::Channel { id, is_stored } => {
            broadcast::check_channel(id)?;
            return Ok(Address::Channel { id, is_stored: *is_stored });
        }
    };
    let is_hex = token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if token.is_empty() || !is_hex || !token.len().is_multiple_of(2) || token.len() > TOKEN_LIMIT {
        return Err(invalid(
            "to.token",
            "must be an even number of hexadecimal digits (hint: the bytes of the device token in hex, no base64, no spaces)",
        ));
    }
    Ok(Address::Device(token))
}

/// Writes the payload.
fn write_payload(request: &PushRequest<'_>, kind: PushType, out: &mut Vec<u8>) -> Result<(), RenderError> {
    let shown = request.notification.as_ref();
    if kind == PushType::Background && shown.is_some() {
        return Err(invalid(
            "notification",
            "a background push must not show anything (hint: leave the notification out, or set apns-push-type to alert)",
        ));
    }
    out.extend_from_slice(b"{\"aps\":{");
    let mut is_first = true;
    if kind == PushType::Background {
        member(out, "content-available", &mut is_first);
        out.push(b'1');
    }
    if let Some(shown) = shown {
        write_alert(out, shown, &mut is_first);
    }
    out.push(b'}');
    let image = shown.and_then(|shown| shown.image.as_ref());
    if let Some(image) = image {
        out.extend_from_slice(b",\"image\":");
        json::json_string(out, image);
    }
    let end = out.len();
    if let Some(raw) = request.data {
        let check = if image.is_some() { check_key_beside_image } else { check_key };
        data::write_as_is(out, raw, DATA_LIMIT, check)?;
        // Its members go on where those of the payload end.
        match &mut out[end..] {
            [_, _] => out.truncate(end),
            [first, .., _] => {
                *first = b',';
                out.pop();
            }
            _ => {}
        }
    }
    out.push(b'}');
    Ok(())
}

fn write_alert(out: &mut Vec<u8>, shown: &Notification<'_>, is_first: &mut bool) {
    if shown.title.is_some() || shown.body.is_some() {
        member(out, "alert", is_first);
        out.push(b'{');
        let mut is_first = true;
        for (name, text) in [("title", &shown.title), ("body", &shown.body)] {
            if let Some(text) = text {
                member(out, name, &mut is_first);
                json::json_string(out, text);
            }
        }
        out.push(b'}');
    }
    if let Some(badge) = shown.badge {
        member(out, "badge", is_first);
        json::number(out, badge.into());
    }
    if let Some(sound) = &shown.sound {
        member(out, "sound", is_first);
        json::json_string(out, sound);
    }
    if shown.image.is_some() {
        member(out, "mutable-content", is_first);
        out.push(b'1');
    }
}

fn member(out: &mut Vec<u8>, name: &str, is_first: &mut bool) {
    if !std::mem::replace(is_first, false) {
        out.push(b',');
    }
    json::json_string(out, name);
    out.push(b':');
}

fn check_key(key: &str) -> Result<(), RenderError> {
    if key != "aps" {
        return Ok(());
    }
    Err(invalid("data.aps", "is Apple's own (hint: give its members in provider, as {\"aps\":{…}})"))
}

fn check_key_beside_image(key: &str) -> Result<(), RenderError> {
    if key == "image" {
        return Err(invalid(
            "data.image",
            "is where the notification's image goes (hint: rename one of them)",
        ));
    }
    check_key(key)
}

fn check_size(size: usize, limit: usize, kind: PushType) -> Result<(), RenderError> {
    if size <= limit {
        return Ok(());
    }
    let message =
        format!("the payload has {size} bytes, over the limit of {limit} for type {}", kind.as_str());
    Err(RenderError { refusal: Refusal::RefusedTooLarge, field: "push", message })
}

/// Returns the collapse id of a key: itself, or its hash if it is too long for Apple or no plain text; equal keys stay equal.
fn collapse_id(key: &str) -> String {
    if key.len() <= COLLAPSE_LIMIT && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return key.to_owned();
    }
    URL_SAFE_NO_PAD.encode(Sha256::digest(key.as_bytes()))
}

// === impl Headers ===

impl Headers {
    fn of(request: &PushRequest<'_>, kind: PushType, bundle: &str) -> Self {
        Self {
            kind,
            priority: kind.priority(request.priority),
            topic: kind.topic(bundle),
            collapse: request.collapse_key.as_deref().map_or_else(String::new, collapse_id),
        }
    }

    /// Writes the envelope; returns where the payload begins.
    fn write(&self, to: Address<'_>, out: &mut Vec<u8>) -> usize {
        let Self { kind, priority, topic, collapse } = self;
        Envelope { kind: *kind, priority: *priority, to, topic, collapse }.write(out);
        out.len()
    }
}

#[cfg(test)]
mod tests;
