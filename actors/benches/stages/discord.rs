//! Discord's pattern: manual demand with a window of 100, and one acknowledged event frees one unit.
//!
//! Events come through the intake in batches, the consumer asks again when a quarter of its window is free or nothing is in
//! flight. Acknowledgements are settled one by one: where they arrive ("inline"), or as messages of ten from another
//! actor ("echoed").

use actix::{Actor, Addr, Context, Handler, Message, Recipient, System};
use pushweir_actors::{
    Consumer, ConsumerLogic, DemandMode, Flow, Intake, Producer, ProducerLink, ProducerLogic, Subscription,
    SubscriptionId, SupplySettings,
};

use crate::pure::Event;
use crate::{Run, Watch, report};

const WINDOW: u32 = 100;
const ASK_AT: u32 = WINDOW / 4;
const ACKS_PER_MESSAGE: u32 = 10;

pub fn measure() {
    let baselines = [(1, "0.32"), (16, "0.20"), (256, "0.03"), (4096, "")];
    for echoed in [false, true] {
        for (consumers, baseline) in baselines {
            let kind = if echoed { "acks echoed by tens" } else { "acks inline" };
            let name = format!("discord: window 100, {kind}, C={consumers}");
            let baseline =
                if baseline.is_empty() { String::new() } else { format!("GenStage {baseline} M/s") };
            report(&name, &baseline, || run(consumers, echoed));
        }
    }
}

struct Collector;

impl ProducerLogic for Collector {
    type Event = Event;
}

#[derive(Default)]
struct Pusher {
    in_flight: u32,
    freed: u32,
    wire: Option<Recipient<Sent>>,
    subscription: Option<SubscriptionId>,
}

impl ConsumerLogic for Pusher {
    type Event = Event;

    fn handle_subscribe(&mut self, id: SubscriptionId, flow: &mut Flow) -> DemandMode {
        self.subscription = Some(id);
        flow.ask(id, WINDOW);
        DemandMode::Manual
    }

    fn handle_events(&mut self, events: Vec<Event>, _: SubscriptionId, flow: &mut Flow) {
        let count = u32::try_from(events.len()).expect("within the window");
        self.in_flight += count;
        match &self.wire {
            Some(wire) => wire.try_send(Sent(count)).expect("the wire's mailbox has no limit"),
            None => self.settle(count, flow),
        }
    }
}

impl Pusher {
    /// Settles acknowledgements one by one.
    fn settle(&mut self, acks: u32, flow: &mut Flow) {
        let Some(id) = self.subscription else { return };
        for _ in 0..acks {
            self.in_flight -= 1;
            self.freed += 1;
            if self.freed >= ASK_AT || self.in_flight == 0 {
                flow.ask(id, std::mem::take(&mut self.freed));
            }
        }
    }
}

/// To the wire: so many events were sent.
#[derive(Message)]
#[rtype(result = "()")]
struct Sent(u32);

/// To a pusher: so many events are acknowledged.
#[derive(Message)]
#[rtype(result = "()")]
struct Acked(u32);

/// The other side of a connection: it acknowledges everything, ten at a time.
struct Wire {
    pusher: Option<Addr<Consumer<Pusher>>>,
}

impl Actor for Wire {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(0);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Connect(Addr<Consumer<Pusher>>);

impl Handler<Connect> for Wire {
    type Result = ();

    fn handle(&mut self, Connect(pusher): Connect, _: &mut Context<Self>) {
        self.pusher = Some(pusher);
    }
}

impl Handler<Sent> for Wire {
    type Result = ();

    fn handle(&mut self, Sent(mut count): Sent, _: &mut Context<Self>) {
        let pusher = self.pusher.as_ref().expect("it is connected before events flow");
        while count > 0 {
            let acks = count.min(ACKS_PER_MESSAGE);
            pusher.try_send(Acked(acks)).expect("at most ten messages for a window of 100");
            count -= acks;
        }
    }
}

impl Handler<Acked> for Consumer<Pusher> {
    type Result = ();

    fn handle(&mut self, Acked(acks): Acked, ctx: &mut Context<Self>) {
        self.update(ctx, |pusher, flow| pusher.settle(acks, flow));
    }
}

fn start_pusher(link: ProducerLink<Event>, echoed: bool) {
    let subscription = Subscription::to(link);
    if !echoed {
        Consumer::new(Pusher::default()).subscribed_to(subscription).start();
        return;
    }
    let wire = Wire { pusher: None }.start();
    let pusher = Pusher { wire: Some(wire.clone().recipient()), ..Pusher::default() };
    let pusher = Consumer::new(pusher).subscribed_to(subscription).start();
    wire.try_send(Connect(pusher)).expect("its mailbox is empty");
}

fn run(consumers: usize, echoed: bool) -> Run {
    const BATCH: usize = 256;
    let events = if consumers > 1000 { 4_000_000 } else { 3_000_000 };
    System::new().block_on(async {
        let intake = Intake::new(64 * BATCH);
        let settings = SupplySettings { capacity: 1_000_000, ..SupplySettings::default() };
        let producer = Producer::new(Collector, settings).with_intake(intake.clone());
        let counters = producer.counters();
        let link = ProducerLink::to(&producer.start());
        for _ in 0..consumers {
            start_pusher(link.clone(), echoed);
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let watch = Watch::start();
        while counters.events_out() < events {
            // As an ingest does: full batches while there is room.
            while counters.buffered() < 20_000 && intake.offer(vec![[1; 6]; BATCH]).is_ok() {}
            tokio::task::yield_now().await;
        }
        watch.stop(counters.events_out())
    })
}
