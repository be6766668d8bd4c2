//! Whether connections may be opened while the provider refuses the credentials: one at a time, once in a while. Pure.
//!
//! The connector keeps one under a lock; sessions tell it what they were answered. Apple checks a credential only with the first push, so a
//! connection that opens proves nothing.

use std::time::Duration;

use tokio::time::Instant;

/// The gate of a route.
#[derive(Debug)]
pub struct Gate {
    state: State,
    /// How long it stays shut.
    hold: Duration,
}

#[derive(Debug)]
enum State {
    Open,
    /// Shut, or with one connection let through to try: then that has as long to prove itself.
    Shut {
        reason: String,
        until: Instant,
    },
}

// === impl Gate ===

impl Gate {
    /// Returns an open gate that will stay shut for so long.
    pub const fn new(hold: Duration) -> Self {
        Self { state: State::Open, hold }
    }

    /// Asks to open a connection.
    ///
    /// # Errors
    /// Why not.
    pub fn enter(&mut self, now: Instant) -> Result<(), String> {
        match &mut self.state {
            State::Open => Ok(()),
            State::Shut { reason, until } if now < *until => Err(reason.clone()),
            State::Shut { until, .. } => {
                *until = now + self.hold;
                Ok(())
            }
        }
    }

    /// Notes that the credentials were refused; returns whether that is news.
    pub fn refused(&mut self, now: Instant, reason: String) -> bool {
        let is_news = matches!(self.state, State::Open);
        self.state = State::Shut { reason, until: now + self.hold };
        is_news
    }

    /// Notes that the credentials were accepted; returns whether that is news.
    pub fn accepted(&mut self) -> bool {
        !matches!(std::mem::replace(&mut self.state, State::Open), State::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(60);

    #[test]
    fn after_a_refusal_one_connection_a_while_may_try() {
        let start = Instant::now();
        let mut gate = Gate::new(HOLD);
        assert_eq!((gate.enter(start), gate.enter(start)), (Ok(()), Ok(())));
        assert!(gate.refused(start, "no".into()));
        assert_eq!(gate.enter(start), Err("no".into()));
        let later = start + HOLD;
        assert_eq!((gate.enter(later), gate.enter(later)), (Ok(()), Err("no".into())));
        assert!(!gate.refused(later, "still no".into()));
        assert_eq!(gate.enter(later), Err("still no".into()));
        assert_eq!(gate.enter(later + HOLD), Ok(()));
    }

    #[test]
    fn a_trial_without_a_push_is_followed_by_the_next() {
        let start = Instant::now();
        let mut gate = Gate::new(HOLD);
        gate.refused(start, "no".into());
        let trials = (1..=3).map(|turn| gate.enter(start + HOLD * turn)).collect::<Vec<_>>();
        assert_eq!(trials, [Ok(()), Ok(()), Ok(())]);
    }

    #[test]
    fn an_accepted_push_opens_it_for_all() {
        let start = Instant::now();
        let mut gate = Gate::new(HOLD);
        assert!(!gate.accepted());
        gate.refused(start, "no".into());
        assert!(gate.accepted());
        assert_eq!((gate.enter(start), gate.enter(start)), (Ok(()), Ok(())));
    }
}
