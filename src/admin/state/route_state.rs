//! A route in a word. Pure.

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::{BreakerRow, PusherRow};
use crate::flow::{PusherState, RouteCell};

/// A route in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteState {
    /// All its pushers are ready.
    Ready,
    /// None is ready, and none has failed yet.
    Connecting,
    /// Connections are missing, or its breaker keeps pushes back.
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
    /// Returns the word for a route with these pushers.
    pub(super) fn new(cell: &RouteCell, pushers: &[PusherRow], breaker: &BreakerRow) -> Self {
        if cell.removed.load(Ordering::Relaxed) {
            return Self::Removed;
        }
        if cell.down.load(Ordering::Relaxed) {
            return Self::Down;
        }
        if cell.paused.load(Ordering::Relaxed) {
            return Self::Paused;
        }
        let ready = pushers.iter().filter(|pusher| pusher.state == PusherState::Ready).count();
        // Those that have an error have tried and failed, also while they try again.
        let is_new =
            |pusher: &PusherRow| pusher.state == PusherState::Connecting && pusher.last_error.is_none();
        match ready {
            // One that opens its connections when there is something to send has none.
            ready if ready == pushers.len() && !breaker.keeps_back() => Self::Ready,
            0 if pushers.iter().all(is_new) && !pushers.is_empty() => Self::Connecting,
            _ => Self::Degraded,
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
