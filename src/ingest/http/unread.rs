//! An answer to a request whose body was not read to its end; the admin server uses it too.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web;
use bytes::Bytes;

/// The answer's bytes together with the rest of the request.
///
/// actix reads on without a limit when the rest of a chunked body is dropped before the answer is written, so a sender could hold a
/// connection for ever. While it is alive, actix answers, lingers for the disconnect timeout, and closes.
pub(crate) struct Unread {
    answer: Bytes,
    _rest: web::Payload,
}

// === impl Unread ===

impl Unread {
    /// Joins an answer with the rest of its request.
    pub(crate) fn new(answer: Vec<u8>, rest: web::Payload) -> Self {
        Self { answer: answer.into(), _rest: rest }
    }
}

impl MessageBody for Unread {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.answer.len() as u64)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let answer = std::mem::take(&mut self.get_mut().answer);
        Poll::Ready((!answer.is_empty()).then_some(Ok(answer)))
    }
}
