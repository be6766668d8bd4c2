//! What a breaker is set to, is told, and says. Pure.

use std::time::Duration;

use serde::Serialize;

use crate::outcome::{Scope, Verdict};

/// `[feedback.breaker]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether trouble opens it; limits that the provider names always do.
    pub enabled: bool,
    /// The share of trouble among the answers of a window at which it opens, above 0 to 1.
    pub share: f64,
    /// Answers in a window below which it does not judge, at least 1.
    pub least: u32,
    /// How far back it looks, and how long it ramps.
    pub window: Duration,
    /// How long it is open at first; doubles with each failure of the probes.
    pub open_min: Duration,
    /// The longest that doubling leads to.
    pub open_max: Duration,
    /// Pushes that try the provider out, at least 1.
    pub probes: u32,
}

/// Why a breaker is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// The provider fails, or does not answer.
    Trouble,
    /// The provider wants no more for a while.
    Quota,
    /// The provider refuses the route's credentials or its project.
    Setup,
}

/// How a batch of attempts ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Attempts that the provider dealt with, whatever it said.
    pub fine: u64,
    /// Attempts that it could not deal with, or did not answer.
    pub trouble: u64,
    /// The least delay that it asked for with one of those.
    pub asked: Duration,
    /// How long it wants nothing of this route at all.
    pub limit: Option<(Duration, Why)>,
}

/// Where a breaker is, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Everything goes out.
    #[default]
    Closed,
    /// The provider took the probes; more go out the more it answers.
    Ramping,
    /// A few pushes, the probes, try the provider out.
    HalfOpen,
    /// Nothing goes out.
    Open,
}

/// A change that an operator wants to know of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// It opened.
    Opened {
        /// Why.
        why: Why,
        /// For how long.
        pause: Duration,
        /// Attempts of the window that ended in trouble.
        trouble: u64,
        /// All of them.
        answers: u64,
    },
    /// It tries the provider out.
    Probing,
    /// The provider took the probes.
    Recovering,
    /// Everything goes out again.
    Closed,
}

// === impl Settings ===

impl Settings {
    /// Those of a breaker that only limits open, until it is told others.
    pub const OFF: Self = Self {
        enabled: false,
        share: 1.0,
        least: 1,
        window: Duration::from_secs(10),
        open_min: Duration::from_secs(1),
        open_max: Duration::from_secs(1),
        probes: 1,
    };
}

// === impl Tally ===

impl Tally {
    /// Counts one attempt.
    pub fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Delivered { .. }
            | Verdict::Rejected(_)
            | Verdict::Unregistered(_)
            | Verdict::Limited { scope: Scope::Target, .. } => self.fine += 1,
            Verdict::Retry { after, .. } | Verdict::BrokenOff { after, .. } => {
                self.trouble += 1;
                self.asked = self.asked.max(after.unwrap_or_default());
            }
            Verdict::Unanswered => self.trouble += 1,
            Verdict::Limited { after, scope: Scope::Route, .. } => self.hold(*after, Why::Quota),
            Verdict::Limited { after, scope: Scope::Setup, .. } => self.hold(*after, Why::Setup),
            // A connection that is being closed says nothing about its provider.
            Verdict::Elsewhere(_) => {}
        }
    }

    /// Of several limits the longest counts.
    fn hold(&mut self, after: Duration, why: Why) {
        if self.limit.is_none_or(|(known, _)| known < after) {
            self.limit = Some((after, why));
        }
    }
}

// === impl State ===

impl State {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Ramping, Self::HalfOpen, Self::Open];

    /// Returns its name as in the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Ramping => "ramping",
        }
    }
}

// === impl Why ===

impl Why {
    /// Returns it as a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Trouble => "the provider fails or does not answer",
            Self::Quota => "the provider's quota is used up",
            Self::Setup => "the provider refuses the route's credentials or project",
        }
    }

    /// Returns its name as in the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Quota => "quota",
            Self::Setup => "setup",
        }
    }
}
