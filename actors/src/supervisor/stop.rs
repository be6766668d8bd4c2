//! How a child is asked to end; sent by its supervisor, by way of its [`ChildHandle`](super::ChildHandle).

use std::time::Duration;

/// How much time there is to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StopMode {
    /// In order: finish or hand back what is under way, within this time (`Duration::MAX`: no limit).
    Graceful(Duration),
    /// At once.
    Force,
}

/// Asks a child to end: it finishes what the time allows, then drops its [`Link`](super::Link).
#[derive(Clone, Copy, Debug, Eq, PartialEq, actix::Message)]
#[rtype(result = "()")]
pub struct Stop {
    /// In order or at once.
    pub mode: StopMode,
}

// === impl Stop ===

impl Stop {
    /// Returns the time left to end in; zero when it is to be at once.
    pub fn deadline(&self) -> Duration {
        match self.mode {
            StopMode::Graceful(time) => time,
            StopMode::Force => Duration::ZERO,
        }
    }

    /// Returns whether there is no time to end in order.
    pub fn is_forced(&self) -> bool {
        self.mode == StopMode::Force
    }
}
