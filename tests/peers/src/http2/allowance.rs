//! How many streams a connection may have open, as the knobs and the answers so far have it.
//!
//! The connection asks it before it takes a stream and tells it of every answer; what changes is announced on the wire.

use parking_lot::Mutex;

use super::frames::Wire;
use super::knobs::Knobs;

/// The limit of one connection.
#[derive(Debug)]
pub struct Allowance {
    wire: Wire,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    most: u32,
    /// The limit until a push is accepted, or after one was refused.
    low: u32,
    shrinks: bool,
    is_low: bool,
    announced: u32,
}

impl Allowance {
    /// Returns the allowance of a new connection.
    #[must_use]
    pub fn new(knobs: &Knobs) -> Self {
        let low = knobs.first_streams.max(1);
        let (shrinks, is_low) = (knobs.shrink_on_error, knobs.first_streams > 0);
        let mut state = State { most: knobs.max_streams, low, shrinks, is_low, announced: 0 };
        state.announced = state.current();
        Self { wire: Wire::new(state.announced), state: Mutex::new(state) }
    }

    /// Returns what the limit is announced by.
    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Returns the limit that was announced last.
    #[must_use]
    pub fn announced(&self) -> u32 {
        self.state.lock().announced
    }

    /// Follows changed knobs.
    pub fn follow(&self, knobs: &Knobs) {
        self.change(|state| {
            (state.most, state.shrinks) = (knobs.max_streams, knobs.shrink_on_error);
        });
    }

    /// Notes an answer to a push.
    pub fn answered(&self, status: u16) {
        self.change(|state| match status {
            200..=299 => state.is_low = false,
            // A dead token is no error of the sender.
            410 => {}
            400..=499 => state.is_low |= state.shrinks,
            _ => {}
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let limit = state.current();
        if std::mem::replace(&mut state.announced, limit) != limit {
            self.wire.limit(limit);
        }
    }
}

impl State {
    fn current(&self) -> u32 {
        if self.is_low { self.low.min(self.most) } else { self.most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_opens_with_the_first_success_and_may_shut_with_an_error() {
        let mut knobs = Knobs { first_streams: 1, max_streams: 50, ..Knobs::default() };
        let allowance = Allowance::new(&knobs);
        let after = |status| {
            allowance.answered(status);
            allowance.announced()
        };
        assert_eq!(allowance.announced(), 1);
        assert_eq!([after(503), after(400), after(200), after(400)], [1, 1, 50, 50]);
        knobs.shrink_on_error = true;
        knobs.max_streams = 40;
        allowance.follow(&knobs);
        assert_eq!(allowance.announced(), 40);
        assert_eq!([after(410), after(500), after(400), after(200)], [40, 40, 1, 40]);
    }

    #[test]
    fn without_a_first_limit_all_streams_are_open_at_once() {
        let allowance = Allowance::new(&Knobs { max_streams: 7, ..Knobs::default() });
        assert_eq!((allowance.announced(), allowance.wire().allowed()), (7, u32::MAX));
    }
}
