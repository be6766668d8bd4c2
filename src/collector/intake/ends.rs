//! Pushes that end in the buffer: their books, their senders, their traces, and the log's word on them.

use super::Intake;
use super::closing::Closing;
use crate::outcome::Outcome;
use crate::push::Push;
use crate::push::trace::Ending;
use crate::telemetry::log::{Ended, ended};

impl Intake {
    /// Enters buffered pushes that have ended, and has their senders told.
    pub(in crate::collector) fn end_buffered(&self, pushes: &[Push], outcome: Outcome) {
        let closing = Closing { ledger: &self.ledger, pushes, outcome };
        if !pushes.is_empty() {
            self.results.ended(pushes, outcome);
            pushes.iter().for_each(|push| self.tell_end(push, outcome));
        }
        drop(closing);
    }

    fn tell_end(&self, push: &Push, outcome: Outcome) {
        let is_good = outcome == Outcome::Coalesced;
        if !is_good {
            ended(&Ended { push, outcome, code: None });
        }
        if let Some(trace) = &push.trace {
            let now = self.clock.now();
            let ending = Ending { at: now, word: outcome.as_str(), code: None, is_good };
            trace.ended(push.key, push.accepted_at, ending, now);
        }
    }
}
