//! What goes into the plan and what comes out of it; spoken between the plan and the supervisor's shell.

use std::time::Duration;

use super::{
    super::{error::SupervisorError, exit::Exit, stop::StopMode},
    Key, Run, Ticket,
};

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A start function has returned: with a handle, with nothing to supervise, or with an error.
    StartReturned { key: Key, run: Run, result: Result<Up, String> },
    /// A child has announced that it is up.
    Started { key: Key, run: Run },
    /// A child has dropped its link.
    Exited { key: Key, run: Run, exit: Exit },
    /// A timer has run out; without a key it is the deadline of the whole supervisor.
    Timer { key: Option<Key>, token: u64 },
}

/// What a successful start function left behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Up {
    Child,
    /// OTP's `ignore`: the child has nothing to do in this configuration.
    Nothing,
}

/// Something to do, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Call the start function and report what it returned.
    Start { key: Key, run: Run },
    /// Ask the run to end.
    Stop { key: Key, run: Run, mode: StopMode },
    /// Report the timer after the delay.
    Timer { key: Option<Key>, token: u64, after: Duration },
    /// Drop everything kept for the child.
    Forget { key: Key },
    /// Show the child as it is now.
    Changed { key: Key },
    /// Tell the operator.
    Note { key: Key, note: Note },
    /// Tell who gave the command.
    Answer { ticket: Ticket, result: Result<(), SupervisorError> },
    /// The first start is complete.
    Booted,
    /// The supervisor begins to stop.
    Stopping,
    /// All children are down: end with this reason.
    Exit(Exit),
}

/// Something an operator may want to know about a child.
#[derive(Debug, PartialEq)]
pub(crate) enum Note {
    /// It ended by itself, so many times in a row, and is started again after the delay.
    Restarting { exit: Exit, failures: u32, after: Duration },
    /// It ended by itself for good.
    Ended { exit: Exit },
    /// It could not be started.
    StartFailed { reason: String },
    /// It did not end in order when it was asked to.
    StopFailed { exit: Exit },
    /// It did not end in the time it had, and is told to end at once.
    Overran,
    /// It did not end at all: its thread cannot be killed, it is left alone from now on.
    Abandoned,
    /// It failed once too often.
    GaveUp { exit: Exit },
}
