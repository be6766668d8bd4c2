//! The bell's own lines under a model checker: every order of the threads' steps, and every value that a load may return.
//!
//! A wake-up that is lost shows as a deadlock: the listener waits, and nobody is left to wake it. The queue is a bare
//! counter with relaxed accesses, so nothing but the bell orders what the threads see of it. The search is the same in
//! every run, so running a failing test again is the replay: with `LOOM_LOG=trace LOOM_LOCATION=1 -- --nocapture` the last
//! iteration that is printed is the order that failed.

use std::future::poll_fn;
use std::task::Context;

use loom::future::{AtomicWaker as LoomWaker, block_on};
use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool as LoomBool, AtomicUsize};
use loom::thread;

use super::*;

impl Flag for LoomBool {
    fn swap(&self, value: bool, order: Ordering) -> bool {
        self.swap(value, order)
    }

    fn load(&self, order: Ordering) -> bool {
        self.load(order)
    }
}

impl WakerCell for LoomWaker {
    fn register(&self, waker: &Waker) {
        self.register_by_ref(waker);
    }

    fn wake(&self) {
        self.wake();
    }
}

/// What the threads share.
#[derive(Debug, Default)]
struct Stand {
    bell: Bell<LoomBool, LoomWaker>,
    queue: AtomicUsize,
}

// === impl Stand ===

impl Stand {
    fn fill(&self, jobs: usize) {
        for _ in 0..jobs {
            self.queue.fetch_add(1, Ordering::Relaxed);
            self.bell.ring();
        }
    }

    /// Takes turns, at most `budget` jobs in each, until `expected` jobs are taken.
    fn drain(&self, expected: usize, budget: usize) {
        let (mut taken, mut had_turn) = (0, false);
        block_on(poll_fn(|cx: &mut Context<'_>| {
            while self.bell.poll_turn(&mut had_turn, cx.waker()).is_ready() {
                taken += self.take(budget);
                self.bell.rest_if(|| self.queue.load(Ordering::Relaxed) == 0);
                if taken == expected {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        }));
    }

    fn take(&self, budget: usize) -> usize {
        let some = self.queue.load(Ordering::Relaxed).min(budget);
        if some > 0 {
            self.queue.fetch_sub(some, Ordering::Relaxed);
        }
        some
    }
}

/// Explores one listener and one thread per entry of `fillers`, which fills in so many jobs.
fn explore(fillers: &'static [usize], budget: usize, preemptions: usize) {
    let mut model = Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        let stand = Arc::new(Stand::default());
        let threads: Vec<_> = fillers
            .iter()
            .map(|&jobs| {
                let stand = Arc::clone(&stand);
                thread::spawn(move || stand.fill(jobs))
            })
            .collect();
        stand.drain(fillers.iter().sum(), budget);
        threads.into_iter().for_each(|thread| thread.join().expect("no filler panics"));
        // A ring that came after its job was taken may have left the bell armed; one more turn silences it.
        stand.bell.rest_if(|| stand.queue.load(Ordering::Relaxed) == 0);
        assert!(!stand.bell.is_armed(), "nothing is left, so the bell rests");
    });
}

#[test]
fn one_thread_never_leaves_a_job_behind_a_silent_bell() {
    explore(&[2], usize::MAX, 3);
}

#[test]
fn two_threads_never_leave_a_job_behind_a_silent_bell() {
    explore(&[1, 1], usize::MAX, 2);
}

#[test]
fn turns_of_one_job_reach_the_last() {
    explore(&[2], 1, 3);
}
