//! The pusher between a real collector and a scripted transport, under a paused clock.

mod breaker;
mod chaos;
mod overload;
pub(super) mod stand;
mod traces;
mod turnover;

use std::sync::atomic::Ordering;
use std::time::Duration;

use pushweir_actors::StopMode;
use stand::Stand;

use crate::collector::InjectPanic;
use crate::flow::{Door, Nudge, PusherState, Wanted, Whereabouts, find_in_flight, find_queued};
use crate::outcome::{Answer, Verdict};
use crate::push::PushKey;
use crate::transport::SessionEvent;

fn key(number: u128) -> PushKey {
    PushKey::from_u128(number)
}

fn closed() -> Vec<SessionEvent> {
    vec![SessionEvent::Closed { reason: "cut".to_owned(), expected: false }]
}

#[actix::test]
async fn never_more_than_the_window_is_unanswered_and_everything_is_delivered() {
    let stand = Stand::start(1, 100).await;
    stand.admit(250).await;
    assert_eq!(stand.provider.unanswered(0), 100);
    assert_eq!((stand.books().in_flight, stand.books().buffered), (100, 150));
    while stand.books().held() > 0 {
        stand.provider.acknowledge(0, 10);
        stand.settle().await;
        assert!(stand.provider.unanswered(0) <= 100);
    }
    let books = stand.books();
    assert_eq!((books.accepted, books.delivered), (250, 250));
    let received = stand.provider.peers.lock()[0].received.clone();
    assert_eq!(received, (0..250).map(key).collect::<Vec<_>>(), "first in, first out");
}

#[actix::test]
async fn demand_is_shared_by_the_pushers_of_a_route() {
    let stand = Stand::start(4, 10).await;
    stand.admit(25).await;
    let unanswered: Vec<usize> = (0..4).map(|peer| stand.provider.unanswered(peer)).collect();
    assert_eq!(unanswered.iter().sum::<usize>(), 25);
    assert!(unanswered.iter().all(|count| *count <= 10));
}

#[actix::test]
async fn a_lost_connection_returns_its_window_to_the_front_and_a_new_one_takes_it() {
    let stand = Stand::start(1, 10).await;
    stand.admit(15).await;
    stand.provider.tell(0, closed());
    stand.settle().await;
    assert_eq!(stand.pusher(0).state(), PusherState::BackingOff);
    assert_eq!(stand.books().buffered, 15);
    stand.pass(Duration::from_secs(1)).await;
    assert_eq!(stand.provider.connections(), 2);
    let received = stand.provider.peers.lock()[1].received.clone();
    assert_eq!(received, (0..10).map(key).collect::<Vec<_>>(), "the unanswered go first, in their order");
    assert!(stand.pusher(0).last_error().is_some_and(|(_, error)| error.contains("cut")));
}

#[actix::test]
async fn a_draining_connection_is_replaced_first_and_still_read() {
    let stand = Stand::start(1, 10).await;
    stand.admit(30).await;
    stand.provider.tell(0, vec![SessionEvent::Draining { reason: "control".to_owned() }]);
    stand.settle().await;
    assert_eq!(stand.provider.connections(), 2);
    assert_eq!((stand.provider.unanswered(0), stand.provider.unanswered(1)), (10, 10));
    stand.provider.acknowledge(0, 10);
    stand.settle().await;
    assert_eq!(stand.books().delivered, 10);
    stand.provider.tell(0, closed());
    stand.settle().await;
    assert_eq!(stand.pusher(0).state(), PusherState::Ready);
    assert_eq!(stand.books().in_flight, 10);
    assert!(!stand.provider.peers.lock()[0].is_finished, "the provider closes, not we");
}

#[actix::test]
async fn a_draining_connection_that_never_closes_is_ended_by_us() {
    let stand = Stand::start(1, 10).await;
    stand.provider.tell(0, vec![SessionEvent::Draining { reason: "control".to_owned() }]);
    stand.pass(Duration::from_secs(121)).await;
    assert!(stand.provider.peers.lock()[0].is_finished);
}

#[actix::test]
async fn overdue_answers_give_the_pushes_back_but_not_their_slots() {
    let stand = Stand::start(1, 100).await;
    stand.admit(10).await;
    stand.pass(Duration::from_secs(40)).await;
    let received = stand.provider.peers.lock()[0].received.len();
    assert_eq!(received, 20, "sent again on the same connection, in slots that were free");
    assert_eq!(stand.provider.connections(), 1);
    let late = stand.provider.peers.lock()[0].received[0];
    stand
        .provider
        .tell(0, vec![SessionEvent::Answered { key: late, verdict: Verdict::Delivered { canonical: None } }]);
    stand.settle().await;
    assert_eq!(stand.books().delivered, 1, "an answer counts for the push that waits for it now");
    stand.pass(Duration::from_secs(120)).await;
    assert!(
        stand.provider.connections() > 1,
        "a connection with a quarter of its answers overdue is replaced"
    );
}

#[actix::test]
async fn a_refused_push_waits_outside_the_window() {
    let stand = Stand::start(1, 10).await;
    stand.admit(10).await;
    let answer = Box::new(Answer::new("SERVICE_UNAVAILABLE", ""));
    let verdict = Verdict::Retry { answer, after: None };
    stand.provider.peers.lock()[0].unanswered.retain(|unanswered| *unanswered != key(3));
    stand.provider.tell(0, vec![SessionEvent::Answered { key: key(3), verdict }]);
    stand.settle().await;
    assert_eq!((stand.books().waiting_retry, stand.books().in_flight), (1, 9));
    stand.pass(Duration::from_secs(2)).await;
    assert_eq!((stand.books().waiting_retry, stand.books().buffered), (0, 1));
    stand.provider.acknowledge(0, 3);
    stand.settle().await;
    assert_eq!((stand.books().buffered, stand.books().in_flight), (0, 7));
}

#[actix::test]
async fn answers_to_unknown_pushes_are_counted_and_free_nothing() {
    let stand = Stand::start(1, 10).await;
    stand.admit(20).await;
    for _ in 0..5 {
        stand.provider.tell(
            0,
            vec![SessionEvent::Answered { key: key(999), verdict: Verdict::Delivered { canonical: None } }],
        );
    }
    stand.settle().await;
    assert_eq!(stand.pusher(0).unknown_answers(), 5);
    assert_eq!(stand.provider.unanswered(0), 10);
}

#[actix::test]
async fn a_panicking_pusher_returns_its_window_and_is_restarted() {
    let stand = Stand::start(1, 10).await;
    stand.admit(15).await;
    assert!(stand.pusher(0).nudge(Nudge::Panic));
    stand.settle().await;
    stand.pass(Duration::from_secs(1)).await;
    assert_eq!(stand.provider.connections(), 2);
    assert_eq!((stand.books().in_flight, stand.books().buffered), (10, 5));
}

#[actix::test]
async fn a_panicking_collector_loses_neither_queue_nor_connections() {
    let stand = Stand::start(2, 10).await;
    stand.admit(50).await;
    let collector = stand.collector.lock().clone().expect("it was started");
    assert!(collector.send(InjectPanic).await.is_err());
    stand.settle().await;
    stand.pass(Duration::from_secs(1)).await;
    assert_eq!(stand.provider.connections(), 2, "the connections stay");
    while stand.books().held() > 0 {
        for peer in 0..2 {
            stand.provider.acknowledge(peer, stand.provider.unanswered(peer));
        }
        stand.settle().await;
    }
    assert_eq!(stand.books().delivered, 50);
}

#[actix::test]
async fn a_refused_login_is_probed_slowly() {
    let stand = Stand::start(1, 10).await;
    *stand.provider.refuses_login.lock() = true;
    stand.provider.tell(0, closed());
    stand.pass(Duration::from_secs(50)).await;
    assert_eq!(stand.pusher(0).state(), PusherState::Failed);
    assert_eq!(*stand.provider.attempts.lock(), 2);
    *stand.provider.refuses_login.lock() = false;
    stand.pass(Duration::from_secs(40)).await;
    assert_eq!(stand.pusher(0).state(), PusherState::Ready);
}

#[actix::test]
async fn a_paused_pusher_asks_for_nothing_and_finishes_what_it_has() {
    let stand = Stand::start(1, 10).await;
    stand.pusher(0).set_paused(true);
    stand.pusher(0).nudge(Nudge::LookAtSwitches);
    stand.admit(5).await;
    assert_eq!((stand.pusher(0).state(), stand.books().buffered), (PusherState::Paused, 5));
    stand.pusher(0).set_paused(false);
    stand.pusher(0).nudge(Nudge::LookAtSwitches);
    stand.settle().await;
    assert_eq!(stand.books().in_flight, 5);
    stand.route.paused.store(true, Ordering::Relaxed);
    stand.pusher(0).nudge(Nudge::LookAtSwitches);
    stand.provider.acknowledge(0, 5);
    stand.settle().await;
    assert_eq!(stand.books().delivered, 5);
}

#[actix::test]
async fn a_graceful_restart_waits_for_the_last_answers_and_duplicates_nothing() {
    let stand = Stand::start(1, 10).await;
    stand.admit(12).await;
    let tree = stand.tree.clone();
    let restart = actix::spawn(async move {
        tree.restart_child("android/0", StopMode::Graceful(Duration::from_secs(10))).await
    });
    stand.settle().await;
    assert_eq!(stand.pusher(0).state(), PusherState::Draining);
    stand.provider.acknowledge(0, 10);
    stand.settle().await;
    assert!(stand.provider.peers.lock()[0].is_finished);
    stand.provider.tell(0, vec![SessionEvent::Closed { reason: "bye".to_owned(), expected: true }]);
    stand.settle().await;
    restart.await.expect("it ran").expect("it restarted");
    stand.settle().await;
    assert_eq!((stand.provider.connections(), stand.books().in_flight), (2, 2));
    assert_eq!(stand.provider.peers.lock()[0].received.len(), 10);
}

#[actix::test]
async fn a_forced_restart_gives_everything_back_at_once() {
    let stand = Stand::start(1, 10).await;
    stand.admit(12).await;
    stand.tree.restart_child("android/0", StopMode::Force).await.expect("it restarted");
    stand.settle().await;
    assert_eq!((stand.provider.connections(), stand.provider.unanswered(1)), (2, 10));
    assert_eq!((stand.books().in_flight, stand.books().buffered), (10, 2));
}

#[actix::test]
async fn a_batch_in_a_dead_mailbox_comes_back() {
    let stand = Stand::start(1, 10).await;
    // The panic and the events of this admission reach the mailbox in one go.
    stand.pusher(0).nudge(Nudge::Panic);
    stand.admit(5).await;
    stand.pass(Duration::from_secs(1)).await;
    assert_eq!((stand.books().in_flight, stand.books().buffered), (5, 0));
}

#[actix::test]
async fn every_push_that_is_not_delivered_leaves_one_result_and_a_delivered_one_none() {
    let stand = Stand::start(1, 10).await;
    stand.admit(10).await;
    let answer = || Box::new(Answer::new("DEVICE_UNREGISTERED", ""));
    let verdicts = [
        Verdict::Delivered { canonical: None },
        Verdict::Unregistered(answer()),
        Verdict::Rejected(answer()),
        Verdict::Delivered { canonical: Some("newer".into()) },
    ];
    let answered =
        (0..).zip(verdicts).map(|(number, verdict)| SessionEvent::Answered { key: key(number), verdict });
    stand.provider.tell(0, answered.collect());
    stand.settle().await;
    let page = stand.results.page(None, 0, 100, Duration::ZERO).await;
    let told: Vec<_> = page.records.iter().map(|(_, record)| (record.key, record.outcome.as_str())).collect();
    assert_eq!(told, [(key(1), "unregistered"), (key(2), "rejected"), (key(3), "delivered")]);
    assert_eq!((stand.books().delivered, stand.books().unregistered, stand.books().rejected), (2, 1, 1));
}

#[actix::test]
async fn what_the_full_buffer_sheds_is_told_to_its_sender() {
    let stand = Stand::start(1, 10).await;
    stand.admit(900).await;
    stand.admit(400).await;
    let books = stand.books();
    assert!(books.shed > 0);
    let page = stand.results.page(None, 0, 1_000, Duration::ZERO).await;
    assert_eq!(page.records.len() as u64, books.shed);
    assert!(page.records.iter().all(|(_, record)| record.outcome.as_str() == "shed"));
}

#[actix::test]
async fn a_push_is_found_in_the_queue_in_flight_waiting_and_delivered() {
    let stand = Stand::start(2, 1).await;
    stand.admit(3).await;
    let find = async |number: u128| {
        let wanted = std::sync::Arc::new(Wanted::new(&key(number).to_string(), None));
        match find_queued(&*stand.intake, &wanted).await {
            Some(sighting) => Some(sighting),
            None => find_in_flight(std::slice::from_ref(&stand.route), &wanted).await,
        }
        .map(|sighting| sighting.place)
    };
    assert_eq!(find(2).await, Some(Whereabouts::Buffered));
    assert!(matches!(find(0).await, Some(Whereabouts::InFlight { .. })));
    let sent = |peer: usize| stand.provider.peers.lock()[peer].unanswered[0];
    let (first, second) = (sent(0), sent(1));
    stand.provider.acknowledge(0, 1);
    let busy = Box::new(Answer::new("BUSY", ""));
    let verdict = Verdict::Retry { answer: busy, after: None };
    stand.provider.tell(1, vec![SessionEvent::Answered { key: second, verdict }]);
    stand.settle().await;
    assert_eq!(find(first.as_u128()).await, None);
    let done = stand.results.find_delivery(&Wanted::new(&first.to_string(), None));
    assert_eq!(done.map(|done| (done.key, done.attempts)), Some((first, 1)));
    assert!(matches!(find(second.as_u128()).await, Some(Whereabouts::WaitingRetry { .. })));
}
