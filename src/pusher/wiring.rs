//! What a pusher is given: its route's settings, and what all pushers of the route share.
//!
//! `app` makes one [`Wiring`] per partition; it outlives the actors.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::Semaphore;

use crate::feedback::Feedback;
use crate::flow::{Port, RouteCell};
use crate::push::RouteId;
use crate::transport::Connector;
use crate::units::Clock;

/// The keys of a `[[route]]` that concern its pushers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Age at which an unanswered push is taken back.
    pub answer_timeout: Duration,
    /// How long a connection that the provider drains may take for its last answers.
    pub drain_timeout: Duration,
    /// Time between logins after the provider refused the credentials.
    pub login_retry: Duration,
}

/// What all pushers of a partition share.
#[derive(Debug)]
pub struct Wiring {
    /// The route.
    pub route: Arc<RouteCell>,
    /// The partition of the route that they serve.
    pub partition: RouteId,
    /// Where demand goes.
    pub port: Arc<Port>,
    /// Where verdicts go.
    pub feedback: Arc<Feedback>,
    /// What opens connections; a reload replaces it, and a restart of the pushers then uses it.
    pub connector: RwLock<Arc<dyn Connector>>,
    /// The pushers' settings; a change counts from the next time that they are looked at.
    pub settings: RwLock<Settings>,
    /// The clock.
    pub clock: Clock,
    /// Permits for opening connections at the same time, so that thousands of them do not storm the provider.
    pub logins: Semaphore,
}

// === impl Wiring ===

impl Wiring {
    /// Returns the pushers' settings as they are now.
    pub fn settings(&self) -> Settings {
        *self.settings.read()
    }
}
