//! A route's breaker as the operator sees it. Pure.

use std::time::Duration;

use serde::Serialize;

use super::super::words::span;
use crate::flow::View;
use crate::flow::breaker::{State, Why};

/// A breaker.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BreakerRow {
    /// It in a word.
    pub state: State,
    /// Why it opened; none once it is closed.
    pub reason: Option<Why>,
    /// How long nothing is sent yet.
    pub until_seconds: Option<f64>,
    /// How often it opened since the start.
    pub opened_total: u64,
    /// Devices and topics whose pushes wait, since their own rate was exceeded.
    pub held_targets: u64,
}

// === impl BreakerRow ===

impl BreakerRow {
    /// Returns the row of a gate.
    pub fn new(view: &View) -> Self {
        Self {
            state: view.state,
            reason: view.why,
            until_seconds: view.until.map(|until| Duration::as_secs_f64(&until)),
            opened_total: view.opened,
            held_targets: view.held_targets as u64,
        }
    }

    /// Returns whether next to nothing is sent.
    pub const fn keeps_back(&self) -> bool {
        matches!(self.state, State::Open | State::HalfOpen)
    }

    /// Returns it in a few words; nothing while it is closed. `assets/page.js` has the same.
    pub fn words(&self) -> String {
        let reason = self.reason.map_or("", Why::as_str);
        match self.state {
            State::Closed => String::new(),
            State::Open => {
                format!("breaker open ({reason}), {} left", span(self.until_seconds.unwrap_or_default()))
            }
            State::HalfOpen => format!("breaker half open ({reason})"),
            State::Ramping => "breaker ramping".to_owned(),
        }
    }
}
