//! config.toml → typed settings.

use std::time::Duration;

use crate::{admin, collector, feedback, ingest, pusher, transport};

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[runtime]`.
    pub runtime: Runtime,
    /// `[ingest]`.
    pub ingest: ingest::Settings,
    /// `[collector]`.
    pub collector: collector::Settings,
    /// `[admin]`.
    pub admin: admin::Settings,
    /// `[feedback]`.
    pub feedback: feedback::Settings,
    /// `[telemetry] log`: a level or an env_logger filter.
    pub log: String,
    /// `[[route]]`, at least one, names unique.
    pub routes: Vec<Route>,
}

/// `[runtime]`.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// Threads that pushers are spread over; the collector lives on the first.
    pub delivery_threads: usize,
    /// How long SIGTERM may take.
    pub drain_deadline: Duration,
}

/// One `[[route]]`.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique name, `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// Pushers, each with a connection of its own.
    pub connections: u32,
    /// Shortest delay before a pusher that failed is started again.
    pub restart_min: Duration,
    /// Longest such delay.
    pub restart_max: Duration,
    /// Restarts within `restart_period` after which the route's supervisor gives up; per connection.
    pub restart_limit: u32,
    /// See `restart_limit`.
    pub restart_period: Duration,
    /// What concerns the pushers.
    pub pusher: pusher::Settings,
    /// The table named after the transport.
    pub transport: Transport,
}

/// A route's transport and its settings.
#[derive(Debug, Clone)]
pub enum Transport {
    /// `transport = "xmpp"`, `[route.xmpp]`.
    Xmpp(transport::xmpp::Settings),
}

// === impl Transport ===

impl Transport {
    /// Returns its name as in the configuration and the JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Xmpp(_) => "xmpp",
        }
    }
}
