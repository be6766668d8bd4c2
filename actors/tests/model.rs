//! One producer's books and any number of consumers at random, against a plain model.
//!
//! The model is one line of waiting events and what must hold: a consumer never gets more than it asked for, events leave
//! first in first out, what came back stands in front, the policy says what is shed, every event is settled, shed,
//! buffered or in somebody's hands, no event waits while somebody alive has asked, and with enough demand all drain.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use pushweir_actors::{Asked, Keep, Outflow, Policy, SubscriptionId, Supply, SupplySettings};

#[derive(Clone, Debug)]
enum Op {
    Subscribe,
    Push(usize),
    Ask(Index, u32),
    /// A consumer settles some of what it has in flight, and asks for as many.
    Ack(Index, usize),
    Cancel(Index),
    /// A consumer dies: its demand is gone and what it had in flight comes back, batch by batch.
    Crash(Index),
    /// As a crash, and another takes its place.
    Resubscribe(Index),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let who = any::<Index>;
    let op = prop_oneof![
        2 => Just(Op::Subscribe),
        8 => (0_usize..40).prop_map(Op::Push),
        4 => (who(), 1_u32..30).prop_map(|(who, count)| Op::Ask(who, count)),
        6 => (who(), 1_usize..30).prop_map(|(who, count)| Op::Ack(who, count)),
        1 => who().prop_map(Op::Cancel),
        2 => who().prop_map(Op::Crash),
        1 => who().prop_map(Op::Resubscribe),
    ];
    prop::collection::vec(op, 1..120)
}

#[derive(Debug, Default)]
struct Consumer {
    asked: usize,
    got: usize,
    in_flight: Vec<Vec<u64>>,
}

#[derive(Debug)]
struct World {
    supply: Supply<u64>,
    live: BTreeMap<SubscriptionId, Consumer>,
    settled: Vec<u64>,
    shed: Vec<u64>,
    next: u64,
    keep: Keep,
    /// The events that wait, in the order in which they must leave.
    line: Vec<u64>,
}

impl World {
    fn new(settings: SupplySettings) -> Self {
        let keep = settings.keep;
        let (live, settled, shed, line) = Default::default();
        Self { supply: Supply::new(settings), live, settled, shed, next: 0, keep, line }
    }

    fn pick(&self, who: Index) -> Option<SubscriptionId> {
        (!self.live.is_empty()).then(|| *self.live.keys().nth(who.index(self.live.len())).expect("in range"))
    }

    fn subscribe(&mut self) {
        let id = SubscriptionId::next();
        self.supply.subscribe(id, 0).expect("a fresh id");
        self.live.insert(id, Consumer::default());
    }

    fn ask(&mut self, id: SubscriptionId, count: usize, out: &mut Outflow<u64>) {
        self.live.get_mut(&id).expect("it lives").asked += count;
        let count = u32::try_from(count).expect("small");
        assert_ne!(self.supply.ask(id, count, out).asked, Asked::Unknown);
    }

    fn ack(&mut self, id: SubscriptionId, count: usize, out: &mut Outflow<u64>) {
        let consumer = self.live.get_mut(&id).expect("it lives");
        let mut acked = 0;
        while acked < count && !consumer.in_flight.is_empty() {
            let batch = &mut consumer.in_flight[0];
            let some = batch.len().min(count - acked);
            self.settled.extend(batch.drain(..some));
            acked += some;
            if consumer.in_flight[0].is_empty() {
                consumer.in_flight.remove(0);
            }
        }
        if acked > 0 {
            self.ask(id, acked, out);
        }
    }

    fn cancel(&mut self, id: SubscriptionId) -> Consumer {
        let consumer = self.live.remove(&id).expect("it lives");
        let unfilled = self.supply.cancel(id).expect("the books know it");
        assert_eq!(unfilled as usize, consumer.asked - consumer.got, "the demand it had left");
        assert_eq!(self.supply.cancel(id), None);
        consumer
    }

    fn crash(&mut self, id: SubscriptionId) {
        // How many of the events that came back are still at the front of the line.
        let mut ahead = 0;
        for batch in self.cancel(id).in_flight {
            self.line.splice(ahead..ahead, batch.iter().copied());
            ahead += batch.len();
            let waiting = self.line.len();
            let mut out = Outflow::default();
            self.supply.restore(0, id, batch, &mut out);
            let shed = if self.keep == Keep::Oldest { out.shed.len() } else { 0 };
            self.receive(out);
            ahead = ahead.saturating_sub(waiting - shed - self.line.len()).min(self.line.len());
        }
    }

    fn push(&mut self, count: usize, out: &mut Outflow<u64>) {
        let first = self.next;
        let events: Vec<_> = (first..).take(count).collect();
        self.line.extend(&events);
        self.next += count as u64;
        let pushed = self.supply.push(0, events, out);
        assert_eq!(pushed.shed, out.shed.len());
        let own = out.shed.iter().filter(|&&event| event >= first).count();
        assert_eq!(pushed.accepted, count - own);
    }

    fn run(&mut self, op: Op) {
        let mut out = Outflow::default();
        let who = match op {
            Op::Subscribe | Op::Push(_) => None,
            Op::Ask(who, _) | Op::Ack(who, _) | Op::Cancel(who) | Op::Crash(who) | Op::Resubscribe(who) => {
                self.pick(who)
            }
        };
        match (op, who) {
            (Op::Subscribe, _) => self.subscribe(),
            (Op::Push(count), _) => self.push(count, &mut out),
            (Op::Ask(_, count), Some(id)) => self.ask(id, count as usize, &mut out),
            (Op::Ack(_, count), Some(id)) => self.ack(id, count, &mut out),
            (Op::Cancel(_), Some(id)) => {
                // Cancelled in order: what it has, it still settles.
                let consumer = self.cancel(id);
                self.settled.extend(consumer.in_flight.into_iter().flatten());
            }
            (Op::Crash(_), Some(id)) => self.crash(id),
            (Op::Resubscribe(_), Some(id)) => {
                self.crash(id);
                self.subscribe();
            }
            (Op::Ask(..) | Op::Ack(..) | Op::Cancel(_) | Op::Crash(_) | Op::Resubscribe(_), None) => {}
        }
        self.receive(out);
    }

    fn receive(&mut self, out: Outflow<u64>) {
        for (id, batch) in out.batches {
            assert!(!batch.is_empty(), "no empty deliveries");
            let front: Vec<_> = self.line.drain(..batch.len()).collect();
            assert_eq!(batch, front, "first in, first out");
            let consumer = self.live.get_mut(&id).expect("only live consumers get events");
            consumer.got += batch.len();
            assert!(consumer.got <= consumer.asked, "more than was asked for");
            consumer.in_flight.push(batch);
        }
        let cut = match self.keep {
            Keep::Newest => self.line.drain(..out.shed.len()).collect(),
            Keep::Oldest => self.line.split_off(self.line.len() - out.shed.len()),
        };
        assert_eq!(out.shed, cut, "the policy says who goes");
        self.shed.extend(out.shed);
    }

    fn check(&self) {
        assert!(self.supply.is_consistent());
        let wanted: usize = self.live.values().map(|consumer| consumer.asked - consumer.got).sum();
        assert_eq!(self.supply.demand(), wanted as u64);
        assert_eq!(self.supply.buffered(), self.line.len());
        assert!(wanted == 0 || self.supply.buffered() == 0, "an event waits while somebody has asked");
        let in_flight: usize =
            self.live.values().flat_map(|consumer| &consumer.in_flight).map(Vec::len).sum();
        let accounted = self.settled.len() + self.shed.len() + self.supply.buffered() + in_flight;
        assert_eq!(accounted as u64, self.next, "every event is somewhere");
    }

    /// Gives one consumer all the demand there can be, settles everything, and expects each event exactly once.
    fn drain(mut self) {
        for id in self.live.keys().copied().collect::<Vec<_>>() {
            self.crash(id);
        }
        self.subscribe();
        let mut out = Outflow::default();
        let id = *self.live.keys().next().expect("just subscribed");
        let everything = usize::try_from(self.next).expect("small") + 1;
        self.ask(id, everything, &mut out);
        self.receive(out);
        assert_eq!(self.supply.buffered(), 0, "with demand for all, all leave");
        let last = self.cancel(id);
        let mut all: Vec<u64> = last.in_flight.into_iter().flatten().collect();
        all.append(&mut self.settled);
        all.append(&mut self.shed);
        all.sort_unstable();
        assert_eq!(all, (0..self.next).collect::<Vec<_>>(), "each event exactly once");
    }
}

fn policies() -> impl Strategy<Value = (Keep, Policy)> {
    let keep = prop_oneof![Just(Keep::Newest), Just(Keep::Oldest)];
    (keep, prop_oneof![Just(Policy::Greedy), Just(Policy::Even)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_lost_overtaken_unasked_or_held_back(
        ops in ops(),
        capacity in 0_usize..120,
        (keep, policy) in policies(),
    ) {
        let mut world = World::new(SupplySettings { capacity, keep, partitions: 1, policy });
        for op in ops {
            world.run(op);
            world.check();
        }
        world.drain();
    }

    /// With one consumer and no crash, the events that leave are exactly those pushed, in their order.
    #[test]
    fn a_single_consumer_sees_the_stream_in_order(
        steps in prop::collection::vec((0_usize..20, 0_u32..20), 1..60),
    ) {
        let mut supply = Supply::new(SupplySettings { capacity: usize::MAX, ..SupplySettings::default() });
        let id = SubscriptionId::next();
        supply.subscribe(id, 0).expect("a fresh id");
        let mut out = Outflow::default();
        let mut events = 0_u64..;
        for (pushed, asked) in steps {
            supply.push(0, events.by_ref().take(pushed).collect(), &mut out);
            let _ = supply.ask(id, asked, &mut out);
        }
        let left = supply.buffered() as u32;
        let _ = supply.ask(id, left, &mut out);
        let seen: Vec<u64> = out.batches.into_iter().flat_map(|(_, batch)| batch).collect();
        prop_assert_eq!(seen, (0..events.start).collect::<Vec<_>>());
        prop_assert_eq!(out.shed, Vec::<u64>::new());
    }
}
