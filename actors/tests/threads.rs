//! Stages on several threads: events reach their consumers once each, whoever dies on the way.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Arbiter};
use parking_lot::Mutex;
use pushweir_actors::{
    CancelMode, Consumer, ConsumerLogic, DemandRange, Flow, Intake, Producer, ProducerLink, ProducerLogic,
    Subscription, SubscriptionId, SupplySettings,
};

struct Collector;

impl ProducerLogic for Collector {
    type Event = u64;
}

/// Writes down what it gets, and dies when it has got enough.
struct Mortal {
    seen: Arc<Mutex<Vec<u64>>>,
    lives_for: usize,
}

impl ConsumerLogic for Mortal {
    type Event = u64;

    fn handle_events(&mut self, events: Vec<u64>, _: SubscriptionId, _: &mut Flow) {
        self.lives_for = self.lives_for.saturating_sub(events.len());
        self.seen.lock().extend(events);
        assert!(self.lives_for > 0, "this consumer has lived long enough");
    }
}

const EVENTS: u64 = 20_000;

#[actix::test]
async fn every_event_is_seen_once_though_consumers_on_other_threads_die() {
    let intake = Intake::new(1_000);
    let settings = SupplySettings { capacity: usize::MAX, ..SupplySettings::default() };
    let producer = Producer::new(Collector, settings).with_intake(intake.clone());
    let counters = producer.counters();
    let link = ProducerLink::to(&producer.start());
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let arbiters = [Arbiter::new(), Arbiter::new()];
    for number in 0..8 {
        let range = DemandRange::new(100).and_then(|range| range.with_min(90)).expect("90 is below 100");
        let subscription = Subscription::to(link.clone()).demand(range).mode(CancelMode::Temporary);
        let lives_for = if number < 6 { 300 * (number + 1) } else { usize::MAX };
        let mortal = Mortal { seen: Arc::clone(&seen), lives_for };
        arbiters[number % 2]
            .spawn_fn(move || drop(Consumer::new(mortal).subscribed_to(subscription).start()));
    }
    let feeder = std::thread::spawn(move || {
        for first in (0..EVENTS).step_by(50) {
            let mut batch: Vec<u64> = (first..first + 50).collect();
            while let Err(full) = intake.offer(batch) {
                batch = full.0;
                std::thread::yield_now();
            }
        }
    });
    let all_seen = async {
        while (seen.lock().len() as u64) < EVENTS {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_seen).await.expect("every event is seen");
    feeder.join().expect("it does not panic");
    let mut events = seen.lock().clone();
    events.sort_unstable();
    assert_eq!(events, (0..EVENTS).collect::<Vec<_>>());
    assert!(counters.returned() > 0, "some came back, or the test shows nothing");
    assert_eq!((counters.lost(), counters.shed()), (0, 0));
    assert_eq!(counters.events_in() + counters.returned(), counters.events_out() + counters.buffered());
    arbiters.iter().for_each(|arbiter| assert!(arbiter.stop()));
}
