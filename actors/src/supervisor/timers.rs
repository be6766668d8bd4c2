//! All timers of one supervisor behind one sleep, because an actor polls each of its futures whenever it is woken.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::plan::Key;

/// Timers that have not run out, at most one per child and one for the supervisor itself.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<(Instant, u64), (Option<Key>, u64)>,
    armed: HashMap<Option<Key>, (Instant, u64)>,
    sleep: Option<Pin<Box<Sleep>>>,
    next: u64,
}

// === impl Timers ===

impl Timers {
    /// Replaces the timer of the key; one that is too far away for the clock never runs out.
    pub(crate) fn arm(&mut self, key: Option<Key>, token: u64, after: Duration) {
        self.disarm(key);
        if let Some(at) = Instant::now().checked_add(after) {
            self.due.insert((at, self.next), (key, token));
            self.armed.insert(key, (at, self.next));
            self.next += 1;
        }
    }

    pub(crate) fn disarm(&mut self, key: Option<Key>) {
        if let Some(at) = self.armed.remove(&key) {
            self.due.remove(&at);
        }
    }

    /// Takes a timer that has run out.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Option<Key>, u64)> {
        let entry = self.due.first_entry()?;
        let timer = (entry.key().0 <= now).then(|| entry.remove())?;
        self.armed.remove(&timer.0);
        Some(timer)
    }

    /// Ready when a timer has run out; wakes the task when the next one does.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((&(at, _), _)) = self.due.first_key_value() else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at || sleep.is_elapsed() {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_key_has_one_timer_the_latest() {
        let mut timers = Timers::default();
        for token in 0..1000 {
            timers.arm(Some(Key(1)), token, SECOND);
        }
        timers.arm(Some(Key(2)), 0, SECOND);
        timers.disarm(Some(Key(2)));
        assert_eq!(timers.pop(Instant::now() + SECOND), Some((Some(Key(1)), 999)));
        assert_eq!(timers.pop(Instant::now() + SECOND), None);
        assert!(timers.armed.is_empty());
    }

    #[test]
    fn a_timer_too_far_away_for_the_clock_never_runs_out() {
        let mut timers = Timers::default();
        timers.arm(None, 0, Duration::MAX);
        assert!(timers.due.is_empty());
    }
}
