//! The provider: tokens, and pushes with their checks. [`crate::http2`] serves it.
//!
//! The order of the rules is the order of the code: the credential, the message, the project's quota.

use std::net::SocketAddr;
use std::path::Path;
use std::time::SystemTime;

use http::Method;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::account::{Account, AccountError, PROJECT};
use super::answer::{from_xmpp, refusal};
use super::knobs::Knobs;
use super::message;
use super::oauth::{self, Credential, Tokens};
use crate::control::{Request, Response};
use crate::double::ledger::Breach;
use crate::double::quota::Quota;
use crate::http2::Provider;
use crate::http2::provider::{Ask, Judgement, Pass, Reply};

/// FCM as it looks from outside.
#[derive(Debug)]
pub struct Fcm {
    account: Account,
    tokens: Mutex<Tokens>,
    /// Pushes of this minute.
    minute: Mutex<Quota>,
}

impl Fcm {
    /// Makes or reads the account in `directory` for a double at `address`.
    ///
    /// # Errors
    /// [`AccountError`] when the directory cannot be used.
    pub fn prepare(directory: &Path, address: SocketAddr) -> Result<Self, AccountError> {
        let account = Account::prepare(directory, address)?;
        Ok(Self { account, tokens: Mutex::default(), minute: Mutex::default() })
    }

    fn token(&self, ask: &Ask<'_, Knobs>) -> Judgement {
        let now = ask.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut checked = oauth::check(&self.account, &String::from_utf8_lossy(ask.body), now);
        let breach = checked.as_ref().err();
        let breach = breach.map(|text| (Breach::BadCredential, format!("request for a token: {text}")));
        if ask.knobs.auth_fail {
            checked = Err("Invalid grant: account not found".to_owned());
        }
        let is_refused_login = checked.is_err();
        let mut tokens = self.tokens.lock();
        let (status, body) = match checked {
            Ok(()) => {
                let token = tokens.grant(ask.now, ask.knobs.token_lifetime);
                let lifetime = ask.knobs.token_lifetime.as_secs();
                (200, json!({"access_token": token, "expires_in": lifetime, "token_type": "Bearer"}))
            }
            Err(text) => {
                tokens.refused += 1;
                (400, json!({"error": "invalid_grant", "error_description": text}))
            }
        };
        Judgement::Aside { reply: reply(status, body.to_string()), breach, is_refused_login }
    }

    fn push(&self, ask: &Ask<'_, Knobs>, credential: Option<&str>) -> Judgement {
        let read = message::read(ask.body);
        let key = read.as_ref().map_or_else(|_| message::key_of_bytes(ask.body), |message| message.key);
        let pass = Pass { key, ..Pass::default() };
        match self.tokens.lock().check(credential, ask.now) {
            Credential::Fine => {}
            Credential::Stale => return Judgement::Push(pass.with_fault("UNAUTHENTICATED", "")),
            Credential::Unknown => {
                let pass = pass.with_fault("UNAUTHENTICATED", "");
                let text = "a push with a token that was never given out";
                return Judgement::Push(pass.with_breach(Breach::BadCredential, text));
            }
        }
        Judgement::Push(match read {
            Err(fault) => {
                let text = fault.to_string();
                pass.with_fault("INVALID_ARGUMENT", &text).with_breach(Breach::BadPayload, text)
            }
            Ok(_) if !self.minute.lock().admit("", ask.knobs.quota, ask.now) => {
                pass.with_fault("QUOTA_EXCEEDED", "")
            }
            Ok(message) if message.is_dry_run => {
                self.tokens.lock().dry_runs += 1;
                let name = format!("projects/{PROJECT}/messages/fake_message_id");
                let reply = reply(200, json!({"name": name}).to_string());
                return Judgement::Aside { reply, breach: None, is_refused_login: false };
            }
            Ok(message) => Pass { target: message.target, ..pass },
        })
    }
}

impl Provider for Fcm {
    type Knobs = Knobs;

    const CALLS: &'static [&'static str] = &["POST /revoke (makes every access token invalid)"];
    const DEVICE_RATE: &'static str = "DEVICE_QUOTA";

    fn is_push(&self, path: &str) -> bool {
        path.ends_with("/messages:send")
    }

    fn judge(&self, ask: &Ask<'_, Knobs>) -> Judgement {
        let path = ask.head.uri.path();
        let header = |name| ask.head.headers.get(name).and_then(|value| value.to_str().ok());
        let kind = header("content-type").unwrap_or_default();
        let is_post = ask.head.method == Method::POST;
        if is_post && path == "/token" && kind.starts_with("application/x-www-form-urlencoded") {
            return self.token(ask);
        }
        let project = path.strip_prefix("/v1/projects/").and_then(|rest| rest.strip_suffix("/messages:send"));
        let is_send = project == Some(PROJECT);
        if !is_post || !is_send || !kind.starts_with("application/json") {
            let text = format!("{} {path} with content-type {kind:?}", ask.head.method);
            let pass = Pass { key: message::key_of_bytes(ask.body), ..Pass::default() };
            return Judgement::Push(pass.with_fault("HTML", "").with_breach(Breach::BadRequest, text));
        }
        self.push(ask, header("authorization"))
    }

    fn deliver(&self, _pass: &Pass) -> Reply {
        reply(200, format!("{{\"name\":\"projects/{PROJECT}/messages/0:{:016x}\"}}", fastrand::u64(..)))
    }

    fn refuse(&self, _pass: &Pass, code: &str, text: &str) -> (String, Reply) {
        let code = from_xmpp(code);
        let (status, body) = refusal(code, text);
        (code.to_owned(), Reply { is_temporary: matches!(status, 429 | 503), ..reply(status, body) })
    }

    fn call(&self, request: &Request) -> Option<Response> {
        (request.path == "/revoke").then(|| {
            self.tokens.lock().revoke();
            Response::fine(json!({"revoked": true}).to_string())
        })
    }

    fn report(&self) -> Map<String, Value> {
        let tokens = self.tokens.lock();
        let fields = [
            ("tokens_granted", tokens.granted),
            ("tokens_refused", tokens.refused),
            ("dry_runs", tokens.dry_runs),
        ];
        fields.into_iter().map(|(name, count)| (name.to_owned(), Value::from(count))).collect()
    }
}

fn reply(status: u16, body: String) -> Reply {
    let kind = if body.starts_with('{') { "application/json; charset=UTF-8" } else { "text/html" };
    Reply { status, headers: vec![("content-type", kind.to_owned())], body, is_temporary: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::admin::answer;
    use crate::http2::hub::{Command, Hub};

    #[test]
    fn calls_reach_the_knobs_and_the_connections() {
        let directory = tempfile::tempdir().unwrap();
        let fcm = Fcm::prepare(directory.path(), "127.0.0.1:9".parse().unwrap()).unwrap();
        let hub = Hub::new(fcm, Knobs::default());
        let call = |line: &str| answer(&hub, &Request::parse(&format!("{line} HTTP/1.1\r\n\r\n")).unwrap());
        let (mut first, mut second) = (hub.open(), hub.open());
        assert_eq!(call("POST /set?max_streams=5").status, 200);
        assert_eq!(hub.switchboard.knobs().common.max_streams, 5);
        assert_eq!(call("GET /set?max_streams=6").status, 404);
        assert_eq!(call("POST /set?window=5").status, 400);
        assert_eq!(call("POST /drain?connection=2").body, "{\"connections\":1}");
        assert!(first.commands.try_recv().is_err());
        assert_eq!(second.commands.try_recv(), Ok(Command::Drain));
        assert_eq!(call("POST /close?style=rst").body, "{\"connections\":2}");
        assert_eq!(first.commands.try_recv(), Ok(Command::Close { with_reset: true }));
        assert_eq!(call("POST /close?style=soft").status, 400);
        assert_eq!(call("POST /nowhere").status, 404);
        assert_eq!(call("POST /revoke").status, 200);
        let report: Value = serde_json::from_str(&call("GET /report").body).unwrap();
        assert_eq!((&report["tokens_granted"], &report["streams_refused"]), (&json!(0), &json!(0)));
    }
}
