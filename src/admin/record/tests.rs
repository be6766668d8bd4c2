//! What is remembered, and that it stays bounded.

use super::*;
use crate::admin::state::tests::fresh;
use crate::admin::state::{State, TreeNode};

fn at(second: u64) -> Stamp {
    Stamp::from_millis(1_000_000 + second * 1_000)
}

fn refusal(result: &str) -> Audited {
    Audited {
        actor: "eve".into(),
        from: None,
        action: "drain",
        target: "intake".into(),
        is_done: false,
        result: result.into(),
    }
}

fn numbers(record: &Record, column: &str) -> Vec<u64> {
    serde_json::from_value(record.history()[column].take()).unwrap()
}

#[test]
fn samples_are_rates_since_the_sample_before() {
    let (record, mut snapshot) = (Record::default(), fresh(1));
    snapshot.ledger.accept(50, 0);
    record.sample(at(0), &snapshot);
    snapshot.ledger.accept(100, 40);
    record.sample(at(2), &snapshot);
    assert_eq!(numbers(&record, "accepted"), [0, 70]);
    assert_eq!(numbers(&record, "shed"), [0, 20]);
    assert_eq!(numbers(&record, "buffered"), [50, 150]);
    assert_eq!(record.recent().samples[1].number, 2);
    assert_eq!(record.history()["acks"], serde_json::json!({ "android/0": [5, 5] }));
}

#[test]
fn fifteen_minutes_are_kept_and_the_last_minute_is_counted_exactly() {
    let (record, mut snapshot) = (Record::default(), fresh(1));
    for second in 0..1_000 {
        snapshot.ledger.accept(0, 1);
        record.sample(at(second), &snapshot);
    }
    assert_eq!(numbers(&record, "at").len(), 900);
    assert_eq!(record.history()["first"], 101);
    assert_eq!(record.recent().shed_last_minute, 60);
    assert_eq!(record.history()["acks"]["android/0"].as_array().unwrap().len(), 60);
}

#[test]
fn what_was_shed_before_the_first_sample_counts_in_a_young_process() {
    let (record, mut snapshot) = (Record::default(), fresh(1));
    assert_eq!(record.recent().shed_last_minute, 0);
    snapshot.ledger.accept(0, 7);
    record.sample(at(0), &snapshot);
    assert_eq!(record.recent().shed_last_minute, 7);
}

#[test]
fn restarts_states_and_deeds_are_marked() {
    let (record, mut snapshot) = (Record::default(), fresh(2));
    let child = |id: &str| TreeNode { id: id.into(), children: Vec::new(), ..fresh(0).tree };
    snapshot.tree.children = vec![child("android/0"), child("android/1")];
    record.sample(at(0), &snapshot);
    snapshot.tree.children[1].restarts = 1;
    snapshot.state = State::Degraded;
    record.sample(at(1), &snapshot);
    snapshot.tree.children.iter_mut().for_each(|node| node.restarts += 2);
    snapshot.tree.children[0].last_exit = Some("failed: reset".into());
    record.sample(at(2), &snapshot);
    record.sample(at(11), &snapshot);
    record.enter(at(12), Audited { is_done: true, result: "done".into(), ..refusal("") });
    record.enter(at(12), refusal("no"));
    let marks: Vec<_> = record.recent().marks.into_iter().map(|mark| (mark.kind, mark.text)).collect();
    let expected = [
        ("state", "started: ok"),
        ("state", "ok → degraded"),
        ("restart", "android/1 restarted"),
        ("restart", "android/0 and 1 more restarted 4 times: reset"),
        ("drain", "drain intake by eve"),
    ];
    assert_eq!(marks, expected.map(|(kind, text)| (kind, text.to_owned())));
}

#[test]
fn problems_are_counted_by_reason() {
    let (record, mut snapshot) = (Record::default(), fresh(3));
    for pusher in &mut snapshot.pushers[..2] {
        pusher.last_error = Some("connection reset".into());
        pusher.errors = 2;
    }
    record.sample(at(0), &snapshot);
    snapshot.pushers[1].errors = 3;
    snapshot.answers[0].count = 5;
    record.sample(at(1), &snapshot);
    record.sample(at(9), &snapshot);
    let problems = record.recent().problems;
    let short: Vec<_> = problems.iter().map(|problem| (problem.reason.as_str(), problem.count)).collect();
    assert_eq!(short, [("INVALID_JSON", 5), ("connection reset", 5)]);
    assert_eq!((problems[1].first, problems[1].last), (at(0), at(1)));
    assert_eq!(problems[1].pusher.as_deref(), Some("android/1"));
}

#[test]
fn a_counter_that_began_anew_is_counted_from_zero() {
    let (record, mut snapshot) = (Record::default(), fresh(1));
    snapshot.answers.clear();
    snapshot.pushers[0].last_error = Some("reset".into());
    for errors in [4, 1] {
        snapshot.pushers[0].errors = errors;
        record.sample(at(errors), &snapshot);
    }
    assert_eq!(record.recent().problems[0].count, 5);
}

#[test]
fn reasons_from_outside_do_not_grow_without_bound() {
    let (record, mut snapshot) = (Record::default(), fresh(1));
    for errors in 1..500 {
        snapshot.pushers[0].last_error = Some(format!("error {errors} {}", "x".repeat(1_000)));
        snapshot.pushers[0].errors = errors;
        record.sample(at(errors), &snapshot);
    }
    let inner = record.inner.lock();
    let problems = inner.problems.latest(usize::MAX);
    assert_eq!(problems.len(), 100);
    assert!(problems[0].reason.starts_with("error 499 ") && problems[0].reason.chars().count() == 200);
}

#[test]
fn equal_refusals_are_counted_and_deeds_are_kept() {
    let record = Record::default();
    let deed = Audited { is_done: true, result: "done".into(), ..refusal("") };
    let first = record.enter(at(0), deed.clone());
    for second in 1..1_000 {
        record.enter(at(second), refusal(if second % 2 == 0 { "viewer" } else { "token" }));
    }
    assert_eq!(record.enter(at(1_000), deed), first + 3);
    let entries = record.audit();
    let times: Vec<_> = entries.iter().map(|entry| (entry.audited.is_done, entry.times)).collect();
    assert_eq!(times, [(true, 1), (false, 499), (false, 500), (true, 1)]);
    assert_eq!(entries[3].number, first);
    for number in 0..300 {
        record.enter(at(2_000), refusal(&number.to_string()));
    }
    assert_eq!(record.audit().len(), 200);
}

#[test]
fn a_change_of_state_is_told_once_and_with_its_reason() {
    let (record, mut snapshot) = (Record::default(), fresh(1));
    assert_eq!(record.sample(at(0), &snapshot), None);
    snapshot.state = State::Paused;
    let why = "every route is paused; 0 pushes wait".to_owned();
    assert_eq!(record.sample(at(1), &snapshot), Some(Change { from: State::Ok, to: State::Paused, why }));
    assert_eq!(record.sample(at(2), &snapshot), None);
}
