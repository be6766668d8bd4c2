//! Panics between queue and books: what was taken out goes back or ends, and the books agree with the queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::collector::{Keep, Settings};
use crate::flow::{Door, Ended, RouteCell};
use crate::ledger::Ledger;
use crate::push::fixture::push;
use crate::push::{Addressee, Lane};
use crate::units::Clock;

const ROUTE: RouteId = RouteId(0);

/// Results that break when a push has expired.
struct Broken;

impl Ended for Broken {
    fn ended(&self, _pushes: &[Push], outcome: Outcome) {
        assert!(outcome != Outcome::Expired, "injected by the test");
    }
}

fn intake() -> (Arc<Intake>, Arc<Ledger>) {
    let settings = Settings {
        buffer: 100,
        buffer_bytes: 1 << 20,
        critical_reserve: 0.0,
        keep: Keep::Newest,
        refuse_late: false,
        coalesce: false,
        intake: 16,
    };
    let ledger = Arc::new(Ledger::default());
    let intake = Intake::new(&settings, Arc::clone(&ledger), Arc::new(Broken), Clock::start());
    assert_eq!(intake.open(&Arc::new(RouteCell::new(ROUTE, "android".to_owned(), "fake"))), Some(ROUTE));
    (Arc::new(intake), ledger)
}

#[test]
fn a_panic_while_pushes_are_handed_out_puts_them_back_and_ends_what_had_ended() {
    let (intake, ledger) = intake();
    let late = Push { deadline: Moment::from_micros(5), ..push(0, Lane::High) };
    let pushes = (1..10).map(|number| push(number, Lane::Normal)).chain([late]).collect();
    assert!(intake.admit(ROUTE, pushes).is_empty());
    intake.drain_channel(100);
    let now = Moment::default().after(Duration::from_secs(1));
    let broken = catch_unwind(AssertUnwindSafe(|| Handout::take(&intake, ROUTE, 5, now).len()));
    assert!(broken.is_err(), "the results broke while an expired push was told of");
    let books = ledger.total();
    assert!(books.is_balanced(), "{books:?}");
    assert_eq!((books.buffered, books.expired, books.in_flight), (9, 1, 0));
    assert_eq!(intake.load().pushes, 9, "what the books call buffered is there");
    let handout = Handout::take(&intake, ROUTE, 20, now);
    let keys: Vec<_> = handout.pushes.iter().map(|push| push.key.as_u128()).collect();
    assert_eq!(keys, (1..10).collect::<Vec<_>>(), "in their order");
}

#[test]
fn a_panic_while_an_end_is_told_still_enters_it() {
    let (intake, ledger) = intake();
    assert!(intake.admit(ROUTE, (0..4).map(|number| push(number, Lane::Low)).collect()).is_empty());
    let ended: Vec<Push> = (0..4).map(|number| push(number, Lane::Low)).collect();
    let broken = catch_unwind(AssertUnwindSafe(|| intake.end_buffered(&ended, Outcome::Expired)));
    assert!(broken.is_err());
    let books = ledger.total();
    assert_eq!((books.buffered, books.expired, books.is_balanced()), (0, 4, true));
}

#[test]
fn a_panic_while_an_addressee_is_read_loses_nothing_that_has_left_the_queue() {
    let (intake, ledger) = intake();
    let late = Push { deadline: Moment::from_micros(5), ..push(0, Lane::High) };
    let pushes = (1..10).map(|number| push(number, Lane::Normal)).chain([late]).collect();
    assert!(intake.admit(ROUTE, pushes).is_empty());
    intake.drain_channel(100);
    let reads = AtomicU64::new(0);
    let gate = intake.gate_of(ROUTE);
    gate.read_addressees(move |_| {
        assert!(reads.fetch_add(1, Ordering::Relaxed) != 3, "injected by the test");
        Some(Addressee::Token("a".into()))
    });
    let now = Moment::default().after(Duration::from_secs(1));
    gate.hold_target(now, &push(0, Lane::Normal), now.after(Duration::from_secs(1)));
    let broken = catch_unwind(AssertUnwindSafe(|| Handout::take(&intake, ROUTE, 9, now).len()));
    assert!(broken.is_err(), "the third of the pushes could not be read");
    let books = ledger.total();
    assert_eq!((books.held(), intake.load().pushes), (10, 10), "{books:?}");
}
