//! Who did what, to what, from where, with which result. Pure and bounded.
//!
//! What people do whom we know, and what strangers try, are kept apart: no flood of attempts washes the deeds away.

use std::collections::VecDeque;
use std::net::IpAddr;

use serde::Serialize;

use crate::flow::{Command, RestartMode};
use crate::units::Stamp;

/// Entries kept of each sort.
const ENTRIES: usize = 200;
/// How far back an equal entry is looked for.
const REPEATS_WITHIN: usize = 16;
/// Who it is before the credentials are known.
pub(crate) const STRANGER: &str = "unknown";
/// The result of an action of which no more is to be told.
pub(crate) const DONE: &str = "done";
const LONGEST_RESULT: usize = 300;

/// An action that was carried out or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Audited {
    /// The user; `anybody` where none is configured, [`STRANGER`] before the credentials are known.
    pub(crate) actor: String,
    /// Where the request came from.
    pub(crate) from: Option<IpAddr>,
    /// What was wanted, a word such as `restart`.
    pub(crate) action: &'static str,
    /// What it was wanted for, such as `android/0`, and how.
    pub(crate) target: String,
    /// Whether it was done.
    pub(crate) is_done: bool,
    /// `done`, or why not.
    pub(crate) result: String,
}

/// An action in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    /// Counted from the start.
    pub(crate) number: u64,
    /// When it ended, the last time.
    pub(crate) at: Stamp,
    /// How often; equal refusals are counted, not repeated.
    pub(crate) times: u64,
    /// The action.
    #[serde(flatten)]
    pub(crate) audited: Audited,
}

#[derive(Debug, Default)]
pub(super) struct Audit {
    deeds: VecDeque<Entry>,
    attempts: VecDeque<Entry>,
    entered: u64,
    changes: u64,
}

/// Returns a command as a word and what it is for.
pub(crate) fn describe(command: &Command) -> (&'static str, String) {
    let how = |mode: &RestartMode| match mode {
        RestartMode::Graceful => "",
        RestartMode::Force => " (force)",
    };
    match command {
        Command::RestartPusher { route, number, mode } => {
            ("restart", format!("{route}/{number}{}", how(mode)))
        }
        Command::PausePusher { route, number } => ("pause", format!("{route}/{number}")),
        Command::ResumePusher { route, number } => ("resume", format!("{route}/{number}")),
        Command::RestartRoute { route, mode } => ("restart", format!("{route}{}", how(mode))),
        Command::ScaleRoute { route, connections } => {
            ("scale", format!("{route} to {connections} connections"))
        }
        Command::PauseRoute { route } => ("pause", route.clone()),
        Command::ResumeRoute { route } => ("resume", route.clone()),
        Command::TestPush { route, .. } => ("test", format!("push on {route}")),
        Command::TraceNext { count } => ("trace", format!("the next {count} pushes")),
        Command::SetLog { filter } => ("log", filter.clone()),
        Command::Panic { target } => ("panic", target.clone()),
        Command::Drain => ("drain", "intake".to_owned()),
        Command::Resume => ("resume", "intake".to_owned()),
    }
}

// === impl Audited ===

impl Audited {
    /// Returns what was wanted in a few words.
    pub(crate) fn summary(&self) -> String {
        format!("{} {}", self.action, self.target)
    }

    /// Returns what is worth telling of the result: why it was refused, or what came of it.
    pub(crate) fn said(&self) -> Option<&str> {
        (self.result != DONE).then_some(self.result.as_str())
    }

    /// Returns whether it changed the service, and so may explain a bend in the graphs.
    pub(crate) fn is_change(&self) -> bool {
        self.is_done && !matches!(self.action, "login" | "logout")
    }

    /// Returns whether many equal ones tell no more than their number.
    fn may_repeat(&self) -> bool {
        !self.is_change()
    }
}

// === impl Audit ===

impl Audit {
    pub(super) fn enter(&mut self, at: Stamp, mut audited: Audited) -> u64 {
        self.changes += 1;
        if let Some((end, _)) = audited.result.char_indices().nth(LONGEST_RESULT) {
            audited.result.truncate(end);
        }
        let entries = if audited.actor == STRANGER { &mut self.attempts } else { &mut self.deeds };
        let repeated = |entry: &&mut Entry| entry.audited.may_repeat() && entry.audited == audited;
        if let Some(entry) = entries.iter_mut().rev().take(REPEATS_WITHIN).find(repeated) {
            entry.times += 1;
            entry.at = at;
            return entry.number;
        }
        if entries.len() == ENTRIES {
            entries.pop_front();
        }
        self.entered += 1;
        entries.push_back(Entry { number: self.entered, at, times: 1, audited });
        self.entered
    }

    pub(super) fn latest(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.deeds.iter().chain(&self.attempts).cloned().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.number));
        entries
    }

    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }
}
