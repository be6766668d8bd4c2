//! The answers to a push: what each code looks like on the wire (`reference/fcm.md` 2.3).
//!
//! Pure. Codes are FCM's own, and some of ours for what has no code: BAD_TOKEN, DEVICE_QUOTA, HTML, BAD_GATEWAY.

use serde_json::{Value, json};

/// The codes, as shown by `--help`.
pub const CODES: &str = "\
Codes for --nack and in tokens: UNREGISTERED, SENDER_ID_MISMATCH, INVALID_ARGUMENT, QUOTA_EXCEEDED, UNAVAILABLE, INTERNAL,
UNSPECIFIED_ERROR, THIRD_PARTY_AUTH_ERROR, UNAUTHENTICATED, PERMISSION_DENIED, NOT_FOUND; and of ours BAD_TOKEN, DEVICE_QUOTA,
HTML (404 from a front end), BAD_GATEWAY. Any other is a 500 with that code.";

const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";
const QUOTA: &str = "type.googleapis.com/google.rpc.QuotaFailure";

/// Returns status and body for a code, with a text.
#[must_use]
pub fn refusal(code: &str, text: &str) -> (u16, String) {
    let fcm = |code: &str| json!({"@type": FCM_ERROR, "errorCode": code});
    let quota =
        |subject: &str| json!({"@type": QUOTA, "violations": [{"subject": subject, "description": text}]});
    let (status, word, text, details) = match code {
        "HTML" => return page(404),
        "BAD_GATEWAY" => return page(502),
        "UNREGISTERED" => (404, "NOT_FOUND", "Requested entity was not found.", vec![fcm(code)]),
        "BAD_TOKEN" => (
            400,
            "INVALID_ARGUMENT",
            "The registration token is not a valid FCM registration token",
            vec![fcm("INVALID_ARGUMENT")],
        ),
        "INVALID_ARGUMENT" => {
            let violation = json!({"@type": BAD_REQUEST, "fieldViolations": [{"field": "message.data", "description": text}]});
            (400, code, text, vec![fcm(code), violation])
        }
        "SENDER_ID_MISMATCH" => (403, "PERMISSION_DENIED", "SenderId mismatch", vec![fcm(code)]),
        "THIRD_PARTY_AUTH_ERROR" => {
            (401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service", vec![fcm(code)])
        }
        "UNAUTHENTICATED" => (401, code, "Request had invalid authentication credentials.", vec![]),
        "PERMISSION_DENIED" => (403, code, "The caller does not have permission", vec![]),
        "NOT_FOUND" => (404, code, "Project not found", vec![]),
        "QUOTA_EXCEEDED" => (
            429,
            "RESOURCE_EXHAUSTED",
            "Quota exceeded for the project",
            vec![fcm(code), quota("project:pushweir-demo")],
        ),
        "DEVICE_QUOTA" => (
            429,
            "RESOURCE_EXHAUSTED",
            "Too many messages to this device",
            vec![fcm("QUOTA_EXCEEDED"), quota("device")],
        ),
        "UNAVAILABLE" => (503, code, "The service is currently unavailable.", vec![fcm(code)]),
        "INTERNAL" => (500, code, "Internal error encountered.", vec![fcm(code)]),
        _ => (500, "UNKNOWN", text, vec![fcm(code)]),
    };
    (status, error(status, word, text, details))
}

/// Returns the body of an error.
#[must_use]
pub fn error(status: u16, word: &str, text: &str, details: Vec<Value>) -> String {
    json!({"error": {"code": status, "message": text, "status": word, "details": details}}).to_string()
}

fn page(status: u16) -> (u16, String) {
    (status, format!("<!DOCTYPE html><html lang=en><title>Error {status}</title>"))
}

/// Returns the code of the refusal that the XMPP double's table of tokens means by one of its own.
#[must_use]
pub fn from_xmpp(code: &str) -> &str {
    match code {
        "DEVICE_UNREGISTERED" => "UNREGISTERED",
        "BAD_REGISTRATION" => "BAD_TOKEN",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_help_names_is_no_unknown_one() {
        let words = CODES.split(|c: char| !c.is_ascii_uppercase() && c != '_').filter(|word| word.len() > 3);
        for code in words {
            let (status, body) = refusal(code, "x");
            let is_unknown = status == 500 && body.contains("UNKNOWN");
            assert_eq!(is_unknown, code == "UNSPECIFIED_ERROR", "{code}");
        }
    }
}
