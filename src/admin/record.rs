//! What the page remembers beyond the present second: samples, marks, problems, and who did what. All of it bounded.
//!
//! `app` owns one [`Record`] and samples it once a second; `http` enters actions. It outlives the admin server's restarts. The parts are
//! pure: they take the time.

mod audit;
mod history;
mod problems;
#[cfg(test)]
mod tests;

use parking_lot::Mutex;
use serde::Serialize;

pub(super) use self::audit::{Audited, DONE, Entry, STRANGER, describe};
pub(super) use self::history::{Mark, Sample};
pub(super) use self::problems::Problem;
use self::{audit::Audit, history::History, problems::Problems};
use super::measured::TEMPLATES;
use super::state::{Snapshot, State};
use super::words;
use crate::telemetry::HttpMeter;
use crate::units::Stamp;

/// Samples that each event of the stream carries: a viewer that misses one or two has no gap.
const RECENT_SAMPLES: usize = 3;
const RECENT_MARKS: usize = 12;
/// Problems that each event carries.
const RECENT_PROBLEMS: usize = 20;

/// The memory.
#[derive(Debug)]
pub struct Record {
    inner: Mutex<Inner>,
    meter: HttpMeter,
}

#[derive(Debug, Default)]
struct Inner {
    history: History,
    problems: Problems,
    audit: Audit,
}

/// The end of everything, as each event carries it.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(super) struct Recent {
    /// Samples, oldest first.
    pub(super) samples: Vec<Sample>,
    /// Marks, oldest first.
    pub(super) marks: Vec<Mark>,
    /// Problems, most recent first.
    pub(super) problems: Vec<Problem>,
    /// How often the list of actions changed.
    pub(super) audit: u64,
    /// Pushes shed in the last minute.
    pub(super) shed_last_minute: u64,
}

/// A change of the service's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// Why, in a sentence.
    pub why: String,
}

// === impl Record ===

impl Default for Record {
    fn default() -> Self {
        Self { inner: Mutex::default(), meter: HttpMeter::new(&TEMPLATES, 0) }
    }
}

impl Record {
    /// Returns what is counted of requests to the admin interface; see [`TEMPLATES`].
    pub(super) const fn meter(&self) -> &HttpMeter {
        &self.meter
    }

    /// Enters the service as it is `at` a time, and returns how its state changed; to be called once a second.
    pub fn sample(&self, at: Stamp, snapshot: &Snapshot) -> Option<Change> {
        let from = {
            let mut inner = self.inner.lock();
            inner.problems.sample(at, snapshot);
            inner.history.sample(at, snapshot)
        };
        let to = snapshot.state;
        let from = from.filter(|from| *from != to)?;
        Some(Change { from, to, why: words::why(snapshot, &self.recent()) })
    }

    /// Enters an action, done or refused, and returns its number.
    pub(super) fn enter(&self, at: Stamp, audited: Audited) -> u64 {
        let mut inner = self.inner.lock();
        if audited.is_change() {
            let text = format!("{} by {}", audited.summary(), audited.actor);
            inner.history.mark(at, audited.action, text);
        }
        inner.audit.enter(at, audited)
    }

    /// Returns the end of everything.
    pub(super) fn recent(&self) -> Recent {
        let inner = self.inner.lock();
        Recent {
            samples: inner.history.last_samples(RECENT_SAMPLES),
            marks: inner.history.last_marks(RECENT_MARKS),
            problems: inner.problems.latest(RECENT_PROBLEMS),
            audit: inner.audit.changes(),
            shed_last_minute: inner.history.shed_last_minute(),
        }
    }

    /// Returns the whole history as JSON.
    pub(super) fn history(&self) -> serde_json::Value {
        self.inner.lock().history.columns()
    }

    /// Returns actions, the latest first.
    pub(super) fn audit(&self) -> Vec<Entry> {
        self.inner.lock().audit.latest()
    }
}
