//! The switchboard of a double: knows the open connections, tells them of new knobs, and passes commands on.
//!
//! The listener registers connections, the control face sends commands. Each connection has a bounded queue; a command
//! that finds it full is reported as not delivered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::double::books::Books;
use crate::double::quota::Quota;
use crate::xmpp::knobs::{KnobError, Knobs};
use crate::xmpp::session::Command;

/// Commands a connection may have waiting.
const COMMANDS: usize = 64;

/// What the hub tells a connection.
#[derive(Debug)]
pub struct Line {
    /// The connection's number.
    pub connection: u64,
    /// Commands of the control face.
    pub commands: mpsc::Receiver<Command>,
    /// The knobs, as they change.
    pub knobs: watch::Receiver<Arc<Knobs>>,
    /// Whether there were too many connections already, or too many in this minute. The hub does not know such a connection.
    pub surplus: bool,
    /// Keeps the command queue of a surplus connection open.
    _held: Option<mpsc::Sender<Command>>,
}

/// The switchboard; see the module's documentation.
#[derive(Debug)]
pub struct Hub {
    /// Where everything is recorded.
    pub books: Arc<Books>,
    knobs: watch::Sender<Arc<Knobs>>,
    lines: Mutex<BTreeMap<u64, mpsc::Sender<Command>>>,
    next: AtomicU64,
    /// Connections per minute.
    arrivals: Mutex<Quota>,
}

impl Hub {
    /// Returns a hub without connections.
    #[must_use]
    pub fn new(knobs: Knobs) -> Self {
        Self {
            books: Arc::new(Books::default()),
            knobs: watch::Sender::new(Arc::new(knobs)),
            lines: Mutex::new(BTreeMap::new()),
            next: AtomicU64::new(1),
            arrivals: Mutex::default(),
        }
    }

    /// Registers a new connection.
    pub fn open(&self) -> Line {
        let connection = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, commands) = mpsc::channel(COMMANDS);
        let knobs = self.knobs.subscribe();
        let (most, rate) = {
            let knobs = knobs.borrow();
            (knobs.max_connections, knobs.connection_rate)
        };
        let in_time = self.arrivals.lock().admit("", rate, Instant::now().into_std());
        let mut lines = self.lines.lock();
        let surplus = !in_time || (most > 0 && lines.len() >= most);
        let mut held = Some(sender);
        if !surplus {
            lines.extend(held.take().map(|sender| (connection, sender)));
        }
        drop(lines);
        let mut ledger = self.books.ledger.lock();
        ledger.opened(connection);
        ledger.refused += u64::from(surplus);
        Line { connection, commands, knobs, surplus, _held: held }
    }

    /// Forgets a closed connection and offers its upstream messages to the others.
    pub fn close(&self, connection: u64) {
        self.lines.lock().remove(&connection);
        if self.books.pool.lock().waiting() > 0 {
            self.offer_upstream();
        }
    }

    /// Sends a command to one connection or to all; returns how many got it.
    pub fn send(&self, command: Command, only: Option<u64>) -> usize {
        let lines = self.lines.lock();
        let chosen = lines.iter().filter(|(id, _)| only.is_none_or(|only| only == **id));
        chosen.filter(|(_, line)| line.try_send(command).is_ok()).count()
    }

    /// Creates upstream messages and offers them to all connections in equal shares; returns how many wait now.
    pub fn create_upstream(&self, count: u64) -> usize {
        self.books.pool.lock().create(count);
        self.offer_upstream();
        self.books.pool.lock().waiting()
    }

    /// Returns the knobs as they stand.
    #[must_use]
    pub fn knobs(&self) -> Knobs {
        Knobs::clone(&self.knobs.borrow())
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

    fn offer_upstream(&self) {
        let waiting = self.books.pool.lock().waiting();
        let open = self.lines.lock().len().max(1);
        self.send(Command::Upstream(waiting.div_ceil(open)), None);
    }
}
