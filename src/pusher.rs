//! To be written.

use std::time::Duration;

/// The keys of a `[[route]]` that concern its pushers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Age at which an unanswered push is taken back.
    pub answer_timeout: Duration,
    /// How long a connection that the provider drains may take for its last answers.
    pub drain_timeout: Duration,
    /// Time between logins after the provider refused the credentials.
    pub login_retry: Duration,
}
