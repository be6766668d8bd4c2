//! How many streams a connection may have open, as the knobs and the answers so far have it.
//!
//! The connection asks it before it takes a stream and tells it of every answer; what changes is announced on the wire.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::sleep;

use super::frames::Wire;
use super::knobs::Knobs;

/// The limit of one connection.
#[derive(Debug, Clone)]
pub struct Allowance {
    wire: Wire,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    most: u32,
    /// The limit until a push is accepted, or after one was refused.
    low: u32,
    shrinks: bool,
    is_low: bool,
    /// Counts how often it became low.
    shrinks_so_far: u32,
    announced: u32,
    /// How long an announcement is on its way.
    delay: Duration,
}

impl Allowance {
    /// Returns the allowance of a new connection.
    #[must_use]
    pub fn new(knobs: &Knobs) -> Self {
        let low = knobs.first_streams.max(1);
        let (shrinks, is_low) = (knobs.shrink_on_error, knobs.first_streams > 0);
        let (most, delay) = (knobs.max_streams, knobs.announce_after);
        let mut state = State { most, low, shrinks, is_low, shrinks_so_far: 0, announced: 0, delay };
        state.announced = state.current();
        Self { wire: Wire::new(state.announced), state: Arc::new(Mutex::new(state)) }
    }

    /// Returns what the limit is announced by.
    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Returns the limit as it is now, announced or not.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.state.lock().current()
    }

    /// Follows changed knobs.
    pub fn follow(&self, knobs: &Knobs) {
        self.change(|state| {
            (state.most, state.shrinks) = (knobs.max_streams, knobs.shrink_on_error);
            state.delay = knobs.announce_after;
        });
    }

    /// Returns how often the limit has shrunk, which a stream must remember from its beginning.
    #[must_use]
    pub fn shrinks_so_far(&self) -> u32 {
        self.state.lock().shrinks_so_far
    }

    /// Notes an answer to a push that began when the limit had shrunk so often. Only a push that began after the last time makes it rise again.
    pub fn answered(&self, status: u16, began: u32) {
        self.change(|state| match status {
            200..=299 if began == state.shrinks_so_far => state.is_low = false,
            // A dead token is no error of the sender.
            410 => {}
            400..=499 if state.shrinks => {
                state.shrinks_so_far += u32::from(!state.is_low);
                state.is_low = true;
            }
            _ => {}
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let (before, now, delay) = {
            let mut state = self.state.lock();
            let before = state.current();
            change(&mut state);
            (before, state.current(), state.delay)
        };
        if before == now {
            return;
        }
        if delay.is_zero() {
            return self.announce();
        }
        let later = self.clone();
        tokio::spawn(async move {
            sleep(delay).await;
            later.announce();
        });
    }

    fn announce(&self) {
        let mut state = self.state.lock();
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
            allowance.answered(status, allowance.shrinks_so_far());
            allowance.limit()
        };
        assert_eq!(allowance.limit(), 1);
        assert_eq!([after(503), after(400), after(200), after(400)], [1, 1, 50, 50]);
        knobs.shrink_on_error = true;
        knobs.max_streams = 40;
        allowance.follow(&knobs);
        assert_eq!(allowance.limit(), 40);
        let began = allowance.shrinks_so_far();
        assert_eq!([after(410), after(500), after(400)], [40, 40, 1]);
        allowance.answered(200, began);
        assert_eq!((allowance.limit(), after(200)), (1, 40), "only a later push makes it rise");
    }

    #[tokio::test(start_paused = true)]
    async fn an_announcement_may_be_on_its_way_while_the_limit_holds_already() {
        let delay = Duration::from_millis(5);
        let knobs = Knobs { first_streams: 1, max_streams: 50, announce_after: delay, ..Knobs::default() };
        let allowance = Allowance::new(&knobs);
        allowance.answered(200, 0);
        assert_eq!((allowance.limit(), allowance.state.lock().announced), (50, 1));
        tokio::task::yield_now().await;
        tokio::time::advance(delay).await;
        tokio::task::yield_now().await;
        assert_eq!(allowance.state.lock().announced, 50);
    }

    #[test]
    fn without_a_first_limit_all_streams_are_open_at_once() {
        let allowance = Allowance::new(&Knobs { max_streams: 7, ..Knobs::default() });
        assert_eq!((allowance.limit(), allowance.wire().allowed(1)), (7, u32::MAX));
    }
}
