//! 2.8 Protocol errors.

use std::marker::PhantomData;
use std::sync::Arc;

use actix::{Actor, Handler, Message};
use parking_lot::Mutex;
use pushweir_actors::{
    Ask, Cancel, CancelReason, Cancelled, Consumer, ConsumerLink, Disconnected, Events, Keep, Producer,
    ProducerLink, StopStage, Subscribe, SubscriptionId, Undelivered, Upstream,
};

use crate::support::{Crash, Raw, Seen, Sink, Source};
use crate::support::{batches, letters, logs, lone_sink, push, raw, settle, silent, sink, temporary};

#[actix::test]
async fn case_98_duplicated_subscriptions_are_refused() {
    logs::keep();
    let (producer, notes) = silent(10, Keep::Newest);
    let link = ProducerLink::to(&producer);
    let ((first, first_diary), (second, second_diary)) = (raw(), raw());
    let id = SubscriptionId::next();
    for consumer in [first, second] {
        let subscribe = Subscribe { id, partition: 0, consumer, replaces: None };
        link.subscribe(subscribe).expect("the producer lives");
    }
    settle().await;
    assert_eq!(notes.subscriptions(), [id]);
    assert_eq!(second_diary.all(), [Seen::Cancelled(id, CancelReason::DuplicatedSubscription)]);
    assert_eq!(logs::of("ERROR").len(), 1);
    link.ask(id, 2).expect("the producer lives");
    push(&producer, "ab").await;
    settle().await;
    assert_eq!(first_diary.batches(), batches(["ab"]), "the first subscription is as it was");
}

/// GenStage answers `unknown_subscription`. Our asks carry no return address, for they are the most frequent message, and
/// need none: a consumer hears of every end of a subscription when it happens, and a restarted producer has another
/// mailbox, so asking the old one is refused to the asker's face.
#[actix::test]
async fn case_99_unknown_demand_changes_nothing_and_a_lost_producer_refuses_it() {
    logs::keep();
    let (producer, notes) = silent(10, Keep::Newest);
    let link = ProducerLink::to(&producer);
    let unknown = SubscriptionId::next();
    link.ask(unknown, 10).expect("the producer lives");
    settle().await;
    assert_eq!(notes.all(), []);
    let line = format!("DEBUG ask of an unknown subscription subscription={unknown}");
    assert_eq!(logs::of("DEBUG"), [line]);
    producer.send(StopStage(CancelReason::Normal)).await.expect("it lives");
    settle().await;
    assert_eq!(link.ask(unknown, 10), Err(Disconnected));
}

/// Whether a stage takes a message, found out by the compiler: the inherent method is there only if it does.
struct Probe<S, M>(PhantomData<(S, M)>);

impl<S: Handler<M>, M: Message> Probe<S, M> {
    fn takes(&self) -> bool {
        true
    }
}

trait Otherwise {
    fn takes(&self) -> bool {
        false
    }
}

impl<S, M> Otherwise for Probe<S, M> {}

/// GenStage logs the message and lives; with ours it cannot be sent.
#[test]
fn case_100_a_consumer_takes_no_producer_messages() {
    assert!(!Probe::<Consumer<Sink>, Subscribe<String>>(PhantomData).takes());
    assert!(!Probe::<Consumer<Sink>, Ask>(PhantomData).takes());
    assert!(!Probe::<Consumer<Sink>, Cancel>(PhantomData).takes());
    assert!(Probe::<Producer<Source>, Subscribe<String>>(PhantomData).takes(), "the probe can tell");
}

/// GenStage's consumer drops the events and answers `unknown_subscription`. Ours lets them go back to where they came
/// from, unhandled; if that is one of our producers, it ends the subscription with that reason.
#[actix::test]
async fn case_101_unknown_events_are_not_handled_and_go_back() {
    #[derive(Default)]
    struct Returned(Mutex<Vec<(SubscriptionId, Vec<String>)>>);

    impl Undelivered<String> for Returned {
        fn give_back(&self, id: SubscriptionId, events: Vec<String>) {
            self.0.lock().push((id, events));
        }
    }

    let (consumer, diary) = lone_sink();
    let consumer = consumer.start();
    let (returned, unknown) = (Arc::new(Returned::default()), SubscriptionId::next());
    let events = Events::with_return(unknown, letters("abc"), Arc::clone(&returned) as _);
    ConsumerLink::to(&consumer).deliver(events).expect("the consumer lives");
    settle().await;
    assert_eq!(diary.all(), []);
    assert_eq!(*returned.0.lock(), [(unknown, letters("abc"))]);
    assert!(consumer.connected());
}

#[actix::test]
async fn a_producer_ends_a_subscription_whose_consumer_does_not_know_it() {
    let (producer, notes) = silent(10, Keep::Newest);
    let (consumer, _) = lone_sink();
    let (link, id) = (ProducerLink::to(&producer), SubscriptionId::next());
    let consumer = ConsumerLink::to(&consumer.start());
    link.subscribe(Subscribe { id, partition: 0, consumer, replaces: None }).expect("the producer lives");
    link.ask(id, 3).expect("the producer lives");
    push(&producer, "abc").await;
    settle().await;
    assert_eq!(notes.cancels(), [CancelReason::UnknownSubscription]);
    let (_consumer, diary) = sink(temporary(&producer));
    settle().await;
    assert_eq!(diary.batches(), batches(["abc"]), "the events went to somebody who knows what for");
}

/// GenStage logs the message and lives; with ours it cannot be sent.
#[test]
fn case_102_a_producer_takes_no_consumer_messages() {
    assert!(!Probe::<Producer<Source>, Events<String>>(PhantomData).takes());
    assert!(!Probe::<Producer<Source>, Cancelled>(PhantomData).takes());
    assert!(Probe::<Consumer<Sink>, Events<String>>(PhantomData).takes(), "the probe can tell");
}

#[actix::test]
async fn a_consumer_whose_mailbox_closed_without_a_word_is_down() {
    let (producer, notes) = silent(10, Keep::Newest);
    let raw = Raw::default().start();
    let upstream = Upstream::subscribe(ProducerLink::to(&producer), 0, ConsumerLink::to(&raw), None)
        .expect("the producer lives");
    upstream.ask(2).expect("the producer lives");
    settle().await;
    raw.send(Crash).await.expect_err("it dies");
    push(&producer, "abc").await;
    assert_eq!(notes.cancels(), [CancelReason::ConsumerDown]);
    let (_consumer, diary) = sink(temporary(&producer));
    settle().await;
    assert_eq!(diary.batches(), batches(["abc"]), "nothing was sent into the void");
}
