//! Reads the gateway's HTTP responses and counts what they say about each push.
//!
//! Pure: the workers append bytes and ask for the next response. Understands `content-length` and chunked bodies.

use std::borrow::Cow;
use std::collections::BTreeMap;

use memchr::memmem;
use serde::Deserialize;
use thiserror::Error;

/// A response whose head or body makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the response is not HTTP/1.1")]
pub struct ResponseError;

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the connection ends after it.
    pub last: bool,
}

/// Takes the first whole response out of `buffer`, or nothing until more bytes are appended.
///
/// # Errors
/// [`ResponseError`] when the bytes are no response.
pub fn take(buffer: &mut Vec<u8>) -> Result<Option<Response>, ResponseError> {
    let Some(head_end) = memmem::find(buffer, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&buffer[..head_end]).map_err(|_| ResponseError)?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().ok_or(ResponseError)?;
    let status = status_line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5)?.parse().ok())
        .ok_or(ResponseError)?;
    let (mut length, mut chunked, mut last) = (0, false, false);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(ResponseError)?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(|_| ResponseError)?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            last = value.eq_ignore_ascii_case("close");
        }
    }
    let start = head_end + 4;
    let found = if chunked {
        chunks(&buffer[start..])?
    } else {
        buffer.get(start..start + length).map(|body| (body.to_vec(), length))
    };
    let Some((body, used)) = found else {
        return Ok(None);
    };
    buffer.drain(..start + used);
    Ok(Some(Response { status, body, last }))
}

/// Returns a chunked body and the bytes it took.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, ResponseError> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some(line_end) = memmem::find(&bytes[at..], b"\r\n") else {
            return Ok(None);
        };
        let line = std::str::from_utf8(&bytes[at..at + line_end]).map_err(|_| ResponseError)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| ResponseError)?;
        let start = at + line_end + 2;
        let Some(chunk) = start.checked_add(size).and_then(|end| bytes.get(start..end)) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        at = start + size + 2;
        if bytes.len() < at {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    accepted: u64,
    #[serde(default, borrow)]
    failed: Vec<Failed<'a>>,
}

#[derive(Debug, Deserialize)]
struct Failed<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

/// What became of the pushes of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Accepted by the gateway.
    pub accepted: u64,
    /// Shed: reasons that start with `shed_`, and whole requests answered 429 without a list.
    pub shed: u64,
    /// Refused for any other reason.
    pub refused: u64,
    /// How often each reason was given.
    pub reasons: BTreeMap<String, u64>,
}

impl Verdict {
    /// Returns what a response means for a request of `pushes` pushes; the three counts add up to that.
    #[must_use]
    pub fn of(response: &Response, pushes: u64) -> Self {
        let answer: Answer<'_> = serde_json::from_slice(&response.body).unwrap_or_default();
        let mut verdict = Self { accepted: answer.accepted.min(pushes), ..Self::default() };
        for failed in &answer.failed {
            verdict.shed += u64::from(failed.reason.starts_with("shed_"));
            match verdict.reasons.get_mut(failed.reason.as_ref()) {
                Some(count) => *count += 1,
                None => {
                    verdict.reasons.insert(failed.reason.clone().into_owned(), 1);
                }
            }
        }
        let left = pushes - verdict.accepted;
        if response.status == 429 && answer.failed.is_empty() {
            verdict.shed = left;
        }
        verdict.shed = verdict.shed.min(left);
        verdict.refused = left - verdict.shed;
        verdict
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response { status, body: body.as_bytes().to_vec(), last: false }
    }

    #[test]
    fn a_pipelined_pair_comes_out_one_by_one() {
        let mut buffer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 429 Too Many\r\ntransfer-encoding: \
            chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            .to_vec();
        assert_eq!(take(&mut buffer), Ok(Some(response(202, "{}"))));
        assert_eq!(take(&mut buffer), Ok(Some(Response { last: true, ..response(429, "abc") })));
        assert_eq!((take(&mut buffer), buffer.len()), (Ok(None), 0));
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        assert_eq!(take(&mut b"SSH-2.0-x\r\n\r\n".to_vec()), Err(ResponseError));
        assert_eq!(take(&mut b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n".to_vec()), Err(ResponseError));
    }

    #[test]
    fn every_push_of_a_request_is_accepted_shed_or_refused() {
        let mixed = r#"{"accepted":2,"ids":["a","b"],"failed":[{"index":2,"reason":"shed_buffer_full"},
                       {"index":3,"reason":"refused_payload_too_large","detail":"x"}]}"#;
        let verdict = Verdict::of(&response(202, mixed), 4);
        assert_eq!((verdict.accepted, verdict.shed, verdict.refused), (2, 1, 1));
        assert_eq!(verdict.reasons["shed_buffer_full"], 1);
        assert_eq!(Verdict::of(&response(429, "{}"), 5).shed, 5);
        assert_eq!(Verdict::of(&response(503, "{\"error\":{}}"), 5).refused, 5);
    }

    proptest! {
        #[test]
        fn a_response_may_arrive_in_any_pieces(cut in 0usize..60) {
            let whole = b"HTTP/1.1 202 Accepted\r\ncontent-length: 11\r\n\r\nhello world";
            let cut = cut.min(whole.len() - 1);
            let mut buffer = whole[..cut].to_vec();
            prop_assert_eq!(take(&mut buffer), Ok(None));
            buffer.extend_from_slice(&whole[cut..]);
            prop_assert_eq!(take(&mut buffer), Ok(Some(response(202, "hello world"))));
        }
    }
}
