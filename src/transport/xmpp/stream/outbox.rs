//! The sending half of a session, and what it shares with the receiving half.
//!
//! The pusher holds the outbox. Both halves live on one arbiter and neither keeps a borrow over a call into the other.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::super::encode;
use super::buffer::Outgoing;
use crate::push::Push;
use crate::transport::Outbox;

/// What outbox and stream share.
#[derive(Debug, Default)]
pub struct Desk {
    /// Bytes on their way out.
    pub outgoing: Outgoing,
    /// Whether to say good-bye.
    pub finish: bool,
    waker: Option<Waker>,
    closed: bool,
}

/// The sending half.
#[derive(Debug)]
pub struct LinkOutbox {
    desk: Rc<RefCell<Desk>>,
}

// === impl Desk ===

impl Desk {
    /// Notes whom to wake when there is something to write.
    pub fn listen(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            None => self.waker = Some(waker.clone()),
        }
    }

    /// Notes that the connection is gone: nothing will be written any more.
    pub fn close(&mut self) {
        self.closed = true;
        self.outgoing = Outgoing::default();
    }
}

// === impl LinkOutbox ===

impl LinkOutbox {
    /// Returns the outbox of the session that reads from `desk`.
    pub const fn new(desk: Rc<RefCell<Desk>>) -> Self {
        Self { desk }
    }
}

impl Outbox for LinkOutbox {
    fn send(&mut self, push: &Push, time_left: Duration) {
        let mut desk = self.desk.borrow_mut();
        // The pusher learns of the end by `Closed`; what it sends before it has read that is unanswered like all that is in flight.
        if !desk.closed && !desk.finish {
            encode::push(desk.outgoing.tail(), push.key, time_left, &push.payload);
        }
    }

    fn flush(&mut self) {
        // Taken first: the waker may run code that comes back here.
        let waker = self.desk.borrow_mut().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn finish(&mut self) {
        self.desk.borrow_mut().finish = true;
        self.flush();
    }
}
