//! The parts without actors: the dispatcher alone, and shedding.

use std::hint::black_box;

use actix::{Actor, System};
use pushweir_actors::{
    Buffer, DemandDispatcher, Discard, Intake, Keep, Outflow, Policy, Producer, ProducerLogic, Push,
    SubscriptionId, Supply, SupplySettings,
};

use crate::Event;
use crate::rate::{Run, Watch};
use crate::report::Report;

const EVENT: Event = [7; 6];

pub fn measure(report: &mut Report) {
    report.heading("the dispatcher alone: one event, one ask(1)");
    for (consumers, baseline) in [
        (1, "GenStage 155 ns"),
        (16, "GenStage 341 ns"),
        (256, "GenStage 5,630 ns"),
        (4096, "GenStage 14,180 ns at 1024"),
    ] {
        report.rate(&format!("C={consumers}"), baseline, || one_by_one(consumers));
    }
    report.heading("shedding: a full buffer of 48-byte events, nobody asks");
    for keep in [Keep::Newest, Keep::Oldest] {
        for capacity in [10_000, 1_000_000] {
            report.rate(&format!("bare buffer, keep {keep:?}, capacity {capacity}"), "", || {
                shed_bare(keep, capacity)
            });
            for batch in [1, 100] {
                let name = format!("supply, pushes of {batch}, keep {keep:?}, capacity {capacity}");
                report.rate(&name, "", || shed_supply(keep, capacity, batch));
            }
        }
    }
    for (capacity, baseline) in [(10_000, "GenStage 0.92"), (1_000_000, "GenStage 0.48")] {
        for batch in [1, 100] {
            let name = format!("stage, intake, offers of {batch}, keep Newest, capacity {capacity}");
            report.rate(&name, if batch == 1 { baseline } else { "" }, || shed_intake(capacity, batch));
        }
        let name = format!("stage, messages of 1, keep Newest, capacity {capacity}");
        report.rate(&name, baseline, || shed_stage(capacity, 1));
    }
    report.rate("stage, messages of 100, keep Newest, capacity 10000", "GenStage 9.06", || {
        shed_stage(10_000, 100)
    });
}

/// Times `work` over `events` events.
fn timed(events: u64, work: impl FnOnce()) -> Run {
    let watch = Watch::start();
    work();
    watch.stop(events)
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
    let pushes = if batch == 1 { 2_000_000 } else { 400_000 };
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

/// Offers events to the intake of a full stage and waits until the last is handled.
fn shed_intake(capacity: usize, batch: usize) -> Run {
    System::new().block_on(async {
        let intake = Intake::new(4096);
        let settings = SupplySettings { capacity, ..SupplySettings::default() };
        let producer = Producer::new(Silent, settings).with_intake(intake.clone());
        let counters = producer.counters();
        let producer = producer.start();
        producer.send(Push(vec![EVENT; capacity])).await.expect("it lives");
        let events = if batch == 1 { 1_000_000 } else { 20_000_000 };
        let watch = Watch::start();
        for _ in 0..events / batch as u64 {
            let mut offer = vec![EVENT; batch];
            while let Err(refused) = intake.offer(offer) {
                offer = refused.0;
                tokio::task::yield_now().await;
            }
        }
        while counters.shed() < events {
            tokio::task::yield_now().await;
        }
        watch.stop(events)
    })
}
