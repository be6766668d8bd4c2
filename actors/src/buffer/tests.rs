//! The buffer by example and against a plain list.

use proptest::prelude::*;

use super::*;

#[test]
fn a_batch_larger_than_the_capacity_keeps_its_end_or_its_beginning() {
    let mut newest = Buffer::new(5, Keep::Newest);
    assert_eq!(newest.store(1..9), [1, 2, 3]);
    assert_eq!(newest.take_all(), [4, 5, 6, 7, 8]);
    let mut oldest = Buffer::new(5, Keep::Oldest);
    assert_eq!(oldest.store(1..9), [6, 7, 8]);
    assert_eq!(oldest.take_all(), [1, 2, 3, 4, 5]);
}

#[test]
fn single_events_are_shed_like_batches() {
    let mut newest = Buffer::new(2, Keep::Newest);
    assert_eq!([1, 2, 3].map(|event| newest.push(event)), [None, None, Some(1)]);
    let mut oldest = Buffer::new(2, Keep::Oldest);
    assert_eq!([1, 2, 3].map(|event| oldest.push(event)), [None, None, Some(3)]);
    let mut nothing = Buffer::new(0, Keep::Newest);
    assert_eq!(nothing.push(1), Some(1));
    assert_eq!(nothing.store([1, 2]), [1, 2]);
}

#[test]
fn restored_events_come_out_first_and_in_order() {
    let (dead, other) = (SubscriptionId::next(), SubscriptionId::next());
    let mut buffer = Buffer::new(10, Keep::Newest);
    buffer.store([7, 8]);
    assert_eq!(buffer.restore(dead, vec![3, 4]), []);
    assert_eq!(buffer.restore(dead, vec![5, 6]), [], "a second batch goes behind the first");
    assert_eq!(buffer.restore(other, vec![1, 2]), []);
    assert_eq!(buffer.take_all(), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_second_batch_goes_behind_what_is_left_of_the_first() {
    let dead = SubscriptionId::next();
    let mut buffer = Buffer::new(10, Keep::Newest);
    buffer.store([5]);
    buffer.restore(dead, vec![1, 2]);
    assert_eq!(buffer.take(1), [1]);
    buffer.restore(dead, vec![3, 4]);
    assert_eq!(buffer.take(3), [2, 3, 4]);
    buffer.restore(dead, vec![9]);
    assert_eq!(buffer.take_all(), [9, 5]);
}

#[test]
fn restoring_into_a_full_buffer_sheds_by_policy() {
    let dead = SubscriptionId::next();
    let mut newest = Buffer::new(3, Keep::Newest);
    newest.store([4, 5]);
    assert_eq!(newest.restore(dead, vec![1, 2, 3]), [1, 2]);
    assert_eq!(newest.take_all(), [3, 4, 5]);
    let mut oldest = Buffer::new(3, Keep::Oldest);
    oldest.store([4, 5]);
    assert_eq!(oldest.restore(dead, vec![1, 2, 3]), [4, 5]);
    assert_eq!(oldest.take_all(), [1, 2, 3]);
}

#[test]
fn a_mark_is_passed_when_all_before_it_have_left() {
    let mut buffer = Buffer::new(3, Keep::Newest);
    assert_eq!(buffer.mark(), None);
    buffer.store([1, 2]);
    let mark = buffer.mark().expect("two are buffered");
    buffer.take(1);
    assert!(!buffer.has_passed(mark));
    buffer.store([3, 4]);
    assert!(!buffer.has_passed(mark));
    buffer.store([5]);
    assert!(buffer.has_passed(mark), "the event before the mark was shed");
}

#[derive(Clone, Debug)]
enum Op {
    Store(usize),
    Push,
    Take(usize),
    Restore(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        (0_usize..12).prop_map(Op::Store),
        Just(Op::Push),
        (0_usize..12).prop_map(Op::Take),
        (0_usize..6).prop_map(Op::Restore),
    ];
    prop::collection::vec(op, 0..80)
}

/// Cuts a list to `capacity` and returns what was cut.
fn cut(list: &mut Vec<u32>, capacity: usize, keep: Keep) -> Vec<u32> {
    let excess = list.len().saturating_sub(capacity);
    match keep {
        Keep::Newest => list.drain(..excess).collect(),
        Keep::Oldest => list.split_off(list.len() - excess),
    }
}

proptest! {
    #[test]
    fn it_equals_a_list_that_is_cut(
        ops in ops(),
        capacity in 0_usize..10,
        keep in prop_oneof![Just(Keep::Newest), Just(Keep::Oldest)],
    ) {
        let mut buffer = Buffer::new(capacity, keep);
        let mut list: Vec<u32> = Vec::new();
        let mut events = 0_u32..;
        for op in ops {
            match op {
                Op::Store(count) => {
                    let batch: Vec<_> = events.by_ref().take(count).collect();
                    list.extend(&batch);
                    prop_assert_eq!(buffer.store(batch), cut(&mut list, capacity, keep));
                }
                Op::Push => {
                    let event = events.next().expect("endless");
                    list.push(event);
                    prop_assert_eq!(buffer.push(event), cut(&mut list, capacity, keep).pop());
                }
                Op::Take(count) => {
                    let count = count.min(list.len());
                    prop_assert_eq!(buffer.take(count), list.drain(..count).collect::<Vec<_>>());
                }
                Op::Restore(count) => {
                    let batch: Vec<_> = events.by_ref().take(count).collect();
                    list.splice(0..0, batch.iter().copied());
                    let shed = buffer.restore(SubscriptionId::next(), batch);
                    prop_assert_eq!(shed, cut(&mut list, capacity, keep));
                }
            }
            prop_assert!(buffer.is_consistent());
            prop_assert_eq!(buffer.len(), list.len());
        }
        prop_assert_eq!(buffer.take_all(), list);
    }
}
