//! The books by example; `tests/model.rs` drives them at random.

use super::*;

fn supply(capacity: usize, keep: Keep) -> Supply<u32> {
    Supply::new(SupplySettings { capacity, keep, ..SupplySettings::default() })
}

fn consumer(supply: &mut Supply<u32>, demand: u32) -> SubscriptionId {
    let id = SubscriptionId::next();
    supply.subscribe(id, 0).expect("the id is fresh and partition 0 exists");
    if demand > 0 {
        assert_ne!(supply.ask(id, demand, &mut Outflow::default()).asked, Asked::Unknown);
    }
    id
}

#[test]
fn demand_is_served_before_the_buffer_is_filled() {
    let mut supply = supply(5, Keep::Newest);
    let id = consumer(&mut supply, 3);
    let mut out = Outflow::default();
    let pushed = supply.push(0, (1..=12).collect(), &mut out);
    assert_eq!(pushed, Pushed { accepted: 8, shed: 4 });
    assert_eq!(out.batches, [(id, vec![1, 2, 3])]);
    assert_eq!(out.shed, [4, 5, 6, 7]);
    assert_eq!(supply.take_all(), [8, 9, 10, 11, 12]);
}

#[test]
fn a_full_buffer_that_keeps_the_oldest_accepts_nothing() {
    let mut supply = supply(2, Keep::Oldest);
    let mut out = Outflow::default();
    assert_eq!(supply.push(0, vec![1, 2, 3], &mut out), Pushed { accepted: 2, shed: 1 });
    assert_eq!(supply.push(0, vec![4], &mut out), Pushed { accepted: 0, shed: 1 });
    assert_eq!(out.shed, [3, 4]);
}

#[test]
fn an_ask_is_served_from_the_buffer_and_tells_the_rest() {
    let mut supply = supply(10, Keep::Newest);
    let id = consumer(&mut supply, 0);
    let mut out = Outflow::default();
    supply.push(0, vec![1, 2, 3], &mut out);
    assert_eq!(supply.ask(id, 2, &mut out), Served { asked: Asked::Granted, unserved: 0 });
    assert_eq!(supply.ask(id, 3, &mut out).unserved, 2);
    assert_eq!(out.batches, [(id, vec![1, 2]), (id, vec![3])]);
    assert_eq!(supply.ask(SubscriptionId::next(), 3, &mut out).asked, Asked::Unknown);
    assert_eq!(supply.demand(), 2);
}

#[test]
fn returned_events_go_to_the_survivors_first() {
    let mut supply = supply(10, Keep::Newest);
    let (dead, survivor) = (consumer(&mut supply, 4), consumer(&mut supply, 2));
    let mut out = Outflow::default();
    supply.push(0, (1..=4).collect(), &mut out);
    assert_eq!(out.batches, [(dead, vec![1, 2, 3, 4])]);
    assert_eq!(supply.cancel(dead), Some(0));
    out.batches.clear();
    supply.restore(0, dead, vec![1, 2, 3], &mut out);
    supply.push(0, vec![5], &mut out);
    supply.restore(0, dead, vec![4], &mut out);
    assert_eq!(out.batches, [(survivor, vec![1, 2])]);
    assert_eq!(supply.take_all(), [3, 4, 5]);
}

#[test]
fn partitions_do_not_touch_each_other() {
    let mut supply = Supply::new(SupplySettings { capacity: 2, partitions: 2, ..SupplySettings::default() });
    let id = SubscriptionId::next();
    supply.subscribe(id, 1).expect("partition 1 exists");
    let mut out = Outflow::default();
    assert_eq!(supply.push(0, vec![1, 2, 3], &mut out).shed, 1);
    assert_eq!(supply.ask(id, 2, &mut out).unserved, 2);
    supply.push(1, vec![10], &mut out);
    assert_eq!(out.batches, [(id, vec![10])]);
    assert_eq!(supply.push(2, vec![7], &mut out), Pushed { accepted: 0, shed: 1 });
    assert_eq!((supply.buffered(), supply.demand()), (2, 1));
}
