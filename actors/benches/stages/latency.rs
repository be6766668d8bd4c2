//! From a push to the consumer's callback under light load, 500 events a second to 16 consumers.
//!
//! The events are offered by a task on the stages' own thread, which finds them asleep only if nothing else is to do, and
//! by another thread, which has to wake theirs. Beside it a bare tokio channel, whose latency is the wake-up's alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Arbiter, System};
use parking_lot::Mutex;
use pushweir_actors::{
    Consumer, ConsumerLogic, DemandRange, Flow, Intake, Producer, ProducerLink, ProducerLogic, Subscription,
    SubscriptionId, SupplySettings,
};
use tokio::time::MissedTickBehavior;

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
        for bare in [true, false] {
            let one = || if bare { run_bare(samples, other_thread) } else { run(samples, other_thread) };
            let runs: Vec<Vec<Duration>> = (0..report.runs()).map(|_| one()).collect();
            let what = if bare { "bare channel" } else { "push to callback" };
            for (share, name, baseline) in [(0.5, "p50", "GenStage 12.3"), (0.99, "p99", "GenStage 35.7")] {
                let micros: Vec<f64> =
                    runs.iter().map(|run| quantile(run, share).as_secs_f64() * 1e6).collect();
                let baseline = if bare { "" } else { baseline };
                report.figure(&format!("{what} at 500/s from {who}, {name}"), "us", &micros, baseline);
            }
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
        let feed = feed(samples, move |now| intake.offer(vec![now]).expect("there is room"));
        let arbiter = spawn(feed, other_thread);
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

/// As [`run`], with a channel in place of the stages.
fn run_bare(samples: usize, other_thread: bool) -> Vec<Duration> {
    System::new().block_on(async {
        let (sender, mut events) = tokio::sync::mpsc::channel::<Instant>(100);
        let feed = feed(samples, move |now| sender.try_send(now).expect("there is room"));
        let arbiter = spawn(feed, other_thread);
        let mut sorted = Vec::with_capacity(samples);
        while let Some(pushed) = events.recv().await {
            sorted.push(pushed.elapsed());
        }
        arbiter.iter().for_each(|arbiter| assert!(arbiter.stop()));
        sorted.sort_unstable();
        sorted
    })
}

/// Calls `push` with the time, every two milliseconds.
async fn feed(samples: usize, push: impl Fn(Instant)) {
    let mut ticks = tokio::time::interval(PAUSE);
    // After a stall of the whole process a burst of missed ticks would be another load than the one announced.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for _ in 0..samples {
        ticks.tick().await;
        push(Instant::now());
    }
}

fn spawn(feed: impl Future<Output = ()> + Send + 'static, other_thread: bool) -> Option<Arbiter> {
    let arbiter = other_thread.then(Arbiter::new);
    match &arbiter {
        Some(arbiter) => assert!(arbiter.spawn(feed), "it lives"),
        None => drop(actix::spawn(feed)),
    }
    arbiter
}
