//! Login and logout of browsers: a form, a cookie, and the way back. Scripts send their credentials with each request instead.

use std::net::IpAddr;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::time::Instant;

use super::answer::{deny, explain, headed};
use super::deed::Who;
use super::{Admin, read, too_large};
use crate::admin::actions::Misfit;
use crate::admin::credentials::cookie;
use crate::admin::forms::{Fields, encode};
use crate::admin::guard::{self, Claims, Denial};
use crate::admin::page::{self, LoginForm};
use crate::admin::record::Audited;
use crate::units::Stamp;

/// What the tokens of the login's form are made for; no user's name has a space.
const SEAL: &str = "the login form";

/// Shows the form, or logs in by it.
pub(super) async fn serve(
    admin: &web::Data<Admin>,
    request: &HttpRequest,
    claims: &Claims<'_>,
    mut payload: web::Payload,
) -> HttpResponse {
    let from = request.peer_addr().map(|peer| peer.ip());
    let method = request.method().as_str();
    let is_post = method == "POST";
    if let Err(denial) = allow(admin, claims, is_post) {
        admin.enter_denial(&denial, from);
        return deny(&denial, claims, payload);
    }
    let Some(body) = read(&mut payload).await else { return too_large(payload) };
    if !is_post && !matches!(method, "GET" | "HEAD") {
        return explain(Misfit::Method("GET, HEAD, POST"));
    }
    if admin.settings.is_open() {
        return see("/");
    }
    if !is_post {
        return form(admin, StatusCode::OK, &Fields::read(request.query_string().as_bytes()), "");
    }
    begin(admin, claims, &Fields::read(&body), from).await
}

fn allow(admin: &Admin, claims: &Claims<'_>, is_post: bool) -> Result<(), Denial> {
    guard::check_host(&admin.settings, claims)?;
    if is_post { guard::check_origin(claims, false) } else { Ok(()) }
}

async fn begin(admin: &Admin, claims: &Claims<'_>, fields: &Fields, from: Option<IpAddr>) -> HttpResponse {
    if !admin.tokens.is_of(SEAL, &fields.token) {
        admin.enter_denial(&Denial::Token, from);
        return form(admin, StatusCode::FORBIDDEN, fields, "The form was too old. Please try again.");
    }
    let actor = match admin.prove(&fields.name, fields.password.clone().into_bytes(), from).await {
        Ok(actor) => actor,
        Err(denial) => {
            admin.enter_denial(&denial, from);
            let (status, text) = match &denial {
                Denial::TooMany(_) | Denial::Busy => (StatusCode::TOO_MANY_REQUESTS, denial.to_string()),
                _ => (StatusCode::UNAUTHORIZED, "Name or password is wrong.".to_owned()),
            };
            return form(admin, status, fields, &text);
        }
    };
    let id = admin.sessions.lock().log_in(&actor.name, actor.role(), Instant::now());
    enter(admin, &actor.name, from, "login");
    let cookie = cookie(admin.port, guard::is_secure(claims), &id);
    let mut response = see(fields.destination());
    if let Ok(value) = header::HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// Ends the session of whoever asks by the page's form.
pub(super) fn end(admin: &Admin, who: &Who, claims: &Claims<'_>, body: &[u8]) -> HttpResponse {
    if !admin.tokens.is_of(&who.actor.seal(), &Fields::read(body).token) {
        admin.enter_denial(&Denial::Token, who.from);
        return super::answer::error(StatusCode::FORBIDDEN, "token", &Denial::Token.to_string());
    }
    if let Some(key) = who.actor.session
        && admin.sessions.lock().log_out(key).is_some()
    {
        enter(admin, &who.actor.name, who.from, "logout");
    }
    let cookie = cookie(admin.port, guard::is_secure(claims), "");
    let mut response = see("/login");
    if let Ok(value) = header::HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// Returns whether a person in a browser should be shown the form instead of a refusal.
pub(super) fn is_wanted(admin: &Admin, request: &HttpRequest, denial: &Denial) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let has_header = request.headers().contains_key(header::AUTHORIZATION);
    let is_page = accept.is_some_and(|accept| accept.contains("text/html"));
    is_page
        && !has_header
        && !admin.settings.users.is_empty()
        && matches!(denial, Denial::Unknown | Denial::Session)
}

/// Leads a browser to the form, and from there to where it wanted to go.
pub(super) fn lead(request: &HttpRequest) -> HttpResponse {
    let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str());
    see(&format!("/login?next={}", encode(wanted)))
}

fn see(address: &str) -> HttpResponse {
    headed(StatusCode::SEE_OTHER).insert_header((header::LOCATION, address)).finish()
}

fn form(admin: &Admin, status: StatusCode, fields: &Fields, problem: &str) -> HttpResponse {
    let token = admin.tokens.of(SEAL);
    let form = LoginForm { token: &token, name: &fields.name, next: fields.destination(), problem };
    headed(status).content_type("text/html; charset=utf-8").body(page::login(&form))
}

fn enter(admin: &Admin, name: &str, from: Option<IpAddr>, action: &'static str) {
    log::info!("{action} actor={name} from={from:?}");
    let (actor, target) = (name.to_owned(), String::new());
    let audited = Audited { actor, from, action, target, is_done: true, result: "done".to_owned() };
    admin.backend.record().enter(Stamp::now(), audited);
}
