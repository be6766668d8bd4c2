//! One request and its answer, or why there is none.
//!
//! The session keeps the one that is under way. Invariant: only what was never written is called unsent.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::LocalBoxFuture;
use http::header::{CONNECTION, HOST, HeaderValue};
use http::{HeaderMap, Request, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

use super::super::http2::{Letter, MAX_BODY, Reply, Stamp};
use crate::push::PushKey;

/// A request that has no answer yet.
pub type Exchange = LocalBoxFuture<'static, Settled>;

/// A request that has ended.
#[derive(Debug)]
pub struct Settled {
    /// Whose.
    pub key: PushKey,
    /// The credential it was sent with.
    pub stamp: Stamp,
    /// How.
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Debug)]
pub enum Outcome {
    /// With an answer.
    Reply {
        /// The answer.
        reply: Reply,
        /// Whether the connection cannot be used behind it.
        is_last: bool,
    },
    /// It was not written: the connection had ended.
    Unsent,
    /// It was written, and there will be no answer, for this reason.
    Lost(String),
}

/// Sends a request on a connection that is ready, and waits for its answer, at most this long.
pub fn start(
    requests: &mut SendRequest<Full<Bytes>>,
    letter: Letter,
    stamp: Stamp,
    limit: Duration,
) -> Exchange {
    let Letter { key, head, body } = letter;
    let response = requests.try_send_request(request(head, body));
    let answer = async move {
        match response.await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let is_last = head.version < Version::HTTP_11 || asks_for_end(&head.headers);
                let (body, is_whole) = read_body(body).await.map_err(|error| error.to_string())?;
                let reply = Reply { status: head.status, headers: head.headers, body };
                Ok(Outcome::Reply { reply, is_last: is_last || !is_whole })
            }
            Err(mut error) => match error.take_message() {
                Some(_) => Ok(Outcome::Unsent),
                None => Err(error.into_error().to_string()),
            },
        }
    };
    Box::pin(async move {
        let outcome = match tokio::time::timeout(limit, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(reason)) => Outcome::Lost(format!("the connection ended: {reason}")),
            Err(_) => Outcome::Lost(format!("no answer in {limit:?}")),
        };
        Settled { key, stamp, outcome }
    })
}

/// Returns the request as HTTP/1.1 has it: the host in a header, the path alone in its first line.
fn request(head: Request<()>, body: Bytes) -> Request<Full<Bytes>> {
    let (mut head, ()) = head.into_parts();
    if let Some(host) = head.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        head.headers.insert(HOST, host);
    }
    head.uri = head.uri.path_and_query().map_or_else(|| Uri::from_static("/"), |path| path.clone().into());
    Request::from_parts(head, Full::new(body))
}

fn asks_for_end(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("close"))
}

/// Reads a body to its end, or until too much came; says which.
async fn read_body(mut body: Incoming) -> Result<(Bytes, bool), hyper::Error> {
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await.transpose()? {
        let Some(chunk) = frame.data_ref() else { continue };
        let room = MAX_BODY.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((kept.freeze(), false));
        }
    }
    Ok((kept.freeze(), true))
}
