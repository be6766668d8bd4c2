//! What traces and the log are told of verdicts and ends; nothing happens for deliveries that are not traced.

use super::Consequence;
use super::results::Ending;
use crate::outcome::{Outcome, Verdict};
use crate::push::trace::{self, Trace};
use crate::push::{Push, PushKey};
use crate::telemetry::log as logging;
use crate::units::Moment;

/// A traced push that has ended, until the books have it.
#[derive(Debug)]
pub(super) struct Ended {
    key: PushKey,
    trace: Box<Trace>,
    accepted: Moment,
    ending: trace::Ending,
}

/// Tells of an attempt's end and what follows from it.
pub(super) fn attempt_ended(push: &mut Push, verdict: &Verdict, now: Moment, follows: &Consequence) {
    if let Some(trace) = &mut push.trace {
        let is_requeued = !matches!(follows, Consequence::End(_));
        let is_good = matches!(verdict, Verdict::Delivered { .. });
        let ending =
            trace::Ending { at: now, word: word(verdict), code: code(verdict).map(Box::from), is_good };
        trace.attempt_ended(push.key, ending, is_requeued);
    }
}

/// Has the log tell of those that were not delivered, and takes note of the traced among them all.
pub(super) fn of(endings: &mut [Ending]) -> Vec<Ended> {
    for Ending { push, outcome, verdict } in
        endings.iter().filter(|ending| ending.outcome != Outcome::Delivered)
    {
        logging::ended(&logging::Ended { push, outcome: *outcome, code: code(verdict) });
    }
    let ended = |ending: &mut Ending| {
        // Its last attempt ended when it would have begun to wait for another one.
        let trace = ending.push.trace.take()?;
        let (word, code) = (ending.outcome.as_str(), code(&ending.verdict).map(Box::from));
        let is_good = ending.outcome == Outcome::Delivered;
        let told = trace::Ending { at: trace.queued, word, code, is_good };
        Some(Ended { key: ending.push.key, trace, accepted: ending.push.accepted_at, ending: told })
    };
    endings.iter_mut().filter_map(ended).collect()
}

/// Tells of ends that the books have `now`.
pub(super) fn tell(ended: Vec<Ended>, now: Moment) {
    for Ended { key, trace, accepted, ending } in ended {
        trace.ended(key, accepted, ending, now);
    }
}

const fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Delivered { .. } => "delivered",
        Verdict::Rejected(_) => "rejected",
        Verdict::Unregistered(_) => "unregistered",
        Verdict::Retry { .. } => "retry",
        Verdict::BrokenOff { .. } => "broken_off",
        Verdict::Limited { .. } => "limited",
        Verdict::Elsewhere(_) => "elsewhere",
        Verdict::Unanswered => "unanswered",
    }
}

fn code(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Rejected(answer)
        | Verdict::Unregistered(answer)
        | Verdict::Retry { answer, .. }
        | Verdict::BrokenOff { answer, .. }
        | Verdict::Limited { answer, .. } => Some(&answer.code),
        Verdict::Elsewhere(code) => Some(code),
        Verdict::Delivered { .. } | Verdict::Unanswered => None,
    }
}
