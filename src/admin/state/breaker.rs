//! A route's breakers, one for each of its partitions, as the operator sees them: the worst of them. Pure.

use serde::Serialize;

use super::super::words::span;
use crate::flow::View;
use crate::flow::breaker::{State, Why};

/// The breakers of a route.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct BreakerRow {
    /// The worst in a word.
    pub state: State,
    /// Why it opened; none once it is closed.
    pub reason: Option<Why>,
    /// How long nothing is sent yet.
    pub until_seconds: Option<f64>,
    /// How often they opened since the start.
    pub opened_total: u64,
    /// Devices and topics whose pushes wait, since their own rate was exceeded.
    pub held_targets: u64,
}

// === impl BreakerRow ===

impl BreakerRow {
    /// Adds a partition's gate.
    pub fn add(&mut self, view: &View) {
        self.opened_total += view.opened;
        self.held_targets += view.held_targets as u64;
        if view.state > self.state {
            (self.state, self.reason) = (view.state, view.why);
        }
        let until = view.until.map(|until| until.as_secs_f64());
        // Of several the one that opens last.
        self.until_seconds = self.until_seconds.into_iter().chain(until).reduce(f64::max);
    }

    /// Returns whether next to nothing is sent.
    pub const fn keeps_back(&self) -> bool {
        matches!(self.state, State::Open | State::HalfOpen)
    }

    /// Returns it in a few words; nothing while it is closed. `assets/page.js` has the same.
    pub fn words(&self) -> String {
        self.say(&self.reason.map_or_else(String::new, |reason| format!(" ({})", reason.as_str())))
    }

    /// Returns it without its reason.
    pub fn short(&self) -> String {
        self.say("")
    }

    fn say(&self, reason: &str) -> String {
        match self.state {
            State::Closed => String::new(),
            State::Open => {
                format!("breaker open{reason}, {} left", span(self.until_seconds.unwrap_or_default()))
            }
            State::HalfOpen => format!("breaker half open{reason}"),
            State::Ramping => "breaker ramping".to_owned(),
        }
    }
}
