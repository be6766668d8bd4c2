//! Automatic demand: a producer that makes what is asked for, in batches.

use std::sync::Arc;

use actix::{Actor, System};
use pushweir_actors::{
    Consumer, ConsumerLogic, DemandRange, Flow, Producer, ProducerLink, ProducerLogic, StageCounters,
    Subscription, SubscriptionId, SupplySettings,
};

use crate::Event;
use crate::rate::{Run, Watch};
use crate::report::Report;

pub fn measure(report: &mut Report) {
    report.heading("automatic demand, batches made on demand, one arbiter");
    let cases =
        [(1, 100, "GenStage 11.0"), (16, 100, "GenStage 14.0"), (256, 100, "GenStage 4.7"), (16, 1000, "")];
    for (consumers, window, baseline) in cases {
        let events = report.scale(10_000_000);
        report.rate(&format!("48 bytes, window {window}, C={consumers}"), baseline, || {
            run(consumers, window, events)
        });
    }
}

struct Endless(u64);

impl ProducerLogic for Endless {
    type Event = Event;

    fn handle_demand(&mut self, count: u32, _: SubscriptionId) -> Vec<Event> {
        self.0 += u64::from(count);
        vec![[self.0; 6]; count as usize]
    }
}

struct Sum(u64);

impl ConsumerLogic for Sum {
    type Event = Event;

    fn handle_events(&mut self, events: Vec<Event>, _: SubscriptionId, _: &mut Flow) {
        self.0 += events.iter().map(|event| event[0]).sum::<u64>();
    }
}

fn run(consumers: usize, window: u32, events: u64) -> Run {
    System::new().block_on(async {
        let producer = Producer::new(Endless(0), SupplySettings::default());
        let counters: Arc<StageCounters> = producer.counters();
        let link = ProducerLink::to(&producer.start());
        let range = DemandRange::new(window).expect("the window is not 0");
        let watch = Watch::start();
        for _ in 0..consumers {
            let subscription = Subscription::to(link.clone()).demand(range);
            Consumer::new(Sum(0)).subscribed_to(subscription).start();
        }
        while counters.events_out() < events {
            tokio::task::yield_now().await;
        }
        watch.stop(counters.events_out())
    })
}
