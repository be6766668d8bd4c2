//! What a provider adds to the shared double: its judgement of requests and the form of its answers.

use std::fmt::Debug;
use std::time::{Instant, SystemTime};

use clap::Args;
use http::request::Parts;
use serde_json::{Map, Value};

use super::knobs::Knobs;
use crate::control::{Request, Response};
use crate::double::ledger::{Breach, MessageKey};

/// A provider. The double calls it from several tasks at once.
pub trait Provider: Debug + Send + Sync + 'static {
    /// Its knobs: the shared ones and its own.
    type Knobs: AsRef<Knobs> + Args + Clone + Debug + Send + Sync + 'static;

    /// Control calls of its own, each as in `POST /revoke (what it does)`.
    const CALLS: &'static [&'static str] = &[];

    /// The code with which a push beyond `--device-rate` is refused.
    const DEVICE_RATE: &'static str;

    /// A connection was secured; `certificate` is the client's (DER), if it showed one.
    fn opened(&self, _connection: u64, _certificate: Option<&[u8]>) {}

    /// A connection ended.
    fn closed(&self, _connection: u64) {}

    /// Returns whether a request to this path is a push, which counts.
    fn is_push(&self, path: &str) -> bool;

    /// Judges a request.
    fn judge(&self, ask: &Ask<'_, Self::Knobs>) -> Judgement;

    /// Returns the answer to a push that is delivered.
    fn deliver(&self, pass: &Pass) -> Reply;

    /// Returns the code as it is reported, and the answer, for a push that is refused with a code (capitals and `_`) and a text.
    fn refuse(&self, pass: &Pass, code: &str, text: &str) -> (String, Reply);

    /// Carries out a control call of its own.
    fn call(&self, _request: &Request) -> Option<Response> {
        None
    }

    /// Returns what it adds to the report.
    fn report(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Forgets what it counted.
    fn reset(&self) {}
}

/// A request.
#[derive(Debug)]
pub struct Ask<'a, K> {
    /// The connection's number.
    pub connection: u64,
    /// Method, address and headers.
    pub head: &'a Parts,
    /// The body.
    pub body: &'a [u8],
    /// The knobs of the moment.
    pub knobs: &'a K,
    /// The time for comparing with what a client says.
    pub time: SystemTime,
    /// The time for measuring.
    pub now: Instant,
}

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// No push: answered at once.
    Aside {
        /// The answer.
        reply: Reply,
        /// What was wrong with it.
        breach: Option<(Breach, String)>,
        /// Whether it was a login that is refused.
        is_refused_login: bool,
    },
    /// A push.
    Push(Pass),
}

/// A push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pass {
    /// What it is known again by.
    pub key: MessageKey,
    /// Whom it is for, as the table of scripts reads it.
    pub target: String,
    /// What an answer must repeat.
    pub id: String,
    /// The header in which it repeats that, where it is not the same for all pushes.
    pub id_header: &'static str,
    /// Code and text of the refusal, if it breaks a rule.
    pub fault: Option<(String, String)>,
    /// What the client should never have sent.
    pub breach: Option<(Breach, String)>,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers besides `retry-after`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// Whether `retry-after` belongs to it, if the knob asks for one.
    pub is_temporary: bool,
}

impl Pass {
    /// Returns it with a refusal.
    #[must_use]
    pub fn with_fault(mut self, code: &str, text: impl Into<String>) -> Self {
        self.fault = Some((code.to_owned(), text.into()));
        self
    }

    /// Returns it with a violation.
    #[must_use]
    pub fn with_breach(mut self, breach: Breach, text: impl Into<String>) -> Self {
        self.breach = Some((breach, text.into()));
        self
    }
}
