//! What the tables of the HTTP/2 transports have in common. Pure.

use std::path::PathBuf;

use http::Uri;

use super::Section;

/// Returns a text that may be left empty.
pub(super) fn optional(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Reads `ca`.
pub(super) fn ca(section: &Section<'_>) -> Option<PathBuf> {
    optional(section.text("ca", "a path, or \"\" for the system's certificates", |_| true)).map(PathBuf::from)
}

/// Reads `proxy`.
pub(super) fn proxy(section: &Section<'_>) -> Option<String> {
    let is_address = |text: &str| {
        let parts = text.rsplit_once(':');
        parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    let read =
        section.text("proxy", "host:port, or \"\" for none", |text| text.is_empty() || is_address(text));
    optional(read)
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
