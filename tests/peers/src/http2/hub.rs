//! A double from outside: its switchboard, its books, its provider, and what the control face does with them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::provider::Provider;
use super::report;
use crate::control::{Request, Response};
use crate::double::admin::{Call, Steered};
use crate::double::books::Books;
use crate::double::knobs::KnobError;
use crate::double::ledger::{Breach, Event, MessageKey, Tally};
use crate::double::switchboard::{self, Switchboard};

/// The calls that every HTTP/2 double has.
pub const CALLS: &str = "GET /report, POST /set?KNOB=VALUE&…, POST /drain, POST /close[?style=fin|rst], POST /stall, POST /unstall, \
                         POST /reset; drain, close, stall and unstall take ?connection=ID";

/// What the control face may tell a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Announce the end.
    Drain,
    /// End it, leaving everything unanswered; with RST instead of FIN if so.
    Close {
        /// Whether with RST.
        with_reset: bool,
    },
    /// Stop reading and writing.
    Stall,
    /// Go on.
    Unstall,
}

/// What the hub tells a connection.
pub type Line<P> = switchboard::Line<<P as Provider>::Knobs, Command>;

/// The double's shared parts.
#[derive(Debug)]
pub struct Hub<P: Provider> {
    /// What happened, as the XMPP double counts it.
    pub books: Books,
    /// Who judges.
    pub provider: P,
    /// The open connections.
    pub switchboard: Switchboard<P::Knobs, Command>,
    /// Streams refused because a connection had too many.
    pub streams_refused: AtomicU64,
    /// How long deliveries took.
    pub service: Service,
}

/// How long the deliveries took, from a push's arrival to its answer.
#[derive(Debug, Default)]
pub struct Service {
    count: AtomicU64,
    micros: AtomicU64,
}

impl Service {
    /// Counts one.
    pub fn add(&self, took: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns their mean in milliseconds, if there was any.
    #[must_use]
    pub fn mean_ms(&self) -> Option<f64> {
        let count = self.count.load(Ordering::Relaxed);
        (count > 0).then(|| self.micros.load(Ordering::Relaxed) as f64 / count as f64 / 1e3)
    }

    fn reset(&self) {
        self.count.store(0, Ordering::Relaxed);
        self.micros.store(0, Ordering::Relaxed);
    }
}

/// Returns all control calls of a provider's double, for `--help`.
#[must_use]
pub fn calls<P: Provider>() -> String {
    std::iter::once(&CALLS).chain(P::CALLS).copied().collect::<Vec<_>>().join("; ")
}

impl<P: Provider> Hub<P> {
    /// Returns a hub without connections.
    #[must_use]
    pub fn new(provider: P, knobs: P::Knobs) -> Self {
        let (books, streams_refused, service) = Default::default();
        Self { books, provider, switchboard: Switchboard::new(knobs), streams_refused, service }
    }

    /// Registers a new connection.
    pub fn open(&self) -> Line<P> {
        let line = self.switchboard.open(|_, _| true);
        self.books.ledger.lock().opened(line.connection);
        line
    }

    /// Forgets a closed connection.
    pub fn close(&self, connection: u64) {
        self.switchboard.close(connection);
        self.books.ledger.lock().closed(connection);
    }

    /// Records what happened to a push.
    pub fn note(&self, connection: u64, key: MessageKey, event: Event) {
        self.books.ledger.lock().note(connection, key, event);
    }

    /// Records a refusal.
    pub fn nack(&self, connection: u64, key: MessageKey, code: &str) {
        let mut tally = Tally { events: vec![(key, Event::Nacked)], ..Tally::default() };
        tally.nack(code);
        self.add(connection, tally);
    }

    /// Records a violation.
    pub fn breach(&self, connection: u64, breach: Breach, text: String) {
        log::debug!("violation connection={connection} kind={} text={text:?}", breach.word());
        self.add(connection, Tally { breaches: vec![(breach, text)], ..Tally::default() });
    }

    /// Adds a tally to the books.
    pub fn add(&self, connection: u64, mut tally: Tally) {
        self.books.ledger.lock().add(connection, &mut tally);
    }
}

impl<P: Provider> Steered for Hub<P> {
    type Command = Command;

    fn calls(&self) -> String {
        calls::<P>()
    }

    fn report(&self) -> String {
        report::json(self)
    }

    fn set(&self, pairs: &[(String, String)]) -> Result<(), KnobError> {
        self.switchboard.set(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    fn reset(&self) {
        self.books.reset();
        self.streams_refused.store(0, Ordering::Relaxed);
        self.service.reset();
        self.provider.reset();
    }

    fn send(&self, command: Command, only: Option<u64>) -> usize {
        self.switchboard.send(&command, only)
    }

    fn call(&self, request: &Request) -> Call<Command> {
        match (request.path.as_str(), request.parameter("style").unwrap_or("fin")) {
            ("/drain", _) => Call::Command(Command::Drain),
            ("/stall", _) => Call::Command(Command::Stall),
            ("/unstall", _) => Call::Command(Command::Unstall),
            ("/close", "fin") => Call::Command(Command::Close { with_reset: false }),
            ("/close", "rst") => Call::Command(Command::Close { with_reset: true }),
            ("/close", _) => Call::Done(Response::fault(400, "style must be fin or rst")),
            _ => self.provider.call(request).map_or(Call::Unknown, Call::Done),
        }
    }
}
