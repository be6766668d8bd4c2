//! Waiting for another process: bounded, and with the last thing seen in the failure's text.

use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a loaded machine, short enough to find out what hangs.
pub const LIMIT: Duration = Duration::from_secs(30);

const PACE: Duration = Duration::from_millis(10);

/// Asks `probe` until it says yes and returns its value; its last no is in the panic's text after [`LIMIT`].
#[track_caller]
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Result<T, String>) -> T {
    within(LIMIT, what, probe)
}

/// As [`eventually`], with a limit of its own.
#[track_caller]
pub fn within<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + limit;
    loop {
        match probe() {
            Ok(value) => return value,
            Err(last) if Instant::now() >= end => panic!("not within {limit:?}: {what}; last seen: {last}"),
            Err(_) => pace(),
        }
    }
}

/// Gives other processes a moment; returns early only without harm.
pub fn pace() {
    thread::park_timeout(PACE);
}
