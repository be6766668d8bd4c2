//! What became of a stream: a reply, or the way in which there is none.
//!
//! The link keeps one exchange per open stream. Invariant: only what the peer certainly did not process is called refused or unprocessed
//! (RFC 9113 section 8.7).

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use h2::Reason;
use h2::client::ResponseFuture;

use super::super::{Reply, Stamp, reply};
use crate::push::PushKey;

/// A stream that has no answer yet.
pub type Exchange = LocalBoxFuture<'static, Settled>;

/// A stream that has ended.
#[derive(Debug)]
pub struct Settled {
    /// Whose.
    pub key: PushKey,
    /// The credential it was sent with.
    pub stamp: Stamp,
    /// How.
    pub outcome: Outcome,
}

/// How a stream ended.
#[derive(Debug)]
pub enum Outcome {
    /// With an answer.
    Reply(Reply),
    /// Refused by the peer: not processed.
    Refused,
    /// Above the last stream that the peer's GOAWAY names: not processed.
    Unprocessed,
    /// Reset by the peer for this reason.
    Reset(String),
    /// No answer in time, or one that breaks the protocol; the connection lives on.
    Unknown,
    /// Its connection has ended, which the link tells.
    Cut,
}

/// Waits for the answer of a stream, at most this long.
pub fn exchange(key: PushKey, stamp: Stamp, response: ResponseFuture, limit: Duration) -> Exchange {
    Box::pin(async move {
        let outcome = match tokio::time::timeout(limit, reply::read(response)).await {
            Ok(Ok(reply)) => Outcome::Reply(reply),
            Ok(Err(error)) => of(&error),
            // Dropping the stream resets it, which frees its place at the peer.
            Err(_) => Outcome::Unknown,
        };
        Settled { key, stamp, outcome }
    })
}

fn of(error: &h2::Error) -> Outcome {
    if error.is_go_away() && error.is_remote() {
        return Outcome::Unprocessed;
    }
    if !error.is_reset() {
        return Outcome::Cut;
    }
    if !error.is_remote() {
        return Outcome::Unknown;
    }
    match error.reason() {
        Some(Reason::REFUSED_STREAM) => Outcome::Refused,
        reason => Outcome::Reset(reason.map_or_else(|| error.to_string(), |reason| format!("{reason:?}"))),
    }
}
