//! 2.4 Buffer: the stage's, and the bare one.

use actix::Actor;
use pushweir_actors::{Buffer, Keep, Producer, SupplySettings};

use crate::support::{Diary, Seen, Source, Stage};
use crate::support::{batches, counting, letters, logs, numbers, push, settle, silent, sink, to};

#[actix::test]
async fn case_23_stores_events_when_there_is_no_demand() {
    let (producer, _) = counting();
    push(&producer, "abc").await;
    push(&producer, "de").await;
    let (_consumer, diary) = sink(to(&producer, 4, 0));
    settle().await;
    let expected = [letters("abcd"), letters("e"), numbers(0..3), numbers(3..7)];
    assert_eq!(diary.batches()[..4], expected);
}

#[actix::test]
async fn case_24_keeps_first_when_it_exceeds_the_configured_size() {
    logs::keep();
    let (producer, _) = silent(5, Keep::Oldest);
    push(&producer, "abcde").await;
    push(&producer, "fgh").await;
    assert_eq!(logs::of("WARN"), ["WARN discarded events events=3"]);
    let (_consumer, diary) = sink(to(&producer, 4, 0));
    settle().await;
    assert_eq!(diary.batches(), batches(["abcd", "e"]));
}

#[actix::test]
async fn case_25_keeps_last_when_it_exceeds_the_configured_size() {
    logs::keep();
    let (producer, _) = silent(5, Keep::Newest);
    push(&producer, "abcde").await;
    push(&producer, "fgh").await;
    assert_eq!(logs::of("WARN"), ["WARN discarded events events=3"]);
    let (_consumer, diary) = sink(to(&producer, 4, 0));
    settle().await;
    assert_eq!(diary.batches(), batches(["defg", "h"]));
}

/// Ours has no infinity, as every queue here has a bound; the largest bound takes no memory in advance.
#[actix::test]
async fn case_26_may_have_its_limit_set_to_the_largest() {
    let (producer, _) = silent(usize::MAX, Keep::Newest);
    push(&producer, "abcde").await;
    push(&producer, "fgh").await;
    let (_consumer, diary) = sink(to(&producer, 4, 0));
    settle().await;
    assert_eq!(diary.batches(), batches(["abcd", "efgh"]));
}

/// A producer with room for 5 that keeps the first, as cases 27 to 29 have it.
fn discarding(quiet: bool) -> (Stage, Diary) {
    let diary = Diary::default();
    let source = Source { diary: diary.clone(), quiet, ..Source::default() };
    let settings = SupplySettings { capacity: 5, keep: Keep::Oldest, ..SupplySettings::default() };
    (Producer::new(source, settings).start(), diary)
}

fn discards(diary: &Diary) -> Vec<Seen> {
    diary.all().into_iter().filter(|seen| matches!(seen, Seen::Discarded(_))).collect()
}

#[actix::test]
async fn case_27_calls_the_discard_callback() {
    logs::keep();
    let (producer, notes) = discarding(true);
    push(&producer, "abcdefgh").await;
    assert_eq!(discards(&notes), [Seen::Discarded(letters("fgh"))], "ours also says which events");
    let (_consumer, diary) = sink(to(&producer, 4, 0));
    settle().await;
    assert_eq!(diary.batches(), batches(["abcd", "e"]));
    assert_eq!(discards(&notes).len(), 1);
    assert_eq!(logs::of("WARN"), [""; 0]);
}

#[actix::test]
async fn case_28_the_callback_can_allow_the_default_log() {
    logs::keep();
    let (producer, _) = discarding(false);
    push(&producer, "abcdefgh").await;
    assert_eq!(logs::of("WARN"), ["WARN discarded events events=3"]);
    let (_consumer, diary) = sink(to(&producer, 5, 0));
    settle().await;
    assert_eq!(diary.batches(), batches(["abcde"]));
    assert_eq!(logs::of("WARN").len(), 1);
}

#[actix::test]
async fn case_29_the_callback_can_prevent_the_default_log() {
    logs::keep();
    let (producer, _) = discarding(true);
    push(&producer, "abcdefgh").await;
    let (_consumer, diary) = sink(to(&producer, 5, 0));
    settle().await;
    assert_eq!(diary.batches(), batches(["abcde"]));
    assert_eq!(logs::of("WARN"), [""; 0]);
}

/// The count is read from a gauge, without a message to the stage (see X10).
#[actix::test]
async fn case_30_tells_the_correct_buffer_count() {
    let settings = SupplySettings { capacity: usize::MAX, ..SupplySettings::default() };
    let producer = Producer::new(Source::default(), settings);
    let counters = producer.counters();
    let producer = producer.start();
    push(&producer, "abcde").await;
    assert_eq!(counters.buffered(), 5);
    push(&producer, "fgh").await;
    assert_eq!(counters.buffered(), 8);
    let (_consumer, _) = sink(to(&producer, 4, 0));
    settle().await;
    assert_eq!(counters.buffered(), 0);
}

#[test]
fn case_32_discards_excess_events_when_full_and_keeping_the_first() {
    let mut buffer = Buffer::new(3, Keep::Oldest);
    assert!(buffer.store(['a', 'b', 'c']).is_empty());
    assert_eq!(buffer.store(['d', 'e', 'f']), ['d', 'e', 'f']);
    assert_eq!(buffer.len(), 3);
    assert_eq!(buffer.take(3), ['a', 'b', 'c']);
}

#[test]
fn case_33_handles_the_largest_size() {
    let mut buffer = Buffer::new(usize::MAX, Keep::Newest);
    assert!(buffer.store(1..1001_u16).is_empty());
    assert_eq!(buffer.len(), 1000);
}

#[test]
fn case_34_keeps_the_last_events_on_overflow() {
    let mut buffer = Buffer::new(3, Keep::Newest);
    assert!(buffer.store(['a', 'b', 'c']).is_empty());
    assert_eq!(buffer.store(['d', 'e', 'f']), ['a', 'b', 'c']);
    assert_eq!(buffer.take(3), ['d', 'e', 'f']);
}

/// GenStage stores a notice behind the buffered events; ours hands out a mark, which costs no room and cannot be shed.
#[test]
fn case_36_a_mark_of_an_empty_buffer_is_due_at_once() {
    assert_eq!(Buffer::<char>::new(10, Keep::Newest).mark(), None);
}

#[test]
fn case_37_taking_from_an_empty_buffer_gives_nothing() {
    assert!(Buffer::<char>::new(10, Keep::Newest).take(5).is_empty());
}
