//! `POST /v1/pushes`: from the request's head to its answer, traced if it is a traced one.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::time::Instant;

use super::query::Query;
use super::{authorise, body, format, head, refuse};
use crate::ingest::Ingest;
use crate::ingest::admit::{self, Admission, Caller};
use crate::ingest::answer::Answer;
use crate::ingest::wire::{self, Format};
use crate::push::SenderId;
use crate::telemetry::trace::{Call, Head, w3c};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
static TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// The answer to a body, and how many pushes were in it and accepted.
pub(super) type Taken = (Answer, (usize, usize));

// === impl Head for HeaderMap ===

impl Head for HeaderMap {
    fn parent(&self) -> Option<&[u8]> {
        let mut headers = self.get_all(&TRACEPARENT);
        let only = headers.next()?;
        headers.next().is_none().then(|| only.as_bytes())
    }

    fn state(&self) -> Option<String> {
        w3c::state(self.get_all(&TRACESTATE).map(HeaderValue::as_bytes))
    }
}

/// Returns the trace that an answer names, if it was to a traced request.
pub(super) fn trace_of(headers: &HeaderMap) -> Option<u128> {
    let parent = w3c::parse(headers.get(&TRACERESPONSE)?.as_bytes());
    parent.map(|parent| parent.name.trace)
}

pub(super) async fn post(
    request: HttpRequest,
    mut rest: web::Payload,
    ingest: web::Data<Ingest>,
) -> HttpResponse {
    let begun = ingest.clock.now();
    let sender = authorise(&request, &ingest);
    let (sender, (format, wait)) = match sender.and_then(|sender| Ok((sender, wanted(&request)?))) {
        Ok(known) => known,
        Err(answer) => return refuse(answer, rest),
    };
    // Only now: strangers begin no traces.
    let call = ingest.tracer.begin(request.headers(), begun);
    let caller = Caller { sender, trace: call.as_ref() };
    let (answer, counts, is_read) = match body::read(&request, &mut rest, &ingest.settings).await {
        Ok(body) => {
            let (answer, counts) = match wait.is_zero() {
                true => take(&ingest, &body, format, caller),
                false => take_and_wait(&ingest, &body, (format, wait), caller).await,
            };
            (answer, counts, true)
        }
        Err(answer) => (answer, (0, 0), false),
    };
    let status = answer.status;
    let mut response = if is_read { head(&answer).body(answer.body) } else { refuse(answer, rest) };
    if let Some(call) = call {
        if let Ok(value) = HeaderValue::from_str(&call.response()) {
            response.headers_mut().insert(TRACERESPONSE.clone(), value);
        }
        call.end(ingest.clock.now(), status, counts);
    }
    response
}

/// The answer to a push of the gateway's own.
#[derive(Debug)]
pub struct Own {
    /// The status, as a sender would get it.
    pub status: u16,
    /// The JSON.
    pub body: Vec<u8>,
    /// The trace, if there is one.
    pub trace: Option<u128>,
}

/// Takes a body that an operator wrote, and waits for its pushes to end; it is traced if traces have a receiver.
pub async fn send_own(ingest: &Ingest, body: &[u8], wait: Duration) -> Own {
    let call = ingest.tracer.begin_own(ingest.clock.now());
    let caller = Caller { sender: SenderId::OPERATOR, trace: call.as_ref() };
    let (answer, counts) = take_and_wait(ingest, body, (Format::Json, wait), caller).await;
    let trace = call.as_ref().map(Call::trace);
    if let Some(call) = call {
        call.end(ingest.clock.now(), answer.status, counts);
    }
    Own { status: answer.status, body: answer.body, trace }
}

/// Takes a whole body: from here to the answer nothing waits.
pub(super) fn take(ingest: &Ingest, body: &[u8], format: Format, caller: Caller<'_>) -> Taken {
    match wire::parse(body, format, ingest.settings.max_batch) {
        Ok(parsed) => {
            let admission = admit::admit(ingest, parsed, body.len(), caller, None);
            (Answer::of(&admission), counts(&admission, caller))
        }
        Err(fault) => (Answer::of_body_fault(&fault), (0, 0)),
    }
}

/// Takes a whole body and waits for its pushes to end.
async fn take_and_wait(
    ingest: &Ingest,
    body: &[u8],
    (format, wait): (Format, Duration),
    caller: Caller<'_>,
) -> Taken {
    let deadline = Instant::now() + wait;
    match wire::parse(body, format, ingest.settings.max_batch) {
        Ok(parsed) => {
            let mut ticket = ingest.results.ticket();
            let admission = admit::admit(ingest, parsed, body.len(), caller, Some(&mut ticket));
            ticket.wait(deadline).await;
            (Answer::of_awaited(&admission, &ticket), counts(&admission, caller))
        }
        Err(fault) => (Answer::of_body_fault(&fault), (0, 0)),
    }
}

/// Counts for the trace, if there is one.
fn counts(admission: &Admission<'_>, caller: Caller<'_>) -> (usize, usize) {
    caller.trace.map_or((0, 0), |_| (admission.fates.len(), admission.accepted()))
}

/// Returns the form of the body, and how long the request waits.
fn wanted(request: &HttpRequest) -> Result<(Format, Duration), Answer> {
    let format = format(request)?;
    let wait = Query::parse(request.query_string(), &["wait"])?.wait()?;
    Ok((format, wait))
}
