//! A consumer that takes at most 5 events per 100 ms, whatever the producer could give: manual demand as a rate limit.
//!
//! Run with `cargo run -p pushweir-actors --example rate_limiter`; it ends after half a second.

use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler, Message};
use pushweir_actors::{
    CancelReason, Consumer, ConsumerLogic, DemandMode, Flow, Port, Producer, ProducerLogic, Subscription,
    SubscriptionId, SupplySettings,
};
use tokio::sync::oneshot;

const EVENTS_PER_TICK: u32 = 5;
const TICK: Duration = Duration::from_millis(100);
const TICKS: u32 = 5;

/// Produces numbers as fast as they are asked for.
struct Numbers(u64);

impl ProducerLogic for Numbers {
    type Event = u64;

    fn handle_demand(&mut self, count: u32, _: SubscriptionId) -> Vec<u64> {
        let first = self.0;
        self.0 += u64::from(count);
        (first..self.0).collect()
    }
}

/// Asks only when the clock says so.
struct Limiter {
    begun: Instant,
    subscription: Option<SubscriptionId>,
    ticks: u32,
    seen: u64,
    finished: Option<oneshot::Sender<u64>>,
}

impl ConsumerLogic for Limiter {
    type Event = u64;

    fn handle_subscribe(&mut self, id: SubscriptionId, _: &mut Flow) -> DemandMode {
        self.subscription = Some(id);
        DemandMode::Manual
    }

    fn handle_events(&mut self, events: Vec<u64>, _: SubscriptionId, _: &mut Flow) {
        self.seen += events.len() as u64;
        println!("{:>4} ms: {events:?}", self.begun.elapsed().as_millis());
    }

    fn terminate(&mut self, _: &CancelReason) {
        if let Some(finished) = self.finished.take() {
            // Nobody waits if the program is being stopped.
            let _ = finished.send(self.seen);
        }
    }
}

/// To the limiter: another period has begun.
#[derive(Message)]
#[rtype(result = "()")]
struct Tick;

impl Handler<Tick> for Consumer<Limiter> {
    type Result = ();

    fn handle(&mut self, _: Tick, ctx: &mut Context<Self>) {
        self.update(ctx, |limiter, flow| {
            limiter.ticks += 1;
            match limiter.subscription {
                Some(id) if limiter.ticks <= TICKS => flow.ask(id, EVENTS_PER_TICK),
                _ => flow.stop(CancelReason::Normal),
            }
        });
    }
}

#[actix::main]
async fn main() {
    let port = Port::new();
    Producer::new(Numbers(0), SupplySettings::default()).with_port(port.clone()).start();
    let (finished, seen) = oneshot::channel();
    let limiter =
        Limiter { begun: Instant::now(), subscription: None, ticks: 0, seen: 0, finished: Some(finished) };
    let limiter = Consumer::new(limiter).subscribed_to(Subscription::to(port)).start();
    actix::spawn(async move {
        let mut clock = tokio::time::interval(TICK);
        loop {
            clock.tick().await;
            // An error means that the limiter has stopped, and the clock with it.
            if limiter.send(Tick).await.is_err() {
                return;
            }
        }
    });
    let seen = seen.await.expect("the limiter says how many it has seen");
    println!("{seen} events in {TICKS} ticks of {TICK:?}");
    assert_eq!(seen, u64::from(EVENTS_PER_TICK * TICKS));
}
