//! Who did what, to what, from where, with which result. Pure and bounded.

use std::collections::VecDeque;
use std::net::IpAddr;

use serde::Serialize;

use crate::flow::{Command, RestartMode};
use crate::units::Stamp;

/// Entries kept.
const ENTRIES: usize = 200;
/// How far back an equal refusal is looked for; a flood of them must not wash the deeds away.
const REPEATS_WITHIN: usize = 16;
const LONGEST_RESULT: usize = 300;

/// An action that was carried out or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Audited {
    /// The user; `anybody` where none is configured, `unknown` before the credentials are known.
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
    entries: VecDeque<Entry>,
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
}

// === impl Audit ===

impl Audit {
    pub(super) fn enter(&mut self, at: Stamp, mut audited: Audited) -> u64 {
        self.changes += 1;
        if let Some((end, _)) = audited.result.char_indices().nth(LONGEST_RESULT) {
            audited.result.truncate(end);
        }
        let repeated = |entry: &&mut Entry| !entry.audited.is_done && entry.audited == audited;
        if let Some(entry) = self.entries.iter_mut().rev().take(REPEATS_WITHIN).find(repeated) {
            entry.times += 1;
            entry.at = at;
            return entry.number;
        }
        if self.entries.len() == ENTRIES {
            self.entries.pop_front();
        }
        self.entered += 1;
        self.entries.push_back(Entry { number: self.entered, at, times: 1, audited });
        self.entered
    }

    pub(super) fn latest(&self) -> Vec<Entry> {
        self.entries.iter().rev().cloned().collect()
    }

    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }
}
