//! A route whose provider fails: what the breaker keeps back, lets through and counts, from queue to books.

use std::time::Duration;

use bytes::Bytes;

use super::key;
use super::stand::{ROUTE, Stand};
use crate::flow::breaker::{Settings, State};
use crate::flow::{Door, Nudge, Wanted};
use crate::outcome::{Answer, Scope, Verdict};
use crate::push::fixture::push;
use crate::push::{Addressee, Lane, Push};
use crate::transport::SessionEvent;

const SETTINGS: Settings = Settings {
    enabled: true,
    share: 0.5,
    least: 20,
    window: Duration::from_secs(10),
    open_min: Duration::from_secs(2),
    open_max: Duration::from_secs(8),
    probes: 5,
};

async fn stand(window: u32) -> Stand {
    let stand = Stand::start(1, window).await;
    stand.intake.gate_of(ROUTE).follow(SETTINGS);
    stand
}

fn answer() -> Box<Answer> {
    Box::new(Answer::new("SERVICE_UNAVAILABLE", ""))
}

fn busy() -> Verdict {
    Verdict::Retry { answer: answer(), after: None }
}

fn state(stand: &Stand) -> State {
    stand.intake.gate_of(ROUTE).view(stand.clock.now()).state
}

/// Has the provider say this about everything that a connection has not answered; returns how much that was.
fn answer_all(stand: &Stand, verdict: &Verdict) -> usize {
    let keys = std::mem::take(&mut stand.provider.peers.lock()[0].unanswered);
    let count = keys.len();
    let events = keys.into_iter().map(|key| SessionEvent::Answered { key, verdict: verdict.clone() });
    stand.provider.tell(0, events.collect());
    count
}

fn sent(stand: &Stand) -> usize {
    stand.provider.peers.lock()[0].received.len()
}

#[actix::test]
async fn a_failing_provider_is_left_alone_then_tried_and_everything_arrives() {
    let stand = stand(40).await;
    stand.admit(200).await;
    answer_all(&stand, &busy());
    stand.settle().await;
    assert_eq!((state(&stand), sent(&stand)), (State::Open, 40), "the free window is not filled");
    stand.pass(Duration::from_millis(900)).await;
    assert_eq!(sent(&stand), 40);
    stand.pass(Duration::from_millis(1_200)).await;
    assert_eq!((state(&stand), sent(&stand)), (State::HalfOpen, 45), "five try it");
    answer_all(&stand, &busy());
    stand.pass(Duration::from_millis(1_900)).await;
    assert_eq!((state(&stand), sent(&stand)), (State::Open, 45), "twice as long now");
    stand.pass(Duration::from_millis(2_200)).await;
    assert_eq!(sent(&stand), 50);
    answer_all(&stand, &Verdict::Delivered { canonical: None });
    stand.settle().await;
    assert_eq!((state(&stand), sent(&stand)), (State::Ramping, 60), "ten at first");
    let mut rounds = 0;
    while stand.books().held() > 0 {
        answer_all(&stand, &Verdict::Delivered { canonical: None });
        stand.pass(Duration::from_millis(100)).await;
        rounds += 1;
        assert!(rounds < 200, "{:?}", stand.books());
    }
    stand.pass(Duration::from_secs(10)).await;
    assert_eq!((state(&stand), stand.books().delivered), (State::Closed, 200));
    assert_eq!(stand.intake.gate_of(ROUTE).view(stand.clock.now()).opened, 2);
}

#[actix::test]
async fn a_used_up_quota_stops_the_route_and_costs_nobody_an_attempt() {
    let stand = stand(10).await;
    stand.admit(8).await;
    stand.admit_for(12, Lane::Low, Duration::from_secs(30)).await;
    let quota = Verdict::Limited { answer: answer(), after: Duration::from_secs(60), scope: Scope::Route };
    for _ in 0..20 {
        answer_all(&stand, &quota);
        stand.settle().await;
    }
    assert_eq!((sent(&stand), stand.books().buffered), (10, 20), "one refusal, and no hot loop");
    stand.pass(Duration::from_secs(59)).await;
    assert_eq!((sent(&stand), stand.books().expired), (10, 12), "deadlines run meanwhile");
    stand.pass(Duration::from_secs(2)).await;
    assert_eq!(sent(&stand), 15);
    while stand.books().held() > 0 {
        answer_all(&stand, &Verdict::Delivered { canonical: None });
        stand.pass(Duration::from_millis(10)).await;
    }
    let done =
        stand.results.find_delivery(&Wanted::new(&key(0).to_string(), None)).expect("it was delivered");
    assert_eq!((done.attempts, done.maybe_delivered), (1, false));
    assert_eq!(stand.books().delivered, 8);
}

#[actix::test]
async fn probes_that_come_back_unsent_do_not_keep_a_route_closed() {
    let stand = stand(40).await;
    stand.admit(60).await;
    answer_all(&stand, &busy());
    stand.pass(Duration::from_millis(2_100)).await;
    assert_eq!((state(&stand), sent(&stand)), (State::HalfOpen, 45));
    // The connection that has the probes goes, and says so of none of them.
    assert!(stand.pusher(0).nudge(Nudge::Panic));
    stand.pass(Duration::from_secs(6)).await;
    assert_eq!(stand.provider.unanswered(1), 5, "others try it after a while");
}

#[actix::test]
async fn what_we_cut_off_ourselves_is_no_trouble_of_the_provider() {
    let stand = stand(30).await;
    stand.admit(30).await;
    assert!(stand.pusher(0).nudge(Nudge::Panic));
    stand.pass(Duration::from_secs(1)).await;
    assert_eq!((state(&stand), stand.provider.unanswered(1)), (State::Closed, 30));
    stand.provider.tell(1, vec![SessionEvent::Closed { reason: "reset".to_owned(), expected: false }]);
    stand.settle().await;
    assert_eq!(state(&stand), State::Open, "but a connection that it drops with everything is");
}

#[actix::test]
async fn a_device_s_exceeded_rate_holds_up_its_own_pushes_and_no_others() {
    let stand = stand(10).await;
    stand
        .intake
        .gate_of(ROUTE)
        .read_addressees(|payload| Some(Addressee::Token(String::from_utf8_lossy(payload).into())));
    let to = |number: u128, device: &'static [u8]| Push {
        payload: Bytes::from_static(device),
        ..push(number, Lane::Normal)
    };
    stand.intake.admit(ROUTE, vec![to(1_000, b"a"), to(1_001, b"b")]);
    stand.settle().await;
    let rate = Verdict::Limited { answer: answer(), after: Duration::from_secs(60), scope: Scope::Target };
    stand.provider.peers.lock()[0].unanswered.clear();
    stand.provider.tell(
        0,
        vec![
            SessionEvent::Answered { key: key(1_000), verdict: rate },
            SessionEvent::Answered { key: key(1_001), verdict: Verdict::Delivered { canonical: None } },
        ],
    );
    stand.settle().await;
    let others = (0..40).map(|number| to(2_000 + number, if number % 2 == 0 { b"a" } else { b"b" }));
    stand.intake.admit(ROUTE, others.collect());
    for _ in 0..5 {
        stand.settle().await;
        stand.provider.acknowledge(0, stand.provider.unanswered(0));
    }
    stand.settle().await;
    assert_eq!((stand.books().delivered, stand.books().waiting_retry), (21, 21), "only b's pushes went out");
    assert_eq!(stand.intake.gate_of(ROUTE).view(stand.clock.now()).held_targets, 1);
    stand.pass(Duration::from_secs(59)).await;
    assert_eq!(sent(&stand), 22);
    let (mut most, mut rounds) = (0, 0);
    while stand.books().held() > 0 {
        most = most.max(stand.provider.unanswered(0));
        stand.provider.acknowledge(0, stand.provider.unanswered(0));
        stand.pass(Duration::from_millis(100)).await;
        rounds += 1;
        assert!(rounds < 200, "{:?}", stand.books());
    }
    assert_eq!(stand.books().delivered, 42);
    assert!(most <= 2, "one at a time, beside the one that was refused: {most}");
    stand.pass(Duration::from_secs(2)).await;
    assert_eq!(stand.intake.gate_of(ROUTE).view(stand.clock.now()).held_targets, 0);
}

#[actix::test]
async fn a_push_that_is_put_off_when_a_slot_is_freed_goes_out_in_time_though_nothing_else_happens() {
    let stand = stand(1).await;
    let gate = stand.intake.gate_of(ROUTE);
    gate.read_addressees(|payload| Some(Addressee::Token(String::from_utf8_lossy(payload).into())));
    let to = |number: u128, device: &'static [u8]| Push {
        payload: Bytes::from_static(device),
        ..push(number, Lane::Normal)
    };
    stand.intake.admit(ROUTE, vec![to(1, b"a"), to(2, b"b")]);
    stand.settle().await;
    let now = stand.clock.now();
    gate.hold_target(now, &to(2, b"b"), now.after(Duration::from_secs(60)));
    stand.provider.acknowledge(0, 1);
    stand.settle().await;
    assert_eq!((sent(&stand), stand.books().waiting_retry), (1, 1));
    stand.pass(Duration::from_secs(62)).await;
    assert_eq!((sent(&stand), stand.books().in_flight), (2, 1));
}

#[actix::test]
async fn a_breaker_whose_pause_is_over_is_half_open_though_nobody_asks_for_anything() {
    let stand = stand(40).await;
    stand.admit(60).await;
    answer_all(&stand, &busy());
    stand.pusher(0).set_paused(true);
    stand.pusher(0).nudge(Nudge::LookAtSwitches);
    // Whoever looks at the state moves it on; its text does not.
    let text = || format!("{:?}", stand.intake.gate_of(ROUTE));
    stand.settle().await;
    assert!(text().contains("Open { until"), "{}", text());
    stand.pass(Duration::from_secs(3)).await;
    assert!(text().contains("HalfOpen"), "{}", text());
}

#[actix::test]
async fn a_gate_that_is_reset_for_another_provider_lets_out_what_waits() {
    let stand = stand(10).await;
    stand.admit(15).await;
    let quota = Verdict::Limited { answer: answer(), after: Duration::from_secs(3600), scope: Scope::Setup };
    answer_all(&stand, &quota);
    stand.settle().await;
    assert_eq!((state(&stand), stand.books().in_flight), (State::Open, 0));
    stand.intake.reset_gate(ROUTE);
    stand.settle().await;
    assert_eq!((state(&stand), stand.books().in_flight), (State::Closed, 10));
}
