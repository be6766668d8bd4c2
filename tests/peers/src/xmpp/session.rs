//! One connection of the double as a pure state machine: bytes and commands in, bytes and an ending out.
//!
//! The connection's shell appends what it read, calls [`Session::received`], wakes it at [`Session::next_deadline`] and
//! writes its output. Strictness lives in `push`, the rest of the stanzas in `stanza`, answers and endings in `delivery`,
//! upstream traffic in `courier`.
//! Invariant: a push is un-acked from its arrival until its answer is in the output (or deliberately withheld).
//!
//! ```text
//!  login ──bound──► open ──drain──► draining ──close due──► ending
//!    └──refused──►  ending ◄── close, over window, bad XML ──┘        (stalled: any of them, with reading stopped)
//! ```

mod courier;
mod delivery;
mod push;
mod stanza;
mod trust;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::double::books::Books;
use crate::double::ledger::{Breach, Tally};
use crate::xmpp::answer::{self, GcmForm};
use crate::xmpp::flight::Flight;
use crate::xmpp::framer::{Frame, FrameError, Framer};
use crate::xmpp::knobs::{CloseStyle, DrainMode, Knobs};
use crate::xmpp::login::{Account, Login};
use crate::xmpp::output::Output;
use crate::xmpp::upstream::Upstream;

/// Unsent output beyond which no more is read.
const OUTPUT_LIMIT: usize = 1 << 20;

/// Un-acked pushes beyond which no more is read, so that a client without any window cannot fill the memory.
const FLIGHT_LIMIT: usize = 100_000;

/// How long after the announcement a push may still have been on the wire.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// What a session is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The connection's number.
    pub connection: u64,
    /// The accepted account.
    pub account: Account,
    /// Where everything is recorded.
    pub books: Arc<Books>,
    /// The knobs at the start.
    pub knobs: Arc<Knobs>,
    /// Seed of everything random.
    pub seed: u64,
    /// A stream error to refuse the connection with.
    pub refusal: Option<&'static str>,
    /// Milliseconds since the epoch at the start, for receipts.
    pub epoch_millis: u128,
}

/// What the control face may ask of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Announce draining and close later.
    Drain,
    /// End the connection now.
    Close(CloseStyle),
    /// Stop reading and answering.
    Stall,
    /// Go on after a stall.
    Unstall,
    /// Send bytes that are no XML, and go on.
    Garbage,
    /// Take up to this many upstream messages.
    Upstream(usize),
}

#[derive(Debug, Clone, Copy)]
struct Drain {
    /// When the client was told, if it was.
    announced: Option<Instant>,
    close_at: Instant,
}

/// One connection; see the module's documentation.
#[derive(Debug)]
pub struct Session {
    framer: Framer,
    core: Core,
}

#[derive(Debug)]
struct Core {
    setup: Setup,
    knobs: Arc<Knobs>,
    rng: fastrand::Rng,
    started: Instant,
    login: Login,
    /// The bound JID; empty until login is complete.
    jid: String,
    flight: Flight,
    /// When the last answer in fifo order is due.
    last_due: Instant,
    sequence: u64,
    /// Pushes received.
    carried: u64,
    out: Output,
    form: GcmForm,
    tally: Tally,
    scratch: Vec<u8>,
    drain: Option<Drain>,
    stalled: bool,
    ending: Option<CloseStyle>,
    next_space: Option<Instant>,
    next_ping: Option<Instant>,
    upstream: VecDeque<(Instant, Upstream)>,
}

// === impl Session ===

impl Session {
    /// Returns a session that waits for the stream header.
    #[must_use]
    pub fn new(setup: Setup, now: Instant) -> Self {
        let core = Core {
            knobs: Arc::clone(&setup.knobs),
            rng: fastrand::Rng::with_seed(setup.seed),
            started: now,
            login: Login::new(setup.refusal),
            setup,
            jid: String::new(),
            flight: Flight::default(),
            last_due: now,
            sequence: 0,
            carried: 0,
            out: Output::default(),
            form: GcmForm::default(),
            tally: Tally::default(),
            scratch: Vec::new(),
            drain: None,
            stalled: false,
            ending: None,
            next_space: None,
            next_ping: None,
            upstream: VecDeque::new(),
        };
        Self { framer: Framer::default(), core }
    }

    /// Returns the buffer to append received bytes to.
    pub fn input(&mut self) -> &mut Vec<u8> {
        self.framer.buffer()
    }

    /// Handles what was appended to the input, and what is due.
    pub fn received(&mut self, now: Instant) {
        while self.core.is_live() {
            match self.framer.next_frame() {
                Ok(None) => break,
                Ok(Some(Frame::Message(plain))) => {
                    if self.core.on_message(&plain, now) {
                        self.framer.restart();
                    }
                }
                Ok(Some(Frame::Stanza(bytes))) => {
                    if self.core.on_stanza(bytes, now) {
                        self.framer.restart();
                    }
                }
                Ok(Some(Frame::Header(tag))) => self.core.on_header(tag),
                Ok(Some(Frame::End)) => self.core.end(CloseStyle::Graceful),
                Err(error) => {
                    let condition = match error {
                        FrameError::NotXml => "invalid-xml",
                        FrameError::Restricted => "restricted-xml",
                        FrameError::TooLarge => "policy-violation",
                    };
                    self.core.breach(Breach::BadXml, error.to_string());
                    self.core.stream_error(condition);
                }
            }
        }
        self.framer.compact();
        self.core.tick(now);
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Instant) {
        self.core.tick(now);
    }

    /// Returns when [`Session::tick`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let core = &self.core;
        if !core.is_live() {
            return None;
        }
        let resend = core.upstream.front().map(|(sent, _)| *sent + core.knobs.upstream_timeout);
        let close = core.drain.map(|drain| drain.close_at);
        [core.flight.next_due(), core.next_space, core.next_ping, resend, close].into_iter().flatten().min()
    }

    /// Carries out a command of the control face.
    pub fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Drain => self.core.start_drain(now),
            Command::Close(style) => self.core.end(style),
            Command::Stall => self.core.stalled = true,
            Command::Unstall => {
                self.core.stalled = false;
                self.received(now);
            }
            Command::Garbage => self.core.out.text(delivery::GARBAGE),
            Command::Upstream(share) => self.core.take_upstream(share, now),
        }
    }

    /// Replaces the knobs.
    pub fn set_knobs(&mut self, knobs: Arc<Knobs>, now: Instant) {
        self.core.knobs = knobs;
        if self.core.is_bound() {
            self.core.restart_clocks(now);
        }
    }

    /// Returns what is to be written.
    pub fn output(&mut self) -> &mut Output {
        &mut self.core.out
    }

    /// Returns how the connection ends once the output is written, or nothing while it lives.
    #[must_use]
    pub fn ending(&self) -> Option<CloseStyle> {
        self.core.ending
    }

    /// Returns whether more bytes may be read now.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.core.is_live() && self.core.out.len() < OUTPUT_LIMIT && self.core.flight.len() < FLIGHT_LIMIT
    }

    /// Hands what happened since the last call to the books.
    pub fn report(&mut self) {
        self.core.tally.highest_unacked = self.core.flight.take_highest() as u64;
        self.core.setup.books.ledger.lock().add(self.core.setup.connection, &mut self.core.tally);
    }

    /// Ends the book-keeping of a closed connection; un-acked upstream messages go back to the pool.
    pub fn close(mut self) {
        self.report();
        let messages = self.core.upstream.drain(..).map(|(_, message)| message);
        self.core.setup.books.pool.lock().give_back(messages);
        self.core.setup.books.ledger.lock().closed(self.core.setup.connection);
    }
}

// === impl Core ===

impl Core {
    fn is_live(&self) -> bool {
        !self.stalled && self.ending.is_none()
    }

    fn is_bound(&self) -> bool {
        !self.jid.is_empty()
    }

    fn breach(&mut self, breach: Breach, text: String) {
        self.tally.breaches.push((breach, text));
    }

    fn tick(&mut self, now: Instant) {
        if !self.is_live() {
            return;
        }
        self.send_due(now);
        self.resend_upstream(now);
        if self.next_space.is_some_and(|at| at <= now) {
            self.out.text(" ");
            self.next_space = later(now, self.knobs.whitespace);
        }
        if self.next_ping.is_some_and(|at| at <= now) {
            self.send_ping();
            self.next_ping = later(now, self.knobs.ping);
        }
        if self.drain.is_some_and(|drain| drain.close_at <= now) {
            if !self.knobs.drain_abandon {
                self.send_all(now);
            }
            self.end(CloseStyle::Graceful);
        }
    }

    fn restart_clocks(&mut self, now: Instant) {
        self.next_space = later(now, self.knobs.whitespace);
        self.next_ping = later(now, self.knobs.ping);
    }

    fn start_drain(&mut self, now: Instant) {
        if self.drain.is_some() || !self.is_bound() {
            return;
        }
        let mut announced = None;
        if self.knobs.drain_mode != DrainMode::Nack {
            let prefixed = self.form.next_is_data(self.knobs.prefix);
            answer::message_into(self.out.bytes(), answer::DRAINING, prefixed);
            announced = Some(now);
        }
        self.drain = Some(Drain { announced, close_at: now + self.knobs.drain_close });
    }
}

fn later(now: Instant, every: Duration) -> Option<Instant> {
    (!every.is_zero()).then(|| now + every)
}

#[cfg(test)]
mod tests;
