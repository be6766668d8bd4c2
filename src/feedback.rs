//! To be written.

use std::time::Duration;

/// `[feedback]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Attempts that a push may use, 1 to 20.
    pub max_attempts: u8,
    /// Delay before the first retry; doubles each time.
    pub backoff_min: Duration,
    /// The longest delay between retries.
    pub backoff_max: Duration,
}
