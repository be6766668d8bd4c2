//! The operator's HTTP server: guards a request, finds out what is meant, carries it out on the [`Backend`].
//!
//! A thin shell on one thread of its own, so that it answers however busy the service is. `app` starts and stops it by the [`Server`]
//! that [`server`] returns.

#[cfg(test)]
mod tests;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::{StatusCode, header};
use actix_web::{App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer, web};
use bytes::BytesMut;
use futures_util::StreamExt;
use serde_json::json;

use super::actions::{Backend, Call, Misfit, Wanted};
use super::feed::Feed;
use super::guard::{self, Claims, Denial};
use super::process::Process;
use super::{Settings, metrics, page};
use crate::flow::{Command, CommandError};
use crate::ingest::http::Unread;

/// Largest body of a command.
const MAX_BODY: usize = 4 * 1_024;
/// Time for a request's head, and again for its body.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at once: viewers, scrapers, probes.
const MAX_CONNECTIONS: usize = 256;
/// How long a stop waits for answers, in seconds; streams do not end by themselves.
const STOP_WITHIN: u64 = 1;

/// What the handlers share.
struct Admin {
    settings: Settings,
    backend: Arc<dyn Backend>,
    feed: Arc<Feed>,
}

/// Returns the server on a bound listener; it runs once awaited or spawned, and stops by its handle.
///
/// # Errors
/// The system's, when the listener cannot be used.
pub fn server(listener: TcpListener, settings: Settings, backend: Arc<dyn Backend>) -> io::Result<Server> {
    let feed = Arc::new(Feed::new(Arc::clone(&backend)));
    let data = web::Data::new(Admin { settings, backend, feed });
    let app = move || App::new().app_data(data.clone()).default_service(web::to(any));
    let server = HttpServer::new(app)
        .workers(1)
        .max_connections(MAX_CONNECTIONS)
        .client_request_timeout(READ_TIMEOUT)
        .client_disconnect_timeout(READ_TIMEOUT)
        .tcp_nodelay(true)
        .shutdown_timeout(STOP_WITHIN)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

async fn any(request: HttpRequest, mut payload: web::Payload, admin: web::Data<Admin>) -> HttpResponse {
    let probe = matches!(request.path(), "/healthz" | "/readyz");
    let reading = matches!(request.method().as_str(), "GET" | "HEAD");
    let admitted = guard::admit(&admin.settings, &claims(&request), !reading);
    let actor = match admitted {
        Ok(actor) => actor,
        // Probes come from service managers, which have neither our names nor our credentials.
        Err(_) if probe && reading => "anybody",
        Err(denial) => return deny(&denial, payload),
    };
    let Some(body) = read(&mut payload).await else {
        let message = format!("the body is over {MAX_BODY} bytes, or did not arrive in {READ_TIMEOUT:?}");
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &message, payload);
    };
    let wanted = Wanted {
        method: request.method().as_str(),
        path: request.path(),
        query: request.query_string(),
        body: &body,
    };
    match wanted.call() {
        Ok(Call::Run(command)) => run(&admin, actor, command).await,
        Ok(call) => show(&admin, call),
        Err(misfit) => explain(misfit),
    }
}

fn show(admin: &Admin, call: Call) -> HttpResponse {
    match call {
        Call::Page => headed(StatusCode::OK)
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"))
            .body(page::render(&admin.backend.snapshot())),
        Call::State => headed(StatusCode::OK).json(admin.backend.snapshot()),
        Call::Metrics => match metrics::write(admin.backend.snapshot(), Process::read()) {
            Ok(text) => headed(StatusCode::OK).content_type(metrics::CONTENT_TYPE).body(text),
            Err(_) => {
                error(StatusCode::INTERNAL_SERVER_ERROR, "encoding", "the metrics could not be written")
            }
        },
        Call::Events => events(admin),
        Call::Ready => match admin.backend.readiness() {
            Ok(()) => headed(StatusCode::OK).content_type("text/plain; charset=utf-8").body("ready\n"),
            Err(reason) => headed(StatusCode::SERVICE_UNAVAILABLE)
                .content_type("text/plain; charset=utf-8")
                .body(format!("not ready: {reason}\n")),
        },
        Call::Health | Call::Run(_) => {
            headed(StatusCode::OK).content_type("text/plain; charset=utf-8").body("alive\n")
        }
    }
}

fn events(admin: &Admin) -> HttpResponse {
    match admin.feed.watch() {
        Some(stream) => headed(StatusCode::OK).content_type("text/event-stream").streaming(Box::pin(stream)),
        None => {
            let message = format!("there are {} viewers already (hint: close one)", super::feed::MAX_VIEWERS);
            let mut response = error(StatusCode::SERVICE_UNAVAILABLE, "too_many_viewers", &message);
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
            response
        }
    }
}

async fn run(admin: &Admin, actor: &str, command: Command) -> HttpResponse {
    let asked = format!("{command:?}");
    match admin.backend.command(command).await {
        Ok(state) => {
            log::info!("operator's command done actor={actor} command={asked}");
            headed(StatusCode::OK).json(state)
        }
        Err(refused) => {
            log::info!("operator's command refused actor={actor} command={asked} reason={refused}");
            let (status, code) = match refused {
                CommandError::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
                CommandError::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
                CommandError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid"),
            };
            error(status, code, &refused.to_string())
        }
    }
}

fn explain(misfit: Misfit) -> HttpResponse {
    match misfit {
        Misfit::NotFound(message) => error(StatusCode::NOT_FOUND, "not_found", &message),
        Misfit::Invalid(message) => error(StatusCode::BAD_REQUEST, "invalid", &message),
        Misfit::Method(allow) => {
            let message = format!("this takes {allow} only");
            let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &message);
            response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allow));
            response
        }
    }
}

fn deny(denial: &Denial, rest: web::Payload) -> HttpResponse {
    let (status, code) = match denial {
        Denial::Unknown => (StatusCode::UNAUTHORIZED, "credentials"),
        Denial::Host(_) => (StatusCode::FORBIDDEN, "host"),
        Denial::CrossSite(_) => (StatusCode::FORBIDDEN, "cross_site"),
    };
    log::debug!("request denied reason={denial}");
    let mut response = refuse(status, code, &denial.to_string(), rest);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = header::HeaderValue::from_static("Basic realm=\"pushweir\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn error(status: StatusCode, code: &str, message: &str) -> HttpResponse {
    headed(status).json(error_json(code, message))
}

/// Answers a request whose body was not read to its end, and closes.
fn refuse(status: StatusCode, code: &str, message: &str, rest: web::Payload) -> HttpResponse {
    let body = Unread::new(error_json(code, message).to_string().into_bytes(), rest);
    headed(status).content_type("application/json").force_close().body(body)
}

fn error_json(code: &str, message: &str) -> serde_json::Value {
    json!({ "error": { "code": code, "message": message } })
}

fn headed(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    response
}

fn claims(request: &HttpRequest) -> Claims<'_> {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    Claims {
        host: text("host"),
        origin: text("origin"),
        fetch_site: text("sec-fetch-site"),
        authorization: text("authorization"),
    }
}

/// Reads a body; `None` if it is too large, too slow or cut off.
async fn read(payload: &mut web::Payload) -> Option<BytesMut> {
    let whole = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.ok()?;
            if body.len() + chunk.len() > MAX_BODY {
                return None;
            }
            body.extend_from_slice(&chunk);
        }
        Some(body)
    };
    tokio::time::timeout(READ_TIMEOUT, whole).await.ok().flatten()
}
