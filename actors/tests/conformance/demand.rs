//! 2.1 Producer to consumer demand.

use actix::Actor;
use pushweir_actors::SubscribeTo;

use crate::support::{counting, lone_sink, numbers, settle, sink, to};

fn cuts(ends: &[u64]) -> Vec<Vec<String>> {
    ends.windows(2).map(|pair| numbers(pair[0]..pair[1])).collect()
}

#[actix::test]
async fn case_1_with_default_max_and_min_demand() {
    let (producer, _) = counting();
    let (_consumer, diary) = sink(to(&producer, 1000, 500));
    settle().await;
    assert_eq!(diary.batches()[..2], cuts(&[0, 500, 1000]));
}

#[actix::test]
async fn case_2_with_80_percent_min_demand() {
    let (producer, _) = counting();
    let (_consumer, diary) = sink(to(&producer, 100, 80));
    settle().await;
    let batches = diary.batches();
    assert!(batches.contains(&numbers(1000..1020)));
    let twenties: Vec<_> = (0..batches.len() as u64 + 1).map(|at| at * 20).collect();
    assert_eq!(batches, cuts(&twenties));
}

#[actix::test]
async fn case_3_with_20_percent_min_demand() {
    let (producer, _) = counting();
    let (_consumer, diary) = sink(to(&producer, 100, 20));
    settle().await;
    assert_eq!(diary.batches()[..5], cuts(&[0, 80, 100, 180, 260, 280]));
}

#[actix::test]
async fn case_4_with_1_max_and_0_min_demand() {
    let (producer, _) = counting();
    let (consumer, diary) = lone_sink();
    let consumer = consumer.start();
    consumer.try_send(SubscribeTo(to(&producer, 1, 0))).expect("the mailbox is open");
    settle().await;
    assert_eq!(diary.batches()[..3], cuts(&[0, 1, 2, 3]));
}
