//! The snapshot's JSON and its words.

use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::flow::Gate;
use crate::flow::breaker::{Tally, Why};
use crate::push::RouteId;
use crate::telemetry::Rate;

/// Returns the snapshot of a service with one route and `pushers` ready pushers, and nothing done yet.
pub(in crate::admin) fn fresh(pushers: u32) -> Snapshot {
    let cell = RouteCell::new(RouteId(0), "android".into(), "xmpp");
    cell.resize(RouteId(0), pushers);
    let rows: Vec<_> = cell.pushers().iter().map(|cell| ready(cell)).collect();
    let routes = vec![RouteRow::new(&cell, Books::default(), &rows, BreakerRow::default())];
    let tree = TreeNode {
        id: "root".into(),
        kind: "supervisor".into(),
        strategy: Some("rest_for_one".into()),
        state: "running".into(),
        restarts: 0,
        last_exit: None,
        children: Vec::new(),
    };
    let collector = CollectorState { capacity: 10, capacity_bytes: 1_000, ..CollectorState::default() };
    Snapshot {
        state: overall(false, &collector, &Rates::default(), &routes),
        version: "0.1.0",
        uptime_seconds: 1.5,
        ledger: Books::default(),
        collector,
        rates: Rates::default(),
        answers: vec![AnswerCount { code: "INVALID_JSON".into(), count: 2 }],
        maybe_delivered: 0,
        results: ResultCounts::default(),
        webhook: WebhookState::default(),
        reloads: ReloadCounts::default(),
        telemetry: TelemetryState::default(),
        routes,
        pushers: rows,
        tree,
    }
}

fn ready(cell: &PusherCell) -> PusherRow {
    cell.set_state(PusherState::Ready);
    cell.set_load(100, 3);
    cell.set_connected(Some(Moment::from_micros(1)));
    cell.latencies.record(Duration::from_millis(20));
    PusherRow::new("android", cell, 2, 5.0, Moment::from_micros(2_000_001))
}

#[test]
fn the_json_has_the_documented_keys_in_their_order() {
    let json = serde_json::to_string(&fresh(1)).unwrap();
    let books = "{\"received\":0,\"refused\":0,\"duplicates\":0,\"accepted\":0,\"delivered\":0,\"rejected\":0,\"unregistered\":0,\
        \"expired\":0,\"exhausted\":0,\"coalesced\":0,\"shed\":0,\"lost\":0,\"buffered\":0,\"waiting_retry\":0,\"in_flight\":0,\"unaccounted\":0}";
    let expected = format!(
        "{{\"state\":\"ok\",\"version\":\"0.1.0\",\"uptime_seconds\":1.5,\"ledger\":{books},\
        \"collector\":{{\"buffered\":0,\"capacity\":10,\"buffered_bytes\":0,\"capacity_bytes\":1000,\
        \"oldest_age_seconds\":0.0,\"projected_drain_seconds\":null,\"refused_deadline\":0,\
        \"intake_pushes\":0,\"intake_capacity\":0,\"intake_batches\":0,\"intake_capacity_batches\":0,\"shed_behind\":0}},\
        \"rates\":{{\"accepted_per_second\":0.0,\"delivered_per_second\":0.0,\"shed_per_second\":0.0,\
        \"shed_behind_per_second\":0.0}},\
        \"answers\":[{{\"code\":\"INVALID_JSON\",\"count\":2}}],\"maybe_delivered\":0,\
        \"results\":{{\"recorded\":0,\"held\":0,\"dropped\":0,\"awaited\":0,\"readers\":0}},\
        \"webhook\":{{\"peer\":null,\"sent\":0,\"failures\":0,\"lost\":0,\"pending\":0,\"last_error\":null}},\
        \"reloads\":{{\"done\":0,\"refused\":0}},\
         \"telemetry\":{{\"log\":\"\",\"log_lines_suppressed\":0,\"traces\":{{\"is_on\":false,\"wanted\":0,\"exported\":0,\
         \"dropped\":0,\"queued\":0}}}},\
        \"routes\":[{{\"name\":\"android\",\"transport\":\"xmpp\",\"state\":\"ready\",\"connections\":1,\
        \"connections_min\":1,\"connections_max\":1,\"ready\":1,\
        \"window\":100,\"in_flight\":0,\"buffered\":0,\"delivery_p50_ms\":0.0,\"delivery_p99_ms\":0.0,\"delivery_p95_ms\":0.0,\
        \"stretched_retries\":0,\"share\":1.0,\"drain_per_second\":null,\"dials\":0,\"grown\":0,\"shrunk\":0,\
        \"breaker\":{{\"state\":\"closed\",\"reason\":null,\"until_seconds\":null,\"opened_total\":0,\"held_targets\":0}},\"ledger\":{books}}}],\
        \"pushers\":[{{\"id\":\"android/0\",\"route\":\"android\",\"state\":\"ready\",\"window\":100,\"in_flight\":3,\
        \"restarts\":2,\"errors\":0,\"last_error\":null,\"last_error_age_seconds\":null,\"connected_seconds\":2.0,\"acks_per_second\":5.0,\
        \"ack_p50_ms\":20.479,\"ack_p99_ms\":20.479}}],\
        \"tree\":{{\"id\":\"root\",\"kind\":\"supervisor\",\"strategy\":\"rest_for_one\",\"state\":\"running\",\
        \"restarts\":0,\"last_exit\":null,\"children\":[]}}}}"
    );
    assert_eq!(json, expected);
}

#[test]
fn the_word_names_what_needs_the_operator_most() {
    let calm = fresh(2);
    let word = |change: &dyn Fn(&mut Snapshot)| {
        let mut snapshot = calm.clone();
        change(&mut snapshot);
        overall(false, &snapshot.collector, &snapshot.rates, &snapshot.routes)
    };
    assert_eq!(word(&|_| {}), State::Ok);
    assert_eq!(word(&|all| all.collector.buffered = 8), State::Saturated);
    assert_eq!(word(&|all| all.collector.buffered_bytes = 800), State::Saturated);
    assert_eq!(word(&|all| all.collector.buffered = 7), State::Ok);
    for (batches, expected) in [(7, State::Ok), (8, State::Saturated)] {
        let door = |all: &mut Snapshot| {
            (all.collector.intake_batches, all.collector.intake_capacity_batches) = (batches, 10);
        };
        assert_eq!(word(&door), expected, "what waits at the door waits too");
    }
    assert_eq!(
        word(&|all| {
            all.routes[0].in_flight = 200;
            all.routes[0].buffered = 1;
        }),
        State::Saturated
    );
    assert_eq!(word(&|all| all.routes[0].state = RouteState::Degraded), State::Degraded);
    assert_eq!(word(&|all| all.routes[0].state = RouteState::Down), State::Degraded);
    assert_eq!(word(&|all| all.routes[0].state = RouteState::Paused), State::Paused);
    let shedding = word(&|all| {
        all.rates.shed_per_second = 0.3;
        all.routes[0].state = RouteState::Down;
    });
    assert_eq!(shedding, State::Shedding);
    assert_eq!(overall(true, &calm.collector, &calm.rates, &calm.routes), State::Draining);
}

#[test]
fn a_route_is_as_good_as_its_pushers_unless_somebody_stopped_it() {
    let cell = RouteCell::new(RouteId(0), "android".into(), "xmpp");
    let breaker = BreakerRow::default();
    let mut pushers = fresh(2).pushers;
    let word = |pushers: &[PusherRow]| RouteState::new(&cell, pushers, &breaker);
    assert_eq!((word(&pushers), word(&[])), (RouteState::Ready, RouteState::Ready));
    pushers[0].state = PusherState::Connecting;
    assert_eq!(word(&pushers), RouteState::Degraded);
    pushers[1].state = PusherState::Connecting;
    assert_eq!(word(&pushers), RouteState::Connecting, "nothing has failed yet");
    pushers[1].last_error = Some("refused".into());
    assert_eq!(word(&pushers), RouteState::Degraded, "it has been tried");
    cell.paused.store(true, Ordering::Relaxed);
    assert_eq!(word(&pushers), RouteState::Paused);
    cell.down.store(true, Ordering::Relaxed);
    assert_eq!(word(&pushers), RouteState::Down);
}

#[test]
fn readiness_needs_a_ready_pusher_and_an_open_door() {
    assert!(readiness(&fresh(1)).is_ok());
    let mut connecting = fresh(1);
    connecting.pushers[0].state = PusherState::Connecting;
    assert_eq!(readiness(&connecting), Err("no pusher is ready"));
    assert!(readiness(&fresh(0)).is_ok(), "a route that connects when there is something to send is ready");
    let draining = Snapshot { state: State::Draining, ..fresh(1) };
    assert!(readiness(&draining).unwrap_err().starts_with("draining"));
}

proptest! {
    #[test]
    fn a_projected_drain_is_a_time_or_nothing(buffered: u64, incoming in 0.0_f64..1e9, outgoing in 0.0_f64..1e9) {
        match projected_drain(buffered, incoming, outgoing) {
            Some(seconds) => prop_assert!(seconds > 0.0 && seconds.is_finite() && outgoing > incoming),
            None => prop_assert!(buffered == 0 || outgoing <= incoming),
        }
    }
}

/// The overload replay (`reference/observability.md` 2.1): 10,000 a second go out, and 200,000 are buffered when the arrivals fall to 5,000.
#[test]
fn the_projected_drain_of_an_incident_is_within_a_fifth_of_what_then_happens() {
    let (mut accepted, mut ended) = (Rate::default(), Rate::default());
    let (mut incoming, mut outgoing, mut buffered) = (0_u64, 0_u64, 0_u64);
    let mut projected = Vec::new();
    for second in 0..200_u64 {
        let arrive = if second < 50 { 16_667 } else { 5_000 };
        // Providers are not clockwork: a tenth more in one second, a tenth less in the next.
        let leave = (buffered + arrive).min(if second % 2 == 0 { 11_000 } else { 9_000 });
        buffered = (buffered + arrive - leave).min(200_000);
        (incoming, outgoing) = (incoming + arrive, outgoing + leave);
        let now = Moment::from_micros(second * 1_000_000);
        accepted.sample(now, incoming);
        ended.sample(now, outgoing);
        projected.push(projected_drain(buffered, accepted.per_second(), ended.per_second()));
        if second > 50 && buffered == 0 {
            break;
        }
    }
    assert_eq!(projected[..50].iter().flatten().count(), 0, "it does not shrink: {projected:?}");
    let end = projected.len() - 1;
    assert!((85..95).contains(&end), "empty after {end} s");
    // The rates span three seconds; after them, to the last seconds but three.
    for (second, seen) in projected.iter().enumerate().take(end - 3).skip(54) {
        let (seen, actual) = (seen.expect("it shrinks"), (end - second) as f64);
        assert!(
            (seen - actual).abs() <= 0.2 * actual,
            "at {second} s: {seen} s were projected, it took {actual} s"
        );
    }
}

#[test]
fn a_route_whose_breaker_keeps_pushes_back_is_degraded_and_says_so() {
    let cell = RouteCell::new(RouteId(0), "android".into(), "xmpp");
    cell.resize(RouteId(0), 1);
    let rows: Vec<_> = cell.pushers().iter().map(|cell| ready(cell)).collect();
    let (open, closed) = (Gate::new("android".into()), Gate::new("android#1".into()));
    let quota = Tally { limit: Some((Duration::from_secs(60), Why::Quota)), ..Tally::default() };
    open.observe(Moment::default(), &quota, 0.0);
    let row = |seconds: u64| {
        let mut breaker = BreakerRow::default();
        for gate in [&closed, &open, &closed] {
            breaker.add(&gate.view(Moment::from_micros(seconds * 1_000_000)));
        }
        RouteRow::new(&cell, Books::default(), &rows, breaker)
    };
    let early = row(15);
    assert_eq!((early.state, early.breaker.until_seconds), (RouteState::Degraded, Some(45.0)));
    assert_eq!(early.breaker.words(), "breaker open (quota), 45 s left");
    let half = row(60);
    assert_eq!(
        (half.state, half.breaker.words().as_str()),
        (RouteState::Degraded, "breaker half open (quota)")
    );
    assert_eq!((half.breaker.until_seconds, half.breaker.opened_total), (None, 1));
}
