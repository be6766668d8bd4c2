//! Web Push on a session: encrypted messages as requests, the origin's VAPID token, answers as verdicts.
//!
//! The connector makes one per connection. Invariant: a service that refuses our token before it has ever taken it refuses the sender, and its
//! pushes wait for an operator; once it has taken it, a refusal is about the subscription.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::Request;
use http::header::AUTHORIZATION;

use super::origin::Origin;
use super::request;
use super::vapid::{Token, Tokens};
use super::verdict::{self, Meaning};
use crate::outcome::{Answer, Scope, Verdict};
use crate::push::Push;
use crate::transport::http2::{Judgement, Letter, Protocol, Reply, Stamp};

/// How many pushes in a row a service must put off before the connection waits: services limit single subscriptions, too.
const BUSY_IN_A_ROW: u32 = 3;

/// How messages are written and sent again.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// What a message's length is made a multiple of; 0 for nothing.
    pub pad_to: usize,
    /// The least delay before a message is sent again.
    pub retry_min: Duration,
}

/// What the session adds to HTTP.
pub struct WebPush {
    origin: Origin,
    tokens: Arc<Tokens>,
    token: RefCell<Token>,
    manner: Manner,
    /// The generation of the last token that was taken.
    taken: Cell<Option<u64>>,
    busy: Cell<u32>,
    has_complained: Cell<bool>,
}

// === impl WebPush ===

impl WebPush {
    /// Returns Web Push for one session to `origin`.
    ///
    /// # Errors
    /// No token can be made, as a sentence for the log.
    pub fn new(origin: Origin, tokens: Arc<Tokens>, manner: Manner) -> Result<Self, String> {
        let token = RefCell::new(tokens.get(&origin, SystemTime::now())?);
        let (taken, busy, has_complained) = Default::default();
        Ok(Self { origin, tokens, token, manner, taken, busy, has_complained })
    }

    fn judge_push(&self, stamp: Stamp, verdict: Verdict) -> Judgement {
        self.busy.set(0);
        if matches!(verdict, Verdict::Delivered { .. }) {
            self.taken.set(Some(stamp.0));
            self.has_complained.set(false);
        }
        Judgement::of(verdict)
    }

    fn judge_busy(&self, answer: Box<Answer>, after: Duration, is_limit: bool) -> Judgement {
        let busy = self.busy.get().saturating_add(1);
        self.busy.set(busy);
        let is_general = busy >= BUSY_IN_A_ROW;
        let scope = if is_general { Scope::Route } else { Scope::Target };
        let verdict = match is_limit {
            true => Verdict::Limited { answer, after, scope },
            false => Verdict::Retry { answer, after: Some(after) },
        };
        Judgement { verdict, pause: is_general.then_some(after) }
    }

    fn judge_sender(&self, stamp: Stamp, answer: Box<Answer>, now: SystemTime) -> Judgement {
        if self.tokens.refused(&self.origin, stamp.0, now) {
            return Judgement::of(Verdict::CREDENTIALS_REPLACED);
        }
        if self.taken.get() == Some(stamp.0) {
            return self.judge_push(stamp, Verdict::Rejected(answer));
        }
        if !self.has_complained.replace(true) {
            log::error!(
                "the push service does not accept the sender (hint: are private_key, subject and this machine's clock right?) origin={} code={} detail={:?}",
                self.origin,
                answer.code,
                answer.detail
            );
        }
        let after = verdict::LONG_DELAY.max(self.manner.retry_min);
        Judgement { verdict: Verdict::Limited { answer, after, scope: Scope::Setup }, pause: Some(after) }
    }
}

impl Protocol for WebPush {
    fn write(&self, push: &Push, time_left: Duration) -> Letter {
        let (head, body) = request::write(&push.payload, time_left, self.manner.pad_to)
            .expect("only a machine without memory or randomness cannot encrypt");
        Letter { key: push.key, head, body }
    }

    fn poll_ready(&self, _cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        let token = self.tokens.get(&self.origin, SystemTime::now());
        Poll::Ready(token.map(|token| *self.token.borrow_mut() = token))
    }

    fn authorize(&self, head: &mut Request<()>) -> Stamp {
        let token = self.token.borrow();
        head.headers_mut().insert(AUTHORIZATION, token.header.clone());
        Stamp(token.generation)
    }

    fn judge(&self, stamp: Stamp, reply: &Reply, now: SystemTime) -> Judgement {
        match verdict::read(reply.status, &reply.headers, &reply.body, self.manner.retry_min, now) {
            Meaning::Push(verdict) => self.judge_push(stamp, verdict),
            Meaning::Busy { answer, after, is_limit } => self.judge_busy(answer, after, is_limit),
            Meaning::Sender(answer) => self.judge_sender(stamp, answer, now),
        }
    }

    fn judge_reset(&self, reason: &str) -> Judgement {
        Judgement::reset(reason, self.manner.retry_min)
    }
}

#[cfg(test)]
mod tests;
