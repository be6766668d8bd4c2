//! The headers of a push (RFC 8030 section 5). Pure.
//!
//! The service checks every push with [`check`].

use http::HeaderMap;

/// The most bytes of a body (RFC 8030 section 7.2).
pub const MAX_BODY: usize = 4096;

/// What is wrong with a request: a code of [`super::answer`], and a text.
pub type Fault = (&'static str, String);

/// Checks the headers of a push and its body's length.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(headers: &HeaderMap, length: usize) -> Result<(), Fault> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let fault = |text: String| Err(("BAD_REQUEST", text));
    if header("ttl").is_none_or(|text| text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit())) {
        return fault(format!("TTL is {:?}", header("ttl")));
    }
    let urgency = header("urgency").unwrap_or("normal");
    if !["very-low", "low", "normal", "high"].contains(&urgency)
        || headers.get_all("urgency").iter().count() > 1
    {
        return fault(format!("Urgency is {urgency:?}"));
    }
    let is_topic = |text: &str| {
        (1..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if header("topic").is_some_and(|text| !is_topic(text)) {
        return fault(format!("Topic is {:?}", header("topic")));
    }
    if length > MAX_BODY {
        return Err(("TOO_LARGE", format!("the body has {length} bytes")));
    }
    let encoding = header("content-encoding");
    if encoding != (length > 0).then_some("aes128gcm") {
        return fault(format!("Content-Encoding is {encoding:?} for {length} bytes"));
    }
    // They belong to the drafts before RFC 8291.
    match ["encryption", "crypto-key", "encryption-key"].iter().find(|name| headers.contains_key(**name)) {
        Some(name) => fault(format!("{name} does not go with aes128gcm")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(headers: &[(&'static str, &'static str)], length: usize) -> Option<&'static str> {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        check(&headers, length).err().map(|(code, _)| code)
    }

    #[test]
    fn only_what_the_rfc_allows_passes() {
        let (ttl, encoding) = (("ttl", "60"), ("content-encoding", "aes128gcm"));
        assert_eq!(code(&[ttl], 0), None);
        assert_eq!(code(&[ttl, encoding, ("urgency", "high"), ("topic", "a-_9")], MAX_BODY), None);
        assert_eq!(code(&[ttl, encoding], MAX_BODY + 1), Some("TOO_LARGE"));
        for wrong in [
            &[][..],
            &[("ttl", "-1")],
            &[("ttl", "")],
            &[ttl, encoding],
            &[ttl, ("urgency", "urgent")],
            &[ttl, ("urgency", "low"), ("urgency", "high")],
            &[ttl, ("topic", "a.b")],
            &[ttl, ("topic", "aaaaaaaaaabbbbbbbbbbccccccccccddd")],
            &[ttl, ("crypto-key", "dh=x")],
        ] {
            assert_eq!(code(wrong, 0), Some("BAD_REQUEST"), "{wrong:?}");
        }
        assert_eq!(code(&[ttl], 10), Some("BAD_REQUEST"));
    }
}
