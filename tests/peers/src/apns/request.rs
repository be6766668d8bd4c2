//! Checks a push: the rules for path, headers and payload (`reference/apns_webpush.md` 1.3) that a careless client breaks.
//!
//! Pure.

use http::HeaderMap;
use serde_json::Value;

/// The types of push: word, the topic's ending, the priorities, the most bytes of the payload.
const TYPES: [(&str, &str, &[&str], usize); 11] = [
    ("alert", "", &["10", "5", "1"], 4096),
    ("background", "", &["5", "1"], 4096),
    ("voip", ".voip", &["10", "5", "1"], 5120),
    ("complication", ".complication", &["10", "5", "1"], 4096),
    ("fileprovider", ".pushkit.fileprovider", &["10", "5", "1"], 4096),
    ("mdm", "", &["10", "5", "1"], 4096),
    ("location", ".location-query", &["10", "5", "1"], 4096),
    ("liveactivity", ".push-type.liveactivity", &["10", "5"], 4096),
    ("pushtotalk", ".voip-ptt", &["10"], 4096),
    ("widgets", ".push-type.widgets", &["10", "5", "1"], 4096),
    ("controls", ".push-type.controls", &["10", "5", "1"], 4096),
];

/// The rule that a push breaks: Apple's reason as a code, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The reason's code.
    pub code: &'static str,
    /// What is wrong.
    pub text: String,
}

/// Returns the device token of a path, if it is the path of a push.
#[must_use]
pub fn device(path: &str) -> Option<&str> {
    path.strip_prefix("/3/device/")
}

/// Returns the text that a device token spells in hex, for the table of scripts; the token itself if it spells none.
#[must_use]
pub fn script(token: &str) -> String {
    let bytes: Option<Vec<u8>> = (0..token.len())
        .step_by(2)
        .map(|at| token.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic())).unwrap_or_else(|| token.to_owned())
}

/// Returns whether a device token is one that no device has: as long as they are today, and all zero.
#[must_use]
pub fn is_nobody(token: &str) -> bool {
    token.len() == 64 && token.bytes().all(|byte| byte == b'0')
}

/// Checks a push to a device token of the app with this bundle id; `is_token_only` types need a provider token, which `has_token` says.
///
/// # Errors
/// [`Fault`] for the first rule that is broken.
pub fn check(
    token: &str,
    headers: &HeaderMap,
    body: &[u8],
    topic: &str,
    has_token: bool,
) -> Result<(), Fault> {
    let is_hex = token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if token.is_empty() {
        return Err(fault("MISSING_DEVICE_TOKEN", "no device token"));
    }
    if !is_hex || !token.len().is_multiple_of(2) {
        return Err(fault("BAD_DEVICE_TOKEN", "the device token is no hex"));
    }
    let kind = header(headers, "apns-push-type")?.unwrap_or_default();
    let Some((_, ending, priorities, limit)) = TYPES.iter().find(|row| row.0 == kind) else {
        return Err(fault("INVALID_PUSH_TYPE", &format!("apns-push-type {kind:?}")));
    };
    if kind == "location" && !has_token {
        return Err(fault("FORBIDDEN", "location needs a provider token"));
    }
    match header(headers, "apns-topic")? {
        Some(given) if given == format!("{topic}{ending}") => {}
        Some(given) => return Err(fault("TOPIC_DISALLOWED", &format!("apns-topic {given:?} for {kind}"))),
        None => return Err(fault("MISSING_TOPIC", "no apns-topic")),
    }
    match header(headers, "apns-priority")? {
        Some(given) if priorities.contains(&given) => {}
        given => return Err(fault("BAD_PRIORITY", &format!("apns-priority {given:?} for {kind}"))),
    }
    if header(headers, "apns-expiration")?.is_none_or(|text| text.parse::<u64>().is_err()) {
        return Err(fault("BAD_EXPIRATION_DATE", "apns-expiration"));
    }
    if header(headers, "apns-collapse-id")?.is_some_and(|text| text.is_empty() || text.len() > 64) {
        return Err(fault("BAD_COLLAPSE_ID", "apns-collapse-id"));
    }
    if body.len() > *limit {
        return Err(fault("PAYLOAD_TOO_LARGE", &format!("{} bytes of {limit} for {kind}", body.len())));
    }
    check_payload(kind, body)
}

/// Returns the header of this name, if it is a UUID as Apple writes them.
#[must_use]
pub fn id<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?;
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    (text.len() == 36 && text.bytes().enumerate().all(fits)).then_some(text)
}

fn check_payload(kind: &str, body: &[u8]) -> Result<(), Fault> {
    if body.is_empty() {
        return Err(fault("PAYLOAD_EMPTY", "no payload"));
    }
    let payload: Value =
        serde_json::from_slice(body).map_err(|error| fault("PAYLOAD_EMPTY", &format!("no JSON: {error}")))?;
    let Some(aps) = payload.get("aps").and_then(Value::as_object) else {
        return Err(fault("PAYLOAD_EMPTY", "no aps"));
    };
    let shows = ["alert", "badge", "sound"].iter().any(|name| aps.contains_key(*name));
    if kind == "background" && (shows || aps.get("content-available") != Some(&Value::from(1))) {
        return Err(fault(
            "INVALID_PUSH_TYPE",
            "a background push must have content-available and show nothing",
        ));
    }
    Ok(())
}

/// Returns a header that may be there once.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Fault> {
    let mut all = headers.get_all(name).iter();
    let (first, second) = (all.next(), all.next());
    if second.is_some() {
        return Err(fault("DUPLICATE_HEADERS", name));
    }
    Ok(first.map(|value| value.to_str().unwrap_or("\u{fffd}")))
}

pub(super) fn fault(code: &'static str, text: &str) -> Fault {
    Fault { code, text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const BODY: &str = r#"{"aps":{"alert":"x"}}"#;

    fn headers(changes: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let fixed = [
            ("apns-push-type", "alert"),
            ("apns-topic", "a.b"),
            ("apns-priority", "10"),
            ("apns-expiration", "0"),
        ];
        for (name, value) in fixed.iter().chain(changes) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn code(token: &str, changes: &[(&'static str, &str)], body: &str) -> &'static str {
        let checked = check(token, &headers(changes), body.as_bytes(), "a.b", false);
        checked.err().map_or("", |fault| fault.code)
    }

    #[test]
    fn each_broken_rule_has_its_reason() {
        let large = format!(r#"{{"aps":{{}},"x":"{}"}}"#, "x".repeat(4096));
        for (token, changes, body, expected) in [
            ("00ff", &[][..], BODY, ""),
            ("", &[], BODY, "MISSING_DEVICE_TOKEN"),
            ("00f", &[], BODY, "BAD_DEVICE_TOKEN"),
            ("zz", &[], BODY, "BAD_DEVICE_TOKEN"),
            ("00", &[("apns-push-type", "Alert")], BODY, "INVALID_PUSH_TYPE"),
            ("00", &[("apns-topic", "a.c")], BODY, "TOPIC_DISALLOWED"),
            ("00", &[("apns-push-type", "voip")], BODY, "TOPIC_DISALLOWED"),
            ("00", &[("apns-push-type", "voip"), ("apns-topic", "a.b.voip")], BODY, ""),
            ("00", &[("apns-priority", "7")], BODY, "BAD_PRIORITY"),
            ("00", &[("apns-expiration", "soon")], BODY, "BAD_EXPIRATION_DATE"),
            ("00", &[("apns-collapse-id", &"x".repeat(65))], BODY, "BAD_COLLAPSE_ID"),
            (
                "00",
                &[("apns-push-type", "location"), ("apns-topic", "a.b.location-query")],
                BODY,
                "FORBIDDEN",
            ),
            ("00", &[], &large, "PAYLOAD_TOO_LARGE"),
            ("00", &[], "", "PAYLOAD_EMPTY"),
            ("00", &[], "{", "PAYLOAD_EMPTY"),
            ("00", &[], "{}", "PAYLOAD_EMPTY"),
            ("00", &[("apns-push-type", "background")], BODY, "BAD_PRIORITY"),
            ("00", &[("apns-push-type", "background"), ("apns-priority", "5")], BODY, "INVALID_PUSH_TYPE"),
            (
                "00",
                &[("apns-push-type", "background"), ("apns-priority", "5")],
                r#"{"aps":{"content-available":1}}"#,
                "",
            ),
        ] {
            assert_eq!(code(token, changes, body), expected, "{token} {changes:?}");
        }
        let mut twice = headers(&[]);
        twice.append("apns-topic", HeaderValue::from_static("a.b"));
        assert_eq!(check("00", &twice, BODY.as_bytes(), "a.b", true).unwrap_err().code, "DUPLICATE_HEADERS");
    }

    #[test]
    fn an_id_is_a_lower_case_uuid_and_a_token_may_spell_a_script() {
        let of = |text: &str| id(&headers(&[("apns-id", text)]), "apns-id").is_some();
        assert!(of("eec1a7b2-0000-4000-8000-00000000abcd"));
        assert!(!of("EEC1A7B2-0000-4000-8000-00000000ABCD") && !of("eec1a7b2000040008000000000000000abcd"));
        assert_eq!(script("6261642d31"), "bad-1");
        assert_eq!((script("00ff"), script("abc")), ("00ff".into(), "abc".into()));
    }
}
