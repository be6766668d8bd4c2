//! The senders' HTTP server: reads a request within its limits, has it parsed and admitted, answers.
//!
//! A thin shell. `app` starts and stops it by the [`Server`] that [`server`] returns.

mod body;
mod query;
mod results;
mod take;
#[cfg(test)]
mod tests;
mod unread;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, Service};
use actix_web::http::{StatusCode, header};
use actix_web::{App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer, web};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use tokio::time::Instant;

pub use self::take::{Own, send_own};
pub(crate) use self::unread::Unread;
use super::Ingest;
use super::answer::Answer;
use super::refusals::{Line, Refused};
use super::wire::Format;
use crate::push::SenderId;

const PATH: &str = "/v1/pushes";
const PUSH: &str = "/v1/pushes/{id}";
const RESULTS: &str = "/v1/results";
/// Senders keep their connections; a new one for each batch would cost more than the batch.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// actix counts its timeouts from a clock that it reads twice a second; one that is over at once never fires.
const CLOCK_STEP: Duration = Duration::from_millis(500);
/// How long a connection that will be closed is still read, so that its end does not tear the answer away. Well above the clock's step.
const LINGER: Duration = Duration::from_secs(2);
/// How long a stop waits for requests that are being answered, in seconds.
const STOP_WITHIN: u64 = 5;

/// Returns the server on a bound listener; it runs once awaited or spawned, and stops by its handle.
///
/// # Errors
/// The system's, when the listener cannot be used.
pub fn server(listener: TcpListener, ingest: Arc<Ingest>) -> io::Result<Server> {
    let (threads, read_timeout) = (ingest.settings.threads, ingest.settings.read_timeout);
    let connections = ingest.settings.max_connections.div_ceil(threads);
    let data = web::Data::from(ingest);
    let server = HttpServer::new(move || {
        let pushes =
            web::resource(PATH).route(web::post().to(take::post)).default_service(web::to(other_method));
        let push =
            web::resource(PUSH).route(web::get().to(results::find)).default_service(web::to(only_read));
        let results =
            web::resource(RESULTS).route(web::get().to(results::get)).default_service(web::to(only_read));
        let shared = data.clone();
        App::new()
            .wrap_fn(move |request, service| {
                let (ingest, begun) = (shared.clone(), Instant::now());
                let template = template(request.path());
                let answered = service.call(request);
                async move {
                    let mut response = answered.await?;
                    let trace = take::trace_of(response.headers());
                    let status = response.status().as_u16();
                    ingest.meter.record(template, status, begun.elapsed(), trace);
                    let refused = response.response_mut().extensions_mut().remove::<Refused>();
                    if let Some(refused) = refused {
                        tell(&ingest, response.request(), &refused, status);
                    }
                    Ok(response)
                }
            })
            .app_data(data.clone())
            .service(pushes)
            .service(push)
            .service(results)
            .default_service(web::to(other_path))
    });
    let server = server
        .workers(threads)
        .max_connections(connections)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(read_timeout + CLOCK_STEP)
        .client_disconnect_timeout(LINGER)
        .tcp_nodelay(true)
        .shutdown_timeout(STOP_WITHIN)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Tells the operator of a request that was refused. Who sent it is found out again: those that are taken pay nothing for it.
fn tell(ingest: &Ingest, request: &HttpRequest, refused: &Refused, status: u16) {
    let needs_token = !ingest.settings.tokens.is_empty();
    let sender = authorise(request, ingest).ok().filter(|_| needs_token);
    let from = request.peer_addr().map(|address| address.ip());
    let line = ingest.refusals.note(refused, status, (sender, from), ingest.clock.now());
    line.iter().for_each(Line::log);
}

/// Returns the position in [`super::TEMPLATES`] of what a path is for.
fn template(path: &str) -> usize {
    match path {
        PATH => 0,
        RESULTS => 2,
        _ if path.strip_prefix(PATH).is_some_and(|rest| rest.starts_with('/')) => 1,
        _ => 3,
    }
}

async fn other_method(request: HttpRequest, rest: web::Payload) -> HttpResponse {
    not_allowed(&request, rest, "POST", "POST pushes to it")
}

async fn only_read(request: HttpRequest, rest: web::Payload) -> HttpResponse {
    not_allowed(&request, rest, "GET", "GET it")
}

fn not_allowed(request: &HttpRequest, rest: web::Payload, allowed: &'static str, hint: &str) -> HttpResponse {
    let message = format!("{} takes no {} (hint: {hint})", request.path(), request.method());
    let mut response = refuse(Answer::error(405, "method_not_allowed", &message), rest);
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}

async fn other_path(rest: web::Payload) -> HttpResponse {
    let message =
        format!("there is nothing here (hint: there is POST {PATH}, GET {PATH}/ID and GET {RESULTS})");
    refuse(Answer::error(404, "not_found", &message), rest)
}

/// RFC 6750 section 2.1.
fn authorise(request: &HttpRequest, ingest: &Ingest) -> Result<SenderId, Answer> {
    let tokens = &ingest.settings.tokens;
    if tokens.is_empty() {
        return Ok(SenderId::default());
    }
    let given = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let token = given
        .and_then(|given| given.split_at_checked(7))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
    let Some((_, token)) = token else {
        let message = "a token is needed (hint: send the header Authorization: Bearer TOKEN)";
        return Err(Answer::error(401, "token_missing", message));
    };
    // Every token is compared, so that the time does not tell which one was nearly right.
    let mut known = subtle::Choice::from(0);
    let mut sender = u16::MAX;
    for (each, number) in tokens.iter().zip(&ingest.senders) {
        let is_it = each.expose().as_bytes().ct_eq(token.trim_ascii());
        sender.conditional_assign(&number.0, is_it);
        known |= is_it;
    }
    if bool::from(known) {
        return Ok(SenderId(sender));
    }
    Err(Answer::error(403, "token_wrong", "the token is not one of ours (hint: [ingest] tokens)"))
}

fn format(request: &HttpRequest) -> Result<Format, Answer> {
    let text = |name| request.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    if text(header::CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        let message = "the body must not be compressed (hint: send it without Content-Encoding)";
        return Err(Answer::error(415, "unsupported_media_type", message));
    }
    let given = text(header::CONTENT_TYPE).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(Format::Json);
    }
    if essence.eq_ignore_ascii_case("application/x-ndjson") {
        return Ok(Format::Lines);
    }
    let given: String = given.chars().take(64).collect();
    let message =
        format!("the content type {given:?} is not known (hint: application/json or application/x-ndjson)");
    Err(Answer::error(415, "unsupported_media_type", &message))
}

/// Answers a request whose body was not read to its end, and closes.
fn refuse(answer: Answer, rest: web::Payload) -> HttpResponse {
    let mut response = head(&answer);
    response.force_close().body(Unread::new(answer.body, rest))
}

fn head(answer: &Answer) -> HttpResponseBuilder {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.content_type("application/json");
    if let Some(seconds) = answer.retry_after {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    if let Some(refused) = &answer.refused {
        response.extensions_mut().insert(refused.clone());
    }
    if status == StatusCode::UNAUTHORIZED {
        response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"pushweir\""));
    }
    response
}
