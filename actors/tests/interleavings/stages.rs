//! The actors around the books, as their handlers are written: what each does with one message, and what a crash leaves.

use std::collections::{BTreeMap, VecDeque};

use pushweir_actors::{Asked, AutomaticDemand, DemandRange, Outflow, SubscriptionId, Supply};

use crate::world::{Event, Scenario, WINDOW, World};

/// The producer's side.
#[derive(Clone, Debug)]
pub struct Producer {
    pub supply: Supply<Event>,
    pub mailbox: VecDeque<ToProducer>,
    /// Undelivered events, in the order in which they came back.
    pub returned: Vec<(SubscriptionId, Vec<Event>)>,
    links: BTreeMap<SubscriptionId, usize>,
    life: u8,
}

/// A consumer's side. One without ties may subscribe again.
#[derive(Clone, Debug, Default)]
pub struct Consumer {
    pub ties: Vec<Tie>,
    pub mailbox: VecDeque<ToConsumer>,
    /// Its actor is gone, its mailbox still takes messages.
    pub is_dying: bool,
    /// Counts its lives: a link leads to the mailbox of one of them.
    life: u8,
}

#[derive(Clone, Debug)]
pub struct Tie {
    pub id: SubscriptionId,
    pub demand: AutomaticDemand,
    pub is_ending: bool,
    producer: u8,
}

#[derive(Clone, Debug)]
pub enum ToProducer {
    Subscribe { id: SubscriptionId, consumer: usize, replaces: Option<SubscriptionId> },
    Ask(SubscriptionId, u32),
    Cancel(SubscriptionId),
    Fetch,
}

#[derive(Clone, Debug)]
pub enum ToConsumer {
    Events { id: SubscriptionId, events: Vec<Event>, producer: u8 },
    Cancelled(SubscriptionId),
}

// === impl Producer ===

impl Producer {
    pub fn new(scenario: &Scenario, life: u8) -> Self {
        Self {
            supply: scenario.supply(),
            mailbox: VecDeque::new(),
            returned: Vec::new(),
            links: BTreeMap::new(),
            life,
        }
    }

    /// Returns what was asked for and not sent, on the books or still in an ask.
    pub fn open(&self, subscription: SubscriptionId) -> u32 {
        let asked = |message: &ToProducer| match message {
            ToProducer::Ask(id, count) if *id == subscription => *count,
            _ => 0,
        };
        self.supply.dispatcher().demand_of(subscription) + self.mailbox.iter().map(asked).sum::<u32>()
    }
}

// === impl Consumer ===

impl Consumer {
    pub fn has_delivery(&self) -> bool {
        matches!(self.mailbox.front(), Some(ToConsumer::Events { .. }))
    }

    pub fn in_mailbox(&self, subscription: SubscriptionId) -> u32 {
        let count = |message: &ToConsumer| match message {
            ToConsumer::Events { id, events, .. } if *id == subscription => events.len(),
            _ => 0,
        };
        self.mailbox.iter().map(count).sum::<usize>().try_into().expect("few events")
    }

    pub fn undelivered(&self) -> Vec<Event> {
        let events = |message: &ToConsumer| match message {
            ToConsumer::Events { events, .. } => events.clone(),
            ToConsumer::Cancelled(_) => Vec::new(),
        };
        self.mailbox.iter().flat_map(events).collect()
    }
}

// === impl World ===

impl World {
    pub fn push(&mut self, count: Event) {
        self.left.events -= count;
        let events = (self.next_event..self.next_event + count).collect();
        self.next_event += count;
        let mut out = Outflow::default();
        self.producer.supply.push(0, events, &mut out);
        self.flush(out);
    }

    pub fn producer_handles(&mut self) {
        let message = self.producer.mailbox.pop_front().expect("offered only with a message");
        let mut out = Outflow::default();
        match message {
            ToProducer::Subscribe { id, consumer, replaces } => {
                if let Some(old) = replaces {
                    self.end(old);
                }
                self.producer.supply.subscribe(id, 0).expect("ids are unique, and there is a partition");
                self.producer.links.insert(id, consumer);
            }
            ToProducer::Ask(id, count) => {
                let served = self.producer.supply.ask(id, count, &mut out);
                if served.asked != Asked::Unknown {
                    *self.credit.entry(id).or_default() += u64::from(count);
                }
            }
            ToProducer::Cancel(id) => self.end(id),
            ToProducer::Fetch => {
                for (id, events) in std::mem::take(&mut self.producer.returned) {
                    self.end(id);
                    self.producer.supply.restore(0, id, events, &mut out);
                }
            }
        }
        self.flush(out);
    }

    pub fn producer_crashes(&mut self) {
        self.left.producer_crashes -= 1;
        let next = Producer::new(&self.left, self.producer.life + 1);
        let mut old = std::mem::replace(&mut self.producer, next);
        self.ledger.lost.extend(old.supply.take_all());
        self.ledger.lost.extend(old.returned.into_iter().flat_map(|(_, events)| events));
        self.last_out = None;
        let unread = old.mailbox.into_iter().filter_map(|message| match message {
            ToProducer::Subscribe { id, consumer, .. } => Some((id, consumer)),
            _ => None,
        });
        for (id, consumer) in old.links.into_iter().chain(unread) {
            self.tell(consumer, ToConsumer::Cancelled(id));
        }
    }

    pub fn subscribe(&mut self, who: usize, replaces: Option<SubscriptionId>) {
        let id = self.fresh_id();
        let range = DemandRange::new(WINDOW).expect("it is not 0");
        let demand = AutomaticDemand::new(range);
        let producer = self.producer.life;
        self.consumers[who].ties.push(Tie { id, demand, is_ending: false, producer });
        self.producer.mailbox.push_back(ToProducer::Subscribe { id, consumer: who, replaces });
        self.producer.mailbox.push_back(ToProducer::Ask(id, range.max()));
    }

    /// Ends the oldest subscription in order.
    pub fn cancel(&mut self, who: usize) {
        let tie = &mut self.consumers[who].ties[0];
        tie.is_ending = true;
        let (id, life) = (tie.id, tie.producer);
        self.send(life, ToProducer::Cancel(id));
    }

    /// Handles one message, at most so many slices of it; the rest of a delivery goes back.
    pub fn consumer_handles(&mut self, who: usize, slices: usize) {
        let message = self.consumers[who].mailbox.pop_front().expect("offered only with a message");
        let (id, mut events, producer) = match message {
            ToConsumer::Cancelled(id) => {
                self.consumers[who].ties.retain(|tie| tie.id != id);
                return;
            }
            ToConsumer::Events { id, events, producer } => (id, events, producer),
        };
        let mut handled = 0;
        let place = self.consumers[who].ties.iter().position(|tie| tie.id == id);
        if let Some(place) = place {
            let mut delivery = self.consumers[who].ties[place].demand.deliver(events.len());
            while handled < slices
                && let Some(slice) = self.consumers[who].ties[place].demand.next_slice(&mut delivery)
            {
                assert_eq!(slice.excess, 0, "more than was asked for");
                self.ledger.handled.extend(events.drain(..slice.count));
                handled += 1;
                // A consumer that panics in a slice does not get to ask.
                if slice.ask > 0 && handled < slices {
                    self.send(producer, ToProducer::Ask(id, slice.ask));
                }
            }
        }
        self.ledger.handled.sort_unstable();
        self.give_back(id, events, producer);
    }

    /// The actor is dropped: its subscriptions tell their producers. Its mailbox is dropped later.
    pub fn consumer_dies(&mut self, who: usize) {
        self.consumers[who].is_dying = true;
        for tie in std::mem::take(&mut self.consumers[who].ties) {
            if !tie.is_ending {
                self.send(tie.producer, ToProducer::Cancel(tie.id));
            }
        }
    }

    pub fn mailbox_closes(&mut self, who: usize) {
        let consumer = &mut self.consumers[who];
        consumer.is_dying = false;
        consumer.life += 1;
        for message in std::mem::take(&mut consumer.mailbox) {
            if let ToConsumer::Events { id, events, producer } = message {
                self.give_back(id, events, producer);
            }
        }
        // The links to the closed mailbox stay with the producer until it hears of the end.
        let closed = self.producer.links.iter().filter(|(_, consumer)| **consumer == who);
        let closed: Vec<_> = closed.map(|(&id, _)| id).collect();
        for id in closed {
            self.producer.links.insert(id, usize::MAX);
        }
        for message in &mut self.producer.mailbox {
            if let ToProducer::Subscribe { consumer, .. } = message
                && *consumer == who
            {
                *consumer = usize::MAX;
            }
        }
    }

    /// Undelivered events go back to the life of the producer that sent them, or are lost with it.
    fn give_back(&mut self, id: SubscriptionId, events: Vec<Event>, producer: u8) {
        if events.is_empty() {
            return;
        }
        self.last_out = None;
        if producer != self.producer.life {
            self.ledger.lost.extend(events);
            return;
        }
        if self.producer.returned.is_empty() {
            self.producer.mailbox.push_back(ToProducer::Fetch);
        }
        self.producer.returned.push((id, events));
    }

    fn send(&mut self, life: u8, message: ToProducer) {
        if life == self.producer.life {
            self.producer.mailbox.push_back(message);
        }
    }

    /// Sends to a consumer whose mailbox may be closed; then the message comes back.
    fn tell(&mut self, who: usize, message: ToConsumer) -> Option<ToConsumer> {
        match self.consumers.get_mut(who) {
            Some(consumer) => {
                consumer.mailbox.push_back(message);
                None
            }
            None => Some(message),
        }
    }

    fn end(&mut self, id: SubscriptionId) {
        if self.producer.supply.cancel(id).is_none() {
            return;
        }
        self.credit.remove(&id);
        if let Some(consumer) = self.producer.links.remove(&id) {
            self.tell(consumer, ToConsumer::Cancelled(id));
        }
    }

    fn flush(&mut self, mut out: Outflow<Event>) {
        while !out.batches.is_empty() {
            let mut refused = Vec::new();
            for (id, events) in std::mem::take(&mut out.batches) {
                self.check_delivery(id, &events);
                let producer = self.producer.life;
                let consumer = self.producer.links[&id];
                if let Some(ToConsumer::Events { id, events, .. }) =
                    self.tell(consumer, ToConsumer::Events { id, events, producer })
                {
                    refused.push((id, events));
                }
            }
            for (id, events) in refused.into_iter().rev() {
                self.last_out = None;
                self.end(id);
                self.producer.supply.restore(0, id, events, &mut out);
            }
        }
        self.ledger.shed.extend(out.shed);
    }

    /// Nobody gets more than it asked for, and as long as nothing came back events leave in their order.
    fn check_delivery(&mut self, id: SubscriptionId, events: &[Event]) {
        let credit = self.credit.get_mut(&id).expect("only subscriptions that asked get events");
        *credit = credit.checked_sub(events.len() as u64).expect("no more than was asked for");
        for &event in events {
            assert!(self.last_out.is_none_or(|last| last < event), "event {event} was overtaken");
            self.last_out = self.last_out.map(|_| event);
        }
    }
}
