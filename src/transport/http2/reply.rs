//! An answer: its head, and its body as far as it is kept.
//!
//! The session and single calls read answers with it. Invariant: a body is always read to its end or its stream dropped, and never more than
//! [`MAX_BODY`] of it is kept.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::client::ResponseFuture;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

/// The most bytes of a body that are kept; an answer to a push has a few hundred.
pub const MAX_BODY: usize = 64 * 1024;

/// The longest `Retry-After` that is obeyed.
const LONGEST_DELAY: Duration = Duration::from_secs(3600);

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, cut at [`MAX_BODY`].
    pub body: Bytes,
}

/// Returns what `Retry-After` asks for (RFC 9110 section 10.2.3), in either of its forms, an hour at most.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let delay = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(delay.min(LONGEST_DELAY))
}

/// Waits for an answer and reads it.
///
/// # Errors
/// The stream or the connection ended before the answer did.
pub async fn read(response: ResponseFuture) -> Result<Reply, h2::Error> {
    let (head, body) = response.await?.into_parts();
    let body = read_body(body).await?;
    Ok(Reply { status: head.status, headers: head.headers, body })
}

async fn read_body(mut stream: RecvStream) -> Result<Bytes, h2::Error> {
    // Nearly all answers are one frame, which needs no copy.
    let Some(first) = stream.data().await.transpose()? else { return Ok(Bytes::new()) };
    release(&mut stream, first.len())?;
    let mut whole: Option<BytesMut> = None;
    while let Some(chunk) = stream.data().await.transpose()? {
        release(&mut stream, chunk.len())?;
        let kept = whole.get_or_insert_with(|| BytesMut::from(first.as_ref()));
        let room = MAX_BODY.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if kept.len() >= MAX_BODY {
            break;
        }
    }
    Ok(whole.map_or_else(|| first.slice(..first.len().min(MAX_BODY)), BytesMut::freeze))
}

/// Lets the peer send as much again.
fn release(stream: &mut RecvStream, count: usize) -> Result<(), h2::Error> {
    stream.flow_control().release_capacity(count)
}
