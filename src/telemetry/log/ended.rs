//! The log's word on a push that was not delivered, so that failures are found without their being traced.

use log::Level;

use crate::outcome::Outcome;
use crate::push::Push;
use crate::push::trace::Trace;

/// What the targets of these lines begin with. Each outcome has a target, and writes [`super::limit`] lines a second.
pub(super) const TARGET: &str = "pushweir::ended";

/// A push that has ended.
#[derive(Debug)]
pub struct Ended<'p> {
    /// The push; its trace may have been taken out.
    pub push: &'p Push,
    /// How it ended.
    pub outcome: Outcome,
    /// The provider's code, if it gave one.
    pub code: Option<&'p str>,
}

/// Tells of a push that was not delivered.
pub fn ended(ended: &Ended<'_>) {
    let Ended { push, outcome, code } = ended;
    log::log!(
        target: target(*outcome),
        Level::Info,
        "push ended outcome={} id={} attempts={} code={} trace={}",
        outcome.as_str(),
        push.key,
        push.attempts,
        code.unwrap_or("-"),
        Id(push.trace.as_deref())
    );
}

const fn target(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "pushweir::ended::delivered",
        Outcome::Rejected => "pushweir::ended::rejected",
        Outcome::Unregistered => "pushweir::ended::unregistered",
        Outcome::Expired => "pushweir::ended::expired",
        Outcome::Exhausted => "pushweir::ended::exhausted",
        Outcome::Coalesced => "pushweir::ended::coalesced",
        Outcome::Shed => "pushweir::ended::shed",
        Outcome::Lost => "pushweir::ended::lost",
    }
}

struct Id<'t>(Option<&'t Trace>);

// === impl Id ===

impl std::fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(trace) => write!(f, "{:032x}", trace.name().trace),
            None => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_target_of_its_own() {
        for outcome in Outcome::ALL {
            assert_eq!(target(outcome), format!("{TARGET}::{}", outcome.as_str()));
        }
    }
}
