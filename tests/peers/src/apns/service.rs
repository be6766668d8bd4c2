//! The provider: who may send, and pushes with their checks. [`crate::http2`] serves it.
//!
//! The order of the rules is the order of the code: path and method, the credential, headers and payload.

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use http::Method;
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::account::{Account, AccountError};
use super::answer::{reason, refusal};
use super::knobs::Knobs;
use super::request;
use super::token::{Ages, Refused, Shown};
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
    /// What 410 says; the knob of the last request.
    unregistered_at: u64,
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

impl Provider for Apns {
    type Knobs = Knobs;

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
        request::device(path).is_some()
    }

    fn judge(&self, ask: &Ask<'_, Knobs>) -> Judgement {
        self.state.lock().unregistered_at = ask.knobs.unregistered_at;
        let path = ask.head.uri.path();
        let Some(id) = request::id(&ask.head.headers) else {
            let pass = Pass { key: MessageKey::of(path), ..Pass::default() };
            let pass = pass.with_fault("BAD_MESSAGE_ID", "");
            return Judgement::Push(pass.with_breach(Breach::BadRequest, "apns-id is no lower-case UUID"));
        };
        let pass = Pass { key: MessageKey::of(id), id: id.to_owned(), ..Pass::default() };
        let Some(device) = request::device(path).filter(|_| ask.head.method == Method::POST) else {
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
        Judgement::Push(match request::check(device, &ask.head.headers, ask.body, &self.topic, has_token) {
            Ok(()) if request::is_nobody(device) => pass.with_fault("BAD_DEVICE_TOKEN", ""),
            Ok(()) => Pass { target: request::script(device), ..pass },
            Err(fault) => {
                let text = format!("{}: {}", fault.code, fault.text);
                pass.with_fault(fault.code, &fault.text).with_breach(Breach::BadPayload, text)
            }
        })
    }

    fn deliver(&self, pass: &Pass) -> Reply {
        Reply { status: 200, headers: vec![("apns-id", pass.id.clone())], ..Reply::default() }
    }

    fn refuse(&self, pass: &Pass, code: &str, _text: &str) -> (String, Reply) {
        let reason = reason(code);
        let (status, body) = refusal(&reason, self.state.lock().unregistered_at);
        let headers = vec![("apns-id", pass.id.clone()), ("content-type", "application/json".to_owned())];
        let is_temporary = matches!(status, 429 | 503);
        (reason, Reply { status, headers, body, is_temporary })
    }

    fn report(&self) -> Map<String, Value> {
        let certified = Value::from(self.state.lock().certified);
        Map::from_iter([("connections_with_certificate".to_owned(), certified)])
    }

    fn reset(&self) {
        self.state.lock().certified = 0;
    }
}
