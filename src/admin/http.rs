//! The operator's HTTP server: guards a request, finds out what is meant, carries it out on the [`Backend`].
//!
//! A thin shell on one thread of its own, so that it answers however busy the service is. `app` starts and stops it by the [`Server`]
//! that [`server`] returns.

mod admit;
mod answer;
mod deed;
mod login;
mod show;
#[cfg(test)]
mod tests;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::BytesMut;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::admit::Desk;
use self::answer::{deny, explain, refuse};
use self::deed::Who;
use super::Settings;
use super::actions::{Backend, Call, Misfit, Wanted};
use super::attempts::Attempts;
use super::feed::Feed;
use super::forms::Tokens;
use super::guard::{Actor, Claims, Denial};
use super::measured::template;
use super::sessions::Sessions;

/// Largest body of a command.
const MAX_BODY: usize = 4 * 1_024;
/// Time for a request's head, and again for its body.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at once: viewers, scrapers, probes.
const MAX_CONNECTIONS: usize = 256;
/// Bytes that wait for a connection before no more are made for it: a viewer that does not read costs this and an event.
const WRITE_BUFFER: usize = 4 * 1_024;
/// How long a stop waits for answers, in seconds; streams do not end by themselves.
const STOP_WITHIN: u64 = 1;

/// What the handlers share.
struct Admin {
    settings: Settings,
    backend: Arc<dyn Backend>,
    feed: Arc<Feed>,
    tokens: Tokens,
    attempts: Mutex<Attempts>,
    sessions: Mutex<Sessions>,
    desk: Desk,
    /// The port that browsers know us by, unless a proxy is between.
    port: u16,
}

/// Returns the server on a bound listener; it runs once awaited or spawned, and stops by its handle.
///
/// # Errors
/// The system's, when the listener cannot be used.
pub fn server(listener: TcpListener, settings: Settings, backend: Arc<dyn Backend>) -> io::Result<Server> {
    let data = web::Data::new(Admin {
        sessions: Mutex::new(Sessions::new(settings.session_idle, settings.session_longest)),
        desk: Desk::default(),
        port: listener.local_addr()?.port(),
        settings,
        feed: Arc::new(Feed::new(Arc::clone(&backend))),
        backend,
        tokens: Tokens::default(),
        attempts: Mutex::default(),
    });
    let app = move || App::new().app_data(data.clone()).default_service(web::to(any));
    let server = HttpServer::new(app)
        .workers(1)
        .max_connections(MAX_CONNECTIONS)
        .client_request_timeout(READ_TIMEOUT)
        .client_disconnect_timeout(READ_TIMEOUT)
        .tcp_nodelay(true)
        .h1_write_buffer_size(WRITE_BUFFER)
        .shutdown_timeout(STOP_WITHIN)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

async fn any(request: HttpRequest, payload: web::Payload, admin: web::Data<Admin>) -> HttpResponse {
    let begun = Instant::now();
    let template = template(request.method().as_str(), request.path());
    let response = answer(request, payload, &admin).await;
    let meter = admin.backend.record().meter();
    meter.record(template, response.status().as_u16(), begun.elapsed(), None);
    response
}

async fn answer(request: HttpRequest, mut payload: web::Payload, admin: &web::Data<Admin>) -> HttpResponse {
    let (claims, from) = (claims(&request), request.peer_addr().map(|peer| peer.ip()));
    let reading = matches!(request.method().as_str(), "GET" | "HEAD");
    if request.path() == "/login" {
        return login::serve(admin, &request, &claims, payload).await;
    }
    let actor = match admin.admit(&claims, from, !reading).await {
        Ok(actor) => actor,
        Err(denial) if reading && is_for_anybody(request.path(), &denial) => Actor::anybody(),
        Err(denial) if reading && login::is_wanted(admin, &request, &denial) => {
            return match read(&mut payload).await {
                Some(_) => login::lead(&request),
                None => too_large(payload),
            };
        }
        Err(denial) => return deny(&denial, &claims, payload),
    };
    let Some(body) = read(&mut payload).await else {
        return too_large(payload);
    };
    let wanted = Wanted {
        method: request.method().as_str(),
        path: request.path(),
        query: request.query_string(),
        body: &body,
    };
    let who = Who { actor, from };
    match wanted.call() {
        Ok(Call::Run(command)) => deed::by_api(admin, who, command).await,
        Ok(Call::Form) => deed::by_form(admin, who, &request, &body).await,
        Ok(Call::Logout) => login::end(admin, &who, &claims, &body),
        Ok(call) => show::show(admin, &request, &who.actor, call),
        Err(misfit) => {
            if reading && misfit == Misfit::Method("POST") {
                admin.enter_denial(&Denial::Get(who.actor.name), who.from);
            }
            explain(misfit)
        }
    }
}

/// Probes come from service managers, which have neither our names nor our credentials; the login needs the page's style.
fn is_for_anybody(path: &str, denial: &Denial) -> bool {
    let probe = matches!(path, "/healthz" | "/readyz");
    probe || path.starts_with("/admin/assets/") && denial.is_login()
}

fn too_large(rest: web::Payload) -> HttpResponse {
    let message = format!("the body is over {MAX_BODY} bytes, or did not arrive in {READ_TIMEOUT:?}");
    refuse(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &message, rest)
}

fn claims(request: &HttpRequest) -> Claims<'_> {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    Claims {
        host: text("host"),
        origin: text("origin"),
        fetch_site: text("sec-fetch-site"),
        authorization: text("authorization"),
        cookies: text("cookie"),
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
