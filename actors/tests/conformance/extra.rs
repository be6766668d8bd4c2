//! 2.12 Extra cases X1, X2, X5 to X8 and X10 to X12: what GenStage does badly and our stages must not.

use std::time::Duration;

use actix::Actor;
use pushweir_actors::{
    Asked, Buffer, CancelReason, Consumer, ConsumerLogic, DemandDispatcher, Flow, Intake, Keep, Policy,
    Producer, ProducerLink, Push, Pushed, StopStage, Subscription, SubscriptionId, SupplySettings, Upstream,
};

use crate::support::{Crash, Diary, Seen, Sink, Source};
use crate::support::{batches, letters, logs, numbers, port, push, raw, settle, silent, sink, temporary};

/// A consumer with manual demand for this many.
fn asking(producer: &crate::support::Stage, count: u32) -> (actix::Addr<Consumer<Sink>>, Diary) {
    let diary = Diary::default();
    let consumer = Consumer::new(Sink { diary: diary.clone(), manual: Some(count) });
    (consumer.subscribed_to(temporary(producer)).start(), diary)
}

/// The defect of `reference/genstage.md` 1.9: the survivor's asks are swallowed and new events overtake.
#[actix::test]
async fn x1_a_dead_consumers_demand_holds_up_nobody() {
    let (producer, _) = silent(100, Keep::Newest);
    let (survivor, diary) = asking(&producer, 2);
    settle().await;
    push(&producer, "ab").await;
    let (doomed, _) = asking(&producer, 50);
    settle().await;
    doomed.send(Crash).await.expect_err("it dies");
    settle().await;
    push(&producer, "cdefg").await;
    settle().await;
    assert_eq!(diary.batches(), batches(["ab"]), "buffered, as nobody alive has asked");
    let id = diary.subscriptions()[0];
    survivor.send(crate::support::AskFor(id, 1)).await.expect("it lives");
    survivor.send(crate::support::AskFor(id, 9)).await.expect("it lives");
    push(&producer, "h").await;
    settle().await;
    assert_eq!(diary.batches(), batches(["ab", "c", "defg", "h"]), "at once, and nothing overtakes");
}

#[actix::test]
async fn x2_events_in_a_dead_consumers_mailbox_come_back_to_the_front() {
    let diary = Diary::default();
    let producer = Producer::new(Source { diary, ..Source::default() }, SupplySettings::default());
    let counters = producer.counters();
    let producer = producer.start();
    let (doomed, dead_diary) = asking(&producer, 4);
    settle().await;
    // Both are in mailboxes before either stage runs: the consumer is told to die with events behind that.
    producer.try_send(Push(letters("abcdef"))).expect("the mailbox is open");
    doomed.try_send(Crash).expect("the mailbox is open");
    settle().await;
    assert_eq!(dead_diary.batches(), [] as [Vec<String>; 0]);
    assert_eq!((counters.returned(), counters.lost(), counters.buffered()), (4, 0, 6));
    let (_other, diary) = asking(&producer, 9);
    settle().await;
    assert_eq!(diary.batches(), batches(["abcdef"]));
}

#[actix::test]
async fn x2_slices_a_panicking_consumer_had_not_begun_come_back() {
    struct PanicsAt(String);

    impl ConsumerLogic for PanicsAt {
        type Event = String;

        fn handle_events(&mut self, events: Vec<String>, _: SubscriptionId, _: &mut Flow) {
            assert!(!events.contains(&self.0), "this consumer cannot stand {}", self.0);
        }
    }

    let (producer, _) = silent(100, Keep::Newest);
    let subscription = Subscription::to(port(&producer)).demand(crate::support::range(6, 4));
    let _doomed = Consumer::new(PanicsAt("c".to_owned())).subscribed_to(subscription).start();
    settle().await;
    push(&producer, "abcdef").await;
    settle().await;
    let (_other, diary) = asking(&producer, 9);
    settle().await;
    assert_eq!(diary.batches(), batches(["ef"]), "ab was handled, cd was the logic's when it died");
}

#[actix::test]
async fn x2_events_that_nobody_is_left_to_take_back_are_counted() {
    let producer = Producer::new(Source::default(), SupplySettings::default());
    let counters = producer.counters();
    let producer = producer.start();
    let (doomed, _) = asking(&producer, 4);
    settle().await;
    producer.try_send(Push(letters("abcdef"))).expect("the mailbox is open");
    producer.try_send(StopStage(CancelReason::Shutdown)).expect("the mailbox is open");
    doomed.try_send(Crash).expect("the mailbox is open");
    settle().await;
    assert_eq!((counters.returned(), counters.lost()), (4, 4));
}

#[actix::test]
async fn x5_a_push_tells_what_was_accepted_and_what_was_dropped() {
    let (producer, _) = silent(5, Keep::Oldest);
    assert_eq!(push(&producer, "abc").await, Pushed { accepted: 3, shed: 0 });
    assert_eq!(push(&producer, "defg").await, Pushed { accepted: 2, shed: 2 });
    let (producer, _) = silent(5, Keep::Newest);
    assert_eq!(push(&producer, "abcde").await, Pushed { accepted: 5, shed: 0 });
    assert_eq!(push(&producer, "fg").await, Pushed { accepted: 2, shed: 2 }, "older ones made room");
    assert_eq!(push(&producer, "abcdefg").await, Pushed { accepted: 5, shed: 7 });
}

#[actix::test]
async fn x5_a_flood_from_another_thread_is_bounded_and_refused_to_its_face() {
    let intake = Intake::new(100);
    let producer =
        Producer::new(Source::default(), SupplySettings { capacity: 50, ..SupplySettings::default() });
    let counters = producer.counters();
    let _producer = producer.with_intake(intake.clone()).start();
    let flood = std::thread::spawn(move || {
        let offered =
            (0..5_000).filter(|number: &u32| intake.offer(vec![number.to_string()]).is_ok()).count();
        (offered, intake.len())
    });
    // The arbiter is this thread, and it is busy waiting: nothing is drained meanwhile.
    let (accepted, waiting) = flood.join().expect("it does not panic");
    assert_eq!((accepted, waiting), (100, 100));
    settle().await;
    assert_eq!((counters.events_in(), counters.shed(), counters.buffered()), (100, 50, 50));
}

#[actix::test]
async fn x6_shed_events_are_counted_handed_over_and_rarely_logged() {
    tokio::time::pause();
    logs::keep();
    let diary = Diary::default();
    let source = Source { diary: diary.clone(), ..Source::default() };
    let producer = Producer::new(source, SupplySettings { capacity: 1, ..SupplySettings::default() });
    let counters = producer.counters();
    let producer = producer.start();
    for events in ["a", "b", "c", "d"] {
        push(&producer, events).await;
    }
    let shed = ["a", "b", "c"].map(|event| Seen::Discarded(letters(event)));
    assert_eq!(diary.all(), shed);
    assert_eq!(counters.shed(), 3);
    assert_eq!(logs::of("WARN"), ["WARN discarded events events=1"]);
    tokio::time::advance(Duration::from_secs(1)).await;
    push(&producer, "e").await;
    let told = ["WARN discarded events events=1", "WARN discarded events events=3"];
    assert_eq!(logs::of("WARN"), told, "the second tells of all since the first");
}

/// Delivered, shed and kept may be the beginning, middle and end of one batch, as [`Buffer::store`] documents.
#[actix::test]
async fn x7_a_batch_larger_than_the_room_keeps_its_end() {
    let (producer, notes) = silent(5, Keep::Newest);
    let (_consumer, diary) = asking(&producer, 3);
    settle().await;
    push(&producer, "abcdefghijkl").await;
    settle().await;
    assert_eq!(diary.batches(), batches(["abc"]));
    assert!(notes.all().contains(&Seen::Discarded(letters("defg"))));
    let (_other, diary) = asking(&producer, 9);
    settle().await;
    assert_eq!(diary.batches(), batches(["hijkl"]));
    assert_eq!(Buffer::new(5, Keep::Newest).store(1..9), [1, 2, 3]);
}

#[actix::test]
async fn x8_events_emitted_for_a_cancel_do_not_go_to_the_dying_consumer() {
    let source = Source { farewell: letters("xy"), ..Source::default() };
    let producer = Producer::new(source, SupplySettings::default()).start();
    let (consumer, dying) = raw();
    let mut upstream =
        Upstream::subscribe(ProducerLink::to(&producer), 0, consumer, None).expect("the producer lives");
    upstream.ask(9).expect("the producer lives");
    upstream.cancel(CancelReason::Normal).expect("the producer lives");
    settle().await;
    assert_eq!(dying.all(), [Seen::Cancelled(upstream.id(), CancelReason::Normal)]);
    let (_other, diary) = asking(&producer, 9);
    settle().await;
    assert_eq!(diary.batches(), batches(["xy"]));
}

#[actix::test]
async fn x10_the_fill_level_is_read_without_a_message() {
    let producer = Producer::new(Source::default(), SupplySettings::default());
    let counters = producer.counters();
    let producer = producer.start();
    push(&producer, "abc").await;
    // No stage runs between here and the end, as nothing awaits.
    assert_eq!((counters.buffered(), counters.demand(), counters.events_in()), (3, 0, 3));
    assert!(counters.idle_for(tokio::time::Instant::now()).is_some());
    let (consumer, _) = asking(&producer, 10);
    settle().await;
    assert_eq!((counters.buffered(), counters.demand(), counters.events_out()), (0, 7, 3));
    consumer.send(Crash).await.expect_err("it dies");
    settle().await;
    assert_eq!(counters.demand(), 0);
}

#[test]
fn x11_a_batch_is_shared_out_greedily_or_evenly() {
    for (policy, expected) in [(Policy::Greedy, [4, 3, 0]), (Policy::Even, [3, 2, 2])] {
        let mut dispatcher = DemandDispatcher::new(policy);
        let ids: [_; 3] = std::array::from_fn(|_| SubscriptionId::next());
        for id in ids {
            assert!(dispatcher.subscribe(id));
            assert_eq!(dispatcher.ask(id, 4), Asked::Granted);
        }
        let mut deliveries = Vec::new();
        assert_eq!(dispatcher.assign(7, &mut deliveries), 7);
        let given = ids.map(|id| deliveries.iter().find(|&&(to, _)| to == id).map_or(0, |&(_, count)| count));
        assert_eq!(given, expected, "{policy:?}");
    }
}

#[actix::test]
async fn x12_a_partition_keeps_its_events_when_its_consumer_dies() {
    let settings = SupplySettings { capacity: 100, partitions: 2, ..SupplySettings::default() };
    let producer = Producer::new(Source::default(), settings).start();
    let odd = |count| {
        let diary = Diary::default();
        let consumer = Consumer::new(Sink { diary: diary.clone(), manual: Some(count) });
        (consumer.subscribed_to(temporary(&producer).partition(1)).start(), diary)
    };
    let (doomed, _) = odd(2);
    settle().await;
    let pushed = producer.try_send(Push(numbers(0..10)));
    pushed.expect("the mailbox is open");
    doomed.try_send(Crash).expect("the mailbox is open");
    settle().await;
    let (_other, diary) = odd(9);
    settle().await;
    assert_eq!(diary.batches(), [["1", "3", "5", "7", "9"].map(String::from)], "sent, and kept, in order");
    let (_even, diary) = sink(temporary(&producer).partition(0));
    settle().await;
    assert_eq!(diary.batches().concat(), ["0", "2", "4", "6", "8"].map(String::from));
}
