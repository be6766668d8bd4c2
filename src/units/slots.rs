//! A list that grows while everybody reads it: each slot is filled once, and what is in it stays where it is.
//!
//! What is indexed by a partition's number ([`crate::push::RouteId`]) lives in one: reading costs two loads and no lock, so a batch never waits
//! for a route that is being added. Slots are never emptied; who wants one back re-uses what is in it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Slots that a list can have; the most partitions that a process can open in its life.
pub const MOST_SLOTS: usize = 4096;
/// Slots that are allocated together.
const SEGMENT: usize = 64;

type Segment<T> = Box<[OnceLock<T>]>;

/// The list.
#[derive(Debug)]
pub struct Slots<T> {
    segments: Box<[OnceLock<Segment<T>>]>,
    /// One above the highest slot that is filled.
    len: AtomicUsize,
    pushing: Mutex<()>,
}

// === impl Slots ===

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            segments: std::iter::repeat_with(OnceLock::new).take(MOST_SLOTS / SEGMENT).collect(),
            len: AtomicUsize::new(0),
            pushing: Mutex::new(()),
        }
    }
}

impl<T> Slots<T> {
    /// Returns one above the highest number in use.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Returns whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns what is in a slot.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.segments.get(index / SEGMENT)?.get()?[index % SEGMENT].get()
    }

    /// Returns what is in a slot, and fills it first if it is empty.
    ///
    /// # Panics
    /// There is no such slot: it is [`MOST_SLOTS`] or above.
    pub fn get_or_fill(&self, index: usize, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get(index) {
            return value;
        }
        let value = self.slot(index).get_or_init(make);
        self.len.fetch_max(index + 1, Ordering::AcqRel);
        value
    }

    /// Puts something into the next slot and returns its number.
    ///
    /// # Errors
    /// All slots are in use; the value comes back.
    pub fn push(&self, value: T) -> Result<usize, T> {
        let _turn = self.pushing.lock();
        let index = self.len();
        if index >= MOST_SLOTS {
            return Err(value);
        }
        self.slot(index).set(value)?;
        self.len.fetch_max(index + 1, Ordering::AcqRel);
        Ok(index)
    }

    /// Returns everything that is in it, in the order of the numbers.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    fn slot(&self, index: usize) -> &OnceLock<T> {
        assert!(index < MOST_SLOTS, "slot {index} is above the bound of {MOST_SLOTS}");
        let segment = || std::iter::repeat_with(OnceLock::new).take(SEGMENT).collect();
        &self.segments[index / SEGMENT].get_or_init(segment)[index % SEGMENT]
    }
}

impl<T: Default> Slots<T> {
    /// Returns what is in a slot; an empty one gets the default.
    ///
    /// # Panics
    /// As [`Slots::get_or_fill`].
    pub fn at(&self, index: usize) -> &T {
        self.get_or_fill(index, T::default)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_pushed_keeps_its_number_and_its_place() {
        let slots = Slots::default();
        let first: *const usize = slots.get(slots.push(0).unwrap()).unwrap();
        for number in 1..MOST_SLOTS {
            assert_eq!(slots.push(number), Ok(number));
        }
        assert_eq!(slots.push(7), Err(7), "a full list says so and loses nothing");
        assert!(std::ptr::eq(first, slots.get(0).unwrap()), "growing moves nothing");
        assert!(slots.iter().copied().eq(0..MOST_SLOTS));
        assert_eq!((slots.len(), slots.get(MOST_SLOTS)), (MOST_SLOTS, None));
    }

    #[test]
    fn readers_on_other_threads_see_whole_values_only() {
        let slots: Slots<AtomicU64> = Slots::default();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    (0..MOST_SLOTS).for_each(|index| {
                        slots.at(index).fetch_add(1, Ordering::Relaxed);
                    })
                });
            }
        });
        assert_eq!(slots.len(), MOST_SLOTS);
        assert!(
            slots.iter().all(|count| count.load(Ordering::Relaxed) == 3),
            "one of three threads filled each"
        );
    }

    proptest! {
        #[test]
        fn it_is_a_map_from_numbers_to_what_was_filled_first(steps in prop::collection::vec((0..300_usize, 0..100_u32), 0..60)) {
            let slots = Slots::default();
            let mut model = std::collections::BTreeMap::new();
            for (index, value) in steps {
                let kept = *model.entry(index).or_insert(value);
                prop_assert_eq!(*slots.get_or_fill(index, || value), kept);
                prop_assert_eq!(slots.len(), model.keys().last().map_or(0, |last| last + 1));
            }
            prop_assert!(slots.iter().eq(model.values()));
        }
    }
}
