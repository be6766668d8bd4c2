//! Answers that every part of the server gives: their headers, and refusals.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use serde_json::json;

use crate::admin::actions::Misfit;
use crate::admin::guard::{Claims, Denial};
use crate::ingest::http::Unread;

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

pub(super) fn headed(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        // With `no-referrer` browsers send `Origin: null` with our own forms.
        .insert_header((header::REFERRER_POLICY, "same-origin"));
    response
}

pub(super) fn error(status: StatusCode, code: &str, message: &str) -> HttpResponse {
    headed(status).json(error_json(code, message))
}

/// Answers a request whose body was not read to its end, and closes.
pub(super) fn refuse(status: StatusCode, code: &str, message: &str, rest: web::Payload) -> HttpResponse {
    let body = Unread::new(error_json(code, message).to_string().into_bytes(), rest);
    headed(status).content_type("application/json").force_close().body(body)
}

pub(super) fn explain(misfit: Misfit) -> HttpResponse {
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

pub(super) fn deny(denial: &Denial, claims: &Claims<'_>, rest: web::Payload) -> HttpResponse {
    let (status, code) = match denial {
        Denial::Unknown => (StatusCode::UNAUTHORIZED, "credentials"),
        Denial::Session => (StatusCode::UNAUTHORIZED, "session"),
        Denial::Get(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        Denial::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        Denial::Host(_) => (StatusCode::FORBIDDEN, "host"),
        Denial::CrossSite(_) => (StatusCode::FORBIDDEN, "cross_site"),
        Denial::Viewer(_) => (StatusCode::FORBIDDEN, "viewer"),
        Denial::Token => (StatusCode::FORBIDDEN, "token"),
        Denial::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_logins"),
    };
    log::debug!("request denied reason={denial}");
    let mut response = refuse(status, code, &denial.to_string(), rest);
    let headers = response.headers_mut();
    match denial {
        Denial::Unknown | Denial::Session => {
            // A page's script is to lead to the login; a challenge for Basic would make the browser ask over it.
            let is_script = claims.fetch_site.is_some() && claims.authorization.is_none();
            let challenge = if is_script {
                "Bearer realm=\"pushweir\""
            } else {
                "Basic realm=\"pushweir\", charset=\"UTF-8\""
            };
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static(challenge));
        }
        Denial::Busy => {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        Denial::TooMany(wait) => {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from(wait.as_secs().max(1)));
        }
        _ => {}
    }
    response
}

fn error_json(code: &str, message: &str) -> serde_json::Value {
    json!({ "error": { "code": code, "message": message } })
}
