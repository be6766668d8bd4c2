//! The parts without actors: the dispatcher alone, and shedding.

use std::hint::black_box;

use actix::{Actor, System};
use pushweir_actors::{
    Buffer, DemandDispatcher, Discard, Keep, Outflow, Policy, Producer, ProducerLogic, Push, SubscriptionId,
    Supply, SupplySettings,
};

use crate::{Run, Watch, report, timed};

/// 48 bytes, as a push by reference is.
pub type Event = [u64; 6];

const EVENT: Event = [7; 6];

pub fn measure() {
    for (consumers, baseline) in
        [(1, "155 ns"), (16, "341 ns"), (256, "5,630 ns"), (4096, "14,180 ns at 1024")]
    {
        let name = format!("dispatcher: one event, one ask(1), C={consumers}");
        report(&name, &format!("GenStage {baseline}"), || one_by_one(consumers));
    }
    for keep in [Keep::Newest, Keep::Oldest] {
        for capacity in [10_000, 1_000_000] {
            let name = format!("shed: bare buffer, keep {keep:?}, capacity {capacity}");
            report(&name, "", || shed_bare(keep, capacity));
            let name = format!("shed: supply, pushes of 1, keep {keep:?}, capacity {capacity}");
            report(&name, "", || shed_supply(keep, capacity, 1));
        }
    }
    report("shed: supply, pushes of 100, keep Newest, capacity 10000", "", || {
        shed_supply(Keep::Newest, 10_000, 100)
    });
    for (capacity, baseline) in [(10_000, "0.92 M/s"), (1_000_000, "0.48 M/s")] {
        let name = format!("shed: stage, messages of 1, keep Newest, capacity {capacity}");
        report(&name, &format!("GenStage {baseline}"), || shed_stage(capacity, 1));
    }
    report("shed: stage, messages of 100, keep Newest, capacity 10000", "GenStage 9.06 M/s", || {
        shed_stage(10_000, 100)
    });
}

fn one_by_one(consumers: usize) -> Run {
    let mut dispatcher = DemandDispatcher::new(Policy::Greedy);
    let ids: Vec<_> = (0..consumers).map(|_| SubscriptionId::next()).collect();
    for &id in &ids {
        dispatcher.subscribe(id);
        let _ = dispatcher.ask(id, 100);
    }
    let mut rng = fastrand::Rng::with_seed(1);
    let mut out = Vec::new();
    timed(1_000_000, || {
        for _ in 0..1_000_000 {
            out.clear();
            black_box(dispatcher.assign(1, &mut out));
            let _ = dispatcher.ask(ids[rng.usize(..ids.len())], 1);
        }
    })
}

fn shed_bare(keep: Keep, capacity: usize) -> Run {
    let mut buffer = Buffer::new(capacity, keep);
    buffer.store(vec![EVENT; capacity]);
    timed(2_000_000, || {
        for _ in 0..2_000_000 {
            black_box(buffer.push(black_box(EVENT)));
        }
    })
}

fn shed_supply(keep: Keep, capacity: usize, batch: usize) -> Run {
    let mut supply = Supply::new(SupplySettings { capacity, keep, ..SupplySettings::default() });
    let mut out = Outflow::default();
    supply.push(0, vec![EVENT; capacity], &mut out);
    let pushes = 2_000_000 / batch;
    timed((pushes * batch) as u64, || {
        for _ in 0..pushes {
            supply.push(0, vec![black_box(EVENT); batch], &mut out);
            black_box(&mut out.shed).clear();
        }
    })
}

struct Silent;

impl ProducerLogic for Silent {
    type Event = Event;

    fn handle_discarded(&mut self, events: Vec<Event>) -> Discard {
        black_box(events);
        Discard::Quiet
    }
}

/// Pushes messages into a full stage and waits until the last is handled.
fn shed_stage(capacity: usize, batch: usize) -> Run {
    System::new().block_on(async {
        let producer =
            Producer::new(Silent, SupplySettings { capacity, ..SupplySettings::default() }).start();
        // One message at a time from one task, as many as the mailbox takes, until it is full.
        producer.send(Push(vec![EVENT; capacity])).await.expect("it lives");
        let messages = 500_000 / batch.min(10);
        let watch = Watch::start();
        for _ in 0..messages {
            while producer.try_send(Push(vec![EVENT; batch])).is_err() {
                tokio::task::yield_now().await;
            }
        }
        producer.send(Push(Vec::new())).await.expect("it lives");
        watch.stop((messages * batch) as u64)
    })
}
