//! The clock of a link: silence and pings, pauses, the limit for a good-bye.
//!
//! The link asks it at each poll. One timer serves all; it is set to whatever comes first.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep};

use super::super::Limits;
use crate::transport::keepalive::{Check, Keepalive};

/// How long nothing is sent to a peer that has refused more than a window of streams in a row.
pub const REFUSAL_PAUSE: Duration = Duration::from_millis(250);

/// The most that an answer may pause a connection; a peer's `Retry-After` can be anything.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long the connection may take to close after our good-bye.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// What is due when.
pub struct Watch {
    keepalive: Keepalive,
    heard: Rc<Cell<bool>>,
    pings: PingPong,
    is_pinging: bool,
    look_at: Instant,
    paused_until: Option<Instant>,
    close_by: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

// === impl Watch ===

impl Watch {
    /// Returns the clock of a fresh connection; `heard` is set whenever the peer sends something.
    pub fn new(limits: Limits, heard: Rc<Cell<bool>>, pings: PingPong, now: Instant) -> Self {
        let look_at = now + limits.ping_after;
        Self {
            keepalive: Keepalive::new(limits.ping_after, limits.ping_timeout, now),
            heard,
            pings,
            is_pinging: false,
            look_at,
            paused_until: None,
            close_by: None,
            timer: Box::pin(tokio::time::sleep_until(look_at)),
        }
    }

    /// Returns whether nothing may be sent.
    pub const fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }

    /// Returns whether the good-bye has begun.
    pub const fn is_finishing(&self) -> bool {
        self.close_by.is_some()
    }

    /// Lets nothing be sent for so long; of several pauses the one that ends last counts.
    pub fn pause(&mut self, now: Instant, pause: Duration) {
        let until = now + pause.min(LONGEST_PAUSE);
        self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
    }

    /// Begins the good-bye.
    pub fn finish(&mut self, now: Instant) {
        self.close_by = Some(now + CLOSE_WAIT);
    }

    /// Counts silence from now on.
    pub fn rearm(&mut self, now: Instant) {
        self.keepalive.on_heard(now);
        self.look_at = self.look_at.min(now + self.keepalive.ping_after());
    }

    /// Carries out what is due; `is_waiting` says whether answers are owed. Returns why the connection is over, if time ran out.
    pub fn turn(&mut self, cx: &mut Context<'_>, is_waiting: bool) -> Option<String> {
        if self.is_pinging && self.pings.poll_pong(cx).is_ready() {
            self.is_pinging = false;
        }
        loop {
            let now = Instant::now();
            if self.heard.replace(false) || !is_waiting {
                self.keepalive.on_heard(now);
            }
            if self.close_by.is_some_and(|at| now >= at) {
                return Some("the peer did not close in time".to_owned());
            }
            if self.paused_until.is_some_and(|at| now >= at) {
                self.paused_until = None;
                // What may be sent again is for the next poll.
                cx.waker().wake_by_ref();
            }
            if now >= self.look_at {
                self.look_at = match self.keepalive.check(now) {
                    Check::Wait(next) => next,
                    Check::Ping(next) => {
                        self.ping(cx);
                        next
                    }
                    Check::Dead => return Some("the peer is silent: no answer to a ping in time".to_owned()),
                };
            }
            let due = [Some(self.look_at), self.paused_until, self.close_by];
            let next = due.into_iter().flatten().min().unwrap_or(self.look_at);
            if self.timer.deadline() != next {
                self.timer.as_mut().reset(next);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return None;
            }
        }
    }

    fn ping(&mut self, cx: &mut Context<'_>) {
        // A ping that is still out is as good as a second one.
        self.is_pinging = self.pings.send_ping(Ping::opaque()).is_ok() || self.is_pinging;
        if matches!(self.pings.poll_pong(cx), Poll::Ready(_)) {
            self.is_pinging = false;
        }
    }
}
