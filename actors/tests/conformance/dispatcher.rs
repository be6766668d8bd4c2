//! 2.9 DemandDispatcher. A state reads as {demands in order of service}; ours has no `pending`, see each test.

use std::collections::VecDeque;

use pushweir_actors::{Asked, DemandDispatcher, Policy, SubscriptionId};

type Deliveries = Vec<(SubscriptionId, Vec<char>)>;

fn new() -> DemandDispatcher {
    DemandDispatcher::new(Policy::Greedy)
}

fn subscribed<const N: usize>(dispatcher: &mut DemandDispatcher) -> [SubscriptionId; N] {
    std::array::from_fn(|_| {
        let id = SubscriptionId::next();
        assert!(dispatcher.subscribe(id));
        id
    })
}

/// Dispatches one event per letter. Returns who got what, and what is left.
fn dispatch(dispatcher: &mut DemandDispatcher, events: &str) -> (Deliveries, String) {
    let mut queue: VecDeque<_> = events.chars().collect();
    let mut deliveries = Vec::new();
    dispatcher.dispatch(&mut queue, |id, events| deliveries.push((id, events)));
    (deliveries, queue.into_iter().collect())
}

fn got(id: SubscriptionId, events: &str) -> (SubscriptionId, Vec<char>) {
    (id, events.chars().collect())
}

#[test]
fn case_103_subscribes_and_cancels() {
    let mut dispatcher = new();
    let [r] = subscribed(&mut dispatcher);
    assert_eq!(dispatcher.demands(), [(r, 0)]);
    assert_eq!(dispatcher.cancel(r), Some(0));
    assert_eq!(dispatcher.demands(), []);
    assert_eq!(dispatcher.total_demand(), 0);
}

/// GenStage keeps the cancelled demand as `pending` and swallows the next asks; ours drops it, so the next ask counts in
/// full.
#[test]
fn case_104_subscribes_asks_and_cancels() {
    let mut dispatcher = new();
    let [first] = subscribed(&mut dispatcher);
    assert_eq!(dispatcher.ask(first, 10), Asked::Granted);
    assert_eq!(dispatcher.demands(), [(first, 10)]);
    assert_eq!(dispatcher.cancel(first), Some(10));
    let [second] = subscribed(&mut dispatcher);
    assert_eq!(dispatcher.ask(second, 5), Asked::Granted);
    assert_eq!(dispatcher.total_demand(), 5);
    assert_eq!(dispatcher.cancel(second), Some(5));
    assert_eq!(dispatch(&mut dispatcher, "abc"), (vec![], "abc".to_owned()));
    assert_eq!(dispatch(&mut dispatcher, "0123456789"), (vec![], "0123456789".to_owned()));
    assert_eq!(dispatcher.total_demand(), 0);
}

/// GenStage has 3 `pending` after the cancel; ours nothing.
#[test]
fn case_105_subscribes_twice_asks_twice_and_cancels_one() {
    let mut dispatcher = new();
    let [r1] = subscribed(&mut dispatcher);
    assert_eq!(dispatcher.ask(r1, 3), Asked::Granted);
    let [r2] = subscribed(&mut dispatcher);
    assert_eq!(dispatcher.ask(r2, 3), Asked::Granted);
    assert_eq!(dispatcher.demands(), [(r1, 3), (r2, 3)]);
    assert_eq!(dispatcher.cancel(r1), Some(3));
    assert_eq!(dispatcher.demands(), [(r2, 3)]);
    assert_eq!(dispatch(&mut dispatcher, "abcde"), (vec![got(r2, "abc")], "de".to_owned()));
    assert_eq!(dispatcher.demands(), [(r2, 0)]);
    assert_eq!(dispatcher.total_demand(), 0);
}

#[test]
fn case_106_subscribes_asks_and_dispatches() {
    let mut dispatcher = new();
    let [r] = subscribed(&mut dispatcher);
    assert_eq!(dispatcher.ask(r, 3), Asked::Granted);
    assert_eq!(dispatch(&mut dispatcher, "a"), (vec![got(r, "a")], String::new()));
    assert_eq!(dispatcher.demands(), [(r, 2)]);
    assert_eq!(dispatcher.ask(r, 3), Asked::Granted);
    assert_eq!(dispatcher.demands(), [(r, 5)]);
    assert_eq!(dispatch(&mut dispatcher, "bcdefgh"), (vec![got(r, "bcdef")], "gh".to_owned()));
    assert_eq!(dispatcher.demands(), [(r, 0)]);
    assert_eq!(dispatch(&mut dispatcher, "ij"), (vec![], "ij".to_owned()));
}

#[test]
fn case_107_subscribes_and_asks_multiple_consumers() {
    let mut dispatcher = new().with_max_demand(10);
    let [r1, r2, r3] = subscribed(&mut dispatcher);
    for (id, count) in [(r1, 4), (r2, 2), (r3, 3)] {
        assert_eq!(dispatcher.ask(id, count), Asked::Granted);
    }
    assert_eq!(dispatcher.demands(), [(r1, 4), (r3, 3), (r2, 2)]);
    assert_eq!(dispatcher.ask(r3, 2), Asked::Granted);
    assert_eq!(dispatcher.demands(), [(r3, 5), (r1, 4), (r2, 2)]);
    assert_eq!(dispatcher.ask(r2, 4), Asked::Granted);
    assert_eq!(dispatcher.demands(), [(r2, 6), (r3, 5), (r1, 4)]);
}

#[test]
fn case_108_subscribes_asks_and_dispatches_to_multiple_consumers() {
    let mut dispatcher = new();
    let [r1, r2] = subscribed(&mut dispatcher);
    assert_eq!(dispatcher.ask(r1, 3), Asked::Granted);
    assert_eq!(dispatcher.ask(r2, 2), Asked::Granted);
    assert_eq!(dispatch(&mut dispatcher, "abcde"), (vec![got(r1, "abc"), got(r2, "de")], String::new()));
    assert_eq!(dispatch(&mut dispatcher, "abc"), (vec![], "abc".to_owned()));
    assert_eq!(dispatcher.demands(), [(r1, 0), (r2, 0)]);
    assert_eq!(dispatcher.ask(r1, 3), Asked::Granted);
    assert_eq!(dispatcher.ask(r2, 3), Asked::Granted);
    assert_eq!(dispatcher.demands(), [(r1, 3), (r2, 3)]);
    assert_eq!(dispatch(&mut dispatcher, "ab"), (vec![got(r1, "ab")], String::new()));
    assert_eq!(dispatcher.demands(), [(r2, 3), (r1, 1)]);
    assert_eq!(dispatch(&mut dispatcher, "cd"), (vec![got(r2, "cd")], String::new()));
    assert_eq!(dispatcher.demands(), [(r1, 1), (r2, 1)]);
    assert_eq!(dispatch(&mut dispatcher, "efg"), (vec![got(r1, "e"), got(r2, "f")], "g".to_owned()));
    assert_eq!(dispatcher.demands(), [(r1, 0), (r2, 0)]);
}

#[test]
fn case_109_the_first_dispatch_is_shuffled_and_no_other() {
    let (mut in_order, mut swapped) = (0, 0);
    for seed in 0..64 {
        let mut dispatcher = new().with_shuffle(fastrand::Rng::with_seed(seed));
        let [r1, r2] = subscribed(&mut dispatcher);
        assert_eq!(dispatcher.ask(r1, 3), Asked::Granted);
        assert_eq!(dispatcher.ask(r2, 2), Asked::Granted);
        let (deliveries, left) = dispatch(&mut dispatcher, "abcde");
        assert_eq!(left, "");
        match deliveries == [got(r1, "abc"), got(r2, "de")] {
            true => in_order += 1,
            false => {
                assert_eq!(deliveries, [got(r2, "ab"), got(r1, "cde")]);
                swapped += 1;
            }
        }
        assert_eq!(dispatcher.ask(r1, 2), Asked::Granted);
        assert_eq!(dispatcher.ask(r2, 3), Asked::Granted);
        let second = dispatch(&mut dispatcher, "abcde").0;
        assert_eq!(second, [got(r2, "abc"), got(r1, "de")], "biggest demand first from now on");
    }
    assert!(in_order > 0 && swapped > 0, "in_order={in_order} swapped={swapped}");
}

/// The producer logs it (`Producer` case 111 below); the books only tell.
#[test]
fn case_111_a_mismatch_of_demand_is_told_and_granted() {
    let mut dispatcher = new().with_max_demand(3);
    let [r] = subscribed(&mut dispatcher);
    assert_eq!(dispatcher.ask(r, 4), Asked::AboveMaximum(3));
    assert_eq!(dispatcher.demands(), [(r, 4)]);
}

#[actix::test]
async fn case_111_a_mismatch_of_demand_is_logged_by_the_producer() {
    use crate::support::{logs, raw, settle, silent};
    logs::keep();
    let (producer, _) = silent(10, pushweir_actors::Keep::Newest);
    let (consumer, _) = raw();
    let upstream =
        pushweir_actors::Upstream::subscribe(pushweir_actors::ProducerLink::to(&producer), 0, consumer, None)
            .expect("the producer lives");
    upstream.ask(3).expect("the producer lives");
    upstream.ask(4).expect("the producer lives");
    settle().await;
    let id = upstream.id();
    let line = format!("WARN ask is above the expected maximum subscription={id} count=4 maximum=3");
    assert_eq!(logs::of("WARN"), [line]);
}
