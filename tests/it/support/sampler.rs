//! Looks at the books all the time while a test does other things.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::gateway::Gateway;
use super::wait::pace;

/// A running sampler; ends with [`Sampler::finish`].
pub struct Sampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

// === impl Sampler ===

impl Sampler {
    /// Starts to read snapshots; each must balance, and nothing may be lost in it.
    pub fn start(gateway: &Gateway) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (address, is_over) = (gateway.admin, Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut seen = 0;
            while !is_over.load(Ordering::Relaxed) {
                // The service may be on its way down.
                let Ok(state) = Gateway::try_state(address) else { break };
                state.assert_balanced();
                assert_eq!(state.ledger("lost"), 0, "{:#}", state.0);
                seen += 1;
                pace();
            }
            seen
        });
        Self { stop, thread }
    }

    /// Ends it and checks that it saw snapshots, all balanced.
    #[track_caller]
    pub fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(seen) => assert!(seen > 0, "no snapshot was read"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
