//! The state that is searched, what can happen in it, and what must hold.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use pushweir_actors::{Keep, Policy, SubscriptionId, Supply, SupplySettings};

use crate::stages::{Consumer, Producer};

/// An event: its number in the order of production, from 1.
pub type Event = u8;

/// How many events may be in flight for one subscription.
pub const WINDOW: u32 = 2;

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub events: Event,
    pub capacity: usize,
    pub keep: Keep,
    pub policy: Policy,
    /// Ends of consumers, between two messages or by a panic within one.
    pub consumer_crashes: u8,
    pub producer_crashes: u8,
    /// Subscriptions that their consumer ends in order.
    pub cancels: u8,
    /// Subscriptions that their consumer replaces by a new one.
    pub replacements: u8,
}

/// One thing that can happen next; consumers are numbered.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// So many new events come in at once.
    Push(Event),
    ProducerHandles,
    ProducerCrashes,
    Subscribe(usize),
    ConsumerHandles(usize),
    /// It handles a delivery, and panics after the first slice.
    ConsumerPanics(usize),
    ConsumerCrashes(usize),
    /// The mailbox of a consumer that crashed is dropped, some time after the consumer.
    MailboxCloses(usize),
    Cancel(usize),
    Replace(usize),
}

/// Where events went for good.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub handled: Vec<Event>,
    pub shed: Vec<Event>,
    pub lost: Vec<Event>,
}

/// Everything there is.
#[derive(Clone, Debug)]
pub struct World {
    pub left: Scenario,
    pub producer: Producer,
    pub consumers: [Consumer; 2],
    pub ledger: Ledger,
    /// Asked and not delivered, by subscription.
    pub credit: BTreeMap<SubscriptionId, u64>,
    pub next_event: Event,
    next_id: usize,
    /// The last event that left the producer, as long as none came back and none went by another way.
    pub last_out: Option<Event>,
}

// === impl Scenario ===

impl Scenario {
    pub const DEFAULT: Self = Self {
        name: "",
        events: 3,
        capacity: 10,
        keep: Keep::Newest,
        policy: Policy::Greedy,
        consumer_crashes: 0,
        producer_crashes: 0,
        cancels: 0,
        replacements: 0,
    };

    pub fn supply(&self) -> Supply<Event> {
        let Self { capacity, keep, policy, .. } = *self;
        Supply::new(SupplySettings { capacity, keep, partitions: 1, policy })
    }
}

// === impl World ===

impl World {
    pub fn new(scenario: Scenario) -> Self {
        Self {
            left: scenario,
            producer: Producer::new(&scenario, 0),
            consumers: Default::default(),
            ledger: Ledger::default(),
            credit: BTreeMap::new(),
            next_event: 1,
            next_id: 0,
            last_out: Some(0),
        }
    }

    /// Returns an id that is the same on every way with as many subscriptions before it.
    pub fn fresh_id(&mut self) -> SubscriptionId {
        static IDS: OnceLock<Vec<SubscriptionId>> = OnceLock::new();
        self.next_id += 1;
        IDS.get_or_init(|| (0..32).map(|_| SubscriptionId::next()).collect())[self.next_id - 1]
    }

    pub fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut offer = |action, possible| {
            if possible {
                actions.push(action);
            }
        };
        offer(Action::Push(1), self.left.events > 0);
        offer(Action::Push(2), self.left.events > 1);
        offer(Action::ProducerHandles, !self.producer.mailbox.is_empty());
        offer(Action::ProducerCrashes, self.left.producer_crashes > 0);
        for (number, consumer) in self.consumers.iter().enumerate() {
            offer(Action::MailboxCloses(number), consumer.is_dying);
            if consumer.is_dying {
                continue;
            }
            offer(Action::Subscribe(number), consumer.ties.is_empty());
            offer(Action::ConsumerHandles(number), !consumer.mailbox.is_empty());
            let may_crash = self.left.consumer_crashes > 0;
            offer(Action::ConsumerPanics(number), may_crash && consumer.has_delivery());
            offer(Action::ConsumerCrashes(number), may_crash && !consumer.ties.is_empty());
            let is_subscribed = consumer.ties.len() == 1 && !consumer.ties[0].is_ending;
            offer(Action::Cancel(number), self.left.cancels > 0 && is_subscribed);
            offer(Action::Replace(number), self.left.replacements > 0 && is_subscribed);
        }
        actions
    }

    pub fn act(&mut self, action: Action) {
        match action {
            Action::Push(count) => self.push(count),
            Action::ProducerHandles => self.producer_handles(),
            Action::ProducerCrashes => self.producer_crashes(),
            Action::Subscribe(who) => self.subscribe(who, None),
            Action::ConsumerHandles(who) => self.consumer_handles(who, usize::MAX),
            Action::ConsumerPanics(who) => {
                self.left.consumer_crashes -= 1;
                self.consumer_handles(who, 1);
                self.consumer_dies(who);
            }
            Action::ConsumerCrashes(who) => {
                self.left.consumer_crashes -= 1;
                self.consumer_dies(who);
            }
            Action::MailboxCloses(who) => self.mailbox_closes(who),
            Action::Cancel(who) => {
                self.left.cancels -= 1;
                self.cancel(who);
            }
            Action::Replace(who) => {
                self.left.replacements -= 1;
                let old = self.consumers[who].ties[0].id;
                self.subscribe(who, Some(old));
                self.cancel(who);
            }
        }
    }

    /// What holds after every step.
    pub fn check(&self) {
        let supply = &self.producer.supply;
        assert!(supply.is_consistent(), "the producer's books do not balance");
        assert!(supply.buffered() == 0 || supply.demand() == 0, "events wait though somebody has asked");
        for tie in self.consumers.iter().flat_map(|consumer| &consumer.ties) {
            let open =
                self.producer.open(tie.id) + self.consumers.iter().map(|c| c.in_mailbox(tie.id)).sum::<u32>();
            assert!(open <= WINDOW, "subscription {} has {open} events open in a window of {WINDOW}", tie.id);
        }
        let mut events = self.ledger.handled.clone();
        events.extend(self.ledger.shed.iter().chain(&self.ledger.lost));
        events.extend(supply.clone().take_all());
        events.extend(self.producer.returned.iter().flat_map(|(_, events)| events));
        events.extend(self.consumers.iter().flat_map(Consumer::undelivered));
        events.sort_unstable();
        let all: Vec<Event> = (1..self.next_event).collect();
        assert_eq!(events, all, "every event is in exactly one place");
    }

    /// What holds when nothing can happen any more.
    pub fn check_end(&self) {
        assert_eq!(self.producer.supply.buffered(), 0, "two consumers that ask leave nothing behind");
        assert!(self.producer.returned.is_empty(), "what came back was fetched");
        let accounted = self.ledger.handled.len() + self.ledger.shed.len() + self.ledger.lost.len();
        assert_eq!(accounted, usize::from(self.next_event - 1), "every event came to an end");
        for tie in self.consumers.iter().flat_map(|consumer| &consumer.ties) {
            let known = self.producer.supply.dispatcher().demand_of(tie.id);
            assert_eq!(known, tie.demand.outstanding(), "both sides agree about the demand of {}", tie.id);
        }
    }
}
