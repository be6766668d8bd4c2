//! What the door promises, with the whole way behind it.

use std::time::Duration;

use super::stand::{ROUTE, SETTINGS, Stand};
use crate::collector;
use crate::flow::Door;
use crate::outcome::{Answer, Refusal, Verdict};
use crate::push::fixture::push;
use crate::push::{CollapseId, Lane, Push, PushKey};
use crate::transport::SessionEvent;

const SECOND: Duration = Duration::from_secs(1);

#[actix::test]
async fn a_push_that_would_wait_longer_than_it_lives_is_refused_once_the_rate_is_known() {
    let stand = Stand::start(1, 10).await;
    stand.admit(510).await;
    assert!(stand.admit_for(1, Lane::Normal, SECOND).await.is_empty(), "nothing is known yet");
    for _ in 0..4 {
        stand.observe();
        stand.provider.acknowledge(0, 10);
        stand.pass(SECOND).await;
    }
    let rate = stand.intake.capacity(ROUTE);
    assert!(rate.is_some_and(|rate| (9.0..11.0).contains(&rate)), "{rate:?}");
    let held = stand.books().held();
    let late = (0, Refusal::RefusedDeadline);
    assert_eq!(stand.admit_for(1, Lane::Normal, 20 * SECOND).await, [late]);
    assert!(stand.admit_for(1, Lane::Normal, 120 * SECOND).await.is_empty());
    assert!(stand.admit_for(1, Lane::Critical, SECOND).await.is_empty(), "nothing is before it");
    let books = stand.books();
    assert_eq!((books.refused, books.held()), (1, held + 2));
    assert_eq!(stand.intake.refused_late(), 1);
}

impl Stand {
    /// Admits a push that collapses with the others that are admitted so.
    async fn admit_collapsing(&self, number: u128) {
        let collapse = Some(self.collapses.of(CollapseId(7)));
        let accepted_at = self.clock.now();
        self.intake.admit(ROUTE, vec![Push { collapse, accepted_at, ..push(number, Lane::Normal) }]);
        self.settle().await;
    }

    /// Has the only connection answer all that it has in the same way.
    async fn answer(&self, verdict: Verdict) {
        let keys = std::mem::take(&mut self.provider.peers.lock()[0].unanswered);
        let answered = keys.into_iter().map(|key| SessionEvent::Answered { key, verdict: verdict.clone() });
        self.provider.tell(0, answered.collect());
        self.settle().await;
    }
}

fn busy() -> Verdict {
    Verdict::Retry { answer: Box::new(Answer::new("BUSY", "")), after: None }
}

#[actix::test]
async fn a_push_that_comes_back_is_needless_if_a_newer_one_waits() {
    let stand = Stand::start(1, 1).await;
    stand.admit_collapsing(1).await;
    stand.pass(SECOND).await;
    stand.admit_collapsing(2).await;
    assert_eq!((stand.books().in_flight, stand.books().buffered), (1, 1));
    stand.provider.tell(0, vec![SessionEvent::Closed { reason: "cut".to_owned(), expected: false }]);
    stand.settle().await;
    let books = stand.books();
    assert_eq!((books.coalesced, books.buffered), (1, 1));
    stand.pass(SECOND).await;
    assert_eq!(stand.provider.peers.lock()[1].received, [PushKey::from_u128(2)]);
}

#[actix::test]
async fn a_push_that_waits_for_a_retry_is_needless_once_a_newer_one_has_gone_out() {
    let stand = Stand::start(1, 10).await;
    stand.admit_collapsing(1).await;
    stand.answer(busy()).await;
    assert_eq!(stand.books().waiting_retry, 1);
    stand.admit_collapsing(2).await;
    stand.answer(Verdict::Delivered { canonical: None }).await;
    stand.pass(10 * SECOND).await;
    let books = stand.books();
    assert_eq!((books.delivered, books.coalesced, books.held()), (1, 1, 0), "{books:?}");
    assert_eq!(stand.provider.peers.lock()[0].received, [1, 2].map(PushKey::from_u128));
}

#[actix::test]
async fn a_push_whose_attempt_fails_after_a_newer_one_was_delivered_is_needless() {
    let stand = Stand::start(1, 10).await;
    let tell = |number: u128, verdict| {
        let answer = SessionEvent::Answered { key: PushKey::from_u128(number), verdict };
        stand.provider.tell(0, vec![answer]);
    };
    for (round, verdict) in (0..).zip([busy(), Verdict::GOAWAY, Verdict::Unanswered]) {
        let (older, newer) = (round * 2 + 1, round * 2 + 2);
        stand.admit_collapsing(older).await;
        stand.pass(SECOND).await;
        stand.admit_collapsing(newer).await;
        assert_eq!(stand.books().in_flight, 2);
        tell(newer, Verdict::Delivered { canonical: None });
        stand.settle().await;
        tell(older, verdict);
        stand.pass(10 * SECOND).await;
        let books = stand.books();
        assert_eq!((books.delivered, books.coalesced, books.held()), (round as u64 + 1, round as u64 + 1, 0));
        assert_eq!(stand.provider.peers.lock()[0].received.len() as u128, newer, "none is sent twice");
        assert_eq!(stand.collapses.count(), 0, "nothing is remembered of pushes that have ended");
    }
}

#[actix::test]
async fn a_provider_that_refuses_everything_gets_few_retries_and_those_later() {
    let stand = Stand::start(1, 100).await;
    stand.admit(100).await;
    let answer = Box::new(Answer::new("SERVICE_UNAVAILABLE", ""));
    let verdict = Verdict::Retry { answer, after: None };
    let refuse = |key| SessionEvent::Answered { key, verdict: verdict.clone() };
    let keys: Vec<_> = std::mem::take(&mut stand.provider.peers.lock()[0].unanswered);
    stand.provider.tell(0, keys.into_iter().map(refuse).collect());
    stand.settle().await;
    assert_eq!(stand.books().waiting_retry, 100);
    stand.pass(2 * SECOND).await;
    let received = stand.provider.peers.lock()[0].received.len() - 100;
    assert!((10..=45).contains(&received), "{received} retries after two seconds");
    stand.pass(15 * SECOND).await;
    assert_eq!((stand.books().waiting_retry, stand.books().in_flight), (0, 100), "late, but all of them");
    assert!(stand.feedback.stretched_retries(ROUTE) > 50);
}

#[actix::test]
async fn an_idle_route_refuses_nothing_for_its_deadline() {
    let stand = Stand::start(1, 10).await;
    for _ in 0..10 {
        stand.admit(2).await;
        stand.provider.acknowledge(0, 2);
        stand.observe();
        stand.pass(SECOND).await;
    }
    assert!(stand.admit_for(500, Lane::Low, SECOND).await.is_empty());
}

#[actix::test]
async fn a_long_queue_that_is_too_late_ends_soon_and_holds_nobody_up() {
    let stand = Stand::start(1, 1).await;
    stand.intake.follow(&collector::Settings { buffer: 100_000, ..SETTINGS });
    for _ in 0..40 {
        assert!(stand.admit_for(1_000, Lane::Normal, SECOND).await.is_empty());
    }
    let (mut before, mut most) = (0, 0);
    for _ in 0..600 {
        stand.pass(Duration::from_millis(4)).await;
        let expired = stand.books().expired;
        (before, most) = (expired, most.max(expired - before));
    }
    assert_eq!((before, stand.books().held()), (39_999, 1));
    assert!(most <= 10_000, "as many at once: {most}");
}
