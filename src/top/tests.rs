//! The picture, line by line, and that nothing breaks it.

use proptest::prelude::*;
use serde_json::json;

use super::draw::{Screen, draw};
use super::state::State;

const PLAIN: Screen = Screen { width: 100, height: None, has_colour: false };

fn state(pushers: u32) -> State {
    let pusher = |number: u32| {
        let is_last = number + 1 == pushers;
        json!({"id": format!("android/{number}"), "state": if is_last { "backing_off" } else { "ready" }, "window": 100,
               "in_flight": 100, "restarts": 2, "last_error": is_last.then_some("connection reset"),
               "last_error_age_seconds": is_last.then_some(3.2), "acks_per_second": 1876.4, "ack_p99_ms": 52.4})
    };
    let pushers: Vec<_> = (0..pushers).map(pusher).collect();
    serde_json::from_value(json!({
        "state": "shedding", "why": "the buffer is full", "advice": "Add connections.", "version": "0.1.0", "uptime_seconds": 75.5,
        "ledger": {"received": 12_346, "refused": 1, "accepted": 12_345, "delivered": 10_000, "shed": 1_345, "buffered": 800,
                   "in_flight": 200, "unaccounted": 0},
        "collector": {"buffered": 800, "capacity": 1_000, "oldest_age_seconds": 1.25, "projected_drain_seconds": 12.0},
        "rates": {"accepted_per_second": 25_000.0, "delivered_per_second": 15_000.4, "shed_per_second": 9_000.0},
        "routes": [{"name": "android", "state": "degraded", "connections": 3, "ready": 2, "window": 300, "in_flight": 200,
                    "buffered": 800, "delivery_p50_ms": 50.0, "delivery_p95_ms": 75.0, "delivery_p99_ms": 1_234.0,
                    "breaker": {"state": "open", "reason": "failures", "until_seconds": 12.0}, "ledger": {"delivered": 10_000, "shed": 1_345}}],
        "pushers": pushers,
        "recent": {"shed_last_minute": 1_345, "problems": [{"kind": "answer", "reason": "SERVICE_UNAVAILABLE", "count": 31,
                                                            "last": 3_723_000}]},
        "a key of a later version": true
    }))
    .unwrap()
}

#[test]
fn a_picture_says_what_the_page_says() {
    let expected = "\
SHEDDING  pushweir 0.1.0 at 127.0.0.1:8651, up 1 min 15 s
the buffer is full
-> Add connections.

accepted/s   25,000  delivered/s   15,000  shed/s    9,000  (1,345 in a minute)
buffer    [#############---] 800 of 1,000, empty in 12 s, oldest 1.2 s
windows   [###########-----] 200 of 300
delivery  p50 50 ms, p95 75 ms, p99 1,234 ms of android
ledger    balances: 12,346 received = 1 refused + 12,345 accepted
          balances: 12,345 accepted = 10,000 delivered + 1,345 shed + 800 buffered + 200 in flight

ROUTE           STATE          READY       WINDOW  BUFFERED    DELIVERED       SHED       P99
android         degraded         2/3      200/300       800       10,000      1,345  1,234 ms
  breaker open (failures), 12 s left

PUSHER          STATE          WINDOW  ACKS/S   ACK P99  RESTARTS  LAST ERROR
android/2       backing off   100/100   1,876     52 ms         2  3 s ago: connection reset
android/0       ready         100/100   1,876     52 ms         2
android/1       ready         100/100   1,876     52 ms         2

RECENT PROBLEMS (UTC)
01:02:03         31x  answer     SERVICE_UNAVAILABLE";
    assert_eq!(draw(&state(3), "127.0.0.1:8651", None, PLAIN).join("\n"), expected);
}

#[test]
fn a_collector_that_is_behind_has_a_line_of_its_own() {
    let mut state = state(1);
    let collector = &mut state.collector;
    (collector.intake_pushes, collector.intake_capacity) = (90, 1_250);
    (collector.intake_batches, collector.intake_capacity_batches) = (512, 1_024);
    let line = "door      [#---------------] 90 of 1,250, 512 of 1,024 batches, 0/s shed here: the collector is behind";
    let drawn = draw(&state, "push-1", None, Screen { width: 120, ..PLAIN });
    assert!(drawn.contains(&line.to_owned()), "{drawn:#?}");
}

#[test]
fn a_low_terminal_shows_those_in_trouble_and_counts_the_rest() {
    let screen = Screen { height: Some(24), ..PLAIN };
    let lines = draw(&state(500), "push-1", None, screen);
    assert_eq!(lines.len(), 24, "{lines:#?}");
    let first = lines.iter().position(|line| line.starts_with("PUSHER")).unwrap();
    assert!(lines[first + 1].starts_with("android/499     backing off"), "{lines:#?}");
    let shown = lines.iter().filter(|line| line.starts_with("android/")).count();
    assert!(lines.contains(&format!("... and {} more", 500 - shown)), "{shown}: {lines:#?}");
    assert!(lines.last().unwrap().contains("SERVICE_UNAVAILABLE"), "the problems stay: {lines:#?}");
}

#[test]
fn the_usual_terminal_of_80_by_24_shows_the_whole_reason_and_all_that_matters() {
    let mut trouble = state(8);
    trouble.why = "4,383 pushes a second are dropped, the buffer is 95 % full; route android: all 1,200 places of its windows are taken".into();
    trouble.recent.problems[0].reason =
        "connect to 127.0.0.1:5236: Connection refused (os error 111) (hint: is the peer up?)".into();
    let gone =
        "cannot reach 127.0.0.1:8651: Connection refused (os error 111) (hint: --admin names the address)";
    let screen = Screen { width: 80, height: Some(24), ..PLAIN };
    let lines = draw(&trouble, "127.0.0.1:8651", Some(gone), screen);
    assert!(lines.len() == 24 && lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
    let text = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    for part in [
        &format!("NOT LIVE: {gone}"),
        trouble.why.as_str(),
        "1,234 ms",
        "3 s ago: connection res",
        "is the peer up?)",
    ] {
        assert!(text.contains(part), "{part} is not in {lines:#?}");
    }
}

#[test]
fn colour_is_for_terminals_that_have_it_and_trouble_is_said_in_words() {
    let lines = draw(&state(2), "push-1", None, Screen { has_colour: true, ..PLAIN });
    assert!(lines[0].starts_with("\x1b[1;31mSHEDDING\x1b[0m  pushweir"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("\x1b[1;31mandroid/1 ")), "{lines:#?}");
    let mut wrong = state(2);
    wrong.ledger.delivered += 1;
    assert!(
        draw(&wrong, "push-1", None, PLAIN)
            .iter()
            .any(|line| line.contains("DOES NOT BALANCE: 12,345 accepted"))
    );
}

#[test]
fn an_answer_with_nothing_in_it_is_a_picture_too() {
    let lines = draw(&serde_json::from_str("{}").unwrap(), "push-1", None, PLAIN);
    assert!(lines.iter().any(|line| line.contains("balances: 0 accepted = 0")), "{lines:#?}");
}

proptest! {
    #[test]
    fn no_line_is_too_wide_and_no_text_steers_the_terminal(
        width in 1_usize..200,
        height in 1_usize..60,
        pushers in 0_u32..50,
        text in "[ -~\\x00-\\x1f\\x7f-\\u{9f}é世]{0,300}",
    ) {
        let mut state = state(pushers);
        state.why.clone_from(&text);
        state.state.clone_from(&text);
        state.routes[0].name.clone_from(&text);
        state.recent.problems[0].reason.clone_from(&text);
        let lines = draw(&state, &text, (height % 2 == 0).then_some(text.as_str()), Screen { width, height: Some(height), has_colour: false });
        prop_assert!(lines.len() <= height);
        for line in lines {
            prop_assert!(line.chars().count() <= width && !line.chars().any(char::is_control), "{line:?}");
        }
    }
}
