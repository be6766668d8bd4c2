//! Broadcasts on the channels of Live Activities: the rules that they have besides those of their type (`reference/apns_webpush.md` 1.6). Pure.
//!
//! Called by the renderer for pushes to a channel.

use serde_json::Value;

use super::Headers;
use crate::transport::RenderError;
use crate::transport::apns::kind::PushType;
use crate::transport::data::invalid;

/// The most bytes of a payload.
pub const PAYLOAD_LIMIT: usize = 5120;

/// The longest channel id, in bytes: far above any that is known, since Apple names no length.
const CHANNEL_LIMIT: usize = 255;

/// The priorities that one may have.
pub const PRIORITIES: &[u8] = &[10, 5, 1];

const AS_GIVEN: &str = "{\"aps\":{\"event\":\"update\",\"timestamp\":…,\"content-state\":{…}}}";

/// Checks a channel's id.
///
/// # Errors
/// It cannot be one.
pub fn check_channel(id: &str) -> Result<(), RenderError> {
    let is_base64 = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte));
    if !id.is_empty() && id.len() <= CHANNEL_LIMIT && is_base64 {
        return Ok(());
    }
    Err(invalid(
        "to.channel",
        "must be a channel's id (hint: apns-channel-id as Apple gave it when the channel was created)",
    ))
}

/// Returns the type of a broadcast.
///
/// # Errors
/// The push asks for another one.
pub fn kind(given: Option<PushType>) -> Result<PushType, RenderError> {
    match given {
        None | Some(PushType::LiveActivity) => Ok(PushType::LiveActivity),
        Some(other) => Err(invalid(
            "provider.headers",
            format!("apns-push-type {} cannot be broadcast (hint: only liveactivity can)", other.as_str()),
        )),
    }
}

/// Makes the headers of a push to a Live Activity those of a broadcast: the topic is the bundle id alone, in the path.
///
/// # Errors
/// They have what a broadcast does not have.
pub fn adapt(headers: &mut Headers) -> Result<(), RenderError> {
    headers.topic = PushType::LiveActivity.bundle(&headers.topic).to_owned();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if headers.topic.is_empty() || !headers.topic.bytes().all(is_plain) {
        return Err(invalid("provider.headers", "apns-topic of a broadcast must be the app's bundle id"));
    }
    if !headers.collapse.is_empty() {
        return Err(invalid("provider.headers", "apns-collapse-id is not for broadcasts"));
    }
    Ok(())
}

/// Checks the payload: it must be one that updates or ends an activity, for starting one is not for channels.
///
/// # Errors
/// What devices would drop in silence.
pub fn check(payload: &[u8]) -> Result<(), RenderError> {
    let payload: Value = serde_json::from_slice(payload)
        .map_err(|error| invalid("data", format!("is not valid JSON: {error}")))?;
    let aps = &payload["aps"];
    let event = aps["event"].as_str().unwrap_or_default();
    if !matches!(event, "update" | "end") {
        return Err(invalid(
            "provider.aps",
            format!("event of a broadcast must be update or end (hint: give provider as {AS_GIVEN})"),
        ));
    }
    if !aps["timestamp"].is_u64() {
        return Err(invalid(
            "provider.aps",
            "timestamp must be the seconds since 1970 of what is shown (hint: devices drop what is older than what they have)",
        ));
    }
    if event == "update" && !aps["content-state"].is_object() {
        return Err(invalid("provider.aps", "content-state of an update must be a JSON object"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Defaults, addressee, render};
    use super::*;
    use crate::outcome::Refusal;
    use crate::push::{Addressee, Lane, Notification, PushRequest, RawJson, Target};
    use crate::transport::apns::envelope::{Address, Envelope};
    use crate::transport::probe;

    /// What is sent: topic, collapse id, priority, payload.
    type Seen = (String, String, u8, Value);

    fn rendered(
        topic: &str,
        change: impl FnOnce(&mut PushRequest<'_>),
        provider: &Value,
    ) -> Result<Seen, RenderError> {
        let raw = provider.to_string();
        let to = Target::Channel { id: "dHN0+/==".into(), is_stored: true };
        let mut request = PushRequest { provider: Some(RawJson::of_read(&raw)), ..probe::request(to) };
        change(&mut request);
        let (mut payload, defaults) =
            (Vec::new(), Defaults { topic: topic.into(), kind: Some(PushType::Alert) });
        render(&request, &defaults, &mut payload)?;
        let (envelope, start) = Envelope::read(&payload).unwrap();
        assert_eq!(envelope.kind, PushType::LiveActivity);
        assert_eq!(envelope.to, Address::Channel { id: "dHN0+/==", is_stored: true });
        assert_eq!(addressee(&payload), Some(Addressee::Channel("dHN0+/==".into())));
        let Envelope { topic, collapse, priority, .. } = envelope;
        Ok((topic.into(), collapse.into(), priority, serde_json::from_slice(&payload[start..]).unwrap()))
    }

    fn update() -> Value {
        json!({"aps": {"event": "update", "timestamp": 1_800_000_000, "content-state": {"score": 2}}})
    }

    #[test]
    fn an_update_goes_to_the_app_s_channel_whatever_type_the_route_sends() {
        let (topic, collapse, priority, body) = rendered("com.example.app", |_| (), &update()).unwrap();
        assert_eq!((&*topic, &*collapse, priority, &body), ("com.example.app", "", 5, &update()));
        let full = "com.example.app.push-type.liveactivity";
        assert_eq!(rendered(full, |_| (), &update()).unwrap().0, "com.example.app");
        let alert = |request: &mut PushRequest<'_>| {
            request.notification =
                Some(Notification { title: Some("goal".into()), ..Notification::default() });
            request.collapse_key = Some("match-17".into());
            request.priority = Lane::Critical;
        };
        let (_, collapse, priority, body) = rendered("a.b", alert, &update()).unwrap();
        assert_eq!((&*collapse, priority, &body["aps"]["alert"]), ("", 10, &json!({"title": "goal"})));
        assert_eq!(rendered("a.b", |request| request.priority = Lane::Low, &update()).unwrap().2, 1);
        let end = json!({"aps": {"event": "end", "timestamp": 1}});
        assert_eq!(rendered("a.b", |_| (), &end).unwrap().3, end);
    }

    #[test]
    fn what_devices_would_drop_in_silence_is_refused() {
        let with = |member: &str, value: Value| {
            let mut provider = update();
            provider["aps"][member] = value;
            provider
        };
        let with_header = |name: &str, value: &str| {
            let mut provider = update();
            provider["headers"] = json!({ name: value });
            provider
        };
        for (provider, field) in [
            (json!({}), "provider.aps"),
            (with("event", json!("start")), "provider.aps"),
            (with("timestamp", json!("now")), "provider.aps"),
            (with("content-state", Value::Null), "provider.aps"),
            (with_header("apns-push-type", "alert"), "provider.headers"),
            (with_header("apns-collapse-id", "x"), "provider.headers"),
            (with_header("apns-topic", "a/b"), "provider.headers"),
            (with_header("apns-priority", "7"), "provider.headers"),
        ] {
            let refused = rendered("a.b", |_| (), &provider).unwrap_err();
            assert_eq!((refused.field, refused.refusal), (field, Refusal::RefusedInvalid), "{provider}");
        }
        let mut without = probe::request(Target::Channel { id: "YQ==".into(), is_stored: false });
        let defaults = Defaults { topic: "a.b".into(), kind: None };
        assert_eq!(render(&without, &defaults, &mut Vec::new()).unwrap_err().field, "provider.aps");
        for id in ["", "a b", "a\u{e4}", &"x".repeat(256)] {
            without.to = Target::Channel { id: id.into(), is_stored: false };
            assert_eq!(render(&without, &defaults, &mut Vec::new()).unwrap_err().field, "to.channel", "{id}");
        }
    }

    #[test]
    fn a_payload_may_have_five_kilobytes_and_no_more() {
        let sized = |size: usize| {
            let mut provider = update();
            provider["x"] = json!("");
            let bare = provider.to_string().len();
            provider["x"] = json!("x".repeat(size - bare));
            rendered("a.b", |_| (), &provider)
        };
        assert_eq!(sized(PAYLOAD_LIMIT).unwrap().3.to_string().len(), PAYLOAD_LIMIT);
        assert_eq!(sized(PAYLOAD_LIMIT + 1).unwrap_err().refusal, Refusal::RefusedTooLarge);
    }
}
