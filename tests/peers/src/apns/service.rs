//! The provider: who may send, and pushes with their checks. [`crate::http2`] serves it.
//!
//! The order of the rules is the order of the code: path and method, the credential, headers and payload.

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use http::Method;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::account::{Account, AccountError};
use super::answer::{reason, refusal};
use super::broadcast::{self, Channels};
use super::knobs::Knobs;
use super::request::{self, Fault};
use super::token::{Ages, Refused, Shown};
use crate::control::{Request, Response};
use crate::double::ledger::{Breach, MessageKey};
use crate::http2::Provider;
use crate::http2::provider::{Ask, Judgement, Pass, Reply};

/// Apple as it looks from outside.
#[derive(Debug)]
pub struct Apns {
    account: Account,
    topic: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connections: HashMap<u64, Connection>,
    /// Connections that showed the app's certificate.
    certified: u64,
    /// Broadcasts that break no rule.
    broadcasts: u64,
    channels: Channels,
    /// What 410 says; the knob of the last request.
    unregistered_at: u64,
}

/// Whom a push is for.
enum To<'a> {
    /// A device with this token.
    Device(&'a str),
    /// Those who follow a channel of the app with this bundle id.
    Channel(&'a str),
}

#[derive(Debug, Default)]
struct Connection {
    is_certified: bool,
    shown: Shown,
}

impl Apns {
    /// Makes or reads the accounts in `directory` for the app with this bundle id.
    ///
    /// # Errors
    /// [`AccountError`] when the directory cannot be used.
    pub fn prepare(directory: &Path, topic: &str) -> Result<Self, AccountError> {
        let account = Account::prepare(directory, topic)?;
        Ok(Self { account, topic: topic.to_owned(), state: Mutex::default() })
    }

    /// Checks a push; returns its target as the table of scripts reads it, or the code of a refusal that is nobody's fault.
    fn check(
        &self,
        to: To<'_>,
        ask: &Ask<'_, Knobs>,
        has_token: bool,
    ) -> Result<Result<String, &'static str>, Fault> {
        let headers = &ask.head.headers;
        let device = match to {
            To::Device(device) => device,
            To::Channel(app) => {
                let mut state = self.state.lock();
                let checked = state.channels.check(app, headers, ask.body, &self.topic)?;
                state.broadcasts += u64::from(checked.is_ok());
                return Ok(checked);
            }
        };
        request::check(device, headers, ask.body, &self.topic, has_token)?;
        Ok(if request::is_nobody(device) { Err("BAD_DEVICE_TOKEN") } else { Ok(request::script(device)) })
    }

    /// Judges who sends; returns whether by a provider token.
    fn check_credential(&self, ask: &Ask<'_, Knobs>) -> Result<bool, Refused> {
        if ask.knobs.auth_fail {
            return Err(Refused { code: "INVALID_PROVIDER_TOKEN", is_violation: false });
        }
        let header = ask.head.headers.get("authorization").and_then(|value| value.to_str().ok());
        let unix = ask.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let ages = Ages { most: ask.knobs.token_max_age, least: ask.knobs.token_min_age };
        let mut state = self.state.lock();
        let connection = state.connections.entry(ask.connection).or_default();
        if connection.is_certified && header.is_none() {
            return Ok(false);
        }
        connection.shown.check(header, &self.account.key, ages, (ask.now, unix)).map(|()| true)
    }
}

impl<'a> To<'a> {
    fn of(path: &'a str) -> Option<Self> {
        request::device(path).map(Self::Device).or_else(|| broadcast::app(path).map(Self::Channel))
    }
}

impl Provider for Apns {
    type Knobs = Knobs;

    const CALLS: &'static [&'static str] = &[
        "POST /channel?name=NAME&storing=BOOL (makes a channel and answers with its id; a NAME may choose its answers as a device token does)",
    ];

    const DEVICE_RATE: &'static str = "TOO_MANY_REQUESTS";

    fn opened(&self, connection: u64, certificate: Option<&[u8]>) {
        let is_certified = certificate.is_some();
        let mut state = self.state.lock();
        state.certified += u64::from(is_certified);
        state.connections.insert(connection, Connection { is_certified, shown: Shown::default() });
    }

    fn closed(&self, connection: u64) {
        self.state.lock().connections.remove(&connection);
    }

    fn is_push(&self, path: &str) -> bool {
        request::device(path).is_some() || broadcast::app(path).is_some()
    }

    fn judge(&self, ask: &Ask<'_, Knobs>) -> Judgement {
        self.state.lock().unregistered_at = ask.knobs.unregistered_at;
        let path = ask.head.uri.path();
        let id_header = if broadcast::app(path).is_some() { "apns-request-id" } else { "apns-id" };
        let Some(id) = request::id(&ask.head.headers, id_header) else {
            let pass = Pass { key: MessageKey::of(path), id_header, ..Pass::default() };
            let pass = pass.with_fault("BAD_MESSAGE_ID", "");
            let text = format!("{id_header} is no lower-case UUID");
            return Judgement::Push(pass.with_breach(Breach::BadRequest, text));
        };
        let pass = Pass { key: MessageKey::of(id), id: id.to_owned(), id_header, ..Pass::default() };
        let is_post = ask.head.method == Method::POST;
        let Some(to) = To::of(path).filter(|_| is_post) else {
            let text = format!("{} {path}", ask.head.method);
            return Judgement::Push(pass.with_fault("BAD_PATH", "").with_breach(Breach::BadRequest, text));
        };
        let has_token = match self.check_credential(ask) {
            Ok(has_token) => has_token,
            Err(Refused { code, is_violation }) => {
                let pass = pass.with_fault(code, "");
                return Judgement::Push(match is_violation {
                    true => pass.with_breach(Breach::BadCredential, code),
                    false => pass,
                });
            }
        };
        Judgement::Push(match self.check(to, ask, has_token) {
            Ok(Ok(target)) => Pass { target, ..pass },
            Ok(Err(code)) => pass.with_fault(code, ""),
            Err(fault) => {
                let text = format!("{}: {}", fault.code, fault.text);
                pass.with_fault(fault.code, &fault.text).with_breach(Breach::BadPayload, text)
            }
        })
    }

    fn deliver(&self, pass: &Pass) -> Reply {
        Reply { status: 200, headers: vec![(pass.id_header, pass.id.clone())], ..Reply::default() }
    }

    fn refuse(&self, pass: &Pass, code: &str, _text: &str) -> (String, Reply) {
        let reason = reason(code);
        let (status, body) = refusal(&reason, self.state.lock().unregistered_at);
        let headers =
            vec![(pass.id_header, pass.id.clone()), ("content-type", "application/json".to_owned())];
        let is_temporary = matches!(status, 429 | 503);
        (reason, Reply { status, headers, body, is_temporary })
    }

    fn call(&self, request: &Request) -> Option<Response> {
        (request.path == "/channel").then(|| {
            let name = request.parameter("name").unwrap_or_default();
            let is_storing = request.parameter("storing") == Some("true");
            let id = self.state.lock().channels.create(name, is_storing);
            Response::fine(json!({ "channel": id }).to_string())
        })
    }

    fn report(&self) -> Map<String, Value> {
        let state = self.state.lock();
        let fields = [("connections_with_certificate", state.certified), ("broadcasts", state.broadcasts)];
        fields.into_iter().map(|(name, count)| (name.to_owned(), Value::from(count))).collect()
    }

    fn reset(&self) {
        let mut state = self.state.lock();
        (state.certified, state.broadcasts) = (0, 0);
    }
}
