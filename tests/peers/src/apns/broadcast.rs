//! Channels of Live Activities, and the rules for broadcasts on them (`reference/apns_webpush.md` 1.6).
//!
//! The service keeps the channels. A channel's id spells its name, which is how the table of scripts is reached.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::Value;

use super::request::{Fault, fault, header};

/// The most bytes of a payload.
const PAYLOAD_LIMIT: usize = 5120;

/// The channels that were made: id, and whether they store.
#[derive(Debug, Default)]
pub struct Channels(HashMap<String, bool>);

/// Returns the bundle id of a path, if it is the path of a broadcast.
#[must_use]
pub fn app(path: &str) -> Option<&str> {
    path.strip_prefix("/4/broadcasts/apps/")
}

impl Channels {
    /// Makes a channel and returns its id.
    pub fn create(&mut self, name: &str, is_storing: bool) -> String {
        let id = STANDARD.encode(name);
        self.0.insert(id.clone(), is_storing);
        id
    }

    /// Checks a broadcast of the app with the bundle id `topic`; returns the channel's name, or the code of a refusal that no client can avoid.
    ///
    /// # Errors
    /// [`Fault`] for the first rule that is broken.
    pub fn check(
        &self,
        app: &str,
        headers: &HeaderMap,
        body: &[u8],
        topic: &str,
    ) -> Result<Result<String, &'static str>, Fault> {
        if app != topic {
            return Err(fault("TOPIC_MISMATCH", &format!("a broadcast of {app:?}")));
        }
        let id = header(headers, "apns-channel-id")?.ok_or_else(|| fault("MISSING_CHANNEL_ID", ""))?;
        let name = STANDARD.decode(id).ok().and_then(|name| String::from_utf8(name).ok());
        let name = name.ok_or_else(|| fault("BAD_CHANNEL_ID", &format!("apns-channel-id {id:?}")))?;
        match header(headers, "apns-push-type")? {
            Some("liveactivity") => {}
            Some(other) => return Err(fault("INVALID_PUSH_TYPE", &format!("apns-push-type {other:?}"))),
            None => return Err(fault("MISSING_PUSH_TYPE", "")),
        }
        let priority = header(headers, "apns-priority")?;
        if !matches!(priority, Some("10" | "5" | "1")) {
            return Err(fault("BAD_PRIORITY", &format!("apns-priority {priority:?}")));
        }
        for name in ["apns-topic", "apns-id", "apns-collapse-id"] {
            if headers.contains_key(name) {
                return Err(fault("BAD_REQUEST_PARAMS", &format!("{name} on a broadcast")));
            }
        }
        let expiration = header(headers, "apns-expiration")?.and_then(|text| text.parse::<u64>().ok());
        let expiration = expiration.ok_or_else(|| fault("BAD_EXPIRATION_DATE", "apns-expiration"))?;
        if body.len() > PAYLOAD_LIMIT {
            return Err(fault("PAYLOAD_TOO_LARGE", &format!("{} bytes of {PAYLOAD_LIMIT}", body.len())));
        }
        check_payload(body)?;
        Ok(match self.0.get(id) {
            None => Err("CHANNEL_NOT_REGISTERED"),
            // What a channel stores is known to whoever made it, and not to who sends.
            Some(false) if expiration != 0 => Err("BAD_EXPIRATION_DATE"),
            Some(_) => Ok(name),
        })
    }
}

fn check_payload(body: &[u8]) -> Result<(), Fault> {
    let wrong = |text: &str| fault("BAD_REQUEST_PAYLOAD", text);
    let payload: Value = serde_json::from_slice(body).map_err(|error| wrong(&error.to_string()))?;
    let aps = &payload["aps"];
    match aps["event"].as_str() {
        Some("end") => {}
        Some("update") if aps["content-state"].is_object() => {}
        event => return Err(wrong(&format!("event {event:?} without what belongs to it"))),
    }
    if aps["timestamp"].is_u64() { Ok(()) } else { Err(wrong("no timestamp")) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const BODY: &str = r#"{"aps":{"event":"update","timestamp":1,"content-state":{}}}"#;

    #[test]
    fn each_broken_rule_has_its_reason() {
        let mut channels = Channels::default();
        let (now, later) = (channels.create("now", false), channels.create("later", true));
        let check = |app: &str, channel: &str, changes: &[(&'static str, &str)], body: &str| {
            let fixed = [
                ("apns-channel-id", channel),
                ("apns-push-type", "liveactivity"),
                ("apns-priority", "10"),
                ("apns-expiration", "0"),
            ];
            let mut headers = HeaderMap::new();
            for (name, value) in fixed.iter().chain(changes) {
                let name = HeaderName::from_static(name);
                match *value {
                    "" => drop(headers.remove(name)),
                    value => drop(headers.insert(name, HeaderValue::from_str(value).unwrap())),
                }
            }
            match channels.check(app, &headers, body.as_bytes(), "a.b") {
                Ok(Ok(name)) => name,
                Ok(Err(code)) => code.to_owned(),
                Err(fault) => fault.code.to_owned(),
            }
        };
        let large = format!(r#"{{"aps":{{}},"x":"{}"}}"#, "x".repeat(PAYLOAD_LIMIT));
        for (channel, changes, body, expected) in [
            (&*now, &[][..], BODY, "now"),
            (&*later, &[("apns-expiration", "1800000000")], BODY, "later"),
            (&*now, &[("apns-expiration", "1800000000")], BODY, "BAD_EXPIRATION_DATE"),
            ("bm9uZQ==", &[], BODY, "CHANNEL_NOT_REGISTERED"),
            ("no base64", &[], BODY, "BAD_CHANNEL_ID"),
            ("", &[], BODY, "MISSING_CHANNEL_ID"),
            (&*now, &[("apns-push-type", "")], BODY, "MISSING_PUSH_TYPE"),
            (&*now, &[("apns-push-type", "alert")], BODY, "INVALID_PUSH_TYPE"),
            (&*now, &[("apns-priority", "7")], BODY, "BAD_PRIORITY"),
            (&*now, &[("apns-topic", "a.b")], BODY, "BAD_REQUEST_PARAMS"),
            (&*now, &[("apns-expiration", "soon")], BODY, "BAD_EXPIRATION_DATE"),
            (&*now, &[], &*large, "PAYLOAD_TOO_LARGE"),
            (&*now, &[], r#"{"aps":{"event":"start","timestamp":1}}"#, "BAD_REQUEST_PAYLOAD"),
            (&*now, &[], r#"{"aps":{"event":"end"}}"#, "BAD_REQUEST_PAYLOAD"),
            (&*now, &[], r#"{"aps":{"event":"end","timestamp":1}}"#, "now"),
        ] {
            assert_eq!(check("a.b", channel, changes, body), expected, "{channel} {changes:?} {body}");
        }
        assert_eq!(check("a.c", &now, &[], BODY), "TOPIC_MISMATCH");
    }
}
