//! The sending half of a session, and what it shares with the receiving half.
//!
//! The pusher holds the outbox. Both halves live on one arbiter and neither keeps a borrow over a call into the other. Invariant: what waits
//! here is what the pusher sent and nobody answered, so its window bounds it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Deref;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::{Letter, Protocol};
use crate::outcome::Verdict;
use crate::push::{Push, PushKey};
use crate::transport::{Outbox, SessionEvent};

/// What outbox and link share.
#[derive(Debug, Default)]
pub struct Desk {
    /// Requests whose stream is not open yet.
    pub waiting: VecDeque<Letter>,
    /// Pushes that came when no stream can be opened any more.
    pub turned_away: Vec<PushKey>,
    /// Whether to say good-bye.
    pub finish: bool,
    /// Whether no stream will be opened any more.
    pub shut: bool,
    waker: Option<Waker>,
    closed: bool,
}

/// The receiving half's hold on the desk. Behind it an outbox that is still held somewhere piles up nothing that nobody will send.
#[derive(Debug, Default)]
pub struct Till(Rc<RefCell<Desk>>);

/// The sending half.
#[derive(Debug)]
pub struct LinkOutbox<P> {
    desk: Rc<RefCell<Desk>>,
    protocol: Rc<P>,
}

// === impl Desk ===

impl Desk {
    /// Notes whom to wake when there is something to send.
    pub fn listen(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            None => self.waker = Some(waker.clone()),
        }
    }

    /// Stops taking requests and returns the pushes whose stream was never opened.
    pub fn shut(&mut self) -> Vec<PushKey> {
        self.shut = true;
        self.take_unopened()
    }

    /// Returns the pushes whose stream was never opened.
    pub fn take_unopened(&mut self) -> Vec<PushKey> {
        let mut keys = std::mem::take(&mut self.turned_away);
        keys.extend(self.waiting.drain(..).map(|letter| letter.key));
        keys
    }

    /// Notes that the connection is gone.
    pub fn close(&mut self) {
        self.closed = true;
        self.waiting = VecDeque::new();
        self.turned_away = Vec::new();
    }
}

/// Tells that these were certainly not processed.
pub fn elsewhere(keys: Vec<PushKey>, events: &mut Vec<SessionEvent>) {
    let told = |key| SessionEvent::Answered { key, verdict: Verdict::NOT_SENT };
    events.extend(keys.into_iter().map(told));
}

// === impl Till ===

impl Till {
    /// Returns the sending half that goes with it.
    pub fn outbox<P>(&self, protocol: Rc<P>) -> LinkOutbox<P> {
        LinkOutbox { desk: Rc::clone(&self.0), protocol }
    }
}

impl Deref for Till {
    type Target = RefCell<Desk>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Till {
    fn drop(&mut self) {
        self.0.borrow_mut().close();
    }
}

// === impl LinkOutbox ===

impl<P: Protocol> Outbox for LinkOutbox<P> {
    fn send(&mut self, push: &Push, time_left: Duration) {
        let mut desk = self.desk.borrow_mut();
        if desk.closed {
            // The pusher learns of the end by `Closed`; what it sends before it has read that is unanswered like all that is in flight.
        } else if desk.shut || desk.finish {
            desk.turned_away.push(push.key);
        } else {
            let letter = self.protocol.write(push, time_left);
            desk.waiting.push_back(letter);
        }
    }

    fn flush(&mut self) {
        // Taken first: the waker may run code that comes back here.
        let waker = self.desk.borrow_mut().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn recall(&mut self, key: PushKey) -> bool {
        let mut desk = self.desk.borrow_mut();
        let place = desk.waiting.iter().position(|letter| letter.key == key);
        place.is_some_and(|place| desk.waiting.remove(place).is_some())
    }

    fn finish(&mut self) {
        self.desk.borrow_mut().finish = true;
        self.flush();
    }
}
