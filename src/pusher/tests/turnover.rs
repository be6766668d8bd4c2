//! The pusher while its connections are replaced: answers that come late, ends that meet, providers that drain for ever.

use std::time::Duration;

use pushweir_actors::StopMode;

use super::stand::Stand;
use super::{closed, key};
use crate::flow::PusherState;
use crate::outcome::Verdict;
use crate::transport::SessionEvent;

fn draining() -> Vec<SessionEvent> {
    vec![SessionEvent::Draining { reason: "control".to_owned() }]
}

fn delivered(numbers: std::ops::Range<u128>) -> Vec<SessionEvent> {
    let verdict = Verdict::Delivered { canonical: None };
    numbers.map(|number| SessionEvent::Answered { key: key(number), verdict: verdict.clone() }).collect()
}

#[actix::test]
async fn a_late_answer_on_the_old_connection_keeps_the_slot_on_the_new_one_until_that_answers_too() {
    let stand = Stand::start(1, 10).await;
    stand.admit(10).await;
    stand.provider.tell(0, draining());
    stand.pass(Duration::from_secs(40)).await;
    assert_eq!(stand.provider.unanswered(1), 10, "overdue on the old connection, sent again on the new one");
    stand.provider.tell(0, delivered(0..10));
    stand.admit(10).await;
    assert_eq!((stand.books().delivered, stand.books().buffered), (10, 10), "the provider's window is full");
    stand.provider.peers.lock()[1].unanswered.clear();
    stand.provider.tell(1, delivered(0..10));
    stand.settle().await;
    assert_eq!((stand.provider.unanswered(1), stand.books().buffered), (10, 0));
}

#[actix::test]
async fn each_of_several_late_answers_to_one_push_frees_its_slot() {
    let stand = Stand::start(1, 12).await;
    stand.admit(1).await;
    stand.pass(Duration::from_secs(80)).await;
    assert_eq!(stand.provider.unanswered(0), 3, "twice overdue, three times sent");
    stand.provider.peers.lock()[0].unanswered.clear();
    for _ in 0..3 {
        stand.provider.tell(0, delivered(0..1));
    }
    stand.admit(20).await;
    let unanswered = stand.provider.unanswered(0);
    assert!(unanswered >= 11, "{unanswered} of 12; less than an eighth is not worth an ask");
    assert_eq!(stand.books().delivered, 1);
}

#[actix::test]
async fn a_stop_while_the_replacement_cannot_connect_still_waits_for_the_last_answers() {
    let stand = Stand::start(1, 10).await;
    stand.admit(5).await;
    *stand.provider.is_unreachable.lock() = true;
    stand.provider.tell(0, draining());
    stand.settle().await;
    let tree = stand.tree.clone();
    let restart = actix::spawn(async move {
        tree.restart_child("android/0", StopMode::Graceful(Duration::from_secs(10))).await
    });
    stand.pass(Duration::from_secs(4)).await;
    assert_eq!((stand.pusher(0).state(), stand.books().in_flight), (PusherState::Draining, 5));
    *stand.provider.is_unreachable.lock() = false;
    stand.provider.acknowledge(0, 5);
    stand.provider.tell(0, closed());
    stand.settle().await;
    restart.await.expect("it ran").expect("it restarted");
    assert_eq!((stand.books().delivered, stand.provider.connections()), (5, 2));
}

#[actix::test]
async fn a_provider_that_drains_every_new_connection_is_not_stormed() {
    let stand = Stand::start(1, 10).await;
    *stand.provider.drains_at_once.lock() = true;
    stand.provider.tell(0, draining());
    stand.settle().await;
    assert!(stand.provider.connections() <= 2, "the first replacement is immediate, the next is not");
    stand.pass(Duration::from_secs(100)).await;
    let opened = stand.provider.connections();
    assert!((6..20).contains(&opened), "{opened} connections in 100 s");
    *stand.provider.drains_at_once.lock() = false;
    stand.pass(Duration::from_secs(20)).await;
    assert_eq!(stand.pusher(0).state(), PusherState::Ready);
}

#[actix::test]
async fn what_waited_too_long_for_a_stream_goes_elsewhere_and_costs_no_attempt() {
    let stand = Stand::start(1, 100).await;
    stand.admit(10).await;
    stand.provider.peers.lock()[0].unsent = 4;
    stand.pass(Duration::from_secs(40)).await;
    assert_eq!(stand.feedback.maybe_delivered(), 6, "the provider cannot have the other four");
    assert_eq!(stand.provider.peers.lock()[0].received.len(), 16, "all ten are sent again");
    assert_eq!(stand.provider.unanswered(0), 16);
}

#[actix::test]
async fn a_provider_that_hands_every_push_back_is_not_stormed() {
    let stand = Stand::start(1, 10).await;
    stand.admit(10).await;
    for _ in 0..200 {
        let newest = stand.provider.connections() - 1;
        let keys = std::mem::take(&mut stand.provider.peers.lock()[newest].unanswered);
        if !keys.is_empty() {
            let back = |key| SessionEvent::Answered { key, verdict: Verdict::GOAWAY };
            stand.provider.tell(newest, keys.into_iter().map(back).chain(draining()).collect());
        }
        stand.pass(Duration::from_millis(50)).await;
    }
    let connections = stand.provider.connections();
    assert!((4..=8).contains(&connections), "{connections} connections in ten seconds");
}

#[actix::test]
async fn a_panic_while_overdue_pushes_are_recalled_loses_none_of_them() {
    let stand = Stand::start(1, 10).await;
    stand.admit(10).await;
    // More than it has got: looking for what waits for a stream breaks.
    stand.provider.peers.lock()[0].unsent = 1_000;
    stand.pass(Duration::from_secs(40)).await;
    assert_eq!((stand.provider.connections(), stand.provider.unanswered(1)), (2, 10));
    stand.provider.acknowledge(1, 10);
    stand.settle().await;
    assert_eq!((stand.books().delivered, stand.books().held()), (10, 0));
}
