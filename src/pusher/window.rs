//! A pusher's arithmetic of demand: how many more pushes to ask for. Pure.
//!
//! Never `in flight + overdue + asked > size`: what the connection carries, what its provider may still hold against the window
//! although we took it back, and what the collector may still send. Asks are batched: an eighth of the window at a time under load, one
//! by one when nothing is in flight.

/// The part of a window, as its divisor, that must be free to be worth a message. What is free and not asked for yet is idle: with quarters,
/// a provider 50 ms away got 92 % of what the windows carry.
const REASK_PARTS: u32 = 8;
/// The part of a window, as its divisor, at which overdue answers make a connection not worth keeping.
const CHOKED_PARTS: u32 = 4;

/// The books of one pusher's window, in pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    size: u32,
    in_flight: u32,
    overdue: u32,
    asked: u32,
}

// === impl Window ===

impl Window {
    /// Returns a window of this size with nothing in it.
    pub const fn open(size: u32) -> Self {
        Self { size, in_flight: 0, overdue: 0, asked: 0 }
    }

    /// Returns its size.
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// Follows the provider's new limit.
    pub const fn resize(&mut self, size: u32) {
        self.size = size;
    }

    /// Takes note that the demand is void, since its subscription has ended.
    pub const fn forget_demand(&mut self) {
        self.asked = 0;
    }

    /// Returns how many pushes to ask for now, and takes note that they were asked for.
    pub fn ask(&mut self) -> u32 {
        let free = self.size.saturating_sub(self.in_flight + self.overdue + self.asked);
        let is_worth_it = free.saturating_mul(REASK_PARTS) >= self.size || self.in_flight + self.asked == 0;
        if free == 0 || !is_worth_it {
            return 0;
        }
        self.asked += free;
        debug_assert!(self.is_consistent(), "{self:?}");
        free
    }

    /// Takes note of `count` pushes that arrived and returns how many of them the window takes; the others must go back.
    pub fn arrive(&mut self, count: u32) -> u32 {
        self.asked = self.asked.saturating_sub(count);
        let taken = count.min(self.size.saturating_sub(self.in_flight + self.overdue));
        self.in_flight += taken;
        taken
    }

    /// Takes note of `count` answers.
    pub const fn settle(&mut self, count: u32) {
        self.in_flight = self.in_flight.saturating_sub(count);
    }

    /// Takes note that `count` pushes were taken back for want of an answer; the provider may still count them.
    pub const fn lapse(&mut self, count: u32) {
        self.settle(count);
        self.overdue += count;
    }

    /// Takes note that an overdue answer came after all.
    pub const fn settle_overdue(&mut self) {
        self.overdue = self.overdue.saturating_sub(1);
    }

    /// Returns whether so many answers are overdue that the connection is not worth keeping.
    pub const fn is_choked(&self) -> bool {
        self.overdue > 0 && self.overdue.saturating_mul(CHOKED_PARTS) >= self.size
    }

    /// Returns whether nothing exceeds the window. A window that shrank is above its size until answers come.
    pub const fn is_consistent(&self) -> bool {
        self.asked == 0 || self.in_flight + self.overdue + self.asked <= self.size
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fresh_window_asks_for_all_of_itself_and_then_in_eighths() {
        let mut window = Window::open(100);
        assert_eq!(window.ask(), 100);
        assert_eq!(window.arrive(100), 100);
        window.settle(12);
        assert_eq!(window.ask(), 0);
        window.settle(1);
        assert_eq!(window.ask(), 13);
    }

    #[test]
    fn at_low_load_every_answer_frees_its_slot_at_once() {
        let mut window = Window::open(100);
        assert_eq!(window.ask(), 100);
        assert_eq!(window.arrive(1), 1);
        window.settle(1);
        assert_eq!(window.ask(), 0, "99 are still asked for, so the next push finds demand");
        for _ in 0..12 {
            window.arrive(1);
            window.settle(1);
        }
        assert_eq!(window.ask(), 13);
    }

    #[test]
    fn overdue_answers_keep_their_slots_and_choke_the_connection_at_a_quarter() {
        let mut window = Window::open(8);
        window.ask();
        window.arrive(8);
        window.lapse(1);
        assert!(!window.is_choked());
        window.lapse(1);
        assert!(window.is_choked());
        window.settle(6);
        assert_eq!(window.ask(), 6);
        window.settle_overdue();
        assert!(!window.is_choked());
    }

    proptest! {
        #[test]
        fn the_provider_never_counts_more_than_the_window(steps in prop::collection::vec((0..6_u8, 1..30_u32), 1..200), size in 1..120_u32) {
            let mut window = Window::open(size);
            let (mut at_collector, mut unanswered, mut overdue) = (0_u32, 0_u32, 0_u32);
            for (kind, count) in steps {
                match kind {
                    0 | 1 => at_collector += window.ask(),
                    2 => {
                        let sent = count.min(at_collector);
                        at_collector -= sent;
                        prop_assert_eq!(window.arrive(sent), sent);
                        unanswered += sent;
                    }
                    3 => {
                        let answered = count.min(unanswered);
                        unanswered -= answered;
                        window.settle(answered);
                    }
                    4 => {
                        let lapsed = count.min(unanswered).min(3);
                        unanswered -= lapsed;
                        overdue += lapsed;
                        window.lapse(lapsed);
                    }
                    _ if overdue > 0 => {
                        overdue -= 1;
                        window.settle_overdue();
                    }
                    _ => {}
                }
                prop_assert!(unanswered + overdue + at_collector <= size);
                prop_assert!(window.is_consistent());
            }
            at_collector += window.ask();
            if overdue * 4 < size && unanswered == 0 {
                prop_assert!(at_collector > 0, "an idle window always has demand out: {:?}", window);
            }
        }
    }
}
