//! A route in a word. Pure.

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::BreakerRow;
use crate::flow::RouteCell;

/// A route in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteState {
    /// All its pushers are ready.
    Ready,
    /// None is ready yet.
    Connecting,
    /// Some are ready, or its breaker keeps pushes back.
    Degraded,
    /// An operator paused it.
    Paused,
    /// Its supervisor gave up.
    Down,
    /// It is no longer in the configuration; what it holds is delivered.
    Removed,
}

// === impl RouteState ===

impl RouteState {
    /// Returns the word for a route of so many connections, of which so many are ready.
    pub(super) fn new(cell: &RouteCell, ready: usize, connections: usize, breaker: &BreakerRow) -> Self {
        if cell.removed.load(Ordering::Relaxed) {
            return Self::Removed;
        }
        if cell.down.load(Ordering::Relaxed) {
            return Self::Down;
        }
        if cell.paused.load(Ordering::Relaxed) {
            return Self::Paused;
        }
        match ready {
            // A route that opens its connections when there is something to send.
            0 if connections == 0 => Self::Ready,
            0 => Self::Connecting,
            ready if ready < connections || breaker.keeps_back() => Self::Degraded,
            _ => Self::Ready,
        }
    }

    /// Returns its name as in the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Connecting => "connecting",
            Self::Degraded => "degraded",
            Self::Paused => "paused",
            Self::Down => "down",
            Self::Removed => "removed",
        }
    }
}
