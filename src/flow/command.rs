//! What an operator may ask for, and why it may be refused.

use crate::units::Secret;

/// How a pusher or route is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartMode {
    /// Stop asking, wait for the answers (10 s at most), reconnect.
    #[default]
    Graceful,
    /// Give the unanswered pushes back to the collector and reconnect now.
    Force,
}

/// An operator's command. Routes by name, pushers by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Restart one pusher.
    RestartPusher {
        /// Its route.
        route: String,
        /// Its number.
        number: u32,
        /// How.
        mode: RestartMode,
    },
    /// Stop one pusher from asking; what it has in flight goes on.
    PausePusher {
        /// Its route.
        route: String,
        /// Its number.
        number: u32,
    },
    /// Undo [`Command::PausePusher`].
    ResumePusher {
        /// Its route.
        route: String,
        /// Its number.
        number: u32,
    },
    /// Restart a route's pushers one at a time.
    RestartRoute {
        /// Its name.
        route: String,
        /// How.
        mode: RestartMode,
    },
    /// Change the number of connections.
    ScaleRoute {
        /// Its name.
        route: String,
        /// The new number, at least 1.
        connections: u32,
    },
    /// Refuse new pushes for a route and stop its pushers from asking.
    PauseRoute {
        /// Its name.
        route: String,
    },
    /// Undo [`Command::PauseRoute`].
    ResumeRoute {
        /// Its name.
        route: String,
    },
    /// Make the collector or a pusher panic; refused unless `[runtime] fault_injection` is on.
    Panic {
        /// `collector`, or a pusher as `route/number`.
        target: String,
    },
    /// Send a push to a device, as an operator's test.
    TestPush {
        /// The route's name.
        route: String,
        /// What a sender would write in `to`, as JSON; it holds a device's token.
        to: Secret,
    },
    /// Trace the next pushes.
    TraceNext {
        /// How many; 0 for no more.
        count: u32,
    },
    /// Change the log's filter until the next change or reload.
    SetLog {
        /// The filter.
        filter: String,
    },
    /// Refuse new pushes everywhere; what is held is delivered.
    Drain,
    /// Undo [`Command::Drain`].
    Resume,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no such thing (HTTP 404).
    #[error("there is no {what} (hint: there is {exists})")]
    NotFound {
        /// What was named.
        what: String,
        /// What exists.
        exists: String,
    },
    /// It makes no sense now (HTTP 409).
    #[error("{0}")]
    Conflict(String),
    /// The value is not allowed (HTTP 400).
    #[error("{0}")]
    Invalid(String),
}
