//! A bounded way into a producer for other threads, in place of its mailbox.
//!
//! Any thread offers events with [`Intake::offer`] and learns at once whether they fit; the producer that owns the
//! intake takes them a turn at a time. An actor's mailbox does not bound what is sent to it, and a flood in it would
//! stop the timers of its arbiter (`reference/performance.md` 10). Invariant: never more events than the capacity.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::doorbell::{Doorbell, Turns};

/// The bounded way in. Cheap to clone; all clones lead to the same producer.
#[derive(Debug)]
pub struct Intake<E> {
    shared: Arc<Shared<E>>,
}

#[derive(Debug)]
struct Shared<E> {
    waiting: Mutex<Waiting<E>>,
    capacity: usize,
    bell: Doorbell,
}

#[derive(Debug)]
struct Waiting<E> {
    batches: Vec<Vec<E>>,
    events: usize,
}

/// The events did not fit; they are the caller's again.
#[derive(Debug, thiserror::Error)]
#[error("intake is full (hint: offer the events again later, or shed them)")]
pub struct IntakeFull<E>(pub Vec<E>);

// === impl Intake ===

impl<E> Intake<E> {
    /// Creates an intake in which at most `capacity` events wait.
    pub fn new(capacity: usize) -> Self {
        let waiting = Mutex::new(Waiting { batches: Vec::new(), events: 0 });
        Self { shared: Arc::new(Shared { waiting, capacity, bell: Doorbell::new() }) }
    }

    /// Puts events into the intake, all of them or none.
    ///
    /// # Errors
    /// Returns [`IntakeFull`] with the events if they do not fit.
    pub fn offer(&self, events: Vec<E>) -> Result<(), IntakeFull<E>> {
        if events.is_empty() {
            return Ok(());
        }
        let mut waiting = self.shared.waiting.lock();
        if events.len() > self.shared.capacity - waiting.events {
            return Err(IntakeFull(events));
        }
        waiting.events += events.len();
        waiting.batches.push(events);
        drop(waiting);
        self.shared.bell.ring();
        Ok(())
    }

    /// Returns how many events wait.
    pub fn len(&self) -> usize {
        self.shared.waiting.lock().events
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn turns(&self) -> Turns {
        self.shared.bell.turns()
    }

    /// Takes all that waits, which the capacity bounds, and rests until the next offer.
    pub(crate) fn take_turn(&self) -> Vec<Vec<E>> {
        let mut waiting = self.shared.waiting.lock();
        waiting.events = 0;
        let batches = std::mem::take(&mut waiting.batches);
        drop(waiting);
        self.shared.bell.rest_if(|| self.is_empty());
        batches
    }
}

impl<E> Clone for Intake<E> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_handed_back_whole() {
        let intake = Intake::new(3);
        intake.offer(vec![1, 2]).expect("two fit into three");
        let IntakeFull(refused) = intake.offer(vec![3, 4]).expect_err("two more do not");
        assert_eq!(refused, [3, 4]);
        intake.offer(vec![5]).expect("one more does");
        assert_eq!(intake.len(), 3);
        assert_eq!(intake.take_turn(), [vec![1, 2], vec![5]]);
        assert!(intake.is_empty());
        intake.offer(vec![6, 7, 8]).expect("there is room again");
    }

    #[test]
    fn a_taken_intake_rests_and_an_offer_rings_again() {
        let intake = Intake::new(3);
        intake.offer(vec![1]).expect("it fits");
        assert!(intake.shared.bell.is_armed());
        intake.take_turn();
        assert!(!intake.shared.bell.is_armed());
        intake.offer(Vec::<u8>::new()).expect("nothing always fits");
        assert!(!intake.shared.bell.is_armed(), "nothing to do wakes nobody");
    }
}
