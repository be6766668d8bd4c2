//! A producer's buffer and demand in one set of books: what comes in, who gets it, what is shed.
//!
//! The [`Producer`](super::Producer) tells it of pushes, asks, cancels and events that came back, and carries out the
//! [`Outflow`]. Partitions share nothing. Invariant after every call ([`Supply::is_consistent`]): in each partition the
//! buffer is empty or there is no live demand; so new events never overtake buffered ones
//! (`reference/genstage.md` 1.9 tells how GenStage breaks this).

use crate::buffer::{Buffer, Keep};
use crate::dispatcher::demand::{Asked, Policy};
use crate::dispatcher::partition::{Entered, PartitionDispatcher, SubscribeError};
use crate::protocol::SubscriptionId;

/// How a supply is bounded and shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupplySettings {
    /// The most events buffered per partition.
    pub capacity: usize,
    /// Which events stay when a buffer is full.
    pub keep: Keep,
    /// The number of partitions, at least 1.
    pub partitions: u32,
    /// How a batch is shared out among the consumers of a partition.
    pub policy: Policy,
}

/// The books of one producer.
#[derive(Clone, Debug)]
pub struct Supply<E> {
    dispatcher: PartitionDispatcher,
    buffers: Vec<Buffer<E>>,
    buffered: usize,
    demand: u64,
    assigned: Vec<(SubscriptionId, usize)>,
}

/// What the owner has to do after a call; calls append to it.
#[derive(Debug)]
pub struct Outflow<E> {
    /// Events to send, in order. They are off the books.
    pub batches: Vec<(SubscriptionId, Vec<E>)>,
    /// Events there was no room for.
    pub shed: Vec<E>,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// How many of the pushed events were delivered or buffered.
    pub accepted: usize,
    /// How many events were shed, pushed now or, with [`Keep::Newest`], before.
    pub shed: usize,
}

/// What became of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Whether the demand is on the books.
    pub asked: Asked,
    /// How much of it the buffer could not serve.
    pub unserved: u32,
}

// === impl Supply ===

impl<E> Supply<E> {
    /// Creates empty books.
    pub fn new(settings: SupplySettings) -> Self {
        let SupplySettings { capacity, keep, partitions, policy } = settings;
        let buffers = (0..partitions.max(1)).map(|_| Buffer::new(capacity, keep)).collect();
        let dispatcher = PartitionDispatcher::new(partitions, policy);
        Self { dispatcher, buffers, buffered: 0, demand: 0, assigned: Vec::new() }
    }

    /// Adds a consumer without demand.
    ///
    /// # Errors
    /// Returns [`SubscribeError`] if the id is taken or the partition does not exist.
    pub fn subscribe(&mut self, id: SubscriptionId, partition: u32) -> Result<(), SubscribeError> {
        self.dispatcher.subscribe(id, partition)
    }

    /// Adds demand and serves it from the buffer.
    pub fn ask(&mut self, id: SubscriptionId, count: u32, out: &mut Outflow<E>) -> Served {
        let Some(Entered { partition, added, asked }) = self.dispatcher.ask(id, count) else {
            return Served { asked: Asked::Unknown, unserved: 0 };
        };
        self.demand += added;
        // Buffered events mean that nobody else had demand, so all that is served now was asked for now.
        let served = self.serve(partition, out);
        debug_assert!(self.is_consistent());
        Served { asked, unserved: count - u32::try_from(served).unwrap_or(count).min(count) }
    }

    /// Forgets a consumer. Returns the demand it had left, which is gone with it, or `None` if it is unknown.
    pub fn cancel(&mut self, id: SubscriptionId) -> Option<u32> {
        let unfilled = self.dispatcher.cancel(id)?;
        self.demand -= u64::from(unfilled);
        Some(unfilled)
    }

    /// Hands new events to those who asked, and buffers the rest. Events for a partition that does not exist are shed.
    pub fn push(&mut self, partition: u32, events: Vec<E>, out: &mut Outflow<E>) -> Pushed {
        let coming = events.len();
        let Some(buffer) = self.buffers.get_mut(partition as usize) else {
            out.shed.extend(events);
            return Pushed { accepted: 0, shed: coming };
        };
        let before = buffer.len();
        let shed = if before > 0 {
            buffer.store_into(events, &mut out.shed)
        } else {
            self.assigned.clear();
            let served = self.dispatcher.assign(partition, coming, &mut self.assigned);
            self.demand -= served as u64;
            match self.assigned[..] {
                [(id, count)] if count == coming => {
                    out.batches.push((id, events));
                    0
                }
                _ => {
                    let mut events = events.into_iter();
                    for &(id, count) in &self.assigned {
                        out.batches.push((id, events.by_ref().take(count).collect()));
                    }
                    buffer.store_into(events, &mut out.shed)
                }
            }
        };
        let own = match buffer.keep() {
            Keep::Newest => shed.saturating_sub(before),
            Keep::Oldest => shed,
        };
        self.buffered = self.buffered - before + buffer.len();
        debug_assert!(self.is_consistent());
        Pushed { accepted: coming - own, shed }
    }

    /// Takes back events that `from`, once a consumer of `partition`, did not take, and offers them to the others,
    /// before all newer ones.
    pub fn restore(&mut self, partition: u32, from: SubscriptionId, events: Vec<E>, out: &mut Outflow<E>) {
        let Some(buffer) = self.buffers.get_mut(partition as usize) else {
            out.shed.extend(events);
            return;
        };
        // Served first, so that nothing is shed that somebody has asked for.
        self.assigned.clear();
        let served = match buffer.is_empty() {
            true => self.dispatcher.assign(partition, events.len(), &mut self.assigned),
            false => 0,
        };
        self.demand -= served as u64;
        let mut events = events.into_iter();
        for &(id, count) in &self.assigned {
            out.batches.push((id, events.by_ref().take(count).collect()));
        }
        let before = buffer.len();
        out.shed.extend(buffer.restore(from, events.collect()));
        self.buffered = self.buffered - before + buffer.len();
        debug_assert!(self.is_consistent());
    }

    /// Removes and returns everything that is buffered, partition by partition.
    pub fn take_all(&mut self) -> Vec<E> {
        self.buffered = 0;
        self.buffers.iter_mut().flat_map(Buffer::take_all).collect()
    }

    /// Returns the number of buffered events.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// Returns the number of events asked for and not sent.
    pub fn demand(&self) -> u64 {
        self.demand
    }

    /// Returns the number of partitions.
    pub fn partitions(&self) -> usize {
        self.buffers.len()
    }

    /// Returns who is subscribed where, and with what demand.
    pub fn dispatcher(&self) -> &PartitionDispatcher {
        &self.dispatcher
    }

    /// Checks the invariant that buffered events and live demand never meet, and the sums.
    pub fn is_consistent(&self) -> bool {
        let at_rest = |(partition, buffer): (usize, &Buffer<E>)| {
            let partition = u32::try_from(partition).expect("partitions are numbered by u32");
            buffer.is_empty() || self.dispatcher.demand(partition) == 0
        };
        self.buffers.iter().enumerate().all(at_rest)
            && self.buffers.iter().map(Buffer::len).sum::<usize>() == self.buffered
            && self.dispatcher.total_demand() == self.demand
    }

    /// Drains a partition's buffer into its demand. Returns how many events left.
    fn serve(&mut self, partition: u32, out: &mut Outflow<E>) -> usize {
        let buffer = &mut self.buffers[partition as usize];
        if buffer.is_empty() {
            return 0;
        }
        self.assigned.clear();
        let served = self.dispatcher.assign(partition, buffer.len(), &mut self.assigned);
        for &(id, count) in &self.assigned {
            out.batches.push((id, buffer.take(count)));
        }
        self.buffered -= served;
        self.demand -= served as u64;
        served
    }
}

// === impl Outflow ===

impl<E> Default for Outflow<E> {
    fn default() -> Self {
        Self { batches: Vec::new(), shed: Vec::new() }
    }
}

impl Default for SupplySettings {
    /// One partition, GenStage's buffer of 10,000 of which the newest stay, served greedily.
    fn default() -> Self {
        Self { capacity: 10_000, keep: Keep::Newest, partitions: 1, policy: Policy::Greedy }
    }
}

#[cfg(test)]
mod tests;
