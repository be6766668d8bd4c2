//! What the operator is told in each kind of trouble.

use super::*;
use crate::admin::record::{Problem, Recent};
use crate::admin::state::tests::fresh;
use crate::admin::state::{PusherRow, RouteState, Snapshot, State};
use crate::flow::PusherState;
use crate::flow::breaker::{State as BreakerState, Why};
use crate::units::Stamp;

fn told(snapshot: &Snapshot) -> String {
    why(snapshot, &Recent::default())
}

/// A service of four connections, of which one is ready.
fn degraded() -> Snapshot {
    let mut snapshot = fresh(4);
    snapshot.state = State::Degraded;
    snapshot.routes[0].state = RouteState::Degraded;
    snapshot.routes[0].ready = 1;
    for (number, age) in [(1, 9.0), (2, 2.0), (3, 5.0)] {
        let pusher = &mut snapshot.pushers[number];
        pusher.state = if number == 1 { PusherState::Connecting } else { PusherState::BackingOff };
        pusher.last_error = Some(format!("error {number}"));
        pusher.last_error_age_seconds = Some(age);
    }
    snapshot
}

/// A service whose only route has 8 full connections that answer after 800 ms.
fn full() -> Snapshot {
    let mut snapshot = fresh(8);
    snapshot.state = State::Shedding;
    snapshot.rates.shed_per_second = 2_500.0;
    snapshot.rates.accepted_per_second = 3_500.0;
    (snapshot.collector.buffered, snapshot.collector.capacity) = (95, 100);
    let route = &mut snapshot.routes[0];
    (route.buffered, route.in_flight, route.window) = (95, 800, 800);
    snapshot.pushers.iter_mut().for_each(|pusher| pusher.ack_p50_ms = 800.0);
    snapshot
}

#[test]
fn a_degraded_service_names_route_counts_and_the_latest_error() {
    let mut snapshot = degraded();
    assert_eq!(
        told(&snapshot),
        "route android: 1 of 4 connections are ready (2 backing off, 1 connecting); last error: error 2"
    );
    assert!(advice(&snapshot).contains("Restart"));
    snapshot.pushers[1].state = PusherState::Failed;
    assert!(advice(&snapshot).contains("credentials"));
    snapshot.pushers.iter_mut().for_each(|pusher| pusher.state = PusherState::Connecting);
    assert!(advice(&snapshot).contains("a few seconds"));
}

#[test]
fn the_advice_is_against_the_cause_and_not_against_the_state() {
    let mut snapshot = degraded();
    snapshot.state = State::Shedding;
    snapshot.rates.shed_per_second = 9.0;
    assert!(
        told(&snapshot)
            .starts_with("9 pushes a second are dropped, the buffer is 0 % full; route android: 1 of 4")
    );
    assert!(advice(&snapshot).contains("check the provider and the network"));
    snapshot.pushers[2].state = PusherState::Failed;
    assert!(advice(&snapshot).contains("refuses the credentials"));
    snapshot.state = State::Draining;
    assert!(advice(&snapshot).starts_with("To take"), "nothing is held");
    snapshot.ledger.accept(1, 0);
    assert!(advice(&snapshot).contains("credentials") && advice(&snapshot).ends_with("press Resume intake."));
}

#[test]
fn pushers_that_somebody_paused_elsewhere_do_not_hide_what_is_broken() {
    let mut snapshot = degraded();
    let mut other = snapshot.routes[0].clone();
    (other.name, other.state) = ("ios".into(), RouteState::Paused);
    snapshot.routes.insert(0, other);
    let paused = PusherRow { route: "ios".into(), state: PusherState::Paused, ..snapshot.pushers[0].clone() };
    snapshot.pushers.insert(0, paused);
    assert!(told(&snapshot).starts_with("route android: 1 of 4"));
    assert!(advice(&snapshot).contains("check the provider and the network"));
    for pusher in &mut snapshot.pushers {
        pusher.state = PusherState::Paused;
    }
    assert!(advice(&snapshot).contains("press Resume in their rows"));
}

#[test]
fn an_open_breaker_says_why_what_was_answered_and_what_waits() {
    let mut snapshot = fresh(1);
    snapshot.state = State::Degraded;
    let route = &mut snapshot.routes[0];
    (route.state, route.buffered) = (RouteState::Degraded, 1_200);
    route.breaker.state = BreakerState::Open;
    (route.breaker.reason, route.breaker.until_seconds) = (Some(Why::Trouble), Some(2.0));
    let at = Stamp::from_millis(0);
    let reason = "SERVICE_UNAVAILABLE".into();
    let answer = Problem { kind: "answer", reason, count: 1, first: at, last: at, pusher: None };
    let recent = Recent { problems: vec![answer], ..Recent::default() };
    assert_eq!(
        why(&snapshot, &recent),
        "route android: breaker open, 2.0 s left: the provider fails or does not answer (SERVICE_UNAVAILABLE); 1,200 pushes wait"
    );
    assert!(advice(&snapshot).contains("status page"));
}

#[test]
fn full_windows_are_told_with_the_figures_that_decide() {
    let mut snapshot = full();
    assert_eq!(
        told(&snapshot),
        "2,500 pushes a second are dropped, the buffer is 95 % full; route android: all 800 places of its windows are taken"
    );
    assert_eq!(
        advice(&snapshot),
        "android answers after 800 ms: 8 connections deliver at most 1,000 pushes a second; 28 would carry what arrives. Slower than \
         usual: wait for the provider. As usual: press Scale at the route, if the provider allows more connections."
    );
    snapshot.routes[0].connections_max = 16;
    assert!(advice(&snapshot).ends_with("As usual: it opens up to 16 by itself."));
    snapshot.pushers.iter_mut().for_each(|pusher| pusher.ack_p50_ms = 0.0);
    assert!(advice(&snapshot).contains("stopped answering"));
}

#[test]
fn a_collector_that_is_behind_is_named_before_any_route() {
    let mut snapshot = full();
    let collector = &mut snapshot.collector;
    (collector.buffered, collector.intake_pushes, collector.intake_capacity) = (2, 12_000, 12_500);
    (collector.intake_batches, collector.intake_capacity_batches) = (1_024, 1_024);
    snapshot.routes[0].in_flight = 0;
    snapshot.rates.shed_behind_per_second = 2_499.5;
    assert_eq!(
        told(&snapshot),
        "2,500 pushes a second are dropped, the buffer is 2 % full; the collector is behind: 12,000 of 12,500 pushes in 1,024 of \
         1,024 batches wait at its door, 2,500 a second are shed there"
    );
    assert!(advice(&snapshot).contains("thread does not get enough time"), "{}", advice(&snapshot));
    let full = Snapshot { rates: full().rates, collector: full().collector, ..snapshot };
    assert!(!told(&full).contains("behind") && !advice(&full).contains("thread"));
}

#[test]
fn every_state_has_a_reason_and_an_advice() {
    let mut snapshot = fresh(1);
    assert_eq!(told(&snapshot), "pushes go out as they come; 1 of 1 connections are ready");
    snapshot.collector.buffered = 9;
    snapshot.ledger.buffered = 1;
    let table = [
        (State::Saturated, "9 pushes wait; the buffer is 90 % full"),
        (State::Shedding, "0 pushes a second are dropped, the buffer is 90 % full"),
        (State::Draining, "new pushes are refused; 1 push left to deliver"),
        (State::Paused, "every route is paused; 9 pushes wait"),
    ];
    for (state, text) in table {
        snapshot.state = state;
        assert_eq!(told(&snapshot), text);
        assert!(!advice(&snapshot).is_empty());
    }
}

#[test]
fn figures_are_written_for_people() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!(
        [0.04, 12.0, 75.0, 7_260.0, 90_000.0].map(span),
        ["0.0 s", "12 s", "1 min 15 s", "2 h 1 min", "1 d 1 h"]
    );
    assert_eq!([0.0, 9.0, 75.0].map(ago), ["0 s ago", "9 s ago", "1 min 15 s ago"]);
    assert_eq!([0.0, 0.4, 9.96, 1_234.4].map(rate), ["0", "0.4", "10", "1,234"]);
    assert_eq!(
        [0.0, 1.26, 52.4, 1_500.0, 12_345.0].map(millis),
        ["–", "1.3 ms", "52 ms", "1,500 ms", "12.3 s"]
    );
}
