//! The producing stage: an actor that serves demand, buffers what nobody asked for, and sheds what does not fit.
//!
//! Consumers send it `Subscribe`, `Ask` and `Cancel`; others [`Push`] events or offer them to its [`Intake`]. It sends
//! `Events` and `Cancelled`. The rules are GenStage's (`reference/genstage.md` 1.3, 1.6 and 1.8) with these differences:
//! demand is served before anything else, a dead consumer's demand is forgotten and its unread events come back to the
//! front, and pushes are answered with what became of them. Decisions are made in [`Supply`]; this is the shell.

mod counted;
mod handlers;
mod logic;
mod returns;
mod supply;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context};
use tokio::time::Instant;

use crate::counters::StageCounters;
use crate::intake::Intake;
use crate::protocol::{
    CancelReason, ConsumerLink, Events, IdMap, MailboxGauge, Port, ProducerLink, SubscriptionId,
};
use crate::supervisor::Link;
use returns::{Fetch, Returns};

pub use handlers::{Push, StopStage};
pub use logic::{Discard, ProducerLogic};
pub use supply::{Outflow, Pushed, Served, Supply, SupplySettings};

/// The shortest time between two warnings about shed events.
const WARN_EVERY: Duration = Duration::from_secs(1);

/// A producing actor around its logic.
///
/// ```
/// use actix::Actor;
/// use pushweir_actors::{Producer, ProducerLogic, Push, SupplySettings};
///
/// struct Lines;
/// impl ProducerLogic for Lines {
///     type Event = String;
/// }
///
/// # actix::System::new().block_on(async {
/// let settings = SupplySettings { capacity: 1, ..SupplySettings::default() };
/// let producer = Producer::new(Lines, settings).start();
/// let pushed = producer.send(Push(vec!["one".to_owned(), "two".to_owned()])).await.unwrap();
/// assert_eq!((pushed.accepted, pushed.shed), (1, 1));
/// # });
/// ```
pub struct Producer<L: ProducerLogic> {
    logic: L,
    supply: Supply<L::Event>,
    outflow: Outflow<L::Event>,
    consumers: IdMap<ConsumerLink<L::Event>>,
    counters: Arc<StageCounters>,
    mailbox: Arc<MailboxGauge>,
    returns: Option<Arc<Returns<L::Event>>>,
    port: Option<Port<L::Event>>,
    intake: Option<Intake<L::Event>>,
    link: Option<Link>,
    warning: Warning,
    exit: CancelReason,
}

/// When the next warning about shed events is due, and what it has to tell.
#[derive(Debug, Default)]
struct Warning {
    not_before: Option<Instant>,
    untold: usize,
}

// === impl Producer ===

impl<L: ProducerLogic> Producer<L> {
    /// Creates a producer; [`Actor::start`] starts it.
    pub fn new(logic: L, settings: SupplySettings) -> Self {
        Self {
            logic,
            supply: Supply::new(settings),
            outflow: Outflow::default(),
            consumers: IdMap::default(),
            counters: Arc::default(),
            mailbox: Arc::default(),
            returns: None,
            port: None,
            intake: None,
            link: None,
            warning: Warning::default(),
            exit: CancelReason::Shutdown,
        }
    }

    /// Publishes the producer in `port` when it starts, where consumers find it again after a restart.
    pub fn with_port(mut self, port: Port<L::Event>) -> Self {
        self.port = Some(port);
        self
    }

    /// Takes events from `intake`, the bounded way in for other threads.
    pub fn with_intake(mut self, intake: Intake<L::Event>) -> Self {
        self.intake = Some(intake);
        self
    }

    /// Reports its end, and why, through `link` to the supervisor that started it.
    pub fn supervised_by(mut self, link: Link) -> Self {
        self.link = Some(link);
        self
    }

    /// Counts into `counters`, for instance those of the producer it takes the place of.
    pub fn with_counters(mut self, counters: Arc<StageCounters>) -> Self {
        self.counters = counters;
        self
    }

    /// Returns the counters; take them before the start and read them from anywhere.
    pub fn counters(&self) -> Arc<StageCounters> {
        Arc::clone(&self.counters)
    }

    /// Returns the logic.
    pub fn logic(&mut self) -> &mut L {
        &mut self.logic
    }

    /// Returns the books.
    pub fn supply(&self) -> &Supply<L::Event> {
        &self.supply
    }

    /// Hands events to those who asked and buffers the rest, in front of which nothing newer is ever sent.
    pub fn emit(&mut self, events: Vec<L::Event>) -> Pushed {
        let pushed = self.push(events);
        self.flush();
        pushed
    }

    /// Stops the stage in order: consumers are told `reason`, then [`ProducerLogic::terminate`] runs.
    pub fn stop(&mut self, reason: CancelReason, ctx: &mut Context<Self>) {
        self.exit = reason;
        ctx.stop();
    }

    fn push(&mut self, events: Vec<L::Event>) -> Pushed {
        if events.is_empty() {
            return Pushed::default();
        }
        self.counters.add_in(events.len());
        let partitions = self.supply.partitions();
        if partitions == 1 {
            return self.supply.push(0, events, &mut self.outflow);
        }
        let mut parts: Vec<Vec<L::Event>> = (0..partitions).map(|_| Vec::new()).collect();
        let mut pushed = Pushed::default();
        for event in events {
            match self.logic.partition(&event).map(|partition| parts.get_mut(partition as usize)) {
                Some(Some(part)) => part.push(event),
                Some(None) => {
                    pushed.shed += 1;
                    self.outflow.shed.push(event);
                }
                None => {}
            }
        }
        for (partition, part) in (0_u32..).zip(parts) {
            let Pushed { accepted, shed } = self.supply.push(partition, part, &mut self.outflow);
            pushed.accepted += accepted;
            pushed.shed += shed;
        }
        pushed
    }

    /// Sends what has been shared out, deals with consumers that turn out to be gone, and settles the counters.
    fn flush(&mut self) {
        while !self.outflow.batches.is_empty() {
            let mut refused = Vec::new();
            for (id, events) in std::mem::take(&mut self.outflow.batches) {
                if let Err(events) = self.deliver(id, events) {
                    refused.push((id, events));
                }
            }
            // Backwards, because each goes in front of what is there.
            for (id, events) in refused.into_iter().rev() {
                let partition = self.supply.dispatcher().partition_of(id).unwrap_or(0);
                self.end(id, CancelReason::ConsumerDown);
                self.supply.restore(partition, id, events, &mut self.outflow);
            }
        }
        self.discard();
        self.counters.set_buffered(self.supply.buffered());
        self.counters.set_demand(self.supply.demand());
    }

    /// Sends one batch, or returns its events if the consumer is gone.
    fn deliver(&mut self, id: SubscriptionId, events: Vec<L::Event>) -> Result<(), Vec<L::Event>> {
        let count = events.len();
        let batch = match &self.returns {
            Some(returns) => Events::with_return(id, events, Arc::clone(returns) as _),
            None => Events::new(id, events),
        };
        let Some(consumer) = self.consumers.get(&id) else { return Err(batch.take()) };
        consumer.deliver(batch).map_err(Events::take)?;
        self.counters.add_out(count);
        Ok(())
    }

    /// Ends a subscription: the books forget it before the logic may emit anything (`reference/genstage.md` 2.12, X8).
    /// Does nothing if it is unknown. The caller flushes.
    fn end(&mut self, id: SubscriptionId, reason: CancelReason) {
        if self.supply.cancel(id).is_none() {
            return;
        }
        let events = self.logic.handle_cancel(id, &reason);
        if let Some(consumer) = self.consumers.remove(&id) {
            // A consumer that is gone needs no telling.
            let _ = consumer.cancelled(id, reason);
        }
        self.push(events);
    }

    fn discard(&mut self) {
        if self.outflow.shed.is_empty() {
            return;
        }
        let shed = std::mem::take(&mut self.outflow.shed);
        let count = shed.len();
        self.counters.add_shed(count);
        if self.logic.handle_discarded(shed) == Discard::Warn {
            self.warning.tell(count, Instant::now());
        }
    }
}

/// Nothing in a stage is ever pinned, whatever its events are.
impl<L: ProducerLogic> Unpin for Producer<L> {}

impl<L: ProducerLogic> Actor for Producer<L> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let address = ctx.address();
        self.returns = Some(Arc::new(Returns::new(&address.clone().recipient::<Fetch>(), self.counters())));
        if let Some(intake) = &self.intake {
            ctx.add_stream(intake.turns());
        }
        if let Some(port) = &self.port {
            port.publish(ProducerLink::counted(&address, &self.mailbox));
        }
        self.counters.watch_mailbox(Some(&self.mailbox));
        if let Some(link) = &self.link {
            link.observe(&self.counters);
            link.started();
        }
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.counters.watch_mailbox(None);
        // Actix runs this while a panic unwinds, too; then the dropped links tell the consumers the truth.
        if std::thread::panicking() {
            return;
        }
        for (id, consumer) in self.consumers.drain() {
            let _ = consumer.cancelled(id, self.exit.clone());
        }
        let buffered = self.supply.take_all();
        self.counters.set_buffered(0);
        self.logic.terminate(&self.exit, buffered);
        if let Some(link) = &mut self.link {
            link.exit((&self.exit).into());
        }
    }
}

// === impl Warning ===

impl Warning {
    /// Logs what was shed, or keeps it for the next warning if the last was a moment ago.
    fn tell(&mut self, count: usize, now: Instant) {
        self.untold += count;
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return;
        }
        log::warn!("discarded events events={}", self.untold);
        self.untold = 0;
        self.not_before = Some(now + WARN_EVERY);
    }
}
