//! What the log says of shedding: a line when it starts, one now and then while it lasts, one when it is over. Pure.
//!
//! [`super::figures`] looks once a second.

/// Looks between two words while it lasts, and without a drop after which it is over.
const REPORT_AFTER: u32 = 10;

/// Shedding as the log knows it.
#[derive(Debug, Default)]
pub struct Shedding {
    /// Dropped since the start of the process, when last told.
    told: u64,
    /// The same when last looked.
    seen: u64,
    /// The same when it started; none while nothing is dropped.
    began: Option<u64>,
    /// Looks since the last word.
    silent: u32,
    /// Looks since the last drop.
    quiet: u32,
}

/// What is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Pushes are dropped, so many since the last word.
    Lasts(u64),
    /// No more are dropped; so many were.
    Over(u64),
}

// === impl Shedding ===

impl Shedding {
    /// Starts with what was dropped before.
    pub fn new(total: u64) -> Self {
        Self { told: total, seen: total, ..Self::default() }
    }

    /// Looks at how much was dropped since the start of the process.
    pub fn look(&mut self, total: u64) -> Option<Word> {
        let is_more = total > self.seen;
        self.seen = total;
        self.quiet = if is_more { 0 } else { self.quiet + 1 };
        self.silent += 1;
        match self.began {
            None if is_more => self.began = Some(self.told),
            Some(began) if self.quiet == REPORT_AFTER => {
                (self.began, self.told) = (None, total);
                return Some(Word::Over(total - began));
            }
            Some(_) if is_more && self.silent >= REPORT_AFTER => {}
            _ => return None,
        }
        let dropped = total - self.told;
        (self.told, self.silent) = (total, 0);
        Some(Word::Lasts(dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_start_its_course_and_its_end_are_told_with_every_push_that_was_dropped() {
        let mut shedding = Shedding::new(100);
        let looks = [100, 100, 105].into_iter().chain((0..25).map(|second| 110 + second)).chain([134; 12]);
        let words: Vec<_> =
            looks.enumerate().filter_map(|(at, total)| Some((at, shedding.look(total)?))).collect();
        assert_eq!(
            words,
            [(2, Word::Lasts(5)), (12, Word::Lasts(14)), (22, Word::Lasts(10)), (37, Word::Over(34))]
        );
        assert_eq!(shedding.look(135), Some(Word::Lasts(1)), "the next one is told at once");
    }

    #[test]
    fn a_pause_of_some_seconds_is_not_its_end() {
        let mut shedding = Shedding::new(0);
        assert_eq!(shedding.look(1), Some(Word::Lasts(1)));
        let words: Vec<_> = (0..9).filter_map(|_| shedding.look(1)).collect();
        assert_eq!(words, []);
        assert_eq!(shedding.look(3), Some(Word::Lasts(2)));
    }
}
