//! The ledger entries of a batch while it is being settled: whatever interrupts that, every push of the batch gets one.
//!
//! Made when the pushes leave their pusher's in-flight table. Invariant: what was neither ended nor handed back when it is dropped, which
//! takes a panic, is entered as lost, so that nothing counts as in flight that nobody has.

use crate::ledger::{Ledger, Place};
use crate::outcome::Outcome;
use crate::push::RouteId;

/// The entries.
#[derive(Debug)]
pub struct Entries<'a> {
    ledger: &'a Ledger,
    route: RouteId,
    ended: [u64; Outcome::ALL.len()],
    /// Pushes of which nothing is decided.
    open: u64,
}

// === impl Entries ===

impl<'a> Entries<'a> {
    /// Returns the entries of so many pushes that are in flight by the books.
    pub const fn new(ledger: &'a Ledger, route: RouteId, count: u64) -> Self {
        Self { ledger, route, ended: [0; Outcome::ALL.len()], open: count }
    }

    /// Takes note of how `count` of them ended.
    pub fn end(&mut self, count: u64, outcome: Outcome) {
        self.open = self.open.saturating_sub(count);
        self.ended[outcome as usize] += count;
    }

    /// Takes note that somebody else enters `count` of them from now on.
    pub fn hand_over(&mut self, count: usize) {
        self.open = self.open.saturating_sub(count as u64);
    }

    /// Writes how pushes ended.
    pub fn write(&mut self) {
        let ended = std::mem::take(&mut self.ended);
        self.ledger.enter(self.route, |books| {
            for outcome in Outcome::ALL {
                books.end(ended[outcome as usize], Place::InFlight, outcome);
            }
        });
    }
}

impl Drop for Entries<'_> {
    fn drop(&mut self) {
        if self.open > 0 {
            log::error!("pushes were lost by a crash count={} (hint: see the log before this)", self.open);
            self.end(self.open, Outcome::Lost);
        }
        if self.ended.iter().any(|count| *count > 0) {
            self.write();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::super::results::{Bound, Report, Results, Settings as Reports};
    use super::super::{Feedback, Settings};
    use super::*;
    use crate::flow::Returns;
    use crate::flow::breaker::{self, Tally};
    use crate::outcome::{Answer, Verdict};
    use crate::push::fixture::push;
    use crate::push::{Lane, Push};
    use crate::units::{Clock, Moment};

    const ROUTE: RouteId = RouteId(0);

    /// A way back that breaks before it has taken anything.
    struct Broken;

    impl Returns for Broken {
        fn judge(&self, _route: RouteId, _tally: &Tally) {
            panic!("injected by the test");
        }

        fn hold_target(&self, _push: &Push, _until: Moment) {}

        fn put_back(&self, _route: RouteId, _pushes: Vec<Push>) {}

        fn retry_at(&self, _route: RouteId, _pushes: Vec<(Moment, Push)>) {}
    }

    #[test]
    fn a_panic_while_a_batch_is_settled_loses_no_count() {
        let ledger = Arc::new(Ledger::default());
        ledger.enter(ROUTE, |books| {
            books.accept(10, 0);
            books.transfer(10, Place::Buffered, Place::InFlight);
        });
        let reports = Reports {
            report: Report::Failures,
            ring: Bound { records: 10, bytes: 1 << 20 },
            awaited: 0,
            history: 0,
        };
        let clock = Clock::start();
        let results = Arc::new(Results::new(&reports, clock));
        let settings = Settings {
            max_attempts: 5,
            backoff_min: std::time::Duration::from_secs(1),
            backoff_max: std::time::Duration::from_secs(1),
            retry_share: 1.0,
            breaker: breaker::Settings::OFF,
        };
        let feedback = Feedback::new(settings, Arc::clone(&ledger), Arc::new(Broken), results, clock);
        let answer = || Box::new(Answer::new("INTERNAL", ""));
        let verdict = |number| match number {
            0..2 => Verdict::Rejected(answer()),
            2..4 => Verdict::CONNECTION_DRAINING,
            _ => Verdict::Retry { answer: answer(), after: None },
        };
        let others = (0..7).map(|number| (push(number, Lane::Normal), verdict(number))).collect();
        let broken = catch_unwind(AssertUnwindSafe(|| feedback.settle(ROUTE, 3, others)));
        assert!(broken.is_err());
        let books = ledger.total();
        assert!(books.is_balanced(), "{books:?}");
        assert_eq!((books.delivered, books.rejected, books.lost, books.in_flight), (3, 2, 5, 0));
    }
}
