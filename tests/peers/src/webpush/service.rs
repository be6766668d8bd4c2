//! The push service: subscriptions, and pushes with their checks. [`crate::http2`] serves it, or [`super::http1`].
//!
//! The order of the rules is the order of the code: the headers, the sender, the message.

use std::collections::VecDeque;
use std::path::Path;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use http::request::Parts;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::answer::{own, refusal};
use super::browser::{Browsers, KeyError};
use super::request;
use super::vapid::Sender;
use crate::control::{Request, Response};
use crate::double::ledger::{Breach, MessageKey};
use crate::http2::Provider;
use crate::http2::knobs::Knobs;
use crate::http2::provider::{Ask, Judgement, Pass, Reply};

/// Before the name of each subscription in its endpoint's path.
const PATH: &str = "/push/";

/// Requests that are kept for others to look at.
const KEPT: usize = 50;

/// A push service as it looks from outside.
#[derive(Debug)]
pub struct WebPush {
    /// What endpoints begin with.
    origin: String,
    browsers: Browsers,
    sender: Sender,
    /// The last pushes, as JSON: what was sent, and the keys to read it with.
    kept: Mutex<VecDeque<Value>>,
}

impl WebPush {
    /// Makes or reads the keys in `directory` for a service at `origin`.
    ///
    /// # Errors
    /// [`KeyError`] when the directory cannot be used.
    pub fn prepare(directory: &Path, origin: String) -> Result<Self, KeyError> {
        let (browsers, sender) = (Browsers::prepare(directory)?, Sender::prepare(directory)?);
        Ok(Self { origin, browsers, sender, kept: Mutex::default() })
    }

    /// Returns a subscription as a browser's `toJSON` does.
    fn subscription(&self, name: &str) -> Result<Value, String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > 200 || !name.bytes().all(is_plain) {
            return Err("name must be 1 to 200 letters, digits, -, _ and .".to_owned());
        }
        let browser = self.browsers.get(name).map_err(|error| error.to_string())?;
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Ok(json!({
            "endpoint": format!("{}{PATH}{name}", self.origin),
            "keys": {"p256dh": encode(&browser.public), "auth": encode(&browser.auth)},
        }))
    }

    fn push(&self, ask: &Ask<'_, Knobs>, name: &str) -> Pass {
        let header = |name: &str| ask.head.headers.get(name).and_then(|value| value.to_str().ok());
        let key = MessageKey::of(&format!("{name} {}", URL_SAFE_NO_PAD.encode(ask.body)));
        let mut pass = Pass { key, id: header("ttl").unwrap_or_default().to_owned(), ..Pass::default() };
        let now = ask.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        if let Err((code, text)) = request::check(&ask.head.headers, ask.body.len()) {
            return pass.with_fault(code, &text).with_breach(Breach::BadRequest, text);
        }
        let origin = origin_of(ask.head).unwrap_or_default();
        if let Err((code, text)) = self.sender.check(header("authorization"), &origin, now) {
            return pass.with_fault(code, &text).with_breach(Breach::BadCredential, text);
        }
        match self.read(name, ask) {
            Ok(message) => {
                pass.key = MessageKey::of(&format!("{name} {}", URL_SAFE_NO_PAD.encode(&message)));
                Pass { target: name.to_owned(), ..pass }
            }
            Err(text) => pass.with_fault("BAD_REQUEST", &text).with_breach(Breach::BadPayload, text),
        }
    }

    /// Reads what only this subscription can read, and keeps the request.
    fn read(&self, name: &str, ask: &Ask<'_, Knobs>) -> Result<Vec<u8>, String> {
        let browser = self.browsers.get(name).map_err(|error| error.to_string())?;
        let message = match ask.body {
            [] => Vec::new(),
            body => browser.open(body).map_err(|error| error.to_string())?,
        };
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let headers: Map<String, Value> = ask
            .head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        let request = json!({
            "name": name, "version": format!("{:?}", ask.head.version), "headers": headers, "body": encode(ask.body),
            "message": String::from_utf8_lossy(&message), "origin": origin_of(ask.head),
            "private_key": encode(&browser.private), "p256dh": encode(&browser.public), "auth": encode(&browser.auth),
        });
        let mut kept = self.kept.lock();
        kept.push_back(request);
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(message)
    }
}

/// Returns the origin that a client meant, in the spelling of RFC 6454.
fn origin_of(head: &Parts) -> Option<String> {
    let host = head.headers.get("host").and_then(|host| host.to_str().ok());
    let authority = head.uri.authority().map(|authority| authority.as_str()).or(host)?;
    Some(format!("https://{}", authority.strip_suffix(":443").unwrap_or(authority)))
}

impl Provider for WebPush {
    type Knobs = Knobs;

    const CALLS: &'static [&'static str] = &[
        "POST /subscribe?name=NAME (answers with the subscription; a NAME may choose its answers as a device token does)",
        "POST /kept (answers with the last pushes and the keys to read them)",
    ];
    const DEVICE_RATE: &'static str = "TOO_MANY";

    fn is_push(&self, path: &str) -> bool {
        path.starts_with(PATH)
    }

    fn judge(&self, ask: &Ask<'_, Knobs>) -> Judgement {
        let path = ask.head.uri.path();
        Judgement::Push(match path.strip_prefix(PATH) {
            Some(name) if ask.head.method == Method::POST => self.push(ask, name),
            _ => {
                let text = format!("{} {path}", ask.head.method);
                let pass = Pass { key: MessageKey::of(&text), ..Pass::default() };
                pass.with_fault("NOT_FOUND", &text).with_breach(Breach::BadRequest, text)
            }
        })
    }

    fn deliver(&self, pass: &Pass) -> Reply {
        let location = format!("{}/message/{:016x}", self.origin, fastrand::u64(..));
        let headers = vec![("location", location), ("ttl", pass.id.clone())];
        Reply { status: 201, headers, ..Reply::default() }
    }

    fn refuse(&self, _pass: &Pass, code: &str, text: &str) -> (String, Reply) {
        let code = own(code);
        let (status, headers, body) = refusal(code, text);
        (code.to_owned(), Reply { status, headers, body, is_temporary: matches!(status, 406 | 429 | 503) })
    }

    fn call(&self, request: &Request) -> Option<Response> {
        match request.path.as_str() {
            "/subscribe" => {
                let name = request.parameter("name").unwrap_or_default();
                Some(self.subscription(name).map_or_else(
                    |text| Response::fault(400, &text),
                    |subscription| Response::fine(subscription.to_string()),
                ))
            }
            "/kept" => {
                let kept: Vec<Value> = self.kept.lock().iter().cloned().collect();
                Some(Response::fine(json!({"kept": kept}).to_string()))
            }
            _ => None,
        }
    }

    fn report(&self) -> Map<String, Value> {
        let fields = [
            ("tokens", Value::from(self.sender.tokens())),
            ("application_server_key", Value::from(self.sender.public.as_str())),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn reset(&self) {
        self.sender.reset();
        self.kept.lock().clear();
    }
}
