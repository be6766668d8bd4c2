//! The last results, numbered, under a bound in records and bytes: the oldest go first. Pure.
//!
//! Numbers rise by one and never start again lower, across restarts of the process too, since the first comes from the wall clock.
//! Invariant: the newest record is always there, and without it nothing is above the bound.

use std::collections::VecDeque;
use std::sync::Arc;

use super::record::Record;

/// How much a ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Records.
    pub records: usize,
    /// Bytes.
    pub bytes: u64,
}

/// The ring.
#[derive(Debug)]
pub struct Ring {
    records: VecDeque<Arc<Record>>,
    bytes: u64,
    bound: Bound,
    /// The number of the first record that there ever was.
    start: u64,
    /// The number of the oldest that is still there, or of the next if there is none.
    first: u64,
    /// Up to here some reader has said that it has them.
    read: u64,
    dropped: u64,
}

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Records and their numbers, rising.
    pub records: Vec<(u64, Arc<Record>)>,
    /// The cursor to ask with next.
    pub next: u64,
    /// Records behind the cursor that were overwritten before they were asked for.
    pub lost: u64,
    /// Whether the cursor is of another life of the process, so that nobody knows what is missing before the first record.
    pub restarted: bool,
}

// === impl Page ===

impl Page {
    /// Adds the page that follows.
    pub fn add(&mut self, next: Self) {
        let Self { records, next, lost, restarted } = next;
        self.records.extend(records);
        self.next = next;
        self.lost += lost;
        self.restarted |= restarted;
    }
}

// === impl Ring ===

impl Ring {
    /// Returns an empty ring whose first record gets the number `start`, at least 1.
    pub fn new(bound: Bound, start: u64) -> Self {
        let start = start.max(1);
        Self { records: VecDeque::new(), bytes: 0, bound, start, first: start, read: start - 1, dropped: 0 }
    }

    /// Adds a record and makes room for it.
    pub fn push(&mut self, record: Arc<Record>) {
        self.bytes += record.cost();
        self.records.push_back(record);
        self.trim();
    }

    /// Follows a new bound.
    pub fn resize(&mut self, bound: Bound) {
        self.bound = bound;
        self.trim();
        self.records.shrink_to(bound.records);
    }

    /// Takes note that some reader has everything up to this number.
    pub fn confirm(&mut self, number: u64) {
        if self.is_ours(number) {
            self.read = self.read.max(number);
        }
    }

    /// Returns how many records came after this number, overwritten ones too.
    pub fn behind(&self, number: u64) -> u64 {
        self.last() - if self.is_ours(number) { number } else { self.start - 1 }
    }

    /// Returns up to `limit` records behind the number `after`; 0 asks from the oldest.
    pub fn page(&self, after: u64, limit: usize) -> Page {
        self.page_of(after, limit, limit, |_| true)
    }

    /// As [`Self::page`], of those that are `wanted`; looks at up to `most` records, and passes over the others.
    pub fn page_of(&self, after: u64, limit: usize, most: usize, wanted: impl Fn(&Record) -> bool) -> Page {
        let is_ours = self.is_ours(after);
        let restarted = !is_ours && after != 0;
        let from = if is_ours { after + 1 } else { self.start };
        let lost = self.first.saturating_sub(from);
        let from = from.max(self.first);
        let skip = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        let mut page = Page { records: Vec::new(), next: from - 1, lost, restarted };
        for record in self.records.iter().skip(skip).take(most) {
            if page.records.len() == limit {
                break;
            }
            page.next += 1;
            if wanted(record) {
                page.records.push((page.next, Arc::clone(record)));
            }
        }
        page
    }

    /// Looks at up to `most` records below a number, from the newest to the oldest; returns the one that `wanted` likes, or the number below which
    /// there is more to look at.
    pub fn find_below(
        &self,
        number: u64,
        most: usize,
        wanted: impl Fn(&Record) -> bool,
    ) -> (Option<Arc<Record>>, Option<u64>) {
        let end =
            usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.records.len());
        let start = end.saturating_sub(most);
        let found = self.records.range(start..end).rev().find(|record| wanted(record)).map(Arc::clone);
        (found, (start > 0).then_some(self.first + start as u64))
    }

    /// Returns the number of the newest record, or the one before the first if there never was one.
    pub fn last(&self) -> u64 {
        self.first + self.records.len() as u64 - 1
    }

    /// Returns how many records there ever were.
    pub fn recorded(&self) -> u64 {
        self.last() + 1 - self.start
    }

    /// Returns how many records were overwritten that no reader had asked on from.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns how many records are held.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether a number is of this life: of a record, or the one before the first.
    fn is_ours(&self, number: u64) -> bool {
        (self.start - 1..=self.last()).contains(&number)
    }

    fn trim(&mut self) {
        while self.records.len() > self.bound.records || self.bytes > self.bound.bytes {
            if self.records.len() == 1 {
                return;
            }
            let Some(oldest) = self.records.pop_front() else { return };
            self.bytes -= oldest.cost();
            if self.first > self.read {
                self.dropped += 1;
            }
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::record::tests::record;
    use super::*;
    use crate::push::SenderId;

    fn ring(records: usize) -> Ring {
        Ring::new(Bound { records, bytes: 1 << 30 }, 101)
    }

    fn numbers(page: &Page) -> Vec<u64> {
        page.records.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn a_cursor_older_than_the_ring_says_how_many_are_gone() {
        let mut ring = ring(3);
        for number in 0..5 {
            ring.push(Arc::new(record(number)));
        }
        let page = ring.page(101, 10);
        assert_eq!((numbers(&page), page.next, page.lost), (vec![103, 104, 105], 105, 1));
        let all = ring.page(0, 2);
        assert_eq!((numbers(&all), all.next, all.lost, all.restarted), (vec![103, 104], 104, 2, false));
        assert_eq!(ring.page(105, 10).records, []);
    }

    #[test]
    fn a_cursor_of_another_life_starts_over_and_says_so() {
        let mut ring = ring(3);
        ring.push(Arc::new(record(1)));
        for foreign in [5, 99, 5_000] {
            let page = ring.page(foreign, 10);
            assert_eq!((numbers(&page), page.lost, page.restarted), (vec![101], 0, true), "{foreign}");
        }
        assert!(!ring.page(100, 10).restarted, "the number before the first is a cursor of ours");
    }

    #[test]
    fn a_sender_reads_its_own_records_and_its_cursor_passes_the_others_over() {
        let mut ring = ring(20);
        for number in 0..10 {
            let sender = SenderId(u16::from(number % 3 == 0));
            ring.push(Arc::new(Record { sender, ..record(number) }));
        }
        let mine = |record: &Record| record.sender == SenderId(1);
        let first = ring.page_of(0, 2, 100, mine);
        assert_eq!((numbers(&first), first.next), (vec![101, 104], 104));
        let short = ring.page_of(first.next, 2, 2, mine);
        assert_eq!((numbers(&short), short.next), (vec![], 106), "it looks at two");
        let rest = ring.page_of(short.next, 9, 100, mine);
        assert_eq!((numbers(&rest), rest.next), (vec![107, 110], 110));
    }

    #[test]
    fn what_a_reader_has_may_be_overwritten_for_free() {
        let mut ring = ring(2);
        for number in 0..2 {
            ring.push(Arc::new(record(number)));
        }
        ring.confirm(101);
        ring.push(Arc::new(record(2)));
        assert_eq!(ring.dropped(), 0);
        ring.push(Arc::new(record(3)));
        assert_eq!((ring.dropped(), ring.recorded(), ring.len()), (1, 4, 2));
    }

    #[test]
    fn a_record_is_found_step_by_step() {
        let mut ring = ring(10);
        for number in 0..10 {
            ring.push(Arc::new(record(number)));
        }
        let wanted = |record: &Record| record.key.as_u128() == 2;
        assert_eq!(ring.find_below(111, 4, wanted), (None, Some(107)));
        assert_eq!(ring.find_below(107, 4, wanted).0.map(|record| record.key.as_u128()), Some(2));
        assert_eq!(ring.find_below(103, 4, wanted), (None, None));
    }

    #[test]
    fn a_smaller_bound_drops_the_oldest_at_once() {
        let mut ring = ring(10);
        for number in 0..10 {
            ring.push(Arc::new(record(number)));
        }
        ring.resize(Bound { records: 4, bytes: 1 << 30 });
        assert_eq!(numbers(&ring.page(0, 10)), [107, 108, 109, 110]);
        ring.resize(Bound { records: 4, bytes: 1 });
        assert_eq!(numbers(&ring.page(0, 10)), [110]);
    }

    proptest! {
        #[test]
        fn a_reader_gets_every_record_or_its_absence_counted(
            steps in prop::collection::vec((0..3_u8, 1..8_usize), 1..120), records in 1..12_usize, bytes in 200..4_000_u64,
        ) {
            let mut ring = Ring::new(Bound { records, bytes }, 101);
            let (mut written, mut cursor, mut got, mut lost) = (0_u64, 100_u64, 0_u64, 0_u64);
            for (kind, count) in steps {
                if kind < 2 {
                    for _ in 0..count {
                        ring.push(Arc::new(record(u128::from(written))));
                        written += 1;
                    }
                } else {
                    ring.confirm(cursor);
                    let page = ring.page(cursor, count);
                    for (number, record) in &page.records {
                        prop_assert_eq!(record.key.as_u128(), u128::from(number - 101));
                    }
                    got += page.records.len() as u64;
                    lost += page.lost;
                    cursor = page.next;
                }
                prop_assert!(ring.len() <= records && ring.len() > 0 || written == 0);
                prop_assert!(ring.bytes <= bytes || ring.len() == 1);
                prop_assert_eq!(ring.recorded(), written);
                prop_assert_eq!(got + lost, cursor - 100);
            }
            while cursor < ring.last() {
                ring.confirm(cursor);
                let page = ring.page(cursor, 3);
                got += page.records.len() as u64;
                lost += page.lost;
                cursor = page.next;
            }
            prop_assert_eq!(got + lost, written);
            prop_assert!(lost <= ring.dropped(), "nothing is lost to a reader without being counted");
        }
    }
}
