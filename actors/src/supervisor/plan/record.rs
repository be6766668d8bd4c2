//! What the plan knows about one child.

use std::time::Instant;

use super::super::{
    exit::Exit,
    spec::{ChildPolicy, Restart, Strategy},
};
use crate::observe::NodeState;

/// Names a child; keys grow in start order.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Key(pub(crate) u64);

/// Names one life of a child, so that reports of an earlier one are told apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Run(pub(crate) u64);

/// Names a command that waits for its answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Ticket(pub(crate) u64);

#[derive(Debug)]
pub(super) struct Child {
    pub(super) policy: ChildPolicy,
    pub(super) phase: Phase,
    pub(super) attempt: Attempt,
    /// What follows when it is down; meaningful while it is doomed or stopping.
    pub(super) after: After,
    /// Early failures in a row, for the back-off.
    pub(super) failures: u32,
    pub(super) restarts: u32,
    pub(super) last_exit: Option<Exit>,
    pub(super) up_since: Option<Instant>,
    /// The token of the timer that is not out of date.
    pub(super) timer: u64,
    pub(super) ticket: Option<Ticket>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Down, and nothing will start it but a command or a sibling's failure.
    Idle,
    /// Down until its turn to start comes.
    Queued {
        rank: u64,
    },
    /// Down until its delay is over.
    Waiting,
    /// Its start function was called, it is not up yet.
    Starting {
        run: Run,
    },
    Running {
        run: Run,
    },
    /// It was asked to end; `forced` tells whether at once.
    Stopping {
        run: Run,
        forced: bool,
    },
}

/// Why a child is being started, which decides what a failure to start means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Attempt {
    /// It is new: at boot the supervisor fails with it, later it is forgotten.
    First,
    /// A command starts it from rest: it goes back to rest.
    Revive,
    /// It is started again: it is tried again.
    Again,
}

/// What follows when a child that is being stopped is down.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum After {
    Idle,
    Forget,
    Start,
    /// It did not come up in time.
    FailStart(String),
}

// === impl Child ===

impl Child {
    pub(super) fn new(policy: ChildPolicy, ticket: Option<Ticket>) -> Self {
        Self {
            policy,
            phase: Phase::Idle,
            attempt: Attempt::First,
            after: After::Idle,
            failures: 0,
            restarts: 0,
            last_exit: None,
            up_since: None,
            timer: 0,
            ticket,
        }
    }

    pub(super) fn run(&self) -> Option<Run> {
        match self.phase {
            Phase::Idle | Phase::Queued { .. } | Phase::Waiting => None,
            Phase::Starting { run } | Phase::Running { run } | Phase::Stopping { run, .. } => Some(run),
        }
    }

    pub(super) fn forgotten_when_down(&self, strategy: Strategy) -> bool {
        self.policy.restart == Restart::Temporary || strategy == Strategy::Dynamic
    }

    /// Returns whether a child that ended by itself like this is started again.
    pub(super) fn wants_restart(&self, exit: &Exit) -> bool {
        match self.policy.restart {
            Restart::Permanent => true,
            Restart::Transient => !exit.is_clean(),
            Restart::Temporary => false,
        }
    }

    pub(super) fn state(&self) -> NodeState {
        match self.phase {
            Phase::Idle if self.last_exit.as_ref().is_some_and(|exit| !exit.is_clean()) => NodeState::Failed,
            Phase::Idle => NodeState::Stopped,
            Phase::Waiting => NodeState::BackingOff,
            Phase::Running { .. } => NodeState::Running,
            Phase::Stopping { .. } => NodeState::Stopping,
            Phase::Queued { .. } | Phase::Starting { .. } if self.attempt == Attempt::Again => {
                NodeState::Restarting
            }
            Phase::Queued { .. } | Phase::Starting { .. } => NodeState::Starting,
        }
    }
}
