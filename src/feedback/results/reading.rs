//! Counts those who wait for the next result.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts a reader while it waits.
pub struct Reading<'a>(&'a AtomicUsize);

// === impl Reading ===

impl<'a> Reading<'a> {
    /// Counts one more.
    pub fn new(readers: &'a AtomicUsize) -> Self {
        readers.fetch_add(1, Ordering::Relaxed);
        Self(readers)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
