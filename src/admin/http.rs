//! The operator's HTTP server: guards a request, finds out what is meant, carries it out on the [`Backend`].
//!
//! A thin shell on one thread of its own, so that it answers however busy the service is. `app` starts and stops it by the [`Server`]
//! that [`server`] returns.

mod answer;
mod deed;
mod show;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::BytesMut;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::answer::{deny, explain, refuse};
use self::deed::Who;
use super::Settings;
use super::actions::{Backend, Call, Wanted};
use super::attempts::Attempts;
use super::feed::Feed;
use super::forms::Tokens;
use super::guard::{self, Actor, Claims, Denial};
use super::measured::template;

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
    tokens: Tokens,
    attempts: Mutex<Attempts>,
}

/// Returns the server on a bound listener; it runs once awaited or spawned, and stops by its handle.
///
/// # Errors
/// The system's, when the listener cannot be used.
pub fn server(listener: TcpListener, settings: Settings, backend: Arc<dyn Backend>) -> io::Result<Server> {
    let data = web::Data::new(Admin {
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
    let probe = matches!(request.path(), "/healthz" | "/readyz");
    let reading = matches!(request.method().as_str(), "GET" | "HEAD");
    let from = request.peer_addr().map(|peer| peer.ip());
    let actor = match admin.admit(&claims(&request), from, !reading) {
        Ok(actor) => actor,
        // Probes come from service managers, which have neither our names nor our credentials.
        Err(_) if probe && reading => Actor::ANYBODY,
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
    let who = Who { name: actor.name.to_owned(), from };
    match wanted.call() {
        Ok(Call::Run(command)) => deed::by_api(admin, who, command).await,
        Ok(Call::Form) => deed::by_form(admin, who, &request, &body).await,
        Ok(call) => show::show(admin, &request, actor, call),
        Err(misfit) => explain(misfit),
    }
}

// === impl Admin ===

impl Admin {
    /// Checks a request; whoever tries to change something and may not, or guesses, is remembered.
    fn admit(&self, claims: &Claims<'_>, from: Option<IpAddr>, change: bool) -> Result<Actor<'_>, Denial> {
        let login =
            (!self.settings.users.is_empty() && claims.authorization.is_some()).then_some(from).flatten();
        let wait = login.and_then(|address| self.attempts.lock().wait(address, Instant::now()));
        let admitted = match wait {
            Some(wait) => Err(Denial::TooMany(wait)),
            None => guard::admit(&self.settings, claims, change),
        };
        match (&admitted, login) {
            (Err(Denial::Unknown), Some(address)) => self.attempts.lock().fail(address, Instant::now()),
            (Ok(_), Some(address)) => self.attempts.lock().succeed(address),
            _ => {}
        }
        if let Err(denial) = &admitted
            && (change || login.is_some())
        {
            self.enter_denial(denial, from);
        }
        admitted
    }
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
