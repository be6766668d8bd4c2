//! What is read: the page and its files, state, history, actions, probes, metrics.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::Instant;

use super::Admin;
use super::answer::{error, headed};
use crate::admin::actions::{Backend, Call};
use crate::admin::assets::Asset;
use crate::admin::feed::MAX_VIEWERS;
use crate::admin::forms::Fields;
use crate::admin::guard::Actor;
use crate::admin::metrics;
use crate::admin::page::{self, Page};
use crate::admin::view::View;

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn show(
    admin: &web::Data<Admin>,
    request: &HttpRequest,
    actor: &Actor,
    call: Call,
) -> HttpResponse {
    let backend = &*admin.backend;
    match call {
        Call::Page => html(page(admin, request, actor)),
        Call::Confirm => {
            let fields = Fields::read(request.query_string().as_bytes());
            match page::confirm(&backend.snapshot(), actor, &fields, &admin.tokens.of(&actor.seal())) {
                Some(question) => html(question),
                None => error(StatusCode::NOT_FOUND, "not_found", "there is no such action or thing"),
            }
        }
        Call::Asset(name) => asset(request, &name),
        Call::State => headed(StatusCode::OK).json(View::of(backend)),
        Call::History => headed(StatusCode::OK).json(backend.record().history()),
        Call::Audit => headed(StatusCode::OK).json(json!({ "entries": backend.record().audit() })),
        Call::Configuration => headed(StatusCode::OK).content_type(TEXT).body(backend.configuration()),
        Call::Metrics => scrape(backend, request),
        Call::Events => events(admin, actor),
        Call::Ready => match backend.readiness() {
            Ok(()) => headed(StatusCode::OK).content_type(TEXT).body("ready\n"),
            Err(reason) => headed(StatusCode::SERVICE_UNAVAILABLE)
                .content_type(TEXT)
                .body(format!("not ready: {reason}\n")),
        },
        Call::Health | Call::Form | Call::Logout | Call::Run(_) => {
            headed(StatusCode::OK).content_type(TEXT).body("alive\n")
        }
    }
}

/// OpenMetrics, unless only the older text is asked for.
fn scrape(backend: &dyn Backend, request: &HttpRequest) -> HttpResponse {
    let accept =
        request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_classic = accept.contains("text/plain") && !accept.contains("application/openmetrics-text");
    match metrics::write(backend) {
        Ok(text) if is_classic => {
            headed(StatusCode::OK).content_type(metrics::CLASSIC_TYPE).body(metrics::classic(&text))
        }
        Ok(text) => headed(StatusCode::OK).content_type(metrics::CONTENT_TYPE).body(text),
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "encoding", "the metrics could not be written"),
    }
}

fn page(admin: &Admin, request: &HttpRequest, actor: &Actor) -> String {
    let backend = &*admin.backend;
    let page = Page {
        view: &View::of(backend),
        actor,
        token: &admin.tokens.of(&actor.seal()),
        fields: &Fields::read(request.query_string().as_bytes()),
        audit: &backend.record().audit(),
        configuration: &backend.configuration(),
    };
    page.render()
}

fn html(text: String) -> HttpResponse {
    headed(StatusCode::OK).content_type(HTML).body(text)
}

/// An address with the content's version may be kept for ever, another one has to be asked for again.
fn asset(request: &HttpRequest, name: &str) -> HttpResponse {
    let Some(asset) = Asset::find(name) else {
        return error(StatusCode::NOT_FOUND, "not_found", "there is no such file");
    };
    let version = asset.version();
    let tag = format!("\"{version}\"");
    let fresh = request.query_string() == format!("v={version}");
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let known = known.is_some_and(|known| known.contains(&tag));
    let mut response = headed(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    let keep = if fresh { "private, max-age=31536000, immutable" } else { "no-cache" };
    response.insert_header((header::CACHE_CONTROL, keep)).insert_header((header::ETAG, tag));
    if known { response.finish() } else { response.content_type(asset.content_type).body(asset.text) }
}

/// A stream ends with the session that it belongs to, and is a use of it as long as somebody reads.
fn events(admin: &web::Data<Admin>, actor: &Actor) -> HttpResponse {
    let (owner, session) = (admin.clone(), actor.session);
    let is_over =
        move || session.is_some_and(|key| owner.sessions.lock().look(key, Instant::now()).is_none());
    match admin.feed.watch() {
        Some(stream) => {
            let stream = stream.take_while(move |_| std::future::ready(!is_over()));
            headed(StatusCode::OK).content_type("text/event-stream").streaming(Box::pin(stream))
        }
        None => {
            let message = format!("there are {MAX_VIEWERS} viewers already (hint: close one)");
            let mut response = error(StatusCode::SERVICE_UNAVAILABLE, "too_many_viewers", &message);
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
            response
        }
    }
}
