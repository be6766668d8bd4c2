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

    /// Ends queued pushes whose deadline has passed, behind up to `most` places; returns whether a round through all of them is over.
    pub(in crate::collector) fn sweep(&self, most: usize) -> bool {
        let (now, mut expired) = (self.clock.now(), Vec::new());
        let is_over = self.with_queue(|queue| queue.sweep(now, most, &mut expired));
        self.end_buffered(&expired, Outcome::Expired);
        is_over
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
