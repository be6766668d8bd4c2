//! Subscriptions sorted by demand, biggest first, with every change in constant time.
//!
//! One list per demand: bucket `n` holds the subscriptions with demand `n`, in the order in which they came to it;
//! the last bucket holds all demands of [`TOP`] and above, first come first served among themselves. The lists are
//! linked through a slab, and a two-level bitmap names the buckets that are not empty. The parent module is the only
//! user. Invariant: a bit is set exactly if its bucket has a member.

use std::fmt;

use crate::SubscriptionId;

/// The smallest demand of the last bucket. It is above GenStage's default window of 1000.
pub(super) const TOP: u32 = (WORDS as u32) * 64 - 1;

const WORDS: usize = 16;
const BUCKETS: usize = WORDS * 64;
const NONE: u32 = u32::MAX;

/// A place in the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dispatcher) struct Slot(u32);

#[derive(Clone)]
pub(super) struct Buckets {
    nodes: Vec<Node>,
    free: Vec<u32>,
    lists: Box<[List; BUCKETS]>,
    occupied: [u64; WORDS],
    occupied_words: u64,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// `None` in a free node.
    id: Option<SubscriptionId>,
    demand: u32,
    previous: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct List {
    head: u32,
    tail: u32,
}

// === impl Buckets ===

impl Default for Buckets {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            free: Vec::new(),
            lists: Box::new([List { head: NONE, tail: NONE }; BUCKETS]),
            occupied: [0; WORDS],
            occupied_words: 0,
        }
    }
}

impl Buckets {
    /// Adds a subscription without demand, behind the others without demand.
    pub(super) fn insert(&mut self, id: SubscriptionId) -> Slot {
        let node = Node { id: Some(id), demand: 0, previous: NONE, next: NONE };
        let index = match self.free.pop() {
            Some(index) => {
                self.nodes[index as usize] = node;
                index
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("2^32 subscriptions do not fit in memory")
            }
        };
        self.link(index);
        Slot(index)
    }

    /// Removes a subscription and returns the demand it had.
    pub(super) fn remove(&mut self, slot: Slot) -> u32 {
        self.unlink(slot.0);
        self.free.push(slot.0);
        let node = &mut self.nodes[slot.0 as usize];
        node.id = None;
        node.demand
    }

    /// Moves a subscription behind all others of its new demand.
    pub(super) fn set_demand(&mut self, slot: Slot, demand: u32) {
        self.unlink(slot.0);
        self.nodes[slot.0 as usize].demand = demand;
        self.link(slot.0);
    }

    pub(super) fn demand(&self, slot: Slot) -> u32 {
        self.nodes[slot.0 as usize].demand
    }

    pub(super) fn id(&self, slot: Slot) -> SubscriptionId {
        self.nodes[slot.0 as usize].id.expect("a slot is used only between insert and remove")
    }

    /// Returns the subscription that is served next, if any has demand.
    pub(super) fn first_with_demand(&self) -> Option<Slot> {
        let word = self.occupied_words.checked_ilog2()? as usize;
        let bit = self.occupied[word].ilog2() as usize;
        let bucket = word * 64 + bit;
        (bucket > 0).then(|| Slot(self.lists[bucket].head))
    }

    /// Lists all subscriptions as they would be served.
    pub(super) fn in_order(&self) -> Vec<(SubscriptionId, u32)> {
        let mut order = Vec::with_capacity(self.nodes.len() - self.free.len());
        for word in (0..WORDS).rev() {
            let mut bits = self.occupied[word];
            while let Some(bit) = bits.checked_ilog2() {
                bits &= !(1 << bit);
                let mut index = self.lists[word * 64 + bit as usize].head;
                while index != NONE {
                    let node = &self.nodes[index as usize];
                    order.push((self.id(Slot(index)), node.demand));
                    index = node.next;
                }
            }
        }
        order
    }

    fn link(&mut self, index: u32) {
        let bucket = bucket_of(self.nodes[index as usize].demand);
        let tail = self.lists[bucket].tail;
        let node = &mut self.nodes[index as usize];
        node.previous = tail;
        node.next = NONE;
        self.lists[bucket].tail = index;
        if tail != NONE {
            self.nodes[tail as usize].next = index;
            return;
        }
        self.lists[bucket].head = index;
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
        self.occupied_words |= 1 << (bucket / 64);
    }

    fn unlink(&mut self, index: u32) {
        let Node { demand, previous, next, .. } = self.nodes[index as usize];
        let bucket = bucket_of(demand);
        match previous {
            NONE => self.lists[bucket].head = next,
            _ => self.nodes[previous as usize].next = next,
        }
        match next {
            NONE => self.lists[bucket].tail = previous,
            _ => self.nodes[next as usize].previous = previous,
        }
        if self.lists[bucket].head != NONE {
            return;
        }
        self.occupied[bucket / 64] &= !(1 << (bucket % 64));
        if self.occupied[bucket / 64] == 0 {
            self.occupied_words &= !(1 << (bucket / 64));
        }
    }
}

fn bucket_of(demand: u32) -> usize {
    demand.min(TOP) as usize
}

/// As the order of service: a thousand mostly empty lists tell nobody anything.
impl fmt::Debug for Buckets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.in_order()).finish()
    }
}
