//! A rendered push as the request that carries it (`reference/apns_webpush.md` 1.3 and 1.6). Pure.
//!
//! The session writes with it. All but the payload's bytes comes from the envelope.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};

use super::envelope::{Address, Envelope};
use super::kind::PushType;
use crate::push::{Push, PushKey};
use crate::transport::http2::Letter;

const ID: HeaderName = HeaderName::from_static("apns-id");
const TYPE: HeaderName = HeaderName::from_static("apns-push-type");
const TOPIC: HeaderName = HeaderName::from_static("apns-topic");
const PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
const EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
const COLLAPSE: HeaderName = HeaderName::from_static("apns-collapse-id");

/// Of broadcasts alone: the channel, and what [`ID`] is to other pushes.
const CHANNEL: HeaderName = HeaderName::from_static("apns-channel-id");
const REQUEST: HeaderName = HeaderName::from_static("apns-request-id");

/// How long a channel keeps a broadcast at most.
const LONGEST_STORAGE: Duration = Duration::from_secs(8 * 3600);

/// Writes a push to Apple at `authority`; what remains of its time to live at `now` is `time_left`.
pub fn write(authority: &Authority, push: &Push, time_left: Duration, now: SystemTime) -> Letter {
    let (envelope, start) = Envelope::read(&push.payload).unwrap_or_else(|| {
        // Only a payload of another transport; Apple refuses it by its path.
        let (kind, to) = (PushType::Alert, Address::Device(""));
        (Envelope { kind, priority: 10, to, topic: "", collapse: "" }, push.payload.len())
    });
    let path = match envelope.to {
        Address::Device(token) => format!("/3/device/{token}"),
        Address::Channel { .. } => format!("/4/broadcasts/apps/{}", envelope.topic),
    };
    let address = Uri::builder()
        .scheme("https")
        .authority(authority.clone())
        .path_and_query(path)
        .build()
        .expect("the renderer lets only digits, or a plain bundle id, through");
    let mut head = Request::post(address).body(()).expect("an address that was parsed makes a request");
    write_headers(head.headers_mut(), push, &envelope, expiration(&envelope, time_left, now));
    Letter { key: push.key, head, body: push.payload.slice(start..) }
}

/// Returns when the push is not worth delivering any more, in seconds since 1970; 0 lets it be tried once and never stored.
fn expiration(envelope: &Envelope<'_>, time_left: Duration, now: SystemTime) -> u64 {
    let time_left = match envelope.to {
        Address::Device(_) if envelope.kind.is_for_now() => Duration::ZERO,
        Address::Device(_) => time_left,
        // A channel that stores nothing takes nothing else.
        Address::Channel { is_stored: false, .. } => Duration::ZERO,
        Address::Channel { is_stored: true, .. } => time_left.min(LONGEST_STORAGE),
    };
    if time_left.is_zero() {
        return 0;
    }
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    // A fraction of a second left counts as a whole one.
    (now + time_left).as_secs().saturating_add(1)
}

fn write_headers(headers: &mut HeaderMap, push: &Push, envelope: &Envelope<'_>, expiration: u64) {
    headers.insert(TYPE, HeaderValue::from_static(envelope.kind.as_str()));
    headers.insert(PRIORITY, HeaderValue::from(u16::from(envelope.priority)));
    let (id_name, fixed) = match envelope.to {
        Address::Device(_) => (ID, (TOPIC, envelope.topic)),
        Address::Channel { id, .. } => (REQUEST, (CHANNEL, id)),
    };
    if let Ok(value) = HeaderValue::from_str(fixed.1) {
        headers.insert(fixed.0, value);
    }
    // What differs from push to push would only push Apple's other entries out of the table of headers.
    let mut one_off = |name, value: Result<HeaderValue, _>| {
        if let Ok(mut value) = value {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    };
    one_off(id_name, HeaderValue::from_bytes(&id(push.name.as_deref(), push.key)));
    one_off(EXPIRATION, Ok(HeaderValue::from(expiration)));
    if !envelope.collapse.is_empty() {
        one_off(COLLAPSE, HeaderValue::from_str(envelope.collapse));
    }
}

/// Returns the sender's id if it is a UUID, else ours: Apple takes nothing else.
fn id(name: Option<&str>, key: PushKey) -> Bytes {
    let own = name.map(str::to_ascii_lowercase);
    match own.filter(|name| PushKey::parse(name.as_bytes()).is_some()) {
        Some(name) => name.into(),
        None => Bytes::copy_from_slice(&key.to_text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::{Lane, PushRequest, RawJson, Target};
    use crate::transport::apns::request::{self, Defaults};

    const UNIX: u64 = 1_800_000_000;

    fn push(to: Target<'_>, name: Option<&str>) -> Push {
        let mut push = crate::push::fixture::push(0x17, Lane::High);
        push.name = name.map(Into::into);
        let aps = r#"{"aps":{"event":"end","timestamp":1}}"#.to_owned();
        let is_broadcast = matches!(to, Target::Channel { .. });
        let request = PushRequest {
            priority: Lane::High,
            collapse_key: Some("room".into()),
            provider: is_broadcast.then_some(RawJson::of_read(&aps)),
            ..crate::transport::probe::request(to)
        };
        let mut payload = Vec::new();
        let defaults = Defaults { topic: "com.example.app".into(), kind: None };
        request::render(&request, &defaults, &mut payload).unwrap();
        push.payload = payload.into();
        push
    }

    fn written(push: &Push, seconds_left: u64) -> Letter {
        let now = UNIX_EPOCH + Duration::from_secs(UNIX);
        let authority = Authority::from_static("push.example:2197");
        write(&authority, push, Duration::from_secs(seconds_left), now)
    }

    fn headers(letter: &Letter) -> Vec<(&str, &str)> {
        let mut all: Vec<_> = letter
            .head
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn a_push_to_a_device_has_every_header_that_apple_wants() {
        let push = push(Target::Token("00ff".into()), None);
        let letter = written(&push, 30);
        assert_eq!(letter.head.uri(), "https://push.example:2197/3/device/00ff");
        assert_eq!(
            headers(&letter),
            [
                ("apns-collapse-id", "room"),
                ("apns-expiration", &*(UNIX + 31).to_string()),
                ("apns-id", "00000000-0000-0000-0000-000000000017"),
                ("apns-priority", "5"),
                ("apns-push-type", "background"),
                ("apns-topic", "com.example.app"),
            ]
        );
        assert_eq!(letter.body, "{\"aps\":{\"content-available\":1}}");
    }

    #[test]
    fn a_broadcast_names_its_channel_instead_of_a_topic_and_is_stored_only_if_that_was_asked_for() {
        let to = |is_stored| Target::Channel { id: "dHN0+/==".into(), is_stored };
        let expiration = |is_stored, seconds_left| {
            let letter = written(&push(to(is_stored), None), seconds_left);
            letter.head.headers()["apns-expiration"].to_str().unwrap().parse::<u64>().unwrap()
        };
        let now_or_never = push(to(false), None);
        let letter = written(&now_or_never, 30);
        assert_eq!(letter.head.uri(), "https://push.example:2197/4/broadcasts/apps/com.example.app");
        assert_eq!(
            headers(&letter),
            [
                ("apns-channel-id", "dHN0+/=="),
                ("apns-expiration", "0"),
                ("apns-priority", "10"),
                ("apns-push-type", "liveactivity"),
                ("apns-request-id", "00000000-0000-0000-0000-000000000017"),
            ]
        );
        assert_eq!(expiration(true, 30), UNIX + 31);
        assert_eq!(expiration(true, 100_000), UNIX + 8 * 3600 + 1, "a channel keeps nothing for longer");
        assert_eq!(expiration(true, 0), 0);
    }

    #[test]
    fn the_sender_s_id_is_apple_s_only_if_it_is_a_uuid() {
        let id = |name| {
            let push = push(Target::Token("00ff".into()), name);
            written(&push, 0).head.headers()["apns-id"].to_str().unwrap().to_owned()
        };
        let own = "EEC1A7B2-0000-4000-8000-00000000ABCD";
        assert_eq!(id(Some(own)), own.to_lowercase());
        assert_eq!(id(Some("message-17")), "00000000-0000-0000-0000-000000000017");
        let letter = written(&push(Target::Token("00ff".into()), None), 0);
        assert_eq!(letter.head.headers()["apns-expiration"], "0", "now or never");
    }
}
