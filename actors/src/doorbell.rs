//! Wakes one actor for a bounded queue that other threads fill, a turn at a time.
//!
//! Any thread puts work into its own bounded queue and then calls [`Doorbell::ring`]; the actor that drains the
//! queue has added [`Doorbell::turns`] to its context and handles one [`Turn`] after the other. An actor's mailbox
//! loop has no budget, so a flood of messages from another thread would stop every timer of its arbiter; a bell
//! wakes once, and between two turns the mailbox, the timers and the other actors of the arbiter run.
//!
//! Invariant: the bell stays armed until the queue has been seen empty *after* disarming. An armed bell costs the
//! ringing thread one atomic exchange and no wake-up, and no work is ever left behind a silent bell. The rules are in
//! `bell`, where a model checker tries every order of the threads' steps.

mod bell;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;

use bell::Bell;

/// A wake-up shared by the threads that fill a queue and the actor that drains it. Cheap to clone.
///
/// ```
/// use actix::prelude::*;
/// use pushweir_actors::{Doorbell, Turn};
///
/// struct Drain { jobs: crossbeam_channel::Receiver<u32>, bell: Doorbell }
///
/// impl Actor for Drain {
///     type Context = Context<Self>;
///     fn started(&mut self, ctx: &mut Self::Context) {
///         Self::add_stream(self.bell.turns(), ctx);
///     }
/// }
///
/// impl StreamHandler<Turn> for Drain {
///     fn handle(&mut self, _: Turn, _: &mut Self::Context) {
///         for _job in self.jobs.try_iter().take(256) { /* at most a budget, then the others run */ }
///         self.bell.rest_if(|| self.jobs.is_empty());
///     }
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Doorbell {
    bell: Arc<Bell>,
}

/// One go at the queue: drain at most a budget, then call [`Doorbell::rest_if`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn;

/// The turns of one bell, as a stream for [`actix::StreamHandler::add_stream`]. It never ends.
///
/// A bell has one listener: a second `Turns` of the same bell takes the wake-ups away from the first.
#[derive(Debug)]
pub struct Turns {
    bell: Arc<Bell>,
    had_turn: bool,
}

// === impl Doorbell ===

impl Doorbell {
    /// Creates a silent bell.
    pub fn new() -> Self {
        Self::default()
    }

    /// Announces that the queue holds work; call it after the work is in the queue. Any thread may call it. The
    /// listener is woken only by the call that arms the bell; that one returns true.
    pub fn ring(&self) -> bool {
        self.bell.ring()
    }

    /// Returns whether turns are due.
    pub fn is_armed(&self) -> bool {
        self.bell.is_armed()
    }

    /// Silences the bell. The caller **must** look at its queue afterwards and ring if there is work;
    /// [`Doorbell::rest_if`] does both.
    pub fn disarm(&self) {
        self.bell.disarm();
    }

    /// Ends a turn: silences the bell if the queue is empty, and looks again afterwards, because work may have come
    /// in between without a wake-up. Returns whether the bell is now silent; otherwise another turn follows.
    pub fn rest_if(&self, is_empty: impl Fn() -> bool) -> bool {
        self.bell.rest_if(is_empty)
    }

    /// Returns the stream of turns for the one actor that drains the queue.
    pub fn turns(&self) -> Turns {
        Turns { bell: Arc::clone(&self.bell), had_turn: false }
    }
}

// === impl Turns ===

impl Stream for Turns {
    type Item = Turn;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Turn>> {
        let Self { bell, had_turn } = &mut *self;
        bell.poll_turn(had_turn, cx.waker()).map(|()| Some(Turn))
    }
}

#[cfg(test)]
mod tests;
