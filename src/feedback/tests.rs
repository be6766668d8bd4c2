//! What feedback counts beside the books.

use super::results::{Bound, Report, Settings as Reports};
use super::*;
use crate::flow::Returns;
use crate::outcome::Answer;
use crate::push::Lane;
use crate::push::fixture::push;

/// A way back that leads nowhere.
struct Nowhere;

// === impl Nowhere ===

impl Returns for Nowhere {
    fn judge(&self, _route: RouteId, _tally: &Tally) {}

    fn hold_target(&self, _push: &Push, _until: Moment) {}

    fn put_back(&self, _route: RouteId, _pushes: Vec<Push>) {}

    fn retry_at(&self, _route: RouteId, _pushes: Vec<(Moment, Push)>) {}
}

fn feedback() -> Feedback {
    let reports = Reports {
        report: Report::Failures,
        ring: Bound { records: 10, bytes: 1 << 20 },
        awaited: 0,
        history: 0,
    };
    let settings = Settings {
        max_attempts: 5,
        backoff_min: Duration::from_secs(1),
        backoff_max: Duration::from_secs(1),
        retry_share: 1.0,
        breaker: breaker::Settings::OFF,
    };
    let (ledger, clock) = (Arc::new(Ledger::default()), Clock::start());
    ledger.enter(RouteId(0), |books| {
        books.accept(10, 0);
        books.transfer(10, crate::ledger::Place::Buffered, crate::ledger::Place::InFlight);
    });
    Feedback::new(settings, ledger, Arc::new(Nowhere), Arc::new(Results::new(&reports, clock)), clock)
}

#[test]
fn every_attempt_that_may_have_arrived_is_counted_once_whoever_tells_of_it() {
    let feedback = feedback();
    let broken = Verdict::BrokenOff { answer: Box::new(Answer::new("RST_STREAM", "")), after: None };
    let verdicts = [Verdict::Unanswered, broken, Verdict::GOAWAY];
    let told = verdicts.into_iter().map(|verdict| (push(1, Lane::Normal), verdict)).collect();
    feedback.settle(RouteId(0), 0, told);
    assert_eq!(feedback.maybe_delivered(), 2, "a stream that timed out is one of them");
    feedback.unanswered(RouteId(0), vec![push(2, Lane::Normal)]);
    feedback.abandoned(RouteId(0), vec![push(3, Lane::Normal)]);
    assert_eq!(feedback.maybe_delivered(), 4);
}

#[test]
fn what_keeps_a_push_from_being_looked_at_is_counted_by_its_own_name() {
    let feedback = feedback();
    let verdicts =
        [Verdict::CONNECTION_DRAINING, Verdict::GOAWAY, Verdict::GOAWAY, Verdict::Elsewhere("Shutdown")];
    let told = verdicts.into_iter().map(|verdict| (push(1, Lane::Normal), verdict)).collect();
    feedback.settle(RouteId(0), 0, told);
    let expected = [("CONNECTION_DRAINING", 1), ("GOAWAY", 2), ("Shutdown", 1)];
    let mut counted = feedback.codes();
    counted.sort();
    assert_eq!(counted, expected.map(|(code, count)| (code.to_owned(), count)));
}
