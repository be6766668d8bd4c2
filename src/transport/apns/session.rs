//! Apple on an HTTP/2 session: pushes as requests, the shared provider token, answers as verdicts.
//!
//! The connector makes one per connection. Invariant: a session whose credentials were refused opens no more streams.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::Request;
use http::header::AUTHORIZATION;
use http::uri::Authority;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::auth::{Expired, Token, Tokens};
use super::gate::Gate;
use super::letter;
use super::verdict::{self, Meaning};
use crate::outcome::{Answer, Scope, Verdict};
use crate::push::Push;
use crate::transport::doubt::Doubt;
use crate::transport::http2::{Judgement, Letter, Protocol, Reply, Stamp};

/// What all sessions of a route share.
#[derive(Debug)]
pub struct Common {
    /// Where requests go.
    pub authority: Authority,
    /// The provider tokens, unless a certificate speaks for us.
    pub tokens: Option<Arc<Tokens>>,
    /// Whether connections may be opened.
    pub gate: Mutex<Gate>,
    /// How long a route whose credentials are refused waits between trials.
    pub hold: Duration,
    /// The least delay before a push is sent again that Apple could not take.
    pub retry_min: Duration,
}

/// What the session adds to HTTP/2.
pub struct Apns {
    common: Arc<Common>,
    token: RefCell<Option<Token>>,
    /// Why no more streams are to be opened.
    ending: RefCell<Option<String>>,
    doubt: Doubt,
    /// Whether an answer has shown that the credentials are accepted.
    is_accepted: Cell<bool>,
    has_complained: Cell<bool>,
}

// === impl Apns ===

impl Apns {
    /// Returns Apple for one session.
    pub fn new(common: Arc<Common>) -> Self {
        Self {
            common,
            token: RefCell::default(),
            ending: RefCell::default(),
            doubt: Doubt::default(),
            is_accepted: Cell::new(false),
            has_complained: Cell::new(false),
        }
    }

    /// Says once per connection what only an operator can repair.
    fn complain(&self, what: &str, answer: &Answer) {
        if !self.has_complained.replace(true) {
            log::error!("{what} code={}", answer.code);
        }
    }

    /// Ends the session in order: what is out is answered, nothing more is sent.
    fn end(&self, reason: String) {
        self.ending.borrow_mut().get_or_insert(reason);
    }

    /// Notes that the provider looked at a push, and so was content with who sent it.
    fn accept(&self) {
        if !self.is_accepted.replace(true) && self.common.gate.lock().accepted() {
            log::info!("the provider accepts the credentials again peer={}", self.common.authority);
        }
    }

    /// The credentials are refused: no push is to suffer for it, and nobody is to hammer.
    fn refuse(&self, answer: Box<Answer>, hint: &str) -> Judgement {
        let reason = format!("the provider refuses the credentials: {} (hint: {hint})", answer.code);
        if self.common.gate.lock().refused(Instant::now(), reason.clone()) {
            let peer = &self.common.authority;
            log::error!("{reason} peer={peer} next_try={:?}", self.common.hold);
        }
        self.is_accepted.set(false);
        self.end(reason);
        Judgement::of(Verdict::Limited { answer, after: self.common.hold, scope: Scope::Setup })
    }

    fn expired(&self, stamp: Stamp, answer: Box<Answer>) -> Judgement {
        let Some(tokens) = &self.common.tokens else { return self.refuse(answer, CREDENTIALS) };
        match tokens.expired(stamp.0) {
            Expired::Replaced => {
                *self.token.borrow_mut() = None;
                Judgement::of(Verdict::CREDENTIALS_REPLACED)
            }
            Expired::Young => self.refuse(answer, "is this machine's clock right?"),
        }
    }

    fn bad_token(&self, mut answer: Box<Answer>) -> Judgement {
        if self.doubt.believes() {
            return Judgement::of(Verdict::Unregistered(answer));
        }
        self.complain(
            "the provider calls most device tokens and channels bad, so none is called dead (hint: does environment fit the app's build?)",
            &answer,
        );
        answer.detail =
            "most tokens and channels are called bad, so the environment may be the wrong one".into();
        Judgement::of(Verdict::Rejected(answer))
    }
}

/// What to do when the credentials are refused.
pub const CREDENTIALS: &str = "are team_id, key_id and key of one key that is valid in this environment, or is the certificate the app's and not expired?";

impl Protocol for Apns {
    fn write(&self, push: &Push, time_left: Duration) -> Letter {
        letter::write(&self.common.authority, push, time_left, SystemTime::now())
    }

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        let Some(tokens) = &self.common.tokens else { return Poll::Ready(Ok(())) };
        let mut token = self.token.borrow_mut();
        if token.as_ref().is_none_or(|token| Instant::now() >= token.renew_at) {
            match tokens.get() {
                Ok(fresh) => *token = Some(fresh),
                Err(error) => return Poll::Ready(Err(format!("no provider token: the key {error}"))),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn authorize(&self, head: &mut Request<()>) -> Stamp {
        match &*self.token.borrow() {
            Some(token) => {
                head.headers_mut().insert(AUTHORIZATION, token.header.clone());
                Stamp(token.generation)
            }
            None => Stamp::default(),
        }
    }

    fn judge(&self, stamp: Stamp, reply: &Reply, now: SystemTime) -> Judgement {
        match verdict::read(reply.status, &reply.headers, &reply.body, self.common.retry_min, now) {
            Meaning::Push(judgement) => {
                if matches!(judgement.verdict, Verdict::Delivered { .. } | Verdict::Unregistered(_)) {
                    self.accept();
                    self.doubt.known();
                }
                judgement
            }
            Meaning::BadToken(answer) => {
                self.accept();
                self.bad_token(answer)
            }
            Meaning::Expired(answer) => self.expired(stamp, answer),
            Meaning::Credentials(answer) => self.refuse(answer, CREDENTIALS),
            Meaning::Reconnect(code) => {
                self.end(format!("the provider answered {code}"));
                Judgement::of(Verdict::Elsewhere(code))
            }
            Meaning::Setup(answer) => {
                self.complain(
                    "the provider refuses pushes (hint: is topic the app's bundle id, of this team, and for broadcasts the capability on?)",
                    &answer,
                );
                Judgement::of(Verdict::Rejected(answer))
            }
        }
    }

    fn judge_reset(&self, reason: &str) -> Judgement {
        Judgement::reset(reason, self.common.retry_min)
    }

    fn ending(&self) -> Option<String> {
        self.ending.borrow().clone()
    }
}

#[cfg(test)]
mod tests;
