//! Discord's pattern: manual demand with a window of 100; an event is acknowledged, and its place is asked for again.
//!
//! Events come through the intake in batches. Acknowledgements are settled one by one: where events arrive ("coalesced"), or
//! as messages of ten or of one from another actor. The consumer asks when a quarter of the window is free or nothing is in
//! flight, except for "each", which asks for one event per acknowledgement. With two arbiters the producer has one thread
//! and the consumers the other.

use actix::{Actor, Addr, Arbiter, Context, Handler, Message, Recipient, System};
use pushweir_actors::{
    Consumer, ConsumerLogic, DemandMode, Flow, Intake, Producer, ProducerLink, ProducerLogic, Subscription,
    SubscriptionId, SupplySettings,
};

use crate::rate::{Run, Watch};
use crate::report::Report;
use crate::{Event, Owned, Sample, bare};

pub const WINDOW: u32 = 100;
const ASK_AT: u32 = WINDOW / 4;

/// How acknowledgements come and are asked for.
#[derive(Clone, Copy)]
struct Acks {
    /// How many another actor puts into a message; `None` settles them where they are.
    per_message: Option<u32>,
    /// The free places at which the consumer asks for more.
    ask_at: u32,
}

const COALESCED: Acks = Acks { per_message: None, ask_at: ASK_AT };
const BY_TENS: Acks = Acks { per_message: Some(10), ask_at: ASK_AT };
const BY_ONES: Acks = Acks { per_message: Some(1), ask_at: ASK_AT };
const EACH: Acks = Acks { per_message: Some(1), ask_at: 1 };

/// Where producer and consumers run.
#[derive(Clone, Copy, PartialEq)]
pub enum Place {
    OneArbiter,
    TwoArbiters,
}

pub fn measure(report: &mut Report) {
    report.heading("window 100, one arbiter");
    for consumers in [1, 16, 256, 4096] {
        versus::<u64>(report, "8 bytes", consumers, Place::OneArbiter);
    }
    for (consumers, baseline) in
        [(1, "GenStage 0.32"), (16, "GenStage 0.20"), (256, "GenStage 0.03"), (4096, "")]
    {
        for (acks, kind) in [(BY_TENS, "by tens"), (BY_ONES, "by ones"), (EACH, "each")] {
            let name = format!("8 bytes, acks {kind}, C={consumers}");
            let events = report.scale(3_000_000);
            report.rate(&name, baseline, || run::<u64>(consumers, acks, Place::OneArbiter, events));
        }
    }
    let events = report.scale(4_000_000);
    report.rate("48 bytes, acks coalesced, C=16", "", || {
        run::<Event>(16, COALESCED, Place::OneArbiter, events)
    });
    for consumers in [16, 256] {
        versus::<Owned>(report, "300 bytes owned", consumers, Place::OneArbiter);
    }
    report.heading("window 100, two arbiters");
    for consumers in [1, 16, 256, 4096] {
        versus::<u64>(report, "8 bytes", consumers, Place::TwoArbiters);
    }
    versus::<Owned>(report, "300 bytes owned", 16, Place::TwoArbiters);
}

/// Stages and bare channels one after the other, so that both meet the same machine.
fn versus<E: Sample>(report: &mut Report, size: &str, consumers: usize, place: Place) {
    let events = match place {
        Place::OneArbiter => report.scale(if consumers > 1000 { 8_000_000 } else { 5_000_000 }),
        // Bare channels are slow there.
        Place::TwoArbiters => report.scale(1_500_000),
    };
    let name = |kind: &str| format!("{size}, {kind}, C={consumers}");
    let bare = report.rate(&name("bare channels"), "", || bare::run::<E>(consumers, place, events));
    let baseline = format!("{:.1} by bare channels", bare / 1e6);
    report.rate(&name("acks coalesced"), &baseline, || run::<E>(consumers, COALESCED, place, events));
}

struct Collector<E>(std::marker::PhantomData<E>);

impl<E: Sample> ProducerLogic for Collector<E> {
    type Event = E;
}

struct Pusher<E> {
    acks: Acks,
    in_flight: u32,
    freed: u32,
    sum: u64,
    wire: Option<Recipient<Sent>>,
    subscription: Option<SubscriptionId>,
    kind: std::marker::PhantomData<E>,
}

impl<E: Sample> ConsumerLogic for Pusher<E> {
    type Event = E;

    fn handle_subscribe(&mut self, id: SubscriptionId, flow: &mut Flow) -> DemandMode {
        self.subscription = Some(id);
        flow.ask(id, WINDOW);
        DemandMode::Manual
    }

    fn handle_events(&mut self, events: Vec<E>, _: SubscriptionId, flow: &mut Flow) {
        let count = u32::try_from(events.len()).expect("within the window");
        self.in_flight += count;
        self.sum += events.iter().map(Sample::number).sum::<u64>();
        match &self.wire {
            Some(wire) => wire.try_send(Sent(count)).expect("the wire's mailbox has no limit"),
            None => self.settle(count, flow),
        }
    }
}

impl<E: Sample> Pusher<E> {
    fn new(acks: Acks, wire: Option<Recipient<Sent>>) -> Self {
        Self {
            acks,
            in_flight: 0,
            freed: 0,
            sum: 0,
            wire,
            subscription: None,
            kind: std::marker::PhantomData,
        }
    }

    /// Settles acknowledgements one by one.
    fn settle(&mut self, acks: u32, flow: &mut Flow) {
        let Some(id) = self.subscription else { return };
        for _ in 0..acks {
            self.in_flight -= 1;
            self.freed += 1;
            if self.freed >= self.acks.ask_at || self.in_flight == 0 {
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

/// The other side of a connection: it acknowledges everything, so many at a time.
struct Wire<E: Sample> {
    acks_per_message: u32,
    pusher: Option<Addr<Consumer<Pusher<E>>>>,
}

impl<E: Sample> Actor for Wire<E> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(0);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Connect<E: Sample>(Addr<Consumer<Pusher<E>>>);

impl<E: Sample> Handler<Connect<E>> for Wire<E> {
    type Result = ();

    fn handle(&mut self, Connect(pusher): Connect<E>, _: &mut Context<Self>) {
        self.pusher = Some(pusher);
    }
}

impl<E: Sample> Handler<Sent> for Wire<E> {
    type Result = ();

    #[expect(clippy::disallowed_methods, reason = "the window bounds them, and a mailbox takes 16 otherwise")]
    fn handle(&mut self, Sent(mut count): Sent, _: &mut Context<Self>) {
        let pusher = self.pusher.as_ref().expect("it is connected before events flow");
        while count > 0 {
            let acks = count.min(self.acks_per_message);
            pusher.do_send(Acked(acks));
            count -= acks;
        }
    }
}

impl<E: Sample> Handler<Acked> for Consumer<Pusher<E>> {
    type Result = ();

    fn handle(&mut self, Acked(acks): Acked, ctx: &mut Context<Self>) {
        self.update(ctx, |pusher, flow| pusher.settle(acks, flow));
    }
}

fn start_pusher<E: Sample>(link: ProducerLink<E>, acks: Acks) {
    let subscription = Subscription::to(link);
    let Some(acks_per_message) = acks.per_message else {
        Consumer::new(Pusher::new(acks, None)).subscribed_to(subscription).start();
        return;
    };
    let wire = Wire { acks_per_message, pusher: None }.start();
    let pusher = Pusher::new(acks, Some(wire.clone().recipient()));
    let pusher = Consumer::new(pusher).subscribed_to(subscription).start();
    wire.try_send(Connect(pusher)).expect("its mailbox is empty");
}

fn run<E: Sample>(consumers: usize, acks: Acks, place: Place, events: u64) -> Run {
    const BATCH: u64 = 256;
    // Little more than is on its way anyway, so that events stay in the cache.
    const ROOM: usize = 8 * BATCH as usize;
    System::new().block_on(async {
        let intake = Intake::new(ROOM);
        let settings = SupplySettings { capacity: 1_000_000, ..SupplySettings::default() };
        let producer = Producer::new(Collector::<E>(std::marker::PhantomData), settings);
        let producer = producer.with_intake(intake.clone());
        let counters = producer.counters();
        let link = ProducerLink::to(&producer.start());
        let arbiter = (place == Place::TwoArbiters).then(Arbiter::new);
        for _ in 0..consumers {
            let link = link.clone();
            match &arbiter {
                Some(arbiter) => assert!(arbiter.spawn_fn(move || start_pusher(link, acks)), "it lives"),
                None => start_pusher(link, acks),
            }
        }
        while counters.demand() < u64::from(WINDOW) * consumers as u64 {
            tokio::task::yield_now().await;
        }
        let watch = Watch::start();
        while counters.events_out() < events {
            // As an ingest does: full batches while there is room.
            while counters.buffered() < ROOM as u64
                && intake.len() + (BATCH as usize) <= ROOM
                && intake.offer((0..BATCH).map(E::make).collect()).is_ok()
            {}
            tokio::task::yield_now().await;
        }
        let run = watch.stop(counters.events_out());
        arbiter.iter().for_each(|arbiter| assert!(arbiter.stop()));
        run
    })
}
