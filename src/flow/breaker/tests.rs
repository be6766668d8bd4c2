//! The breaker under answers and time.

use proptest::prelude::*;

use super::*;

fn millis(number: u64) -> Moment {
    Moment::from_micros(number * 1_000)
}

fn tally(fine: u64, trouble: u64) -> Tally {
    Tally { fine, trouble, ..Tally::default() }
}

const SETTINGS: Settings = Settings {
    enabled: true,
    share: 0.5,
    least: 20,
    window: Duration::from_secs(10),
    open_min: Duration::from_secs(1),
    open_max: Duration::from_secs(15),
    probes: 5,
};

fn breaker() -> Breaker {
    Breaker::new(SETTINGS)
}

/// A breaker that trouble has just opened at this moment, for a second.
fn opened(at: Moment) -> Breaker {
    let mut breaker = breaker();
    let change = breaker.observe(at, &tally(0, 20), 1.0);
    assert!(matches!(change, Some(Change::Opened { why: Why::Trouble, trouble: 20, answers: 20, .. })));
    breaker
}

#[test]
fn little_trouble_or_few_answers_open_nothing() {
    let mut breaker = breaker();
    assert_eq!(breaker.observe(millis(0), &tally(0, 19), 1.0), None);
    for second in 1..100 {
        assert_eq!(breaker.observe(millis(second * 1_000), &tally(60, 39), 1.0), None, "{second}");
    }
    assert_eq!((breaker.state(), breaker.allowance(), breaker.next()), (State::Closed, u64::MAX, None));
}

#[test]
fn trouble_that_is_older_than_the_window_is_forgotten() {
    let mut breaker = breaker();
    assert_eq!(breaker.observe(millis(0), &tally(0, 19), 1.0), None);
    assert_eq!(breaker.observe(millis(11_000), &tally(0, 19), 1.0), None);
    assert_eq!(breaker.observe(millis(500_000), &tally(0, 19), 1.0), None);
    assert!(breaker.observe(millis(505_000), &tally(0, 1), 1.0).is_some());
}

#[test]
fn it_opens_probes_ramps_and_closes() {
    let mut breaker = opened(millis(0));
    assert_eq!((breaker.allowance(), breaker.next()), (0, Some(millis(1_000))));
    assert_eq!(breaker.observe(millis(500), &tally(0, 700), 1.0), None, "those were under way");
    assert_eq!(breaker.advance(millis(999)), None);
    assert_eq!(breaker.advance(millis(1_000)), Some(Change::Probing));
    assert_eq!(breaker.allowance(), 5);
    breaker.give(millis(1_000), 5);
    assert_eq!(breaker.allowance(), 0);
    assert_eq!(breaker.observe(millis(1_020), &tally(2, 0), 1.0), None);
    assert_eq!(breaker.allowance(), 2, "as many as were answered");
    assert_eq!(breaker.observe(millis(1_020), &tally(1, 0), 1.0), Some(Change::Recovering));
    let mut out = breaker.allowance();
    assert_eq!(out, 10);
    for round in 1..=20 {
        breaker.give(millis(1_020 * round), out);
        breaker.observe(millis(1_020 + 20 * round), &tally(out, 0), 1.0);
        assert!(breaker.allowance() >= out && breaker.allowance() <= out * 5 / 4 + 1);
        out = breaker.allowance();
    }
    assert!(out > 400, "{out}");
    assert_eq!(breaker.advance(millis(11_020)), Some(Change::Closed));
    assert_eq!((breaker.allowance(), breaker.why(), breaker.opened()), (u64::MAX, None, 1));
}

#[test]
fn each_failure_of_the_probes_doubles_the_pause_up_to_its_bound_and_recovery_resets_it() {
    let mut breaker = opened(millis(0));
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let until = breaker.until().unwrap();
        breaker.advance(until);
        breaker.give(until, 5);
        assert_eq!(breaker.observe(until, &tally(2, 2), 1.0), None, "2 of 5 are not half");
        let Some(Change::Opened { pause, .. }) = breaker.observe(until, &tally(0, 1), 1.0) else { panic!() };
        pauses.push(pause.as_secs());
    }
    assert_eq!(pauses, [2, 4, 8, 15, 15, 15]);
    let until = breaker.until().unwrap();
    breaker.advance(until);
    breaker.observe(until, &tally(5, 0), 1.0);
    breaker.advance(until.after(Duration::from_secs(10)));
    assert_eq!(breaker.state(), State::Closed);
    let again = breaker.observe(until.after(Duration::from_secs(11)), &tally(0, 30), 0.0);
    assert!(matches!(again, Some(Change::Opened { pause, .. }) if pause == Duration::from_millis(500)));
}

#[test]
fn a_limit_pauses_at_once_for_as_long_as_the_provider_says_and_probes_then() {
    let mut breaker = Breaker::new(Settings { enabled: false, ..SETTINGS });
    assert_eq!(breaker.observe(millis(0), &tally(0, 500), 1.0), None, "switched off");
    let quota = |seconds| Tally { limit: Some((Duration::from_secs(seconds), Why::Quota)), ..tally(9, 0) };
    let change = breaker.observe(millis(0), &quota(60), 0.0);
    assert!(matches!(change, Some(Change::Opened { why: Why::Quota, .. })), "{change:?}");
    assert_eq!(breaker.observe(millis(10), &quota(60), 0.0), None, "the same event");
    assert_eq!((breaker.until(), breaker.opened()), (Some(millis(60_010)), 1));
    assert_eq!(breaker.observe(millis(20), &quota(1), 0.0), None);
    assert_eq!(breaker.until(), Some(millis(60_010)), "the longest counts");
    assert_eq!(breaker.advance(millis(60_010)), Some(Change::Probing));
    assert!(breaker.observe(millis(60_050), &quota(60), 0.0).is_some());
    assert_eq!(breaker.until(), Some(millis(120_050)), "its own time, not a doubled one");
}

#[test]
fn what_the_provider_asks_for_outweighs_the_back_off() {
    let mut breaker = breaker();
    let asked = Tally { asked: Duration::from_secs(40), ..tally(0, 20) };
    breaker.observe(millis(0), &asked, 1.0);
    assert_eq!(breaker.until(), Some(millis(40_000)));
}

#[test]
fn probes_that_are_never_answered_are_replaced() {
    let mut breaker = opened(millis(0));
    breaker.advance(millis(1_000));
    breaker.give(millis(1_000), 5);
    assert_eq!(breaker.next(), Some(millis(6_000)));
    breaker.advance(millis(5_999));
    assert_eq!(breaker.allowance(), 0);
    breaker.advance(millis(6_000));
    assert_eq!(breaker.allowance(), 5);
}

/// What may happen to a breaker.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Serve(u64),
    Answer { fine: u64, trouble: u64 },
    Limit(u64),
    Return,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..4_000_u64).prop_map(Step::Wait),
        (1..50_u64).prop_map(Step::Serve),
        (0..30_u64, 0..30_u64).prop_map(|(fine, trouble)| Step::Answer { fine, trouble }),
        (1..70_u64).prop_map(Step::Limit),
        Just(Step::Return),
    ]
}

proptest! {
    #[test]
    fn it_never_lets_out_more_than_it_says_is_never_stuck_and_always_recovers(
        steps in prop::collection::vec(step(), 1..200), probes in 1..10_u32, share in 0.05..1.0_f64,
    ) {
        let mut breaker = Breaker::new(Settings { probes, share, ..SETTINGS });
        let (mut now, mut out) = (millis(1), 0_u64);
        for step in steps {
            let was_open = breaker.until();
            match step {
                Step::Wait(time) => now = now.after(Duration::from_millis(time)),
                Step::Serve(wanted) => {
                    breaker.advance(now);
                    let given = wanted.min(breaker.allowance());
                    breaker.give(now, given);
                    out += given;
                    prop_assert!(breaker.state() != State::HalfOpen || given <= u64::from(probes));
                }
                Step::Answer { fine, trouble } => {
                    let fine = fine.min(out);
                    let trouble = trouble.min(out - fine);
                    out -= fine + trouble;
                    breaker.observe(now, &tally(fine, trouble), 0.3);
                }
                Step::Limit(seconds) => {
                    breaker.observe(now, &Tally { limit: Some((Duration::from_secs(seconds), Why::Quota)), ..Tally::default() }, 0.3);
                    prop_assert!(breaker.until() >= Some(now.after(Duration::from_secs(seconds))));
                }
                // The connection went, and what it had comes back unsent.
                Step::Return => out = 0,
            }
            if let (Some(before), Some(until)) = (was_open, breaker.until()) {
                prop_assert!(until >= before, "an open breaker never opens earlier");
            }
            if breaker.allowance() == 0 {
                let next = breaker.next();
                prop_assert!(next.is_some(), "{:?}", breaker);
                prop_assert!(breaker.state() != State::Open || next == breaker.until());
            }
        }
        // A provider that is well again: whatever went before, everything goes out in the end.
        for _ in 0..2_000 {
            breaker.advance(now);
            let given = breaker.allowance().min(1);
            breaker.give(now, given);
            if given > 0 {
                breaker.observe(now, &tally(1, 0), 0.3);
            }
            now = match breaker.next() {
                Some(next) if given == 0 => next.max(now),
                _ => now.after(Duration::from_millis(100)),
            };
        }
        prop_assert_eq!(breaker.state(), State::Closed);
    }
}
