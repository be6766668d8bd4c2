//! The shell around a session: one task per connection that owns the TLS stream, the timer and the command line.
//!
//! It reads until the socket would block, lets the session work on all of it, and writes the result at once; reading goes on
//! while a write is blocked, so that neither side can lock the other up.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BufMut;
use log::debug;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use crate::double::listener::Secured;
use crate::xmpp::hub::Line;
use crate::xmpp::knobs::CloseStyle;
use crate::xmpp::session::{Command, Session};

/// The most bytes taken before the session works on them.
const BATCH: usize = 128 * 1024;

/// How long the last output of a connection may wait for a client that does not read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a closing connection waits for the client to close too, so that the last answers are not lost to a reset.
const LINGER: Duration = Duration::from_secs(2);

/// What became possible on the socket.
#[derive(Debug, Default)]
struct Progress {
    read: usize,
    closed: bool,
    wrote: bool,
}

/// Why the task woke.
#[derive(Debug)]
enum Wake {
    Command(Option<Command>),
    Knobs,
    Socket(Progress),
    Clock,
}

/// Spreads reading over time for `--slow-read`.
#[derive(Debug)]
struct Pace {
    allowance: f64,
    since: Instant,
}

impl Pace {
    /// Returns how many bytes may be read now under a limit in bytes per second.
    fn allow(&mut self, limit: u64, now: Instant) -> usize {
        if limit == 0 {
            *self = Self { allowance: 0.0, since: now };
            return BATCH;
        }
        let earned = (now - self.since).as_secs_f64() * limit as f64;
        self.allowance = (self.allowance + earned).min(limit as f64);
        self.since = now;
        if self.allowance < 1.0 { 0 } else { (self.allowance as usize).min(BATCH) }
    }
}

/// Runs a connection to its end.
pub async fn run(mut stream: Secured, mut session: Session, line: &mut Line) {
    let style = match drive(&mut stream, &mut session, line).await {
        Ok(style) => style,
        Err(error) => {
            debug!("connection ended connection={} error={error}", line.connection);
            CloseStyle::Rst
        }
    };
    session.close();
    end(stream, style).await;
}

/// Works until the session ends or the client goes; returns how to close.
async fn drive(stream: &mut Secured, session: &mut Session, line: &mut Line) -> io::Result<CloseStyle> {
    let mut pace = Pace { allowance: 0.0, since: Instant::now() };
    let mut give_up = None;
    loop {
        if let Some(style) = session.ending() {
            let now = Instant::now();
            if session.output().is_empty() || *give_up.get_or_insert(now + LAST_WORDS) <= now {
                return Ok(style);
            }
        }
        let limit = line.knobs.borrow().slow_read;
        let most = if session.wants_input() { pace.allow(limit, Instant::now()) } else { 0 };
        let starved = (limit > 0 && most == 0).then(|| Instant::now() + Duration::from_millis(20));
        let deadline =
            [session.next_deadline().map(Instant::from_std), starved, give_up].into_iter().flatten().min();
        let event = tokio::select! {
            biased;
            command = line.commands.recv() => Wake::Command(command),
            _ = line.knobs.changed() => Wake::Knobs,
            progress = poll_fn(|cx| poll_socket(stream, session, most, cx)) => Wake::Socket(progress?),
            () = wait_until(deadline) => Wake::Clock,
        };
        if let Wake::Socket(progress) = &event {
            pace.allowance -= progress.read as f64;
        }
        if let Some(style) = handle(event, session, line) {
            return Ok(style);
        }
        session.report();
    }
}

/// Passes on what woke the task; returns how to close when the connection is over.
fn handle(event: Wake, session: &mut Session, line: &mut Line) -> Option<CloseStyle> {
    let now = Instant::now().into_std();
    match event {
        Wake::Command(Some(command)) => session.command(command, now),
        Wake::Command(None) => return Some(CloseStyle::Graceful),
        Wake::Knobs => {
            let knobs = line.knobs.borrow_and_update().clone();
            session.set_knobs(knobs, now);
        }
        Wake::Socket(progress) => {
            if progress.read > 0 {
                session.received(now);
            }
            if progress.closed {
                return Some(CloseStyle::Graceful);
            }
        }
        Wake::Clock => session.tick(now),
    }
    None
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Writes what it can, then reads up to `most` bytes; pending only when neither moved.
fn poll_socket(
    stream: &mut Secured,
    session: &mut Session,
    most: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Progress>> {
    let mut progress = Progress::default();
    while !session.output().is_empty() {
        match Pin::new(&mut *stream).poll_write(cx, session.output().chunk()) {
            Poll::Ready(Ok(count)) => {
                session.output().advance(count);
                progress.wrote = true;
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => break,
        }
    }
    if let Poll::Ready(Err(error)) = Pin::new(&mut *stream).poll_flush(cx) {
        return Poll::Ready(Err(error));
    }
    read_available(stream, session.input(), (most, &mut progress), cx)?;
    if progress.read > 0 || progress.closed || progress.wrote {
        return Poll::Ready(Ok(progress));
    }
    Poll::Pending
}

fn read_available(
    stream: &mut Secured,
    input: &mut Vec<u8>,
    (most, progress): (usize, &mut Progress),
    cx: &mut Context<'_>,
) -> io::Result<()> {
    while progress.read < most {
        let room = (most - progress.read).min(16 * 1024);
        input.reserve(room);
        let mut limited = (&mut *input).limit(room);
        let polled = pin!(stream.read_buf(&mut limited)).poll(cx);
        match polled {
            Poll::Ready(Ok(0)) => {
                progress.closed = true;
                return Ok(());
            }
            Poll::Ready(Ok(count)) => progress.read += count,
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                progress.closed = true;
                return Ok(());
            }
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => return Ok(()),
        }
    }
    Ok(())
}

/// Closes the socket in the given style.
async fn end(mut stream: Secured, style: CloseStyle) {
    match style {
        CloseStyle::Rst => {
            if let Err(error) = stream.get_ref().0.get_ref().set_zero_linger() {
                debug!("reset failed error={error}");
            }
            return;
        }
        CloseStyle::Graceful | CloseStyle::StreamError => {
            if stream.shutdown().await.is_err() {
                return;
            }
        }
        CloseStyle::Fin | CloseStyle::HalfStanza | CloseStyle::Garbage => {
            if stream.get_mut().0.shutdown().await.is_err() {
                return;
            }
        }
    }
    let (tcp, _) = stream.get_mut();
    let mut rest = [0; 4096];
    let drained =
        timeout(LINGER, async { while matches!(tcp.read(&mut rest).await, Ok(count) if count > 0) {} }).await;
    if drained.is_err() {
        debug!("the client kept its half of the connection open");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_reading_earns_its_bytes_over_time_and_saves_at_most_a_second_s_worth() {
        let start = Instant::now();
        let mut pace = Pace { allowance: 0.0, since: start };
        assert_eq!(pace.allow(1000, start), 0);
        assert_eq!(pace.allow(1000, start + Duration::from_millis(500)), 500);
        assert_eq!(pace.allow(1000, start + Duration::from_secs(60)), 1000);
        pace.allowance -= 1000.0;
        assert_eq!(pace.allow(1000, start + Duration::from_secs(60)), 0);
    }

    #[test]
    fn unlimited_reading_leaves_no_debt_behind() {
        let start = Instant::now();
        let mut pace = Pace { allowance: 0.0, since: start };
        assert_eq!(pace.allow(0, start), BATCH);
        pace.allowance -= BATCH as f64;
        assert_eq!(pace.allow(0, start), BATCH);
        assert_eq!(pace.allow(1000, start + Duration::from_millis(100)), 100);
    }
}
