//! 2.12 Extra cases X3 and X4: a temporary consumer finds its producer again, on a paused clock.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr};
use parking_lot::Mutex;
use pushweir_actors::{
    Backoff, CancelMode, CancelReason, ChildSpec, Consumer, Port, Producer, SubscribeTo, Subscription,
    Supervisor, SupervisorSpec, SupplySettings, Unsubscribe,
};

use crate::support::{Crash, Diary, Sink, Source, Stage};
use crate::support::{batches, lone_sink, push, settle, sink};

fn published(port: &Port<String>) -> Stage {
    Producer::new(Source::default(), SupplySettings::default()).with_port(port.clone()).start()
}

fn patience(port: &Port<String>) -> Subscription<String> {
    let second = Duration::from_secs(1);
    let backoff = Backoff::try_new(second, second * 8, 0.0, second * 60).expect("the bounds are in order");
    Subscription::to(port.clone()).mode(CancelMode::Temporary).backoff(backoff)
}

fn patient(port: &Port<String>) -> (Addr<Consumer<Sink>>, Diary) {
    sink(patience(port))
}

/// Lets time pass, and the stages do what is due.
async fn pass(time: Duration) {
    settle().await;
    tokio::time::advance(time).await;
    settle().await;
}

#[actix::test]
async fn x3_a_temporary_consumer_subscribes_again_after_a_crash() {
    tokio::time::pause();
    let port = Port::new();
    let producer = published(&port);
    let (consumer, diary) = patient(&port);
    settle().await;
    push(&producer, "a").await;
    producer.send(Crash).await.expect_err("it dies");
    let producer = published(&port);
    pass(Duration::from_secs(2)).await;
    push(&producer, "b").await;
    settle().await;
    assert_eq!(diary.batches(), batches(["a", "b"]));
    assert_eq!(diary.cancels(), [CancelReason::ProducerDown]);
    assert_eq!(diary.subscriptions().len(), 2);
    assert!(consumer.connected());
}

#[actix::test]
async fn x3_a_producer_that_dies_before_it_reads_the_subscription_is_noticed() {
    tokio::time::pause();
    let port = Port::new();
    let producer = published(&port);
    let (consumer, diary) = lone_sink();
    let consumer = consumer.start();
    settle().await;
    // The consumer runs first, and its message is behind the one that kills the producer.
    consumer.try_send(SubscribeTo(patience(&port))).expect("the mailbox is open");
    producer.try_send(Crash).expect("the mailbox is open");
    settle().await;
    assert_eq!(diary.cancels(), [CancelReason::ProducerDown]);
    let producer = published(&port);
    pass(Duration::from_secs(2)).await;
    push(&producer, "a").await;
    settle().await;
    assert_eq!(diary.batches(), batches(["a"]));
}

#[actix::test]
async fn x4_a_missing_producer_is_tried_with_growing_delays() {
    tokio::time::pause();
    let port = Port::new();
    let (_consumer, diary) = patient(&port);
    // Tries after 1, 2, 4 and 8 seconds, so at 1, 3, 7 and 15.
    pass(Duration::from_secs(14)).await;
    let producer = published(&port);
    settle().await;
    push(&producer, "a").await;
    assert_eq!(diary.all(), [], "the next try is not due");
    pass(Duration::from_secs(10)).await;
    assert_eq!(diary.batches(), batches(["a"]));
}

#[actix::test]
async fn x4_unsubscribing_ends_the_tries() {
    tokio::time::pause();
    let port = Port::new();
    let producer = published(&port);
    let (consumer, diary) = patient(&port);
    settle().await;
    producer.send(Crash).await.expect_err("it dies");
    settle().await;
    pass(Duration::from_secs(1)).await;
    let id = diary.subscriptions()[0];
    consumer.send(Unsubscribe { id, reason: CancelReason::Normal }).await.expect("it lives");
    let _producer = published(&port);
    pass(Duration::from_secs(60)).await;
    assert_eq!(diary.subscriptions(), [id]);
}

#[actix::test]
async fn a_supervised_producer_is_restarted_and_found_again() {
    tokio::time::pause();
    let port = Port::new();
    let running: Arc<Mutex<Option<Stage>>> = Arc::default();
    let (place, current) = (port.clone(), Arc::clone(&running));
    let child = ChildSpec::worker("collector", move |link| {
        let producer = Producer::new(Source::default(), SupplySettings::default());
        let producer = producer.with_port(place.clone()).supervised_by(link).start();
        *current.lock() = Some(producer.clone());
        Ok(producer.into())
    });
    let root = Supervisor::start(SupervisorSpec::new("root").child(child), None).expect("it is in order");
    root.ready().await.expect("the producer comes up");
    let (_consumer, diary) = patient(&port);
    settle().await;
    let producer = running.lock().take().expect("it has started");
    producer.send(Crash).await.expect_err("it dies");
    pass(Duration::from_secs(10)).await;
    assert_eq!(root.tree().children[0].restarts, 1);
    let producer = running.lock().take().expect("it was started again");
    // The consumer's own try may have come just before the restart.
    pass(Duration::from_secs(10)).await;
    push(&producer, "a").await;
    settle().await;
    assert_eq!(diary.cancels(), [CancelReason::ProducerDown]);
    assert_eq!(diary.batches(), batches(["a"]));
}
