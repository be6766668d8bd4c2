//! What became of each message id, in few bytes and with few looks at memory.
//!
//! The ledger's largest part. UUIDs that follow each other lie side by side in pages, eight bytes each, and a page is made when a second id of
//! its run comes; all other ids, and UUIDs that are alone, are in tables. Invariant: an id is in one place only, and stays findable there
//! whatever comes after it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::key::{KeyHasher, MessageKey, PAGE, Packed, Run, SHARDS};

/// How many ids that came alone are remembered, so that the next of their run makes a page.
const REMEMBERED: usize = 256;

/// What is known of one message id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) received: u8,
    pub(super) delivered: u8,
}

/// A place in a page; free while its fate says nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    time: [u8; 6],
    fate: Fate,
}

type Page = [Slot; PAGE];

/// The fates; see the module's documentation.
#[derive(Debug)]
pub(super) struct Fates {
    #[expect(clippy::vec_box, reason = "growing must not copy the pages")]
    pages: Vec<Box<Page>>,
    /// Which page a run has.
    index: HashMap<Run, usize, KeyHasher>,
    /// The run asked for last, and its page.
    last: Option<(Run, usize)>,
    /// Ids that came alone lately, by their run.
    alone: Vec<Option<MessageKey>>,
    /// Shards, so that no single growth of a table stops the double for long.
    tables: Vec<HashMap<Packed, Fate, KeyHasher>>,
    /// How many UUIDs are in the tables.
    strays: usize,
}

impl Default for Fates {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            index: HashMap::default(),
            last: None,
            alone: vec![None; REMEMBERED],
            tables: (0..SHARDS).map(|_| HashMap::default()).collect(),
            strays: 0,
        }
    }
}

impl Fates {
    /// Returns the fate of an id, a new one if it was never asked for.
    pub(super) fn of(&mut self, key: MessageKey) -> &mut Fate {
        if let Some((page, slot)) = self.place(key) {
            let slot = &mut self.pages[page][slot];
            slot.time = key.time();
            return &mut slot.fate;
        }
        match self.tables[key.shard()].entry(key.packed()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(fresh) => {
                self.strays += usize::from(key.run().is_some());
                fresh.insert(Fate::default())
            }
        }
    }

    /// Returns the page and the slot where an id is or belongs; nothing when that is a table.
    fn place(&mut self, key: MessageKey) -> Option<(usize, usize)> {
        let (run, slot) = key.run()?;
        let page = match self.page(run) {
            Some(page) => page,
            None => self.start(key, run)?,
        };
        let there = &self.pages[page][slot];
        let fits = if there.fate == Fate::default() {
            self.strays == 0 || !self.tables[key.shard()].contains_key(&key.packed())
        } else {
            there.time == key.time()
        };
        fits.then_some((page, slot))
    }

    fn page(&mut self, run: Run) -> Option<usize> {
        if let Some((last, page)) = self.last
            && last == run
        {
            return Some(page);
        }
        let page = *self.index.get(&run)?;
        self.last = Some((run, page));
        Some(page)
    }

    /// Makes a page if another id of the run is remembered, which moves there; else remembers this one.
    fn start(&mut self, key: MessageKey, run: Run) -> Option<usize> {
        let alone = &mut self.alone[run.number() as usize % REMEMBERED];
        let Some((first, (_, slot))) =
            alone.and_then(|first| Some((first, first.run().filter(|(of, _)| *of == run)?)))
        else {
            *alone = Some(key);
            return None;
        };
        if first == key {
            return None;
        }
        *alone = None;
        let mut page = Box::new([Slot::default(); PAGE]);
        if let Some(fate) = self.tables[first.shard()].remove(&first.packed()) {
            self.strays -= 1;
            page[slot] = Slot { time: first.time(), fate };
        }
        self.pages.push(page);
        self.index.insert(run, self.pages.len() - 1);
        self.page(run)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uuid(time: u64, low: u64) -> MessageKey {
        let digits = format!("{time:012x}7abc{low:016x}");
        MessageKey::of(
            &[&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-"),
        )
    }

    #[test]
    fn ids_in_a_row_share_pages_and_single_ones_need_none() {
        let mut fates = Fates::default();
        for low in 0..10 * PAGE as u64 {
            fates.of(uuid(low / 100, low)).received = 1;
        }
        assert_eq!((fates.pages.len(), fates.strays), (10, 0));
        for low in 0..1000 {
            fates.of(uuid(7, (1 << 40) | (low * 12_345))).received = 1;
        }
        assert_eq!((fates.pages.len(), fates.strays), (10, 1000));
    }

    fn key() -> impl Strategy<Value = MessageKey> {
        prop_oneof![
            6 => (0u64..3, 0u64..200).prop_map(|(time, low)| uuid(time, low)),
            2 => (0u64..2, 0u64..3, 0u64..40).prop_map(|(time, low, run)| uuid(time, low + run * 256 * PAGE as u64)),
            1 => (0u64..5).prop_map(|number| MessageKey::of(&number.to_string())),
        ]
    }

    proptest! {
        #[test]
        fn every_id_keeps_its_own_fate(steps in prop::collection::vec((key(), 0u8..3), 0..400)) {
            let (mut fates, mut expected) = (Fates::default(), HashMap::new());
            for (key, what) in steps {
                let (fate, other): (_, &mut Fate) = (fates.of(key), expected.entry(key).or_default());
                prop_assert_eq!(*fate, *other);
                // What is nacked only leaves no trace.
                for fate in [fate, other] {
                    fate.received += u8::from(what > 0);
                    fate.delivered += u8::from(what > 1);
                }
            }
            for (key, fate) in expected {
                prop_assert_eq!(*fates.of(key), fate);
            }
        }
    }
}
