//! What is done: by the API and by the page's forms. Every attempt is logged and entered in the record.

use std::net::IpAddr;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Admin;
use super::answer::{error, explain, headed};
use crate::admin::forms::Fields;
use crate::admin::guard::{Actor, Denial};
use crate::admin::record::{Audited, DONE, STRANGER, describe};
use crate::flow::{Command, CommandError};
use crate::units::Stamp;

/// Who does it.
pub(super) struct Who {
    pub(super) actor: Actor,
    pub(super) from: Option<IpAddr>,
}

/// What became of a command, and its number in the record.
struct Done {
    result: Result<Value, CommandError>,
    number: u64,
}

pub(super) async fn by_api(admin: &web::Data<Admin>, who: Who, command: Command) -> HttpResponse {
    match carry_out(admin, who, command).await.result {
        Ok(state) => headed(StatusCode::OK).json(state),
        Err(refused) => {
            let (status, code) = match refused {
                CommandError::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
                CommandError::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
                CommandError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid"),
            };
            error(status, code, &refused.to_string())
        }
    }
}

/// Answers a script with JSON and a browser with the page, which tells what became of it.
pub(super) async fn by_form(
    admin: &web::Data<Admin>,
    who: Who,
    request: &HttpRequest,
    body: &[u8],
) -> HttpResponse {
    let fields = Fields::read(body);
    if !admin.tokens.is_of(&who.actor.seal(), &fields.token) {
        admin.enter_denial(&Denial::Token, who.from);
        return error(StatusCode::FORBIDDEN, "token", &Denial::Token.to_string());
    }
    let command = match fields.command() {
        Ok(command) => command,
        Err(misfit) => return explain(misfit),
    };
    let (action, target) = describe(&command);
    let done = carry_out(admin, who, command).await;
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("application/json")) {
        let message = match &done.result {
            Ok(value) => match value["said"].as_str() {
                Some(said) => format!("Done: {action} {target} – {said}"),
                None => format!("Done: {action} {target}"),
            },
            Err(refused) => format!("Refused: {action} {target} – {refused}"),
        };
        return headed(StatusCode::OK).json(json!({ "done": done.result.is_ok(), "message": message }));
    }
    let address = format!("/?note={}#notice", done.number);
    headed(StatusCode::SEE_OTHER).insert_header((header::LOCATION, address)).finish()
}

/// Carries a command out to its end, also if whoever asked for it does not wait for the answer.
async fn carry_out(admin: &web::Data<Admin>, who: Who, command: Command) -> Done {
    let admin = admin.clone();
    let task = actix_rt::spawn(async move {
        let (action, target) = describe(&command);
        let result = admin.backend.command(command).await;
        let (word, reason) = match &result {
            Ok(value) => ("done", value["said"].as_str().unwrap_or(DONE).to_owned()),
            Err(refused) => ("refused", refused.to_string()),
        };
        let Who { actor: Actor { name: actor, .. }, from } = who;
        log::info!(
            "operator's command {word} command={action} target={target:?} actor={actor} from={} result={reason:?}",
            address(from)
        );
        let audited = Audited { actor, from, action, target, is_done: result.is_ok(), result: reason };
        Done { number: admin.backend.record().enter(Stamp::now(), audited), result }
    });
    task.await.unwrap_or_else(|_| {
        let text = "the action ended without an answer (hint: see the log)".to_owned();
        Done { result: Err(CommandError::Conflict(text)), number: 0 }
    })
}

/// Where a request came from, for the log.
fn address(from: Option<IpAddr>) -> String {
    from.map_or_else(|| "-".to_owned(), |from| from.to_string())
}

// === impl Admin ===

impl Admin {
    /// Enters somebody who was turned away.
    pub(super) fn enter_denial(&self, denial: &Denial, from: Option<IpAddr>) {
        let actor = match denial {
            Denial::Viewer(name) | Denial::Get(name) => name.clone(),
            _ => STRANGER.to_owned(),
        };
        let result = denial.summary();
        let target = if denial.is_login() { "to log in" } else { "to act" }.to_owned();
        log::warn!("attempt {target} refused actor={actor} from={} reason={result:?}", address(from));
        let audited = Audited { actor, from, action: "attempt", target, is_done: false, result };
        self.backend.record().enter(Stamp::now(), audited);
    }
}
