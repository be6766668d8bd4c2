//! The answers to a push: what each code looks like on the wire (`reference/apns_webpush.md` 2.1 and 2.4). Pure.
//!
//! Mozilla's JSON for most; a code that begins with the name of another service answers in its words.

use serde_json::json;

/// The codes, as shown by `--help`.
pub const CODES: &str = "\
Codes for --nack and in subscriptions: GONE, NOT_FOUND, TOO_LARGE, TOO_MANY, UNAVAILABLE, INTERNAL, BAD_GATEWAY, BAD_REQUEST, UNAUTHORIZED,
FORBIDDEN, MOVED; in other services' words APPLE_MISMATCH, APPLE_TOKEN, WNS_DROPPED, WNS_BUSY. Anything else is a 400.";

/// An answer: status, headers, body.
pub type Wire = (u16, Vec<(&'static str, String)>, String);

/// Returns the code for what the common table of scripts calls otherwise.
#[must_use]
pub fn own(code: &str) -> &str {
    match code {
        "DEVICE_UNREGISTERED" => "GONE",
        "BAD_REGISTRATION" => "NOT_FOUND",
        "SERVICE_UNAVAILABLE" => "UNAVAILABLE",
        "INTERNAL_SERVER_ERROR" => "INTERNAL",
        other => other,
    }
}

/// Returns the answer for a code.
#[must_use]
pub fn refusal(code: &str, text: &str) -> Wire {
    let mozilla = |status: u16, errno: u32| {
        let body = json!({"code": status, "errno": errno, "error": code, "message": text});
        (status, vec![("content-type", "application/json".to_owned())], body.to_string())
    };
    let apple = |status: u16, reason: &str| (status, Vec::new(), json!({"reason": reason}).to_string());
    match code {
        "GONE" => mozilla(410, 106),
        "NOT_FOUND" => mozilla(404, 102),
        "TOO_LARGE" => mozilla(413, 104),
        "TOO_MANY" => mozilla(429, 0),
        "UNAVAILABLE" => mozilla(503, 201),
        "INTERNAL" => mozilla(500, 999),
        "BAD_GATEWAY" => (502, Vec::new(), "<html>Bad Gateway</html>".to_owned()),
        "UNAUTHORIZED" => mozilla(401, 109),
        "FORBIDDEN" => (403, Vec::new(), text.to_owned()),
        "MOVED" => (307, vec![("location", "https://localhost:1/elsewhere".to_owned())], String::new()),
        "APPLE_MISMATCH" => apple(403, "VapidPkHashMismatch"),
        "APPLE_TOKEN" => apple(403, "BadJwtToken"),
        "WNS_DROPPED" => (201, vec![("x-wns-status", "dropped".to_owned())], String::new()),
        "WNS_BUSY" => (406, Vec::new(), String::new()),
        _ => mozilla(400, 110),
    }
}
