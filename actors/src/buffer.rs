//! A bounded first-in first-out queue that sheds by policy and says what it shed (`reference/genstage.md` 1.6).
//!
//! Producers keep what nobody has asked for in it. Every operation costs per event moved, whatever the capacity; memory
//! is taken as events come, not in advance. Invariant: never more events than the capacity.

use std::collections::VecDeque;

use crate::SubscriptionId;

/// Which events stay when there is room for some only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The newest stay, the oldest are shed.
    #[default]
    Newest,
    /// The oldest stay, what comes on top is shed.
    Oldest,
}

/// A bounded queue of events.
///
/// ```
/// use pushweir_actors::{Buffer, Keep};
///
/// let mut buffer = Buffer::new(3, Keep::Newest);
/// assert!(buffer.store(["a", "b"]).is_empty());
/// assert_eq!(buffer.store(["c", "d"]), ["a"]);
/// assert_eq!(buffer.take(2), ["b", "c"]);
/// ```
#[derive(Clone, Debug)]
pub struct Buffer<E> {
    events: VecDeque<E>,
    capacity: usize,
    keep: Keep,
    /// Positions of the first and behind the last event in the stream of all events; only their distances mean
    /// something, so they may wrap.
    first: u64,
    end: u64,
    /// The subscription whose events were restored last, and how many of them are still at the front.
    restored: Option<(SubscriptionId, usize)>,
}

/// A place between two events, to learn when all that were buffered before it have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u64);

// === impl Buffer ===

impl<E> Buffer<E> {
    /// Creates an empty buffer for at most `capacity` events; with 0 it sheds everything.
    pub fn new(capacity: usize, keep: Keep) -> Self {
        Self { events: VecDeque::new(), capacity, keep, first: 0, end: 0, restored: None }
    }

    /// Stores one event. Returns the event that is shed for it, which may be itself.
    pub fn push(&mut self, event: E) -> Option<E> {
        if self.events.len() < self.capacity {
            self.events.push_back(event);
            self.end = self.end.wrapping_add(1);
            return None;
        }
        match self.keep {
            Keep::Oldest => Some(event),
            Keep::Newest => {
                let Some(oldest) = self.events.pop_front() else { return Some(event) };
                self.left(1);
                self.events.push_back(event);
                self.end = self.end.wrapping_add(1);
                Some(oldest)
            }
        }
    }

    /// Stores events behind the others. Returns what is shed, in order; nothing shed allocates nothing.
    ///
    /// With [`Keep::Newest`] a batch larger than the capacity sheds its own beginning. A producer serves demand before
    /// it stores, so of one batch the first events may be delivered, the middle shed and the end kept.
    pub fn store<I>(&mut self, events: I) -> Vec<E>
    where
        I: IntoIterator<Item = E>,
        I::IntoIter: ExactSizeIterator,
    {
        let mut shed = Vec::new();
        self.store_into(events, &mut shed);
        shed
    }

    /// As [`store`](Self::store), but appends what is shed to `shed`, whose room can be used again. Returns how many
    /// events that were.
    pub fn store_into<I>(&mut self, events: I, shed: &mut Vec<E>) -> usize
    where
        I: IntoIterator<Item = E>,
        I::IntoIter: ExactSizeIterator,
    {
        let mut events = events.into_iter();
        let coming = events.len();
        let excess = (self.events.len().saturating_add(coming)).saturating_sub(self.capacity);
        match self.keep {
            Keep::Newest => {
                let old = excess.min(self.events.len());
                shed.extend(self.events.drain(..old));
                self.left(old);
                shed.extend(events.by_ref().take(excess - old));
                self.events.extend(events);
            }
            Keep::Oldest => {
                self.events.extend(events.by_ref().take(coming - excess));
                shed.extend(events);
            }
        }
        self.end = self.first.wrapping_add(self.events.len() as u64);
        debug_assert!(self.is_consistent());
        excess
    }

    /// Takes up to `count` events from the front; empty if there are none.
    pub fn take(&mut self, count: usize) -> Vec<E> {
        let count = count.min(self.events.len());
        self.left(count);
        self.events.drain(..count).collect()
    }

    /// Puts events that `from` did not take back in front of all others. Several batches of one subscription keep
    /// their order. Returns what is shed if they do not fit: with [`Keep::Newest`] the oldest of all, which are among
    /// the restored; with [`Keep::Oldest`] the newest of all.
    pub fn restore(&mut self, from: SubscriptionId, events: Vec<E>) -> Vec<E> {
        let ahead = match self.restored {
            Some((source, count)) if source == from => count.min(self.events.len()),
            _ => 0,
        };
        let count = events.len();
        self.events.rotate_left(ahead);
        for event in events.into_iter().rev() {
            self.events.push_front(event);
        }
        self.events.rotate_right(ahead);
        self.first = self.first.wrapping_sub(count as u64);
        self.restored = Some((from, ahead + count));
        let excess = self.events.len().saturating_sub(self.capacity);
        let shed = match self.keep {
            Keep::Newest => {
                self.left(excess);
                self.events.drain(..excess).collect()
            }
            Keep::Oldest => {
                let room = self.events.len() - excess;
                self.restored = Some((from, (ahead + count).min(room)));
                self.events.split_off(room).into()
            }
        };
        self.end = self.first.wrapping_add(self.events.len() as u64);
        debug_assert!(self.is_consistent());
        shed
    }

    /// Marks the end of what is buffered now, or returns `None` if nothing is, so there is nothing to wait for.
    pub fn mark(&self) -> Option<Mark> {
        (!self.events.is_empty()).then_some(Mark(self.end))
    }

    /// Returns whether all events that were buffered at the mark have left, by being taken or shed.
    pub fn has_passed(&self, mark: Mark) -> bool {
        mark.0.wrapping_sub(self.first).cast_signed() <= 0
    }

    /// Returns the number of buffered events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns whether nothing is buffered.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns the most events it holds.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns which events stay when it is full.
    pub fn keep(&self) -> Keep {
        self.keep
    }

    /// Removes and returns everything.
    pub fn take_all(&mut self) -> Vec<E> {
        self.take(usize::MAX)
    }

    /// Checks the bound and the positions.
    pub fn is_consistent(&self) -> bool {
        self.events.len() <= self.capacity
            && self.end.wrapping_sub(self.first) == self.events.len() as u64
            && self.restored.is_none_or(|(_, count)| count <= self.events.len())
    }

    /// Notes that `count` events leave at the front.
    fn left(&mut self, count: usize) {
        self.first = self.first.wrapping_add(count as u64);
        self.restored = match self.restored {
            Some((source, restored)) if restored > count => Some((source, restored - count)),
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests;
