//! Why a child ended; written by a [`Link`](super::Link), judged by the plan, shown by the tree.

use std::fmt;

use serde::{Serialize, Serializer};

/// Why a child, or a whole supervisor, ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Exit {
    /// It had nothing left to do.
    Normal,
    /// It ended because it was asked to.
    Shutdown,
    /// It could not go on; the text says why.
    Failed(String),
    /// It panicked; the text is the panic's message and place, where they could be had.
    Panicked(String),
    /// It was stopped without time to end in order, or did not end in time and was abandoned.
    Killed,
    /// A supervisor gave up: one restart too many.
    ///
    /// OTP reports `shutdown` here, which a parent takes for a clean end, so a *transient* nested supervisor that gave
    /// up is never seen again. Here giving up is abnormal: transient and permanent nested supervisors are restarted.
    Escalated,
}

// === impl Exit ===

impl Exit {
    /// Returns whether a transient child that ended like this stays down.
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Normal | Self::Shutdown)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Killed => f.write_str("killed"),
            Self::Escalated => f.write_str("escalated: too many restarts"),
        }
    }
}

/// As its text, so that a page can print it.
impl Serialize for Exit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
