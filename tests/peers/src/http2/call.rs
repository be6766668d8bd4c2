//! Answers one request: a token, or a push with its checks, its script and its draw.
//!
//! A task per stream, started by the connection. The order of the rules is the order of the code: what the client did wrong first, then
//! what the token asks for, then what the knobs draw.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Method, Request, Response};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::hub::Hub;
use crate::double::ledger::{Breach, Event, MessageKey, Tally};
use crate::double::script::Script;
use crate::fcm::account::PROJECT;
use crate::fcm::answer::{Refusal, from_xmpp, refusal};
use crate::fcm::message::{self, Message};
use crate::fcm::oauth::{self, Credential};

/// The most bytes of a request's body.
const MAX_BODY: usize = 64 * 1024;

/// What is done with a push.
enum Plan {
    /// Delivered and told, after a time of its own or the latency.
    Deliver(Option<Duration>),
    /// Delivered and not told.
    Lose,
    /// Refused with a code and a text.
    Refuse(String, String),
}

/// One request and who may see it.
pub struct Call {
    /// The switchboard.
    pub hub: Arc<Hub>,
    /// The connection's number.
    pub connection: u64,
    /// Where the answer goes.
    pub respond: SendResponse<Bytes>,
    /// Frees the stream's place; called just before the answer.
    pub done: Box<dyn FnOnce() + Send>,
}

/// Returns whether a request is a push, which counts.
#[must_use]
pub fn is_push(request: &Request<RecvStream>) -> bool {
    request.uri().path().ends_with("/messages:send")
}

impl Call {
    /// Reads the request and answers it.
    pub async fn run(self, request: Request<RecvStream>) {
        let (head, stream) = request.into_parts();
        let Some(body) = read(stream).await else { return };
        let path = head.uri.path().to_owned();
        let kind = head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if head.method == Method::POST
            && path == "/token"
            && kind.starts_with("application/x-www-form-urlencoded")
        {
            return self.token(&body);
        }
        let is_send = path == format!("/v1/projects/{PROJECT}/messages:send");
        if head.method != Method::POST || !is_send || !kind.starts_with("application/json") {
            let text = format!("{} {path} with content-type {kind:?}", head.method);
            self.hub.breach(self.connection, Breach::BadRequest, text);
            let key = message::key_of_bytes(&body);
            self.hub.note(self.connection, key, Event::Received);
            return self.refuse(key, "HTML", "");
        }
        let credential = head.headers.get("authorization").and_then(|value| value.to_str().ok());
        let credential = self.hub.tokens.lock().check(credential, std::time::Instant::now());
        self.push(&body, credential).await;
    }

    fn token(self, body: &[u8]) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let knobs = self.hub.knobs();
        let mut checked = oauth::check(&self.hub.account, &String::from_utf8_lossy(body), now);
        if let Err(text) = &checked {
            self.hub.breach(self.connection, Breach::BadCredential, format!("request for a token: {text}"));
        }
        if knobs.auth_fail {
            checked = Err("Invalid grant: account not found".to_owned());
        }
        match checked {
            Ok(()) => {
                let token = self.hub.tokens.lock().grant(std::time::Instant::now(), knobs.token_lifetime);
                let lifetime = knobs.token_lifetime.as_secs();
                let body = json!({"access_token": token, "expires_in": lifetime, "token_type": "Bearer"});
                self.respond(200, body.to_string(), None);
            }
            Err(text) => {
                self.hub.tokens.lock().refused += 1;
                self.hub.add(self.connection, Tally { logins_refused: 1, ..Tally::default() });
                self.respond(
                    400,
                    json!({"error": "invalid_grant", "error_description": text}).to_string(),
                    None,
                );
            }
        }
    }

    async fn push(self, body: &[u8], credential: Credential) {
        let read = message::read(body);
        let key = read.as_ref().map_or_else(|_| message::key_of_bytes(body), |message| message.key);
        self.hub.note(self.connection, key, Event::Received);
        let plan = self.plan(read, credential);
        let knobs = self.hub.knobs();
        let latency = knobs.latency + knobs.jitter.mul_f64(fastrand::f64());
        let delay = match &plan {
            Plan::Deliver(Some(delay)) => *delay,
            _ => latency,
        };
        sleep(delay).await;
        match plan {
            Plan::Deliver(_) => {
                self.hub.note(self.connection, key, Event::Acked);
                let name = format!("projects/{PROJECT}/messages/0:{:016x}", fastrand::u64(..));
                self.respond(200, json!({"name": name}).to_string(), None);
            }
            Plan::Lose => {
                self.hub.note(self.connection, key, Event::Lost);
                // Kept until the client gives the stream up, which it learns from nobody.
                let mut respond = self.respond;
                let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
                (self.done)();
            }
            Plan::Refuse(code, text) => self.refuse(key, &code, &text),
        }
    }

    fn plan(&self, read: Result<Message, message::MessageFault>, credential: Credential) -> Plan {
        let refuse = |code: &str, text: &str| Plan::Refuse(code.to_owned(), text.to_owned());
        match credential {
            Credential::Fine => {}
            Credential::Stale => return refuse("UNAUTHENTICATED", ""),
            Credential::Unknown => {
                let text = "a push with a token that was never given out".to_owned();
                self.hub.breach(self.connection, Breach::BadCredential, text);
                return refuse("UNAUTHENTICATED", "");
            }
        }
        let message = match read {
            Ok(message) => message,
            Err(fault) => {
                self.hub.breach(self.connection, Breach::BadPayload, fault.to_string());
                return refuse("INVALID_ARGUMENT", &fault.to_string());
            }
        };
        let (knobs, now) = (self.hub.knobs(), Instant::now().into_std());
        if !self.hub.minute.lock().admit("", knobs.quota, now) {
            return refuse("QUOTA_EXCEEDED", "");
        }
        if !self.hub.books.devices.lock().admit(&message.target, knobs.device_rate, now) {
            return refuse("DEVICE_QUOTA", "");
        }
        match Script::of(&message.target) {
            Some(Script::Nack { once: true, .. } | Script::Lost { once: true })
                if !self.hub.books.once.lock().insert(message.key) => {}
            Some(Script::Nack { code, .. }) => return refuse(from_xmpp(code), "the token asks for it"),
            Some(Script::Lost { .. }) => return Plan::Lose,
            Some(Script::Slow(delay)) => return Plan::Deliver(Some(delay)),
            Some(Script::Canonical(_) | Script::Twice) | None => {}
        }
        if let Some(code) = knobs.nack.draw(fastrand::f64()) {
            return refuse(code, "drawn by the nack rate");
        }
        if knobs.lose_acks > 0.0 && fastrand::f64() < knobs.lose_acks {
            Plan::Lose
        } else {
            Plan::Deliver(None)
        }
    }

    fn refuse(mut self, key: MessageKey, code: &str, text: &str) {
        self.hub.nack(self.connection, key, code);
        match refusal(code, text) {
            Refusal::Response { status, body, is_temporary } => {
                let seconds = self.hub.knobs().retry_after;
                self.respond(status, body, (is_temporary && seconds > 0).then_some(seconds));
            }
            Refusal::Reset { is_refused } => {
                (self.done)();
                let reason = if is_refused { Reason::REFUSED_STREAM } else { Reason::INTERNAL_ERROR };
                self.respond.send_reset(reason);
            }
        }
    }

    fn respond(mut self, status: u16, body: String, retry_after: Option<u32>) {
        let kind = if body.starts_with('{') { "application/json; charset=UTF-8" } else { "text/html" };
        let mut head = Response::builder().status(status).header("content-type", kind);
        if let Some(seconds) = retry_after {
            head = head.header("retry-after", seconds);
        }
        let Ok(head) = head.body(()) else { return };
        (self.done)();
        // Errors mean that the client is gone.
        if let Ok(mut stream) = self.respond.send_response(head, false) {
            let _ = stream.send_data(body.into(), true);
        }
    }
}

/// Reads a body; nothing if the client gave up or it is too long.
async fn read(mut stream: RecvStream) -> Option<Bytes> {
    let mut body = BytesMut::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.ok()?;
        stream.flow_control().release_capacity(chunk.len()).ok()?;
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return None;
        }
    }
    Some(body.freeze())
}
