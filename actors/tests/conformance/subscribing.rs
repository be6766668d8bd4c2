//! 2.6 Subscribing, subscribing again, manual demand.

use actix::{Actor, Addr, MailboxError};
use pushweir_actors::{
    BadDemand, CancelMode, CancelReason, Consumer, DemandRange, Keep, Port, Resubscribe, StopStage,
    SubscribeTo, Subscription, SubscriptionId,
};

use crate::support::{AskFor, Diary, Sink, Stage};
use crate::support::{counting, logs, lone_sink, numbers, oops, port, settle, silent, sink, temporary};

fn idle() -> (Stage, Diary) {
    silent(10, Keep::Newest)
}

fn started() -> (Addr<Consumer<Sink>>, Diary) {
    let (consumer, diary) = lone_sink();
    (consumer.start(), diary)
}

/// A place whose producer has stopped.
async fn dead_port() -> Port<String> {
    let (producer, _) = idle();
    let port = port(&producer);
    producer.send(StopStage(CancelReason::Normal)).await.expect("it lives");
    settle().await;
    port
}

#[actix::test]
async fn case_52_returns_the_id() {
    let (producer, _) = idle();
    let (consumer, diary) = started();
    let id = consumer.send(SubscribeTo(Subscription::to(port(&producer)))).await.expect("it lives");
    assert_eq!(diary.subscriptions(), [id]);
}

#[actix::test]
async fn case_53_the_caller_hears_when_the_consumer_is_dead() {
    let (producer, _) = idle();
    let (consumer, _) = started();
    consumer.send(StopStage(CancelReason::Normal)).await.expect("it lives");
    settle().await;
    let answer = consumer.send(SubscribeTo(Subscription::to(port(&producer)))).await;
    assert_eq!(answer, Err(MailboxError::Closed));
}

fn assert_bad_ranges_are_refused() {
    let zero = DemandRange::new(0).expect_err("0 is no demand");
    assert_eq!(zero, BadDemand::Max(0));
    assert!(zero.to_string().starts_with("max_demand must be at least 1, got 0"), "{zero}");
    let above = DemandRange::default().with_min(2000).expect_err("2000 is above 1000");
    assert_eq!(above, BadDemand::Min { most: 999, got: 2000 });
    assert!(above.to_string().starts_with("min_demand must be at most 999, got 2000"), "{above}");
}

/// A bad range cannot be built, so none reaches a consumer, which lives.
#[test]
fn case_54_bad_demands_are_refused() {
    assert_bad_ranges_are_refused();
}

async fn assert_stops_without_producer(port: Port<String>) {
    logs::keep();
    let (consumer, diary) = started();
    consumer.send(SubscribeTo(Subscription::to(port))).await.expect("the call returns an id");
    settle().await;
    assert_eq!(diary.terminations(), [CancelReason::NoProducer]);
    assert!(!consumer.connected());
    assert_eq!(logs::of("ERROR").len(), 1);
}

#[actix::test]
async fn case_55_a_permanent_consumer_stops_when_there_is_no_producer() {
    assert_stops_without_producer(Port::new()).await;
}

#[actix::test]
async fn case_56_a_permanent_consumer_stops_when_the_producer_is_dead() {
    assert_stops_without_producer(dead_port().await).await;
}

async fn assert_lives_without_producer(port: Port<String>) {
    let (consumer, diary) = started();
    let subscription = Subscription::to(port).mode(CancelMode::Temporary);
    consumer.send(SubscribeTo(subscription)).await.expect("the call returns an id");
    settle().await;
    assert!(consumer.connected());
    assert_eq!(diary.all(), []);
}

#[actix::test]
async fn case_57_a_temporary_consumer_stays_when_there_is_no_producer() {
    assert_lives_without_producer(Port::new()).await;
}

#[actix::test]
async fn case_58_a_temporary_consumer_stays_when_the_producer_is_dead() {
    assert_lives_without_producer(dead_port().await).await;
}

async fn subscribed(producer: &Stage) -> (Addr<Consumer<Sink>>, Diary, SubscriptionId) {
    let (consumer, diary) = started();
    let id = consumer.send(SubscribeTo(temporary(producer))).await.expect("it lives");
    (consumer, diary, id)
}

#[actix::test]
async fn case_60_subscribing_again_returns_the_new_id() {
    let (producer, notes) = idle();
    let (consumer, diary, old) = subscribed(&producer).await;
    let again = Resubscribe { old, reason: oops(), new: temporary(&producer) };
    let new = consumer.send(again).await.expect("it lives");
    settle().await;
    assert_eq!(diary.subscriptions(), [old, new]);
    assert_eq!(notes.cancels(), [oops()]);
    assert_eq!(diary.cancels(), [oops()], "once, and the old one is not made again");
}

#[actix::test]
async fn case_61_subscribing_again_works_without_the_previous_subscription() {
    let (producer, _) = idle();
    let (consumer, diary) = started();
    let again = Resubscribe { old: SubscriptionId::next(), reason: oops(), new: temporary(&producer) };
    let new = consumer.send(again).await.expect("it lives");
    assert_eq!(diary.subscriptions(), [new]);
}

#[test]
fn case_62_bad_demands_are_refused_when_subscribing_again() {
    assert_bad_ranges_are_refused();
}

#[actix::test]
async fn case_63_subscribing_again_without_waiting_makes_a_new_id() {
    let (producer, _) = idle();
    let (consumer, diary, old) = subscribed(&producer).await;
    let again = Resubscribe { old, reason: oops(), new: temporary(&producer) };
    consumer.try_send(again).expect("the mailbox is open");
    settle().await;
    let ids = diary.subscriptions();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[1], old);
}

#[actix::test]
async fn case_64_subscribing_again_without_waiting_works_without_the_previous() {
    let (producer, _) = idle();
    let (consumer, diary) = started();
    let unknown = SubscriptionId::next();
    let again = Resubscribe { old: unknown, reason: oops(), new: temporary(&producer) };
    consumer.try_send(again).expect("the mailbox is open");
    settle().await;
    let ids = diary.subscriptions();
    assert_eq!(ids.len(), 1);
    assert_ne!(ids[0], unknown);
}

fn manual() -> (Consumer<Sink>, Diary) {
    let diary = Diary::default();
    (Consumer::new(Sink { diary: diary.clone(), manual: Some(0) }), diary)
}

async fn assert_asks_by_hand(consumer: Addr<Consumer<Sink>>, diary: Diary) {
    settle().await;
    let [id] = diary.subscriptions()[..] else { panic!("one subscription, got {:?}", diary.all()) };
    consumer.send(AskFor(id, 50)).await.expect("it lives");
    settle().await;
    assert_eq!(diary.batches(), [numbers(0..50)]);
    consumer.send(AskFor(id, 50)).await.expect("it lives");
    settle().await;
    assert_eq!(diary.batches(), [numbers(0..50), numbers(50..100)]);
}

#[actix::test]
async fn case_65_manual_demand_can_be_chosen_on_subscribe() {
    let (producer, _) = counting();
    let (consumer, diary) = manual();
    let consumer = consumer.start();
    consumer.send(SubscribeTo(Subscription::to(port(&producer)))).await.expect("it lives");
    assert_asks_by_hand(consumer, diary).await;
}

#[actix::test]
async fn case_66_manual_demand_can_be_chosen_at_the_start() {
    let (producer, _) = counting();
    let (consumer, diary) = manual();
    let consumer = consumer.subscribed_to(Subscription::to(port(&producer))).start();
    assert_asks_by_hand(consumer, diary).await;
}

#[actix::test]
async fn an_unsubscribed_temporary_consumer_does_not_subscribe_again() {
    let (producer, notes) = idle();
    let (consumer, diary) = sink(temporary(&producer));
    settle().await;
    let id = diary.subscriptions()[0];
    let unsubscribe = pushweir_actors::Unsubscribe { id, reason: CancelReason::ProducerDown };
    consumer.send(unsubscribe).await.expect("it lives");
    settle().await;
    assert_eq!(diary.subscriptions().len(), 1);
    assert_eq!(notes.cancels(), [CancelReason::ProducerDown]);
}

#[actix::test]
async fn subscribing_again_elsewhere_ends_the_old_subscription_at_its_own_producer() {
    let ((left, left_notes), (right, right_notes)) = (idle(), idle());
    let (consumer, diary, old) = subscribed(&left).await;
    let again = Resubscribe { old, reason: oops(), new: temporary(&right) };
    let new = consumer.send(again).await.expect("it lives");
    settle().await;
    assert_eq!((left_notes.cancels(), right_notes.cancels()), (vec![oops()], vec![]));
    assert_eq!(right_notes.subscriptions(), [new]);
    assert_eq!(diary.cancels(), [oops()]);
}
