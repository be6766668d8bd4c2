//! Verdict → consequence: the retry policy as one pure function.

use std::time::Duration;

use super::Settings;
use crate::outcome::{Outcome, Scope, Verdict};
use crate::push::Push;
use crate::units::Moment;

/// What happens to a push after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// It has ended.
    End(Outcome),
    /// Back to the front of its lane, at once.
    PutBack,
    /// Out of the way until this moment, then to the back of its lane.
    RetryAt(Moment),
}

/// Returns what follows from a verdict. Counts the attempt in `push` where it counts, and marks a push that may have arrived.
///
/// `spread` is a random number from 0 to 1: a delay is drawn from its upper half, so that pushes refused together do not return together.
pub fn consequence(
    push: &mut Push,
    verdict: &Verdict,
    now: Moment,
    settings: &Settings,
    spread: f64,
) -> Consequence {
    match verdict {
        Verdict::Delivered { .. } => return Consequence::End(Outcome::Delivered),
        Verdict::Rejected(_) => return Consequence::End(Outcome::Rejected),
        Verdict::Unregistered(_) => return Consequence::End(Outcome::Unregistered),
        // Neither says anything about the push; what keeps it from coming straight back is the route's pause.
        Verdict::Elsewhere(_) | Verdict::Limited { scope: Scope::Route | Scope::Setup, .. } => {}
        Verdict::Unanswered | Verdict::BrokenOff { .. } => {
            push.attempts = push.attempts.saturating_add(1);
            push.maybe_delivered = true;
        }
        Verdict::Retry { .. } | Verdict::Limited { scope: Scope::Target, .. } => {
            push.attempts = push.attempts.saturating_add(1);
        }
    }
    if push.attempts >= settings.max_attempts {
        return Consequence::End(Outcome::Exhausted);
    }
    if push.is_expired(now) {
        return Consequence::End(Outcome::Expired);
    }
    let after = match verdict {
        Verdict::Retry { after, .. } | Verdict::BrokenOff { after, .. } => *after,
        Verdict::Limited { after, scope: Scope::Target, .. } => Some(*after),
        _ => return Consequence::PutBack,
    };
    let due = now.after(delay(push.attempts, after, settings, spread));
    if due > push.deadline { Consequence::End(Outcome::Expired) } else { Consequence::RetryAt(due) }
}

/// Returns the delay before the next attempt: doubling, never under what the provider asked for, its upper half random.
fn delay(attempts: u8, after: Option<Duration>, settings: &Settings, spread: f64) -> Duration {
    let doublings = u32::from(attempts.saturating_sub(1)).min(31);
    let full = settings.backoff_min.saturating_mul(1 << doublings).min(settings.backoff_max);
    let drawn = full.mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0);
    match after {
        Some(least) => least.saturating_add(drawn),
        None => drawn,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::Answer;
    use crate::push::Lane;
    use crate::push::fixture::push;

    const SETTINGS: Settings = Settings {
        max_attempts: 4,
        backoff_min: Duration::from_secs(1),
        backoff_max: Duration::from_secs(60),
        retry_share: 1.0,
        breaker: crate::flow::breaker::Settings::OFF,
    };

    fn answer() -> Box<Answer> {
        Box::new(Answer::new("SERVICE_UNAVAILABLE", ""))
    }

    fn retry(after: Option<Duration>) -> Verdict {
        Verdict::Retry { answer: answer(), after }
    }

    #[test]
    fn final_verdicts_end_the_push() {
        let mut push = push(1, Lane::Normal);
        let now = Moment::default();
        for (verdict, outcome) in [
            (Verdict::Delivered { canonical: None }, Outcome::Delivered),
            (Verdict::Rejected(answer()), Outcome::Rejected),
            (Verdict::Unregistered(answer()), Outcome::Unregistered),
        ] {
            assert_eq!(consequence(&mut push, &verdict, now, &SETTINGS, 0.0), Consequence::End(outcome));
        }
        assert_eq!(push.attempts, 0);
    }

    #[test]
    fn a_draining_connection_costs_no_attempt_and_a_lost_one_marks_the_push() {
        let mut push = push(1, Lane::Normal);
        let now = Moment::default();
        assert_eq!(consequence(&mut push, &Verdict::GOAWAY, now, &SETTINGS, 0.0), Consequence::PutBack);
        assert_eq!((push.attempts, push.maybe_delivered), (0, false));
        assert_eq!(consequence(&mut push, &Verdict::Unanswered, now, &SETTINGS, 0.0), Consequence::PutBack);
        assert_eq!((push.attempts, push.maybe_delivered), (1, true));
    }

    #[test]
    fn an_attempt_that_the_provider_broke_off_is_retried_later_and_marked() {
        let mut push = push(1, Lane::Normal);
        let now = Moment::default();
        let verdict = Verdict::BrokenOff { answer: answer(), after: Some(Duration::from_secs(10)) };
        let due = now.after(Duration::from_secs(11));
        assert_eq!(consequence(&mut push, &verdict, now, &SETTINGS, 1.0), Consequence::RetryAt(due));
        assert_eq!((push.attempts, push.maybe_delivered), (1, true));
    }

    #[test]
    fn a_quota_or_a_wrong_set_up_costs_no_push_an_attempt_and_a_device_rate_does() {
        let mut push = push(1, Lane::Normal);
        let now = Moment::default();
        let limited = |scope| Verdict::Limited { answer: answer(), after: Duration::from_secs(60), scope };
        for scope in [Scope::Route, Scope::Setup] {
            assert_eq!(consequence(&mut push, &limited(scope), now, &SETTINGS, 0.0), Consequence::PutBack);
        }
        assert_eq!(push.attempts, 0);
        let due = now.after(Duration::from_secs(61));
        assert_eq!(
            consequence(&mut push, &limited(Scope::Target), now, &SETTINGS, 1.0),
            Consequence::RetryAt(due)
        );
        assert_eq!((push.attempts, push.maybe_delivered), (1, false));
    }

    #[test]
    fn retries_double_obey_the_provider_and_end_as_exhausted() {
        let mut push = push(1, Lane::Normal);
        let now = Moment::default();
        let at = |seconds| Consequence::RetryAt(now.after(Duration::from_secs(seconds)));
        assert_eq!(consequence(&mut push, &retry(None), now, &SETTINGS, 1.0), at(1));
        assert_eq!(consequence(&mut push, &retry(None), now, &SETTINGS, 1.0), at(2));
        assert_eq!(
            consequence(&mut push, &retry(Some(Duration::from_secs(30))), now, &SETTINGS, 1.0),
            at(34)
        );
        assert_eq!(
            consequence(&mut push, &retry(None), now, &SETTINGS, 1.0),
            Consequence::End(Outcome::Exhausted)
        );
    }

    #[test]
    fn a_delay_longer_than_can_be_counted_ends_the_push_as_expired() {
        let mut push = push(1, Lane::Normal);
        push.deadline = Moment::from_micros(1);
        let verdict = retry(Some(Duration::MAX));
        assert_eq!(
            consequence(&mut push, &verdict, Moment::default(), &SETTINGS, 0.0),
            Consequence::End(Outcome::Expired)
        );
    }

    #[test]
    fn a_retry_that_would_come_too_late_ends_as_expired() {
        let mut push = push(1, Lane::Normal);
        push.deadline = Moment::from_micros(400_000);
        let verdict = retry(None);
        assert_eq!(
            consequence(&mut push, &verdict, Moment::default(), &SETTINGS, 0.0),
            Consequence::End(Outcome::Expired)
        );
    }

    proptest! {
        #[test]
        fn a_delay_stays_between_half_and_all_of_its_step(attempts in 1..30_u8, spread in 0.0..1.0_f64) {
            let drawn = delay(attempts, None, &SETTINGS, spread);
            let full = Duration::from_secs(1 << u32::from(attempts - 1).min(6)).min(SETTINGS.backoff_max);
            prop_assert!(drawn >= full / 2 && drawn <= full, "{:?} of {:?}", drawn, full);
        }
    }
}
