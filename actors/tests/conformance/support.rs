//! The stages the cases are played with, after `reference/genstage.md` part 2: counting and silent producers, consumers
//! that write down what happens to them, and a raw consumer that speaks the protocol itself.

pub mod logs;

use std::sync::Arc;

use actix::{Actor, Addr, Context, Handler, Message};
use parking_lot::Mutex;
use pushweir_actors::{
    CancelMode, CancelReason, Cancelled, Consumer, ConsumerLink, ConsumerLogic, DemandMode, DemandRange,
    Discard, Events, Flow, Keep, Port, Producer, ProducerLink, ProducerLogic, Push, Pushed, Subscription,
    SubscriptionId, SupplySettings,
};

/// What a stage has seen, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Subscribed(SubscriptionId),
    Refused(SubscriptionId),
    Batch(Vec<String>),
    Cancelled(SubscriptionId, CancelReason),
    Discarded(Vec<String>),
    Demand(u32),
    Terminated(CancelReason, Vec<String>),
}

/// The shared diary of one stage.
#[derive(Clone, Debug, Default)]
pub struct Diary(Arc<Mutex<Vec<Seen>>>);

impl Diary {
    pub fn note(&self, seen: Seen) {
        self.0.lock().push(seen);
    }

    pub fn all(&self) -> Vec<Seen> {
        self.0.lock().clone()
    }

    pub fn batches(&self) -> Vec<Vec<String>> {
        let batch = |seen| if let Seen::Batch(events) = seen { Some(events) } else { None };
        self.all().into_iter().filter_map(batch).collect()
    }

    pub fn cancels(&self) -> Vec<CancelReason> {
        let cancel = |seen| if let Seen::Cancelled(_, reason) = seen { Some(reason) } else { None };
        self.all().into_iter().filter_map(cancel).collect()
    }

    pub fn subscriptions(&self) -> Vec<SubscriptionId> {
        let subscribed = |seen| if let Seen::Subscribed(id) = seen { Some(id) } else { None };
        self.all().into_iter().filter_map(subscribed).collect()
    }

    pub fn terminations(&self) -> Vec<CancelReason> {
        let terminated = |seen| if let Seen::Terminated(reason, _) = seen { Some(reason) } else { None };
        self.all().into_iter().filter_map(terminated).collect()
    }
}

/// A producer that counts on demand from `next`, or is silent.
#[derive(Debug, Default)]
pub struct Source {
    pub diary: Diary,
    pub next: Option<u64>,
    pub quiet: bool,
    /// Emitted when a subscription ends.
    pub farewell: Vec<String>,
}

impl ProducerLogic for Source {
    type Event = String;

    fn handle_demand(&mut self, count: u32, _: SubscriptionId) -> Vec<String> {
        self.diary.note(Seen::Demand(count));
        let Some(next) = &mut self.next else { return Vec::new() };
        let first = *next;
        *next += u64::from(count);
        numbers(first..*next)
    }

    fn handle_subscribe(&mut self, id: SubscriptionId, _: u32) -> Result<(), CancelReason> {
        self.diary.note(Seen::Subscribed(id));
        Ok(())
    }

    fn handle_cancel(&mut self, id: SubscriptionId, reason: &CancelReason) -> Vec<String> {
        self.diary.note(Seen::Cancelled(id, reason.clone()));
        std::mem::take(&mut self.farewell)
    }

    /// Numbers are spread by value, everything else is dropped.
    fn partition(&self, event: &String) -> Option<u32> {
        event.parse::<u32>().ok().map(|number| number % 2)
    }

    fn handle_discarded(&mut self, events: Vec<String>) -> Discard {
        self.diary.note(Seen::Discarded(events));
        if self.quiet { Discard::Quiet } else { Discard::Warn }
    }

    fn terminate(&mut self, reason: &CancelReason, buffered: Vec<String>) {
        self.diary.note(Seen::Terminated(reason.clone(), buffered));
    }
}

/// A consumer that writes everything down.
#[derive(Debug, Default)]
pub struct Sink {
    pub diary: Diary,
    /// Asks for so many at once and never by itself again.
    pub manual: Option<u32>,
}

impl ConsumerLogic for Sink {
    type Event = String;

    fn handle_events(&mut self, events: Vec<String>, _: SubscriptionId, _: &mut Flow) {
        self.diary.note(Seen::Batch(events));
    }

    fn handle_subscribe(&mut self, id: SubscriptionId, flow: &mut Flow) -> DemandMode {
        self.diary.note(Seen::Subscribed(id));
        match self.manual {
            Some(count) => {
                flow.ask(id, count);
                DemandMode::Manual
            }
            None => DemandMode::Automatic,
        }
    }

    fn handle_cancel(&mut self, id: SubscriptionId, reason: &CancelReason, _: &mut Flow) {
        self.diary.note(Seen::Cancelled(id, reason.clone()));
    }

    fn terminate(&mut self, reason: &CancelReason) {
        self.diary.note(Seen::Terminated(reason.clone(), Vec::new()));
    }
}

/// To a stage: die by a panic.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Crash;

impl Handler<Crash> for Producer<Source> {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("this producer was told to crash");
    }
}

impl Handler<Crash> for Consumer<Sink> {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("this consumer was told to crash");
    }
}

impl Handler<Crash> for Raw {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("this raw consumer was told to crash");
    }
}

/// To a consumer: ask by hand.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AskFor(pub SubscriptionId, pub u32);

impl Handler<AskFor> for Consumer<Sink> {
    type Result = ();

    fn handle(&mut self, AskFor(id, count): AskFor, ctx: &mut Context<Self>) {
        self.update(ctx, |_, flow| flow.ask(id, count));
    }
}

/// The test itself as a consumer: it writes down what arrives and asks for nothing.
#[derive(Default)]
pub struct Raw(pub Diary);

impl Actor for Raw {
    type Context = Context<Self>;
}

impl Handler<Events<String>> for Raw {
    type Result = ();

    fn handle(&mut self, events: Events<String>, _: &mut Context<Self>) {
        self.0.note(Seen::Batch(events.take()));
    }
}

impl Handler<Cancelled> for Raw {
    type Result = ();

    fn handle(&mut self, Cancelled { id, reason }: Cancelled, _: &mut Context<Self>) {
        self.0.note(Seen::Cancelled(id, reason));
    }
}

/// Starts a raw consumer and returns its end of a subscription and its diary.
pub fn raw() -> (ConsumerLink<String>, Diary) {
    let diary = Diary::default();
    (ConsumerLink::to(&Raw(diary.clone()).start()), diary)
}

pub type Stage = Addr<Producer<Source>>;

pub fn counting() -> (Stage, Diary) {
    let diary = Diary::default();
    let source = Source { diary: diary.clone(), next: Some(0), ..Source::default() };
    (Producer::new(source, SupplySettings::default()).start(), diary)
}

pub fn silent(capacity: usize, keep: Keep) -> (Stage, Diary) {
    let diary = Diary::default();
    let source = Source { diary: diary.clone(), ..Source::default() };
    (Producer::new(source, SupplySettings { capacity, keep, ..SupplySettings::default() }).start(), diary)
}

pub fn port(producer: &Stage) -> Port<String> {
    ProducerLink::to(producer).into()
}

pub fn range(max: u32, min: u32) -> DemandRange {
    DemandRange::new(max).and_then(|range| range.with_min(min)).expect("the case gives a valid range")
}

/// A permanent subscription with this demand.
pub fn to(producer: &Stage, max: u32, min: u32) -> Subscription<String> {
    Subscription::to(port(producer)).demand(range(max, min))
}

pub fn temporary(producer: &Stage) -> Subscription<String> {
    Subscription::to(port(producer)).mode(CancelMode::Temporary)
}

/// Starts a consumer that writes everything down, subscribed from its start.
pub fn sink(subscription: Subscription<String>) -> (Addr<Consumer<Sink>>, Diary) {
    let (consumer, diary) = lone_sink();
    (consumer.subscribed_to(subscription).start(), diary)
}

/// A consumer that is subscribed to nothing and not started.
pub fn lone_sink() -> (Consumer<Sink>, Diary) {
    let diary = Diary::default();
    (Consumer::new(Sink { diary: diary.clone(), manual: None }), diary)
}

pub async fn push(producer: &Stage, events: &str) -> Pushed {
    producer.send(Push(letters(events))).await.expect("the producer lives")
}

/// One event per letter.
pub fn letters(events: &str) -> Vec<String> {
    events.chars().map(String::from).collect()
}

pub fn batches<const N: usize>(batches: [&str; N]) -> Vec<Vec<String>> {
    batches.map(letters).into()
}

pub fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

pub fn oops() -> CancelReason {
    CancelReason::Failed("oops".to_owned())
}

/// Lets all stages of this arbiter handle what they have, and answer each other a good while.
pub async fn settle() {
    for _ in 0..120 {
        tokio::task::yield_now().await;
    }
}
