//! What the tables of the HTTP/2 transports have in common. Pure.

use std::path::PathBuf;

use http::Uri;
use http::uri::Authority;

use super::{HOUR, MILLISECOND, MINUTE, SECOND, Section, TENTH};
use crate::transport::http2::Settings;

/// As many streams as any of the providers has ever been seen to allow (`reference/apns_webpush.md` 1.1); a connection never has more than its
/// peer allows.
const MOST_STREAMS: u64 = 1000;

/// Reads what the tables have in common.
pub(super) fn settings(route: &Section<'_>, section: &Section<'_>) -> Settings {
    Settings {
        ca: ca(section),
        proxy: proxy(section),
        window: route.whole("window", 1..=MOST_STREAMS),
        connect_timeout: section.duration("connect_timeout", TENTH..=5 * MINUTE),
        request_timeout: section.duration("request_timeout", TENTH..=10 * MINUTE),
        retry_min: section.duration("retry_min", MILLISECOND..=HOUR),
        ping_after: section.duration("ping_after", SECOND..=HOUR),
        ping_timeout: section.duration("ping_timeout", SECOND..=HOUR),
    }
}

/// Returns a text that may be left empty.
pub(super) fn optional(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Reads `ca`.
fn ca(section: &Section<'_>) -> Option<PathBuf> {
    optional(section.text("ca", "a path, or \"\" for the system's certificates", |_| true)).map(PathBuf::from)
}

/// Reads `proxy`.
fn proxy(section: &Section<'_>) -> Option<String> {
    let allowed = "host:port without user name, or \"\" for none";
    optional(section.text("proxy", allowed, |text| text.is_empty() || is_host_and_port(text)))
}

fn is_host_and_port(text: &str) -> bool {
    text.parse::<Authority>().is_ok_and(|authority| {
        !authority.host().is_empty() && authority.port_u16().is_some() && !text.contains('@')
    })
}

/// Returns whether a text is an https address without a path.
pub(super) fn is_origin(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        uri.scheme_str() == Some("https")
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.path() == "/"
            && uri.query().is_none()
    })
}
