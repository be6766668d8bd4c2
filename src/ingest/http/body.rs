//! Reads a request's body within its limits of size and time.

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::ingest::Settings;
use crate::ingest::answer::Answer;
use crate::units::{format_duration, format_size};

/// Reads the body from what is left of the request.
///
/// # Errors
/// The answer for one that is too large, too slow or cut off. The connection must then be closed.
pub(super) async fn read(
    request: &HttpRequest,
    payload: &mut web::Payload,
    settings: &Settings,
) -> Result<Bytes, Answer> {
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > settings.max_body) {
        return Err(too_large(settings));
    }
    let whole = collect(payload, length, settings);
    match tokio::time::timeout(settings.read_timeout, whole).await {
        Ok(result) => result,
        Err(_) => {
            let limit = format_duration(settings.read_timeout);
            let message = format!("the body did not arrive within {limit} (hint: [ingest] read_timeout)");
            Err(Answer::error(408, "body_too_slow", &message))
        }
    }
}

async fn collect(
    payload: &mut web::Payload,
    length: Option<usize>,
    settings: &Settings,
) -> Result<Bytes, Answer> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let Ok(chunk) = chunk else {
            let message = "the body is cut off or its encoding is broken (hint: check Content-Length)";
            return Err(Answer::error(400, "body_broken", message));
        };
        if first.len() + rest.len() + chunk.len() > settings.max_body {
            return Err(too_large(settings));
        }
        if first.is_empty() && rest.is_empty() {
            // Most bodies are one chunk, which needs no copy.
            first = chunk;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(length.unwrap_or(first.len() + chunk.len()));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&chunk);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn too_large(settings: &Settings) -> Answer {
    let limit = format_size(settings.max_body as u64);
    let message =
        format!("the body is over the limit of {limit} (hint: [ingest] max_body; send several requests)");
    Answer::error(413, "body_too_large", &message)
}
