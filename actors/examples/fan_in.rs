//! Three sensors, two of them slow, into one consumer, which passes what it has summed up on to a second stage.
//!
//! A stage in the middle is a consumer that offers its results to the intake of the next producer. The intake is bounded,
//! so a second stage that falls behind is seen here, where the first one then stops for all to see.
//! Run with `cargo run -p pushweir-actors --example fan_in`; it ends by itself.

use std::collections::HashMap;

use actix::Actor;
use pushweir_actors::{
    CancelReason, Consumer, ConsumerLogic, DemandMode, DemandRange, Flow, Intake, IntakeFull, Port, Producer,
    ProducerLogic, Subscription, SubscriptionId, SupplySettings,
};
use tokio::sync::oneshot;

const READINGS: u64 = 300;

/// Readings of one sensor, at most so many at a time.
struct Sensor {
    name: &'static str,
    at_once: u32,
    next: u64,
}

impl ProducerLogic for Sensor {
    type Event = (&'static str, u64);

    fn handle_demand(&mut self, count: u32, _: SubscriptionId) -> Vec<Self::Event> {
        // Giving less than was asked for is fine; the rest of the demand stays on the books for `emit`.
        let until = (self.next + u64::from(count.min(self.at_once))).min(READINGS);
        let readings = (self.next..until).map(|value| (self.name, value)).collect();
        self.next = until;
        readings
    }
}

/// Counts readings per sensor and passes sums on.
struct Merge {
    counts: HashMap<&'static str, u64>,
    next: Intake<u64>,
}

impl ConsumerLogic for Merge {
    type Event = (&'static str, u64);

    fn handle_subscribe(&mut self, id: SubscriptionId, flow: &mut Flow) -> DemandMode {
        flow.ask(id, 10);
        DemandMode::Manual
    }

    fn handle_events(&mut self, readings: Vec<Self::Event>, from: SubscriptionId, flow: &mut Flow) {
        for (sensor, _) in &readings {
            *self.counts.entry(sensor).or_default() += 1;
        }
        let sum = readings.iter().map(|(_, value)| value).sum();
        if let Err(IntakeFull(_)) = self.next.offer(vec![sum]) {
            return flow.stop(CancelReason::Failed("the second stage is too slow".to_owned()));
        }
        // The rest of the ten is still asked for; this much has come.
        flow.ask(from, u32::try_from(readings.len()).expect("at most the ten asked for"));
        if self.counts.values().sum::<u64>() == 3 * READINGS {
            println!("readings per sensor: {:?}", self.counts);
        }
    }
}

/// The second stage's producer: a buffer that the first stage fills.
struct Sums;

impl ProducerLogic for Sums {
    type Event = u64;
}

struct Total {
    sum: u64,
    finished: Option<oneshot::Sender<u64>>,
}

impl ConsumerLogic for Total {
    type Event = u64;

    fn handle_events(&mut self, sums: Vec<u64>, _: SubscriptionId, flow: &mut Flow) {
        self.sum += sums.iter().sum::<u64>();
        if self.sum == 3 * READINGS * (READINGS - 1) / 2 {
            flow.stop(CancelReason::Normal);
        }
    }

    fn terminate(&mut self, _: &CancelReason) {
        if let Some(finished) = self.finished.take() {
            let _ = finished.send(self.sum);
        }
    }
}

#[actix::main]
async fn main() {
    let (sums, intake) = (Port::new(), Intake::new(1_000));
    Producer::new(Sums, SupplySettings::default())
        .with_port(sums.clone())
        .with_intake(intake.clone())
        .start();
    let (finished, total) = oneshot::channel();
    let range = DemandRange::new(8).expect("8 is a window");
    Consumer::new(Total { sum: 0, finished: Some(finished) })
        .subscribed_to(Subscription::to(sums).demand(range))
        .start();
    let mut merge = Consumer::new(Merge { counts: HashMap::new(), next: intake });
    for (name, at_once) in [("slow", 1), ("steady", 3), ("fast", 10)] {
        let port = Port::new();
        let sensor = Sensor { name, at_once, next: 0 };
        Producer::new(sensor, SupplySettings::default()).with_port(port.clone()).start();
        merge = merge.subscribed_to(Subscription::to(port));
    }
    merge.start();
    println!("total: {}", total.await.expect("the last stage tells"));
}
