//! The switchboard of a double: knows the open connections, tells them of new knobs, and passes commands on.
//!
//! The listener registers connections, the control face sends commands, requests record what happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::knobs::Knobs;
use crate::double::books::Books;
use crate::double::ledger::{Breach, Event, MessageKey, Tally};
use crate::double::quota::Quota;
use crate::fcm::account::Account;
use crate::fcm::oauth::Tokens;
use crate::xmpp::knobs::KnobError;

/// Commands a connection may have waiting.
const COMMANDS: usize = 64;

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
#[derive(Debug)]
pub struct Line {
    /// The connection's number.
    pub connection: u64,
    /// Commands of the control face.
    pub commands: mpsc::Receiver<Command>,
    /// The knobs, as they change.
    pub knobs: watch::Receiver<Arc<Knobs>>,
}

/// The switchboard; see the module's documentation.
#[derive(Debug)]
pub struct Hub {
    /// What happened, as the XMPP double counts it; a request for a token that is refused is a login refused.
    pub books: Books,
    /// The account that may send.
    pub account: Account,
    /// The tokens given out.
    pub tokens: Mutex<Tokens>,
    /// Pushes of this minute.
    pub minute: Mutex<Quota>,
    /// Streams refused because a connection had too many.
    pub streams_refused: AtomicU64,
    knobs: watch::Sender<Arc<Knobs>>,
    lines: Mutex<BTreeMap<u64, mpsc::Sender<Command>>>,
    next: AtomicU64,
}

impl Hub {
    /// Returns a hub without connections.
    #[must_use]
    pub fn new(account: Account, knobs: Knobs) -> Self {
        Self {
            books: Books::default(),
            account,
            tokens: Mutex::default(),
            minute: Mutex::default(),
            streams_refused: AtomicU64::new(0),
            knobs: watch::Sender::new(Arc::new(knobs)),
            lines: Mutex::default(),
            next: AtomicU64::new(1),
        }
    }

    /// Registers a new connection.
    pub fn open(&self) -> Line {
        let connection = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, commands) = mpsc::channel(COMMANDS);
        self.lines.lock().insert(connection, sender);
        self.books.ledger.lock().opened(connection);
        Line { connection, commands, knobs: self.knobs.subscribe() }
    }

    /// Forgets a closed connection.
    pub fn close(&self, connection: u64) {
        self.lines.lock().remove(&connection);
        self.books.ledger.lock().closed(connection);
    }

    /// Sends a command to one connection or to all; returns how many got it.
    pub fn send(&self, command: Command, only: Option<u64>) -> usize {
        let lines = self.lines.lock();
        let chosen = lines.iter().filter(|(id, _)| only.is_none_or(|only| only == **id));
        chosen.filter(|(_, line)| line.try_send(command).is_ok()).count()
    }

    /// Returns the knobs as they stand.
    #[must_use]
    pub fn knobs(&self) -> Arc<Knobs> {
        Arc::clone(&self.knobs.borrow())
    }

    /// Changes knobs for every open and future connection.
    ///
    /// # Errors
    /// [`KnobError`] when a name or value is unknown; nothing changes then.
    pub fn set<'a>(&self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), KnobError> {
        let mut knobs = Knobs::clone(&self.knobs.borrow());
        knobs.set(pairs)?;
        self.knobs.send_replace(Arc::new(knobs));
        Ok(())
    }

    /// Records what happened to a push.
    pub fn note(&self, connection: u64, key: MessageKey, event: Event) {
        self.add(connection, Tally { events: vec![(key, event)], ..Tally::default() });
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
