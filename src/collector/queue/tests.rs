//! What the queue keeps, sheds and hands out, and in which order.

use proptest::prelude::*;

use super::*;
use crate::push::fixture::push;
use crate::push::{CollapseId, Collapses};

const ROUTE: RouteId = RouteId(0);
fn limits(pushes: u64) -> Limits {
    Limits::new(Load { pushes, bytes: u64::MAX / 4 }, 0.0, &[1, 1, 1][..])
}

/// One route alone.
fn bound() -> Limits {
    Limits::new(Load { pushes: 5, bytes: u64::MAX / 4 }, 0.0, &[1])
}

fn take(queue: &mut Queue, count: usize, now: Moment, expired: &mut Vec<Push>) -> Vec<Push> {
    let mut taken = Vec::new();
    queue.take(ROUTE, count, now, (&mut taken, expired));
    taken
}

fn open(routes: usize, limits: Limits, keep: Keep) -> Queue {
    let mut queue = Queue::new(limits, keep);
    (0..routes).for_each(|route| queue.open(RouteId::at(route)));
    queue
}

fn keys(pushes: &[Push]) -> Vec<u128> {
    pushes.iter().map(|push| push.key.as_u128()).collect()
}

fn normal(numbers: std::ops::Range<u128>) -> Vec<Push> {
    numbers.map(|number| push(number, Lane::Normal)).collect()
}

#[test]
fn keep_newest_sheds_the_oldest_of_the_lowest_lane() {
    let mut queue = open(1, bound(), Keep::Newest);
    let mut gone = Gone::default();
    queue.store(ROUTE, vec![push(0, Lane::High), push(1, Lane::Low), push(2, Lane::Low)], &mut gone);
    queue.store(ROUTE, normal(3..9), &mut gone);
    assert_eq!(keys(&gone.shed), [1, 2, 3, 4]);
    let mut expired = Vec::new();
    assert_eq!(keys(&take(&mut queue, 9, Moment::default(), &mut expired)), [0, 5, 6, 7, 8]);
    assert!(expired.is_empty() && queue.is_consistent());
}

#[test]
fn bytes_bound_the_queue_as_well_as_pushes() {
    let cost = push(0, Lane::Normal).cost();
    let mut queue = open(1, Limits::new(Load { pushes: 1000, bytes: cost * 3 }, 0.0, &[1]), Keep::Newest);
    let mut gone = Gone::default();
    queue.store(ROUTE, normal(0..10), &mut gone);
    assert_eq!((gone.shed.len(), queue.load()), (7, Load { pushes: 3, bytes: cost * 3 }));
}

#[test]
fn ordinary_lanes_never_fill_the_slice_reserved_for_critical() {
    let limits = Limits { ordinary: Load { pushes: 3, bytes: u64::MAX / 4 }, ..bound() };
    let mut queue = open(1, limits, Keep::Newest);
    let mut gone = Gone::default();
    queue.store(ROUTE, normal(0..4), &mut gone);
    assert_eq!(keys(&gone.shed), [0]);
    queue.store(ROUTE, (10..13).map(|number| push(number, Lane::Critical)).collect(), &mut gone);
    assert_eq!(keys(&gone.shed), [0, 1], "beyond the reserve critical pushes take the places of others");
    queue.store(ROUTE, normal(4..6), &mut gone);
    assert_eq!(keys(&gone.shed), [0, 1, 2, 3], "and never the other way round");
    assert_eq!(queue.held().sum().critical.pushes, 3);
}

#[test]
fn keep_oldest_evicts_for_critical_pushes_only() {
    let mut queue = open(1, bound(), Keep::Oldest);
    let mut gone = Gone::default();
    queue.store(ROUTE, normal(0..5), &mut gone);
    queue.put_back(ROUTE, normal(20..22), &mut Vec::new());
    assert!(gone.shed.is_empty());
    queue.store(ROUTE, vec![push(10, Lane::Critical)], &mut gone);
    assert_eq!(keys(&gone.shed), [20], "the oldest of the lowest lane, and no more than came");
}

#[test]
fn the_route_with_the_longest_queue_sheds_first() {
    let mut queue = open(2, Limits::new(bound().all, 0.0, &[1, 1]), Keep::Newest);
    let mut gone = Gone::default();
    queue.store(RouteId(1), normal(100..101), &mut gone);
    queue.store(ROUTE, normal(0..8), &mut gone);
    assert_eq!(keys(&gone.shed), [0, 1, 2, 3]);
    assert_eq!(queue.ready(RouteId(1)), 1);
}

#[test]
fn a_route_borrows_idle_room_and_gives_it_back_at_once() {
    let all = Load { pushes: 100, bytes: u64::MAX / 4 };
    let mut queue = open(2, Limits::new(all, 0.0, &[1, 3]), Keep::Newest);
    let mut gone = Gone::default();
    queue.store(ROUTE, (0..100).map(|number| push(number, Lane::High)).collect(), &mut gone);
    assert!(gone.shed.is_empty(), "nobody else needs the room");
    let other = |number| Push { route: RouteId(1), ..push(number, Lane::Low) };
    queue.store(RouteId(1), (1_000..1_075).map(other).collect(), &mut gone);
    assert_eq!(keys(&gone.shed), (0..75).collect::<Vec<_>>(), "even its higher lane goes first");
    assert_eq!((queue.ready(ROUTE), queue.ready(RouteId(1))), (25, 75));
    queue.store(RouteId(1), vec![other(2_000)], &mut gone);
    assert_eq!(keys(&gone.shed[75..]), [1_000], "beyond its share a route loses its own");
}

#[test]
fn many_partitions_have_the_share_of_their_one_route() {
    let all = Load { pushes: 100, bytes: u64::MAX / 4 };
    let mut queue = Queue::new(Limits::new(all, 0.0, &[1, 1, 0, 0]), Keep::Newest);
    [0, 1, 1, 1].map(RouteId).into_iter().for_each(|route| queue.open(route));
    let mut gone = Gone::default();
    for partition in 1..4 {
        let of = |number| Push { route: RouteId(partition), ..push(number, Lane::Normal) };
        let first = u128::from(partition) * 1_000;
        queue.store(RouteId(partition), (first..first + 40).map(of).collect(), &mut gone);
    }
    assert_eq!(gone.shed.len(), 20, "alone it may use everything");
    gone.shed.clear();
    queue.store(ROUTE, normal(0..50), &mut gone);
    assert!(gone.shed.iter().all(|push| push.route != ROUTE) && gone.shed.len() == 50);
    assert_eq!(queue.held().route(RouteId(1)).ordinary.pushes, 50, "its share, over all its partitions");
    let left = [1, 2, 3].map(|partition| queue.ready(RouteId(partition)));
    assert!(left.iter().all(|left| (16..=17).contains(left)), "the fullest partition lost each: {left:?}");
}

#[test]
fn smaller_limits_shed_what_is_too_much_by_them_even_where_the_oldest_are_kept() {
    let mut queue = open(1, bound(), Keep::Oldest);
    queue.store(ROUTE, normal(0..5), &mut Gone::default());
    let mut shed = Vec::new();
    let smaller = Limits::new(Load { pushes: 2, bytes: u64::MAX / 4 }, 0.0, &[1]);
    queue.follow(smaller, Keep::Oldest, &mut shed);
    assert_eq!((keys(&shed), queue.load().pushes), (vec![0, 1, 2], 2));
    assert!(queue.is_consistent());
}

#[test]
fn a_senders_flood_sheds_its_own() {
    let mut queue = open(1, bound(), Keep::Newest);
    let mut gone = Gone::default();
    queue.store(ROUTE, vec![Push { sender: SenderId(1), ..push(100, Lane::Normal) }], &mut gone);
    queue.store(ROUTE, normal(0..9), &mut gone);
    assert_eq!(keys(&gone.shed), [0, 1, 2, 3, 4]);
}

#[test]
fn what_comes_back_stands_in_front_and_is_never_shed_for_lack_of_room() {
    let mut queue = open(1, bound(), Keep::Newest);
    let mut gone = Gone::default();
    queue.store(ROUTE, normal(10..15), &mut gone);
    queue.put_back(ROUTE, normal(0..3), &mut Vec::new());
    assert!(gone.shed.is_empty());
    let taken = take(&mut queue, 4, Moment::default(), &mut Vec::new());
    assert_eq!(keys(&taken), [0, 1, 2, 10]);
}

#[test]
fn expired_pushes_do_not_use_up_demand() {
    let mut queue = open(1, bound(), Keep::Newest);
    let mut pushes = normal(0..4);
    pushes[0].deadline = Moment::from_micros(5);
    pushes[2].deadline = Moment::from_micros(5);
    queue.store(ROUTE, pushes, &mut Gone::default());
    let mut expired = Vec::new();
    let taken = take(&mut queue, 2, Moment::from_micros(6), &mut expired);
    assert_eq!((keys(&taken), keys(&expired)), (vec![1, 3], vec![0, 2]));
}

#[test]
fn a_retry_waits_outside_the_lanes_and_returns_behind_them() {
    let mut queue = open(1, bound(), Keep::Newest);
    queue.delay(ROUTE, Moment::from_micros(50), push(7, Lane::Normal));
    queue.store(ROUTE, normal(0..2), &mut Gone::default());
    assert_eq!((queue.ready(ROUTE), queue.load().pushes), (2, 3));
    assert_eq!(queue.next_due(), Some(Moment::from_micros(50)));
    assert_eq!(queue.release_due(ROUTE, Moment::from_micros(49), &mut Vec::new()), 0);
    assert_eq!(queue.release_due(ROUTE, Moment::from_micros(50), &mut Vec::new()), 1);
    let taken = take(&mut queue, 9, Moment::from_micros(50), &mut Vec::new());
    assert_eq!(keys(&taken), [0, 1, 7]);
}

#[derive(Debug, Clone)]
enum Step {
    Store(u16, usize, usize),
    PutBack(u16, usize),
    Take(u16, usize),
    Delay(u16, u64),
    Release(u16),
    Sweep(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let route = 0..3_u16;
    prop_oneof![
        (route.clone(), 0..12_usize, 0..4_usize)
            .prop_map(|(route, count, lane)| Step::Store(route, count, lane)),
        (route.clone(), 0..4_usize).prop_map(|(route, count)| Step::PutBack(route, count)),
        (route.clone(), 0..12_usize).prop_map(|(route, count)| Step::Take(route, count)),
        (route.clone(), 0..100_u64).prop_map(|(route, due)| Step::Delay(route, due)),
        route.clone().prop_map(Step::Release),
        route.prop_map(Step::Sweep),
    ]
}

proptest! {
    #[test]
    fn every_push_is_in_one_place_and_the_bound_holds(steps in prop::collection::vec(step(), 1..60)) {
        let mut queue = open(3, Limits::new(Load { pushes: 20, bytes: u64::MAX / 4 }, 0.1, &[1, 2, 5]), Keep::Newest);
        let (mut entered, mut left, mut number) = (0, 0, 0);
        let mut out = Vec::new();
        for (tick, step) in steps.into_iter().enumerate() {
            let now = Moment::from_micros(tick as u64);
            let mut fresh = |count: usize, lane: usize| -> Vec<Push> {
                entered += count;
                (0..count).map(|_| {
                    number += 1;
                    let mut push = push(number, Lane::ALL[lane]);
                    push.deadline = Moment::from_micros(tick as u64 + number as u64 % 40);
                    push
                }).collect()
            };
            match step {
                Step::Store(route, count, lane) => {
                    let excess = queue.load().pushes.saturating_sub(20);
                    let mut gone = Gone::default();
                    queue.store(RouteId(route), fresh(count, lane), &mut gone);
                    out.append(&mut gone.shed);
                    prop_assert!(queue.load().pushes <= 20 + excess);
                }
                Step::PutBack(route, count) => queue.put_back(RouteId(route), fresh(count, 2), &mut Vec::new()),
                Step::Take(route, count) => {
                    let mut taken = Vec::new();
                    queue.take(RouteId(route), count, now, (&mut taken, &mut out));
                    prop_assert!(taken.len() <= count);
                    prop_assert!(taken.iter().all(|push| !push.is_expired(now)));
                    left += taken.len();
                }
                Step::Delay(route, due) => {
                    let push = fresh(1, 1).remove(0);
                    queue.delay(RouteId(route), Moment::from_micros(due), push);
                }
                Step::Release(route) => { queue.release_due(RouteId(route), now, &mut Vec::new()); }
                Step::Sweep(route) => {
                    queue.sweep(now, 5, &mut out);
                    let mut rest = Vec::new();
                        queue.take(RouteId(route), usize::MAX, now, (&mut rest, &mut out));
                    left += rest.len();
                    prop_assert!(queue.ready(RouteId(route)) == 0);
                }
            }
            left += out.drain(..).count();
            prop_assert!(queue.is_consistent());
            prop_assert_eq!(entered, left + queue.load().pushes as usize);
        }
    }
}

#[test]
#[ignore = "a measurement: cargo test --release -p pushweir --lib queue -- --ignored --nocapture"]
fn what_a_push_costs_in_the_queue() {
    const BATCH: usize = 100;
    let mut queue = open(2, limits(1_000_000), Keep::Newest);
    let (mut gone, mut expired) = (Gone::default(), Vec::new());
    queue.store(ROUTE, normal(0..50_000), &mut gone);
    let mut best = std::time::Duration::MAX;
    for _round in 0..200 {
        let batches: Vec<_> = (0..20).map(|_| normal(0..BATCH as u128)).collect();
        let start = std::time::Instant::now();
        for batch in batches {
            queue.store(ROUTE, batch, &mut gone);
            std::hint::black_box(take(&mut queue, BATCH, Moment::default(), &mut expired));
        }
        best = best.min(start.elapsed());
    }
    println!("{:.1} ns to store and take a push", best.as_nanos() as f64 / (20 * BATCH) as f64);
}

proptest! {
    #[test]
    fn an_older_push_of_an_identity_never_goes_out_after_a_newer_one(
        steps in prop::collection::vec((0..7_u8, 0..3_u128, 0..4_usize, 0..40_usize), 1..300),
    ) {
        let live = Collapses::default();
        let mut queue = open(1, limits(30), Keep::Newest);
        let (mut out, mut newest): (Vec<Push>, [u128; 3]) = (Vec::new(), [0; 3]);
        let (mut gone, mut expired, mut arrived, mut ended) = (Gone::default(), Vec::new(), 0, 0);
        for (number, (kind, id, lane, pick)) in (1_u128..).zip(steps) {
            let now = Moment::from_micros(number as u64);
            match kind {
                0..3 => {
                    let collapse = Some(live.of(CollapseId(id)));
                    let deadline = now.after(std::time::Duration::from_micros(pick as u64 * 4));
                    let push = Push { collapse, accepted_at: now, deadline, ..push(number, Lane::ALL[lane]) };
                    arrived += 1;
                    queue.store(ROUTE, vec![push], &mut gone);
                }
                3 => {
                    let taken = take(&mut queue, 1 + pick % 3, now, &mut expired);
                    for push in &taken {
                        let id = push.collapse.as_ref().unwrap().id().0 as usize;
                        prop_assert!(push.key.as_u128() >= newest[id], "{} after {}", push.key, newest[id]);
                        newest[id] = push.key.as_u128();
                    }
                    out.extend(taken);
                }
                _ if out.is_empty() => {}
                4 => queue.put_back(ROUTE, vec![out.swap_remove(pick % out.len())], &mut gone.coalesced),
                5 => queue.delay(ROUTE, now.after(std::time::Duration::from_micros(pick as u64)), out.swap_remove(pick % out.len())),
                _ => {
                    out.swap_remove(pick % out.len());
                    ended += 1;
                }
            }
            queue.release_due(ROUTE, now, &mut gone.coalesced);
            queue.sweep(now, pick + 1, &mut expired);
            let past = gone.shed.len() + gone.coalesced.len() + expired.len() + ended + out.len();
            prop_assert_eq!(queue.load().pushes as usize + past, arrived);
            prop_assert!(queue.is_consistent());
        }
        drop((queue, out, gone, expired));
        prop_assert_eq!(live.count(), 0);
    }
}

#[test]
#[ignore = "a measurement: cargo test --release -p pushweir --lib queue::tests::what_many -- --ignored --nocapture"]
fn what_many_partitions_cost() {
    for parts in [1, 10, 1_000] {
        let all = Load { pushes: 50_000, bytes: u64::MAX / 4 };
        let mut queue = Queue::new(Limits::new(all, 0.05, &[1]), Keep::Newest);
        (0..parts).for_each(|_| queue.open(RouteId(0)));
        let mut gone = Gone::default();
        let batch = |part: usize, count: u128| {
            let route = RouteId::at(part);
            (0..count).map(|number| Push { route, ..push(number, Lane::Normal) }).collect::<Vec<_>>()
        };
        for part in 0..parts {
            queue.store(RouteId::at(part), batch(part, 60_000 / parts as u128), &mut gone);
        }
        let (mut evicted, mut due, mut ready) =
            (std::time::Duration::MAX, std::time::Duration::MAX, std::time::Duration::MAX);
        for round in 0..50 {
            let pushes = batch(round % parts, 100);
            let start = std::time::Instant::now();
            queue.store(RouteId::at(round % parts), pushes, &mut gone);
            evicted = evicted.min(start.elapsed() / 100);
            let start = std::time::Instant::now();
            std::hint::black_box(queue.next_due());
            due = due.min(start.elapsed());
            let start = std::time::Instant::now();
            std::hint::black_box(queue.with_pushes().collect::<Vec<_>>());
            ready = ready.min(start.elapsed());
        }
        println!(
            "{parts} partitions: store and evict {evicted:?} a push, next_due {due:?}, those with pushes {ready:?}"
        );
    }
}
