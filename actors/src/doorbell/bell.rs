//! The rules of a doorbell, over any kind of atomics; [`Doorbell`](super::Doorbell) is its only user.
//!
//! They are generic so that the tests can put a model checker's atomics in the place of the real ones and run these very
//! lines in every order that the memory model allows. What differs between the two are the parts below, which only
//! pass their arguments on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use futures_util::task::AtomicWaker;

/// An atomic boolean.
pub(super) trait Flag {
    fn swap(&self, value: bool, order: Ordering) -> bool;
    fn load(&self, order: Ordering) -> bool;
}

/// A place for one waker, which any thread may wake.
pub(super) trait WakerCell {
    fn register(&self, waker: &Waker);
    fn wake(&self);
}

/// A flag that says that turns are due, and whom to wake when it is set.
#[derive(Debug, Default)]
pub(super) struct Bell<F = AtomicBool, W = AtomicWaker> {
    armed: F,
    waker: W,
}

// === impl Bell ===

impl<F: Flag, W: WakerCell> Bell<F, W> {
    /// Announces work that is in the queue already. Returns whether this call armed the bell.
    pub(super) fn ring(&self) -> bool {
        // A plain load first would be cheaper, and wrong: it may read "armed" from before a disarm whose re-check
        // did not see the new work yet. Two exchanges on one atomic are always seen in one order.
        let was_silent = !self.armed.swap(true, Ordering::AcqRel);
        if was_silent {
            self.waker.wake();
        }
        was_silent
    }

    pub(super) fn is_armed(&self) -> bool {
        self.armed.load(Ordering::Acquire)
    }

    pub(super) fn disarm(&self) {
        self.armed.swap(false, Ordering::AcqRel);
    }

    /// Silences the bell if the queue is empty and still is after the silence. Returns whether it is silent.
    pub(super) fn rest_if(&self, is_empty: impl Fn() -> bool) -> bool {
        if !is_empty() {
            return false;
        }
        self.disarm();
        if is_empty() {
            return true;
        }
        self.ring();
        false
    }

    /// Ready when a turn is due; every second time it is pending with a wake-up of its own, the pause between two turns.
    pub(super) fn poll_turn(&self, had_turn: &mut bool, waker: &Waker) -> Poll<()> {
        // Register before looking, or a ring between the two would wake nobody.
        self.waker.register(waker);
        if !self.is_armed() {
            *had_turn = false;
            return Poll::Pending;
        }
        if *had_turn {
            // The actor's mailbox and the arbiter's timers go first.
            *had_turn = false;
            waker.wake_by_ref();
            return Poll::Pending;
        }
        *had_turn = true;
        Poll::Ready(())
    }
}

impl Flag for AtomicBool {
    fn swap(&self, value: bool, order: Ordering) -> bool {
        self.swap(value, order)
    }

    fn load(&self, order: Ordering) -> bool {
        self.load(order)
    }
}

impl WakerCell for AtomicWaker {
    fn register(&self, waker: &Waker) {
        self.register(waker);
    }

    fn wake(&self) {
        self.wake();
    }
}

#[cfg(test)]
mod interleavings;
