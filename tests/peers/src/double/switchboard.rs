//! The switchboard of a double: knows the open connections, tells them of new knobs, and passes commands on.
//!
//! The listener registers connections, the control face sends commands. Each connection has a bounded queue; a command
//! that finds it full is reported as not delivered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::knobs::{KnobError, update};

/// Commands a connection may have waiting.
const COMMANDS: usize = 64;

/// What a connection is told.
#[derive(Debug)]
pub struct Line<K, C> {
    /// The connection's number.
    pub connection: u64,
    /// Commands of the control face.
    pub commands: mpsc::Receiver<C>,
    /// The knobs, as they change.
    pub knobs: watch::Receiver<Arc<K>>,
    /// Whether the connection was not admitted. The switchboard does not know such a connection.
    pub surplus: bool,
    /// Keeps the command queue of a surplus connection open.
    _held: Option<mpsc::Sender<C>>,
}

/// The switchboard; see the module's documentation.
#[derive(Debug)]
pub struct Switchboard<K, C> {
    knobs: watch::Sender<Arc<K>>,
    lines: Mutex<BTreeMap<u64, mpsc::Sender<C>>>,
    next: AtomicU64,
}

impl<K: Args + Clone, C: Clone> Switchboard<K, C> {
    /// Returns a switchboard without connections.
    #[must_use]
    pub fn new(knobs: K) -> Self {
        let (lines, next) = (Mutex::default(), AtomicU64::new(1));
        Self { knobs: watch::Sender::new(Arc::new(knobs)), lines, next }
    }

    /// Registers a new connection if `admits`, which is told how many are open, agrees.
    pub fn open(&self, admits: impl FnOnce(&K, usize) -> bool) -> Line<K, C> {
        let connection = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, commands) = mpsc::channel(COMMANDS);
        let knobs = self.knobs.subscribe();
        let mut lines = self.lines.lock();
        let surplus = !admits(&knobs.borrow(), lines.len());
        let mut held = Some(sender);
        if !surplus {
            lines.extend(held.take().map(|sender| (connection, sender)));
        }
        Line { connection, commands, knobs, surplus, _held: held }
    }

    /// Forgets a closed connection.
    pub fn close(&self, connection: u64) {
        self.lines.lock().remove(&connection);
    }

    /// Returns how many connections are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lines.lock().len()
    }

    /// Sends a command to one connection or to all; returns how many got it.
    pub fn send(&self, command: &C, only: Option<u64>) -> usize {
        let lines = self.lines.lock();
        let chosen = lines.iter().filter(|(id, _)| only.is_none_or(|only| only == **id));
        chosen.filter(|(_, line)| line.try_send(command.clone()).is_ok()).count()
    }

    /// Returns the knobs as they stand.
    #[must_use]
    pub fn knobs(&self) -> Arc<K> {
        Arc::clone(&self.knobs.borrow())
    }

    /// Changes knobs for every open and future connection.
    ///
    /// # Errors
    /// [`KnobError`] when a name or value is unknown; nothing changes then.
    pub fn set<'a>(&self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), KnobError> {
        let mut knobs = K::clone(&self.knobs.borrow());
        update(&mut knobs, pairs)?;
        self.knobs.send_replace(Arc::new(knobs));
        Ok(())
    }
}
