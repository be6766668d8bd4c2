//! HTTP/1.1 sessions (RFC 9112): one connection, one request at a time, for peers that have no HTTP/2.
//!
//! The Web Push connector opens them where ALPN gives nothing better; they take the same [`Protocol`]. One stream without tasks, polled by the
//! pusher. Invariants: the window is 1, or 0 in a pause; a request that was never written is answered [`Verdict::NOT_SENT`]; one whose
//! answer does not come in time ends the connection, since its answer could not be told from the next one's.

mod exchange;

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::Full;
use hyper::client::conn::http1::{self as wire, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use self::exchange::{Exchange, Outcome, Settled};
use super::http2::outbox::{Till, elsewhere};
use super::http2::{Endpoint, Judgement, Limits, Protocol, dial};
use super::{ConnectError, Session, SessionEvent};
use crate::outcome::Verdict;

/// What ALPN calls HTTP/1.1 (RFC 7301 section 6).
pub const ALPN: &str = "http/1.1";

/// The most that an answer may pause a connection.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long an answer may still take after our good-bye.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Answers that one poll hands on before it gives the arbiter back; more than one comes only if a peer answers before it is asked.
const ROUNDS: usize = 4;

/// The most bytes of an answer's head.
const MAX_HEAD: usize = 32 * 1024;

/// The receiving half, which does all I/O.
struct Events<P, Io: AsyncRead + AsyncWrite + Unpin> {
    connection: Connection<TokioIo<Io>, Full<Bytes>>,
    /// Gone when no request may be sent any more.
    requests: Option<SendRequest<Full<Bytes>>>,
    exchange: Option<Exchange>,
    protocol: Rc<P>,
    desk: Till,
    request_timeout: Duration,
    paused: Option<Pin<Box<Sleep>>>,
    close_by: Option<Pin<Box<Sleep>>>,
    /// The window that the pusher knows.
    announced: u32,
    is_closed: bool,
}

/// Opens a session on a connection on which the peer has not agreed to HTTP/2.
///
/// # Errors
/// [`ConnectError`] if the connection broke.
pub async fn start<P: Protocol, Io: AsyncRead + AsyncWrite + Unpin + 'static>(
    io: Io,
    endpoint: &Endpoint,
    limits: Limits,
    protocol: Rc<P>,
    stage: &Cell<&'static str>,
) -> Result<Session, ConnectError> {
    stage.set("starting HTTP/1.1");
    let (requests, connection) =
        wire::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(io)).await.map_err(|error| {
            let cause = format!("HTTP/1.1 did not start: {error}");
            ConnectError::Protocol { peer: dial::peer(&endpoint.origin), cause }
        })?;
    let desk = Till::default();
    let outbox = desk.outbox(Rc::clone(&protocol));
    let events = Events {
        connection,
        requests: Some(requests),
        exchange: None,
        protocol,
        desk,
        request_timeout: limits.request_timeout,
        paused: None,
        close_by: None,
        announced: 1,
        is_closed: false,
    };
    Ok(Session { window: 1, outbox: Box::new(outbox), events: Box::pin(events) })
}

// === impl Events ===

impl<P: Protocol, Io: AsyncRead + AsyncWrite + Unpin> Stream for Events<P, Io> {
    type Item = Vec<SessionEvent>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let session = self.get_mut();
        if session.is_closed {
            return Poll::Ready(None);
        }
        session.desk.borrow_mut().listen(cx.waker());
        let mut events = Vec::new();
        if let Some(reason) = session.turn(cx, &mut events) {
            session.close(reason, &mut events);
        }
        if events.is_empty() { Poll::Pending } else { Poll::Ready(Some(events)) }
    }
}

impl<P: Protocol, Io: AsyncRead + AsyncWrite + Unpin> Events<P, Io> {
    /// Sends, drives the connection, reads, looks at the clock; returns why the connection is over, if it is.
    fn turn(&mut self, cx: &mut Context<'_>, events: &mut Vec<SessionEvent>) -> Option<String> {
        self.start_finishing(events);
        for round in 1..=ROUNDS {
            if let Err(reason) = self.send_next(cx, events) {
                return Some(reason);
            }
            let ended = match Pin::new(&mut self.connection).poll(cx) {
                Poll::Pending => None,
                Poll::Ready(Ok(())) => Some("the connection was closed".to_owned()),
                Poll::Ready(Err(error)) => Some(format!("the connection ended: {error}")),
            };
            let settled = match self.settle(cx, events) {
                Ok(settled) => settled,
                Err(reason) => return Some(ended.unwrap_or(reason)),
            };
            if let Some(reason) = ended {
                self.stop_sending(&reason, events);
                return Some(reason);
            }
            if !settled || self.desk.borrow().waiting.is_empty() {
                break;
            }
            if round == ROUNDS {
                cx.waker().wake_by_ref();
            }
        }
        let over = self.look_at_clock(cx);
        self.announce_window(events);
        over
    }

    /// Sends the next request if the one before is answered; an error is why the session must end.
    fn send_next(&mut self, cx: &mut Context<'_>, events: &mut Vec<SessionEvent>) -> Result<(), String> {
        if self.paused.is_some() || self.requests.is_none() {
            let unsent = self.desk.borrow_mut().take_unopened();
            elsewhere(unsent, events);
            return Ok(());
        }
        let Some(requests) = self.requests.as_mut().filter(|_| self.exchange.is_none()) else {
            return Ok(());
        };
        let is_idle = self.desk.borrow().waiting.is_empty();
        // An error here shows in the connection, too.
        if is_idle || !matches!(requests.poll_ready(cx), Poll::Ready(Ok(()))) {
            return Ok(());
        }
        match self.protocol.poll_ready(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(reason)) => return Err(reason),
            Poll::Pending => return Ok(()),
        }
        let Some(mut letter) = self.desk.borrow_mut().waiting.pop_front() else { return Ok(()) };
        let stamp = self.protocol.authorize(&mut letter.head);
        self.exchange = Some(exchange::start(requests, letter, stamp, self.request_timeout));
        Ok(())
    }

    /// Hands on the answer, if it is there; an error is why the connection cannot be used any more.
    fn settle(&mut self, cx: &mut Context<'_>, events: &mut Vec<SessionEvent>) -> Result<bool, String> {
        let Some(exchange) = &mut self.exchange else { return Ok(false) };
        let Poll::Ready(Settled { key, stamp, outcome }) = exchange.as_mut().poll(cx) else {
            return Ok(false);
        };
        self.exchange = None;
        let (judgement, is_last) = match outcome {
            Outcome::Reply { reply, is_last } => {
                (self.protocol.judge(stamp, &reply, SystemTime::now()), is_last)
            }
            Outcome::Unsent => (Judgement::of(Verdict::NOT_SENT), true),
            Outcome::Lost(reason) => return Err(reason),
        };
        if let Some(pause) = judgement.pause {
            let until = Instant::now() + pause.min(LONGEST_PAUSE);
            self.paused = Some(Box::pin(tokio::time::sleep_until(until)));
        }
        events.push(SessionEvent::Answered { key, verdict: judgement.verdict });
        if is_last {
            self.stop_sending("the peer ends the connection behind this answer", events);
        }
        Ok(true)
    }

    /// Says that no request can be sent any more, unless that was our own wish.
    fn stop_sending(&mut self, reason: &str, events: &mut Vec<SessionEvent>) {
        if self.requests.take().is_none() || self.exchange.is_some() {
            return;
        }
        events.push(SessionEvent::Draining { reason: reason.to_owned() });
        let unsent = self.desk.borrow_mut().shut();
        elsewhere(unsent, events);
    }

    fn start_finishing(&mut self, events: &mut Vec<SessionEvent>) {
        if self.desk.borrow().finish && self.close_by.is_none() {
            // Without a handle for requests the connection closes itself behind the last answer.
            self.requests = None;
            self.close_by = Some(Box::pin(tokio::time::sleep(CLOSE_WAIT)));
            let unsent = self.desk.borrow_mut().shut();
            elsewhere(unsent, events);
        }
    }

    fn look_at_clock(&mut self, cx: &mut Context<'_>) -> Option<String> {
        if self.paused.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready()) {
            self.paused = None;
            // What may be sent again is for the next poll.
            cx.waker().wake_by_ref();
        }
        let is_late = self.close_by.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
        is_late.then(|| "the last answer did not come in time".to_owned())
    }

    fn announce_window(&mut self, events: &mut Vec<SessionEvent>) {
        let window = u32::from(self.paused.is_none());
        if window != self.announced && self.requests.is_some() {
            self.announced = window;
            events.push(SessionEvent::Window(window));
        }
    }

    /// Tells the end.
    fn close(&mut self, reason: String, events: &mut Vec<SessionEvent>) {
        let expected = self.desk.borrow().finish;
        let unsent = self.desk.borrow_mut().shut();
        elsewhere(unsent, events);
        self.is_closed = true;
        self.desk.borrow_mut().close();
        self.exchange = None;
        log::debug!("session closed reason=\"{reason}\" expected={expected}");
        events.push(SessionEvent::Closed { reason, expected });
    }
}

#[cfg(test)]
mod tests;
