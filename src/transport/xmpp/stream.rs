//! The I/O of an open session: one stream without tasks or channels, polled by the pusher.
//!
//! The outbox encodes straight into the buffer that the stream writes from; both halves live on one arbiter. A poll reads until nothing is
//! left, hands all of it to the dialog, and writes pushes and replies together. Invariants: reading never waits for writing; an idle
//! connection keeps no buffer; one poll reads a bounded amount; nothing comes after `Closed`.

mod buffer;
mod intake;
mod outbox;

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use self::intake::{Intake, Reading};
use self::outbox::Desk;
pub use self::outbox::LinkOutbox;
use super::document::Document;
use super::encode;
use crate::transport::SessionEvent;
use crate::transport::keepalive::{Check, Keepalive};

/// How long the peer may take to close after our closing tag.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// What the handshake leaves to the session.
#[derive(Debug)]
pub struct Opening {
    /// The reader of the stream, between two stanzas.
    pub document: Document,
    /// Bytes that were read behind the handshake.
    pub read: Vec<u8>,
    /// Bytes to send first.
    pub write: Vec<u8>,
}

/// The receiving half, which does all I/O.
#[derive(Debug)]
pub struct LinkEvents<Io> {
    io: Io,
    desk: Rc<RefCell<Desk>>,
    /// Whether the connection has handed over what was written.
    is_flushed: bool,
    intake: Intake,
    keepalive: Keepalive,
    pings: u64,
    timer: Pin<Box<Sleep>>,
    phase: Phase,
}

/// Where the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// In use.
    Open,
    /// Our closing tag is queued; the limit is for writing it.
    Finishing,
    /// Our closing tag is written; the limit is for the peer's.
    Waiting,
    /// `Closed` was told.
    Closed,
}

/// Returns the halves of a session on an open connection.
pub fn open<Io>(
    io: Io,
    opening: Opening,
    ping_after: Duration,
    ping_timeout: Duration,
) -> (LinkOutbox, LinkEvents<Io>)
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let desk = Rc::new(RefCell::new(Desk::default()));
    desk.borrow_mut().outgoing.tail().extend_from_slice(&opening.write);
    let now = Instant::now();
    let events = LinkEvents {
        io,
        desk: Rc::clone(&desk),
        is_flushed: true,
        intake: Intake::new(opening.document, opening.read),
        keepalive: Keepalive::new(ping_after, ping_timeout, now),
        pings: 0,
        timer: Box::pin(tokio::time::sleep_until(now + ping_after)),
        phase: Phase::Open,
    };
    (LinkOutbox::new(desk), events)
}

// === impl LinkEvents ===

impl<Io> Stream for LinkEvents<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    type Item = Vec<SessionEvent>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let link = self.get_mut();
        if link.phase == Phase::Closed {
            return Poll::Ready(None);
        }
        link.desk.borrow_mut().listen(cx.waker());
        let mut events = Vec::new();
        let over = link.turn(cx, &mut events);
        let upstream = link.intake.take_upstream();
        if upstream > 0 {
            events.push(SessionEvent::Upstream(upstream));
        }
        if let Some(reason) = over {
            events.push(link.close(cx, reason));
        }
        if events.is_empty() { Poll::Pending } else { Poll::Ready(Some(events)) }
    }
}

impl<Io> LinkEvents<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    /// Reads, looks at the clock, writes; returns why the connection is over, if it is.
    fn turn(&mut self, cx: &mut Context<'_>, events: &mut Vec<SessionEvent>) -> Option<String> {
        let more = match self.read(cx, events) {
            Reading::Over(reason) => return Some(reason),
            Reading::More => true,
            Reading::Drained => false,
        };
        self.start_finishing();
        if let Some(reason) = self.watch_time(cx) {
            return Some(reason);
        }
        match self.write(cx) {
            Ok(true) if self.phase == Phase::Finishing => {
                self.phase = Phase::Waiting;
                if let Some(reason) = self.set_timer(cx, Instant::now() + CLOSE_WAIT) {
                    return Some(reason);
                }
            }
            Ok(_) => {}
            Err(error) => return Some(format!("writing failed: {error}")),
        }
        if more && events.is_empty() {
            // The budget went into something without events; the rest is for the next turn.
            cx.waker().wake_by_ref();
        }
        None
    }

    fn read(&mut self, cx: &mut Context<'_>, events: &mut Vec<SessionEvent>) -> Reading {
        let Self { io, desk, intake, .. } = self;
        let (reading, count) = intake.drain(cx, io, &mut desk.borrow_mut().outgoing, events);
        if count > 0 {
            self.keepalive.on_heard(Instant::now());
        }
        reading
    }

    fn start_finishing(&mut self) {
        let mut desk = self.desk.borrow_mut();
        if desk.finish && self.phase == Phase::Open {
            desk.outgoing.tail().extend_from_slice(encode::STREAM_END);
            self.phase = Phase::Finishing;
            drop(desk);
            let limit = self.keepalive.ping_timeout().max(CLOSE_WAIT);
            self.timer.as_mut().reset(Instant::now() + limit);
        }
    }

    /// Carries out what is due; returns why the connection is over, if time ran out.
    fn watch_time(&mut self, cx: &mut Context<'_>) -> Option<String> {
        while self.timer.as_mut().poll(cx).is_ready() {
            match self.phase {
                Phase::Finishing => return Some("the peer did not take our last bytes in time".to_owned()),
                Phase::Waiting | Phase::Closed => return Some("the peer did not close in time".to_owned()),
                Phase::Open => {}
            }
            self.intake.relax();
            let next = match self.keepalive.check(Instant::now()) {
                Check::Wait(next) => next,
                Check::Ping(next) => {
                    self.pings += 1;
                    let outgoing = &mut self.desk.borrow_mut().outgoing;
                    encode::ping(outgoing.tail(), self.pings);
                    next
                }
                Check::Dead => return Some("the peer is silent: no answer to a ping in time".to_owned()),
            };
            self.timer.as_mut().reset(next);
        }
        None
    }

    fn set_timer(&mut self, cx: &mut Context<'_>, at: Instant) -> Option<String> {
        self.timer.as_mut().reset(at);
        self.watch_time(cx)
    }

    /// Writes as much as the connection takes; returns whether nothing is left.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let Self { io, desk, is_flushed, .. } = self;
        let outgoing = &mut desk.borrow_mut().outgoing;
        while let Some(bytes) = outgoing.next() {
            match Pin::new(&mut *io).poll_write(cx, bytes) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => outgoing.advance(count),
                Poll::Ready(Err(error)) => return Err(error),
            }
            *is_flushed = false;
        }
        if !*is_flushed {
            match Pin::new(io).poll_flush(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(flushed) => flushed?,
            }
            *is_flushed = true;
        }
        Ok(true)
    }

    /// Says good-bye as far as that is possible at once, and tells the end.
    fn close(&mut self, cx: &mut Context<'_>, reason: String) -> SessionEvent {
        let expected = self.phase != Phase::Open || self.desk.borrow().finish;
        if self.phase == Phase::Open {
            self.desk.borrow_mut().outgoing.tail().extend_from_slice(encode::STREAM_END);
        }
        // Errors do not matter any more: the connection is dropped whatever they are.
        if matches!(self.write(cx), Ok(true)) {
            let _ = Pin::new(&mut self.io).poll_shutdown(cx);
        }
        self.phase = Phase::Closed;
        self.desk.borrow_mut().close();
        log::debug!(
            "session closed reason=\"{reason}\" expected={expected} ignored={:?}",
            self.intake.tally()
        );
        SessionEvent::Closed { reason, expected }
    }
}

impl<Io> Drop for LinkEvents<Io> {
    fn drop(&mut self) {
        // An outbox that is still held somewhere must not pile up pushes that nobody will write.
        self.desk.borrow_mut().close();
    }
}

#[cfg(test)]
mod tests;
