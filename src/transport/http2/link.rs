//! The I/O of a session: one stream without tasks or channels, polled by the pusher.
//!
//! A poll opens streams for what waits, drives the connection, and reads the answers that came. Invariants: never more streams open than the
//! window; one poll reads a bounded number of answers; nothing comes after `Closed`.

mod answer;
mod watch;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::FuturesUnordered;
use h2::client::{Builder, Connection, SendRequest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use self::answer::{Exchange, Outcome, Settled};
use self::watch::Watch;
use super::outbox::{LinkOutbox, Till, elsewhere};
use super::tap::Tap;
use super::{Judgement, Letter, Limits, Protocol};
use crate::outcome::Verdict;
use crate::transport::SessionEvent;

/// The most answers one poll hands on before it gives the arbiter back.
const ANSWER_BUDGET: usize = 256;

/// How often one poll may use what answers have freed.
const ROUNDS: usize = 4;

/// Windows for what the peer sends: far above its answers, so that none waits for another.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The most bytes of headers of an answer.
const MAX_HEADERS: u32 = 16 * 1024;

/// The receiving half, which does all I/O.
pub struct LinkEvents<P, Io: AsyncRead + AsyncWrite + Unpin> {
    connection: Connection<Tap<Io>, Bytes>,
    /// Gone when no stream may be opened any more.
    requests: Option<SendRequest<Bytes>>,
    answers: FuturesUnordered<Exchange>,
    protocol: Rc<P>,
    desk: Till,
    limits: Limits,
    watch: Watch,
    /// The window that the pusher knows.
    announced: u32,
    /// Streams refused since another answer came.
    refused: u32,
    is_closed: bool,
}

/// Starts HTTP/2 on a secured connection and returns the halves of a session.
///
/// # Errors
/// The connection broke.
pub async fn start<P, Io>(
    io: Io,
    limits: Limits,
    protocol: Rc<P>,
) -> Result<(LinkOutbox<P>, LinkEvents<P, Io>), h2::Error>
where
    P: Protocol,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let (io, heard) = Tap::new(io);
    let (requests, mut connection) = Builder::new()
        .initial_max_send_streams(1)
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .handshake(io)
        .await?;
    let pings = connection.ping_pong().expect("it is taken once");
    let desk = Till::default();
    let outbox = desk.outbox(Rc::clone(&protocol));
    let events = LinkEvents {
        connection,
        requests: Some(requests),
        answers: FuturesUnordered::new(),
        protocol,
        desk,
        limits,
        watch: Watch::new(limits, heard, pings, Instant::now()),
        announced: 1,
        refused: 0,
        is_closed: false,
    };
    Ok((outbox, events))
}

// === impl LinkEvents ===

impl<P, Io> Stream for LinkEvents<P, Io>
where
    P: Protocol,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    type Item = Vec<SessionEvent>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let link = self.get_mut();
        if link.is_closed {
            return Poll::Ready(None);
        }
        link.desk.borrow_mut().listen(cx.waker());
        let mut events = Vec::new();
        if let Some(reason) = link.turn(cx, &mut events) {
            link.close(cx, reason, &mut events);
        }
        if events.is_empty() { Poll::Pending } else { Poll::Ready(Some(events)) }
    }
}

impl<P, Io> LinkEvents<P, Io>
where
    P: Protocol,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    /// Sends, drives the connection, reads, looks at the clock; returns why the connection is over, if it is.
    fn turn(&mut self, cx: &mut Context<'_>, events: &mut Vec<SessionEvent>) -> Option<String> {
        self.start_finishing(events);
        let is_waiting = !self.desk.borrow().waiting.is_empty();
        // What the peer said meanwhile comes first: streams queued under a limit that it has lowered would be sent behind our consent to it.
        if is_waiting && let Some(reason) = self.drive(cx) {
            return Some(reason);
        }
        for round in 1..=ROUNDS {
            if let Err(reason) = self.open_streams(cx, events) {
                return Some(reason);
            }
            if let Some(reason) = self.drive(cx) {
                return Some(reason);
            }
            self.notice_going_away(cx, events);
            let settled = self.settle(cx, events, ANSWER_BUDGET);
            if settled == ANSWER_BUDGET || round == ROUNDS && settled > 0 {
                // The rest is for the next poll, after others had their turn.
                cx.waker().wake_by_ref();
                break;
            }
            if settled == 0 || self.desk.borrow().waiting.is_empty() {
                break;
            }
        }
        if self.requests.is_some() && self.protocol.ending().is_some() {
            self.notice_going_away(cx, events);
            cx.waker().wake_by_ref();
        }
        let over = self.watch.turn(cx, !self.answers.is_empty());
        self.announce_window(events);
        over
    }

    /// Reads and writes what there is; returns why the connection is over, if it is.
    fn drive(&mut self, cx: &mut Context<'_>) -> Option<String> {
        match Pin::new(&mut self.connection).poll(cx) {
            Poll::Pending => None,
            Poll::Ready(Ok(())) => Some("the connection was closed".to_owned()),
            Poll::Ready(Err(error)) => Some(format!("the connection ended: {error}")),
        }
    }

    /// Returns how many streams may be open now.
    fn window(&self) -> u32 {
        if self.watch.is_paused() {
            return 0;
        }
        let allowed = u32::try_from(self.connection.max_concurrent_send_streams()).unwrap_or(u32::MAX);
        allowed.min(self.limits.cap)
    }

    fn announce_window(&mut self, events: &mut Vec<SessionEvent>) {
        let window = self.window();
        if window != self.announced && self.requests.is_some() {
            self.announced = window;
            events.push(SessionEvent::Window(window));
        }
    }

    /// Opens streams for what waits, as many as the window has free; an error is why the session must end.
    fn open_streams(&mut self, cx: &mut Context<'_>, events: &mut Vec<SessionEvent>) -> Result<(), String> {
        if self.watch.is_paused() || self.requests.is_none() {
            let unopened = self.desk.borrow_mut().take_unopened();
            elsewhere(unopened, events);
            return Ok(());
        }
        while self.answers.len() < self.window() as usize {
            let Some(requests) = &mut self.requests else { break };
            let is_idle = self.desk.borrow().waiting.is_empty();
            // An error here shows in the connection, too.
            if is_idle || !matches!(requests.poll_ready(cx), Poll::Ready(Ok(()))) {
                break;
            }
            match self.protocol.poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(reason)) => return Err(reason),
                Poll::Pending => break,
            }
            let Some(letter) = self.desk.borrow_mut().waiting.pop_front() else { break };
            self.send(letter, events);
        }
        Ok(())
    }

    fn send(&mut self, letter: Letter, events: &mut Vec<SessionEvent>) {
        let Letter { key, mut head, body } = letter;
        let Some(requests) = &mut self.requests else { return elsewhere(vec![key], events) };
        let stamp = self.protocol.authorize(&mut head);
        if self.answers.is_empty() {
            // Silence counts from the first request on: an idle peer has nothing to say.
            self.watch.rearm(Instant::now());
        }
        match requests.send_request(head, false) {
            Ok((response, mut stream)) => {
                // If this fails, the stream has ended, and its answer says how.
                let _ = stream.send_data(body, true);
                self.answers.push(answer::exchange(key, stamp, response, self.limits.request_timeout));
            }
            Err(error) => {
                log::debug!("no stream could be opened error={error}");
                elsewhere(vec![key], events);
            }
        }
    }

    /// Finds out whether the peer has announced its end, the numbers of streams are used up, or the provider's answers ask for an end.
    fn notice_going_away(&mut self, cx: &mut Context<'_>, events: &mut Vec<SessionEvent>) {
        let Some(requests) = &mut self.requests else { return };
        let reason = match (self.protocol.ending(), requests.poll_ready(cx)) {
            (Some(reason), _) => reason,
            (None, Poll::Ready(Err(error))) if !error.is_io() => error.to_string(),
            _ => return,
        };
        // Without a handle for new streams the connection closes itself behind the last answer: peers may leave it open for hours.
        self.requests = None;
        events.push(SessionEvent::Draining { reason });
        let unopened = self.desk.borrow_mut().shut();
        elsewhere(unopened, events);
    }

    /// Hands on the answers that came, at most `most`; returns how many there were.
    fn settle(&mut self, cx: &mut Context<'_>, events: &mut Vec<SessionEvent>, most: usize) -> usize {
        let mut count = 0;
        while count < most
            && let Poll::Ready(Some(settled)) = Pin::new(&mut self.answers).poll_next(cx)
        {
            count += 1;
            let Settled { key, stamp, outcome } = settled;
            let judgement = match outcome {
                Outcome::Reply(reply) => {
                    self.refused = 0;
                    self.protocol.judge(stamp, &reply, SystemTime::now())
                }
                Outcome::Reset(reason) => {
                    self.refused = 0;
                    self.protocol.judge_reset(&reason)
                }
                Outcome::Refused => self.refused_again(),
                Outcome::Unprocessed => Judgement::of(Verdict::GOAWAY),
                Outcome::Unknown => Judgement::of(Verdict::Unanswered),
                Outcome::Cut => continue,
            };
            if let Some(pause) = judgement.pause {
                self.watch.pause(Instant::now(), pause);
            }
            events.push(SessionEvent::Answered { key, verdict: judgement.verdict });
        }
        count
    }

    /// Counts a refused stream. A few come whenever a window shrinks; a peer that refuses everything must not be asked without end.
    fn refused_again(&mut self) -> Judgement {
        self.refused = self.refused.saturating_add(1);
        let is_too_much = self.refused > self.limits.cap;
        let pause = is_too_much.then_some(watch::REFUSAL_PAUSE);
        Judgement { verdict: Verdict::REFUSED_STREAM, pause }
    }

    fn start_finishing(&mut self, events: &mut Vec<SessionEvent>) {
        if self.desk.borrow().finish && !self.watch.is_finishing() {
            self.watch.finish(Instant::now());
            self.requests = None;
            let unopened = self.desk.borrow_mut().shut();
            elsewhere(unopened, events);
        }
    }

    /// Hands on what is known at the end, and tells it.
    fn close(&mut self, cx: &mut Context<'_>, reason: String, events: &mut Vec<SessionEvent>) {
        self.settle(cx, events, usize::MAX);
        let expected = self.desk.borrow().finish;
        let unopened = self.desk.borrow_mut().shut();
        elsewhere(unopened, events);
        self.is_closed = true;
        self.desk.borrow_mut().close();
        log::debug!("session closed reason=\"{reason}\" expected={expected} cut={}", self.answers.len());
        self.answers.clear();
        events.push(SessionEvent::Closed { reason, expected });
    }
}

#[cfg(test)]
mod tests;
