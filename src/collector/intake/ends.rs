//! Pushes that end in the buffer: their books, their senders, their traces, and the log's word on them.

use super::Intake;
use crate::ledger::Place;
use crate::outcome::Outcome;
use crate::push::Push;
use crate::push::trace::Ending;
use crate::telemetry::log::{Ended, ended};

impl Intake {
    /// Enters buffered pushes that have ended, and has their senders told.
    pub(in crate::collector) fn end_buffered(&self, pushes: &[Push], outcome: Outcome) {
        self.tell_ended(pushes, outcome);
        for chunk in pushes.chunk_by(|one, next| one.route == next.route) {
            self.ledger
                .enter(chunk[0].route, |books| books.end(chunk.len() as u64, Place::Buffered, outcome));
        }
    }

    /// Has senders told of pushes that have ended.
    pub(in crate::collector) fn tell_ended(&self, pushes: &[Push], outcome: Outcome) {
        if pushes.is_empty() {
            return;
        }
        self.ended.ended(pushes, outcome);
        let is_good = outcome == Outcome::Coalesced;
        for push in pushes {
            if !is_good {
                ended(&Ended { push, outcome, code: None });
            }
            let Some(trace) = &push.trace else { continue };
            let now = self.clock.now();
            let ending = Ending { at: now, word: outcome.as_str(), code: None, is_good };
            trace.ended(push.key, push.accepted_at, ending, now);
        }
    }
}
