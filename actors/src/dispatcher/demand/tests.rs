//! The books by example and against a plain sorted list.

use proptest::prelude::*;

use super::*;

fn subscribed<const N: usize>(dispatcher: &mut DemandDispatcher, demands: [u32; N]) -> [SubscriptionId; N] {
    demands.map(|demand| {
        let id = SubscriptionId::next();
        assert!(dispatcher.subscribe(id));
        if demand > 0 {
            assert_ne!(dispatcher.ask(id, demand), Asked::Unknown);
        }
        id
    })
}

fn assigned(dispatcher: &mut DemandDispatcher, available: usize) -> Vec<(SubscriptionId, usize)> {
    let mut out = Vec::new();
    dispatcher.assign(available, &mut out);
    out
}

#[test]
fn single_events_go_round_among_equals() {
    let mut dispatcher = DemandDispatcher::default();
    let [a, b, c] = subscribed(&mut dispatcher, [2, 2, 2]);
    let order: Vec<_> = (0..6).flat_map(|_| assigned(&mut dispatcher, 1)).map(|(id, _)| id).collect();
    assert_eq!(order, [a, b, c, a, b, c]);
    assert_eq!(assigned(&mut dispatcher, 1), []);
}

#[test]
fn a_batch_fills_one_demand_before_the_next_when_greedy() {
    let mut dispatcher = DemandDispatcher::new(Policy::Greedy);
    let [a, b, _] = subscribed(&mut dispatcher, [4, 4, 4]);
    assert_eq!(assigned(&mut dispatcher, 7), [(a, 4), (b, 3)]);
}

#[test]
fn a_batch_is_spread_when_even() {
    let mut dispatcher = DemandDispatcher::new(Policy::Even);
    let [a, b, c] = subscribed(&mut dispatcher, [4, 4, 4]);
    assert_eq!(assigned(&mut dispatcher, 7), [(a, 3), (b, 2), (c, 2)]);
}

#[test]
fn what_a_small_demand_cannot_take_goes_to_the_others_when_even() {
    let mut dispatcher = DemandDispatcher::new(Policy::Even);
    let [a, b, c] = subscribed(&mut dispatcher, [10, 1, 10]);
    assert_eq!(assigned(&mut dispatcher, 12), [(a, 6), (c, 5), (b, 1)]);
}

#[test]
fn a_cancelled_demand_is_gone_and_returned() {
    let mut dispatcher = DemandDispatcher::default();
    let [a, b] = subscribed(&mut dispatcher, [5, 3]);
    assert_eq!(dispatcher.cancel(a), Some(5));
    assert_eq!(dispatcher.cancel(a), None);
    assert_eq!(dispatcher.total_demand(), 3);
    assert_eq!(assigned(&mut dispatcher, 9), [(b, 3)]);
}

#[test]
fn an_id_is_subscribed_once() {
    let mut dispatcher = DemandDispatcher::default();
    let [a] = subscribed(&mut dispatcher, [5]);
    assert!(!dispatcher.subscribe(a));
    assert_eq!(dispatcher.demand(a), Some(5));
}

#[test]
fn demand_saturates_instead_of_wrapping() {
    let mut dispatcher = DemandDispatcher::default();
    let [a] = subscribed(&mut dispatcher, [u32::MAX]);
    assert_eq!(dispatcher.ask(a, u32::MAX), Asked::Granted);
    assert_eq!(dispatcher.total_demand(), u64::from(u32::MAX));
    assert_eq!(assigned(&mut dispatcher, usize::MAX), [(a, u32::MAX as usize)]);
}

#[test]
fn demands_above_the_top_bucket_are_served_before_the_rest_and_in_order_of_arrival() {
    let mut dispatcher = DemandDispatcher::default();
    let top = buckets::TOP;
    let [small, first, second] = subscribed(&mut dispatcher, [top - 1, top, top + 500]);
    let all = assigned(&mut dispatcher, usize::MAX);
    assert_eq!(all.iter().map(|&(id, _)| id).collect::<Vec<_>>(), [first, second, small]);
}

#[test]
fn dispatch_takes_the_front_of_the_queue_and_leaves_the_rest() {
    let mut dispatcher = DemandDispatcher::default();
    let [a, b] = subscribed(&mut dispatcher, [2, 1]);
    let mut queue: VecDeque<_> = "abcde".chars().collect();
    let mut delivered = Vec::new();
    assert_eq!(dispatcher.dispatch(&mut queue, |id, events| delivered.push((id, events))), 3);
    assert_eq!(delivered, [(a, vec!['a', 'b']), (b, vec!['c'])]);
    assert_eq!(queue, ['d', 'e']);
}

/// A list sorted by demand, as GenStage keeps it, without `pending`.
#[derive(Debug, Default)]
struct SortedList(Vec<(SubscriptionId, u32)>);

impl SortedList {
    fn put(&mut self, id: SubscriptionId, demand: u32) {
        let at = self.0.iter().position(|&(_, other)| other < demand).unwrap_or(self.0.len());
        self.0.insert(at, (id, demand));
    }

    fn ask(&mut self, at: usize, count: u32) {
        let (id, demand) = self.0.remove(at);
        self.put(id, demand + count);
    }

    fn assign(&mut self, available: usize) -> Vec<(SubscriptionId, usize)> {
        let mut out = Vec::new();
        let mut left = available;
        while left > 0 && self.0.first().is_some_and(|&(_, demand)| demand > 0) {
            let (id, demand) = self.0.remove(0);
            let given = left.min(demand as usize);
            self.put(id, demand - given as u32);
            out.push((id, given));
            left -= given;
        }
        out
    }
}

#[derive(Clone, Debug)]
enum Op {
    Subscribe,
    Ask(prop::sample::Index, u32),
    Cancel(prop::sample::Index),
    Assign(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        1 => Just(Op::Subscribe),
        4 => (any::<prop::sample::Index>(), 1_u32..150).prop_map(|(who, count)| Op::Ask(who, count)),
        1 => any::<prop::sample::Index>().prop_map(Op::Cancel),
        4 => (0_usize..300).prop_map(Op::Assign),
    ];
    prop::collection::vec(op, 0..120)
}

proptest! {
    #[test]
    fn greedy_books_equal_a_sorted_list(ops in ops()) {
        let mut dispatcher = DemandDispatcher::default();
        let mut list = SortedList::default();
        for op in ops {
            match op {
                Op::Subscribe => {
                    let id = SubscriptionId::next();
                    prop_assert!(dispatcher.subscribe(id));
                    list.put(id, 0);
                }
                Op::Ask(who, count) if !list.0.is_empty() => {
                    let at = who.index(list.0.len());
                    // Above this the real books stop sorting, which has its own test.
                    if list.0[at].1 + count < buckets::TOP {
                        prop_assert_ne!(dispatcher.ask(list.0[at].0, count), Asked::Unknown);
                        list.ask(at, count);
                    }
                }
                Op::Cancel(who) if !list.0.is_empty() => {
                    let (id, demand) = list.0.remove(who.index(list.0.len()));
                    prop_assert_eq!(dispatcher.cancel(id), Some(demand));
                }
                Op::Assign(available) => {
                    prop_assert_eq!(assigned(&mut dispatcher, available), list.assign(available));
                }
                Op::Ask(..) | Op::Cancel(..) => {}
            }
            prop_assert_eq!(dispatcher.demands(), list.0.clone());
            prop_assert!(dispatcher.is_consistent());
        }
    }

    /// Shares differ by at most one, except where a demand was used up.
    #[test]
    fn even_shares_are_even(demands in prop::collection::vec(1_u32..2_000, 1..20), available in 0_usize..20_000) {
        let mut dispatcher = DemandDispatcher::new(Policy::Even);
        for &demand in &demands {
            subscribed(&mut dispatcher, [demand]);
        }
        let before = dispatcher.demands();
        let total: usize = demands.iter().map(|&demand| demand as usize).sum();
        let out = assigned(&mut dispatcher, available);
        prop_assert_eq!(out.iter().map(|&(_, given)| given).sum::<usize>(), available.min(total));
        let given_to = |id| out.iter().find(|&&(other, _)| other == id).map_or(0, |&(_, given)| given);
        let most = before.iter().map(|&(id, _)| given_to(id)).max().unwrap_or(0);
        for (id, demand) in before {
            let given = given_to(id);
            prop_assert!(given <= demand as usize);
            prop_assert!(given + 1 >= most || given == demand as usize);
        }
        prop_assert!(dispatcher.is_consistent());
    }
}
