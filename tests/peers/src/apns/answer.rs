//! The answers to a push: each reason with its status (`reference/apns_webpush.md` 1.4).
//!
//! Pure. Codes for flags and in tokens are the reasons in capitals: BAD_DEVICE_TOKEN is BadDeviceToken.

use serde_json::json;

/// The codes, as shown by `--help`.
pub const CODES: &str = "\
Codes for --nack and in tokens are Apple's reasons in capitals, such as BAD_DEVICE_TOKEN, UNREGISTERED, TOO_MANY_REQUESTS,
INTERNAL_SERVER_ERROR, SERVICE_UNAVAILABLE, SHUTDOWN, INVALID_PROVIDER_TOKEN; any that is not Apple's is a 400. Device tokens of the table
below are written in hex: 6261642d31 is bad-1.";

/// Reasons by status; all others are 400.
const STATUSES: [(u16, &[&str]); 8] = [
    (
        403,
        &[
            "BadCertificate",
            "BadCertificateEnvironment",
            "ExpiredProviderToken",
            "Forbidden",
            "InvalidProviderToken",
            "MissingProviderToken",
            "UnrelatedKeyIdInToken",
            "BadEnvironmentKeyIdInToken",
            "TopicMismatch",
        ],
    ),
    (404, &["BadPath"]),
    (405, &["MethodNotAllowed"]),
    (410, &["Unregistered", "ExpiredToken"]),
    (413, &["PayloadTooLarge"]),
    (429, &["TooManyRequests", "TooManyProviderTokenUpdates"]),
    (500, &["InternalServerError"]),
    (503, &["ServiceUnavailable", "Shutdown"]),
];

/// Returns the reason that a code stands for.
#[must_use]
pub fn reason(code: &str) -> String {
    let code = match code {
        // The table of tokens is the XMPP double's.
        "DEVICE_UNREGISTERED" => "UNREGISTERED",
        "BAD_REGISTRATION" => "BAD_DEVICE_TOKEN",
        "UNAVAILABLE" => "SERVICE_UNAVAILABLE",
        code => code,
    };
    let capitalised = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or(("", word));
        format!("{first}{}", rest.to_ascii_lowercase())
    };
    code.split('_').map(capitalised).collect()
}

/// Returns status and body for a reason; `dead_since` is in milliseconds since 1970.
#[must_use]
pub fn refusal(reason: &str, dead_since: u64) -> (u16, String) {
    let status = STATUSES.iter().find(|(_, reasons)| reasons.contains(&reason)).map_or(400, |row| row.0);
    let mut body = json!({"reason": reason});
    if status == 410 {
        body["timestamp"] = dead_since.into();
    }
    (status, body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_reasons_in_capitals() {
        for (status, reasons) in STATUSES {
            for name in reasons {
                let code: String = name
                    .char_indices()
                    .map(|(at, c)| {
                        format!(
                            "{}{}",
                            if at > 0 && c.is_uppercase() { "_" } else { "" },
                            c.to_ascii_uppercase()
                        )
                    })
                    .collect();
                assert_eq!((reason(&code), refusal(name, 0).0), ((*name).to_owned(), status));
            }
        }
        assert_eq!(refusal("BadDeviceToken", 0).0, 400);
        assert_eq!(
            refusal("Unregistered", 7),
            (410, r#"{"reason":"Unregistered","timestamp":7}"#.to_owned())
        );
    }
}
