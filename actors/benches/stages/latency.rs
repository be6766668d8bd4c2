//! From a push to the consumer's callback under light load, 500 events a second to 16 consumers.
//!
//! The events are offered by a task on the stages' own thread, which finds them asleep only if nothing else is to do, and
//! by another thread, which has to wake theirs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Arbiter, System};
use parking_lot::Mutex;
use pushweir_actors::{
    Consumer, ConsumerLogic, DemandRange, Flow, Intake, Producer, ProducerLink, ProducerLogic, Subscription,
    SubscriptionId, SupplySettings,
};

use crate::report::{Report, quantile};

const PAUSE: Duration = Duration::from_millis(2);

pub fn measure(report: &mut Report) {
    "latency".clone_into(&mut report.group);
    println!();
    let samples = usize::try_from(report.scale(2_000)).expect("a few");
    for (other_thread, who) in [(false, "same thread"), (true, "another thread")] {
        if !report.wants(who) {
            continue;
        }
        let runs: Vec<Vec<Duration>> = (0..report.runs()).map(|_| run(samples, other_thread)).collect();
        for (share, name, baseline) in [(0.5, "p50", "GenStage 12.3"), (0.99, "p99", "GenStage 35.7")] {
            let micros: Vec<f64> = runs.iter().map(|run| quantile(run, share).as_secs_f64() * 1e6).collect();
            report.figure(&format!("push to callback at 500/s from {who}, {name}"), "us", &micros, baseline);
        }
    }
}

struct Collector;

impl ProducerLogic for Collector {
    type Event = Instant;
}

struct Clock(Arc<Mutex<Vec<Duration>>>);

impl ConsumerLogic for Clock {
    type Event = Instant;

    fn handle_events(&mut self, events: Vec<Instant>, _: SubscriptionId, _: &mut Flow) {
        let now = Instant::now();
        self.0.lock().extend(events.iter().map(|pushed| now - *pushed));
    }
}

/// Returns the sorted latencies.
fn run(samples: usize, other_thread: bool) -> Vec<Duration> {
    System::new().block_on(async {
        let intake = Intake::new(100);
        let producer = Producer::new(Collector, SupplySettings::default()).with_intake(intake.clone());
        let link = ProducerLink::to(&producer.start());
        let latencies = Arc::new(Mutex::new(Vec::with_capacity(samples)));
        let range = DemandRange::new(100).expect("100 is a window");
        for _ in 0..16 {
            let subscription = Subscription::to(link.clone()).demand(range);
            Consumer::new(Clock(Arc::clone(&latencies))).subscribed_to(subscription).start();
        }
        let feed = async move {
            let mut ticks = tokio::time::interval(PAUSE);
            for _ in 0..samples {
                ticks.tick().await;
                intake.offer(vec![Instant::now()]).expect("there is room");
            }
        };
        let arbiter = other_thread.then(Arbiter::new);
        match &arbiter {
            Some(arbiter) => assert!(arbiter.spawn(feed), "it lives"),
            None => drop(actix::spawn(feed)),
        }
        // Seldom, so that the stages' thread sleeps in between.
        while latencies.lock().len() < samples {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        arbiter.iter().for_each(|arbiter| assert!(arbiter.stop()));
        let mut sorted = std::mem::take(&mut *latencies.lock());
        sorted.sort_unstable();
        sorted
    })
}
