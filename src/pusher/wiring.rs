//! What a pusher is given: its route's settings, and what all pushers of the route share.
//!
//! `app` makes one [`Wiring`] per partition; it outlives the actors. It writes what [`Troubles`] has to say to the log.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use pushweir_actors::Setback;
use tokio::sync::Semaphore;

use super::troubles::{Next, Trouble, Troubles};
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
    /// What the log has yet to say of connections that fail.
    pub troubles: Mutex<Troubles>,
}

// === impl Wiring ===

impl Wiring {
    /// Returns the pushers' settings as they are now.
    pub fn settings(&self) -> Settings {
        *self.settings.read()
    }

    /// Tells of a pusher that has ended by itself and will be started again; for its supervisor.
    pub fn restarts(&self, pusher: u32, setback: &Setback<'_>) {
        let next = Next { attempt: setback.failures, after: setback.after };
        let line = self.troubles.lock().restarts(pusher, setback.reason, next, self.clock.now());
        line.iter().for_each(|line| line.log(&self.route.name));
    }

    /// Tells of troubles that have been kept back; to be called about once a second.
    pub fn tell_troubles(&self) {
        let lines = self.troubles.lock().due(self.clock.now());
        lines.iter().for_each(|line| line.log(&self.route.name));
    }

    /// Tells of a trouble of a pusher that goes on by itself.
    pub(super) fn fails(&self, pusher: u32, trouble: Trouble, next: Next) {
        let line = self.troubles.lock().fails(pusher, trouble, next, self.clock.now());
        line.iter().for_each(|line| line.log(&self.route.name));
    }
}
