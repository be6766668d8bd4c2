//! FCM on an HTTP/2 session: messages as requests, the shared access token, answers as verdicts.
//!
//! The connector makes one per connection. Invariant: nothing is sent while the token that the session has was refused.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Uri};

use super::auth::{GrantError, Refused, Token, Tokens};
use super::request::{self, Purpose};
use super::verdict::{self, Meaning};
use crate::outcome::{Answer, Scope, Verdict};
use crate::push::Push;
use crate::transport::doubt::Doubt;
use crate::transport::http2::{Judgement, Letter, Protocol, Reply, Stamp};

/// How many answers in a row must blame the project, once it was good for a push: a single one may mean the push.
const REFUSALS_IN_A_ROW: u32 = 3;

/// What all sessions of a route have.
pub struct Common {
    /// The address of `messages:send`.
    pub send: Uri,
    /// What messages are sent for.
    pub purpose: Purpose,
    /// The least delay before a message is sent again.
    pub retry_min: Duration,
}

/// What the session adds to HTTP/2.
pub struct Fcm {
    common: Common,
    tokens: Arc<Tokens>,
    token: RefCell<Token>,
    renewal: RefCell<Option<BoxFuture<'static, Result<Token, GrantError>>>>,
    doubt: Doubt,
    /// Answers that blamed the project since the last push was taken; none if none was ever taken.
    refusals: Cell<Option<u32>>,
    has_complained: Cell<bool>,
}

// === impl Fcm ===

impl Fcm {
    /// Returns FCM for one session, which has a token already.
    pub fn new(common: Common, tokens: Arc<Tokens>, token: Token) -> Self {
        let (token, renewal) = (RefCell::new(token), RefCell::default());
        let (doubt, refusals, has_complained) = Default::default();
        Self { common, tokens, token, renewal, doubt, refusals, has_complained }
    }

    /// The project is blamed: nothing can be sent, unless it was good for other pushes a moment ago.
    fn refused(&self, answer: Box<Answer>) -> Judgement {
        let refusals = self.refusals.get().map(|before| before + 1);
        self.refusals.set(refusals);
        if refusals.is_some_and(|refusals| refusals < REFUSALS_IN_A_ROW) {
            let after = Some(verdict::LONG_DELAY.max(self.common.retry_min));
            return Judgement::of(Verdict::Retry { answer, after });
        }
        self.complain(
            "the provider refuses the project's set-up (hint: is the API enabled, and are project_id and the account's role right?)",
            &answer.code,
            &answer.detail,
        );
        self.stop(answer)
    }

    /// Says that nothing can be sent before an operator has repaired something; no push is to suffer for it.
    fn stop(&self, answer: Box<Answer>) -> Judgement {
        let after = verdict::LONG_DELAY.max(self.common.retry_min);
        Judgement { verdict: Verdict::Limited { answer, after, scope: Scope::Setup }, pause: Some(after) }
    }

    fn foreign(&self, mut answer: Box<Answer>) -> Judgement {
        if self.doubt.believes() {
            return Judgement::of(Verdict::Unregistered(answer));
        }
        self.complain(
            "the provider calls most device tokens another project's, so none is called dead (hint: is service_account of the app's project?)",
            &answer.code,
            &answer.detail,
        );
        answer.detail =
            "most tokens are called another project's, so the account may be the wrong one".into();
        Judgement::of(Verdict::Rejected(answer))
    }

    /// Says once per connection what only an operator can repair.
    fn complain(&self, what: &str, code: &str, detail: &str) {
        if !self.has_complained.replace(true) {
            log::error!("{what} code={code} detail={detail:?}");
        }
    }
}

impl Protocol for Fcm {
    fn write(&self, push: &Push, time_left: Duration) -> Letter {
        let mut head = Request::post(self.common.send.clone())
            .body(())
            .expect("an address that was parsed makes a request");
        head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = request::body(&push.payload, self.common.purpose, time_left, SystemTime::now());
        Letter { key: push.key, head, body }
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        let generation = self.token.borrow().generation;
        let mut renewal = self.renewal.borrow_mut();
        if renewal.is_none() {
            if self.tokens.is_current(generation) {
                return Poll::Ready(Ok(()));
            }
            *renewal = Some(Arc::clone(&self.tokens).get().boxed());
        }
        let Some(waiting) = renewal.as_mut() else { return Poll::Ready(Ok(())) };
        let result = std::task::ready!(waiting.poll_unpin(cx));
        *renewal = None;
        Poll::Ready(match result {
            Ok(token) => {
                *self.token.borrow_mut() = token;
                Ok(())
            }
            Err(error) => Err(format!("no access token: {error}")),
        })
    }

    fn authorize(&self, head: &mut Request<()>) -> Stamp {
        let token = self.token.borrow();
        head.headers_mut().insert(AUTHORIZATION, token.header.clone());
        Stamp(token.generation)
    }

    fn judge(&self, stamp: Stamp, reply: &Reply, now: SystemTime) -> Judgement {
        match verdict::read(reply.status, &reply.headers, &reply.body, self.common.retry_min, now) {
            Meaning::Push(judgement) => {
                if reply.status.is_success() {
                    self.has_complained.set(false);
                    self.refusals.set(Some(0));
                }
                if matches!(judgement.verdict, Verdict::Delivered { .. } | Verdict::Unregistered(_)) {
                    self.doubt.known();
                }
                judgement
            }
            Meaning::Foreign(answer) => self.foreign(answer),
            Meaning::Setup(answer) => self.refused(answer),
            Meaning::ThirdParty(answer) => {
                self.complain(
                    "the provider cannot log in to Apple or to a browser's service (hint: check the project's APNs key or web push certificate)",
                    &answer.code,
                    &answer.detail,
                );
                Judgement::of(Verdict::Rejected(answer))
            }
            Meaning::Token(answer) => match self.tokens.refused(stamp.0) {
                Refused::Replaced => Judgement::of(Verdict::CREDENTIALS_REPLACED),
                Refused::Hopeless => {
                    self.complain("the provider refuses fresh access tokens", &answer.code, &answer.detail);
                    self.stop(answer)
                }
            },
        }
    }

    fn judge_reset(&self, reason: &str) -> Judgement {
        Judgement::reset(reason, self.common.retry_min)
    }
}

#[cfg(test)]
mod tests;
