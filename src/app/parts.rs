//! Everything that outlives the actors: books, queue, routes, what remembers senders. Made once, before the tree.

use std::sync::Arc;

use parking_lot::Mutex;

use super::routes::{LiveRoute, NoPartition, Opening, Routes};
use super::senders::Senders;
use crate::collector::Intake;
use crate::config::{Config, Route, Transport};
use crate::feedback::Feedback;
use crate::feedback::results::Results;
use crate::feedback::webhook::Hook;
use crate::ingest::{Refusals, Seen, TEMPLATES};
use crate::ledger::Ledger;
use crate::push::{Coalesce, KeyMint};
use crate::telemetry::HttpMeter;
use crate::telemetry::trace::Tracer;
use crate::transport::{Connector, SettingsError, apns, fcm, webpush, xmpp};
use crate::units::Clock;

/// Why a route cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Its transport's settings are impossible together.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There are too many.
    #[error(transparent)]
    TooMany(#[from] NoPartition),
}

/// The parts.
#[derive(Debug)]
pub struct Parts {
    /// The configuration that is in effect: reloads change what can change.
    pub live: Mutex<Arc<Config>>,
    /// The clock.
    pub clock: Clock,
    /// The books.
    pub ledger: Arc<Ledger>,
    /// Queue and admission.
    pub intake: Arc<Intake>,
    /// Verdicts to consequences.
    pub feedback: Arc<Feedback>,
    /// How pushes ended, for their senders.
    pub results: Arc<Results>,
    /// What the webhook has posted.
    pub hook: Arc<Hook>,
    /// What is counted of the senders' requests.
    pub meter: Arc<HttpMeter>,
    /// Why senders' requests were refused.
    pub refusals: Arc<Refusals>,
    /// Which requests and pushes are traced.
    pub tracer: Arc<Tracer>,
    /// Push identities.
    pub mint: Arc<KeyMint>,
    /// Tells which pushes replace each other in the buffer.
    pub coalesce: Arc<Coalesce>,
    /// Which of the senders' ids were taken lately.
    pub seen: Option<Arc<Seen>>,
    /// Which token is whose.
    pub senders: Senders,
    /// The routes and their partitions.
    pub routes: Routes,
}

// === impl Parts ===

impl Parts {
    /// Makes the parts of a configuration.
    ///
    /// # Errors
    /// A transport's settings are impossible together.
    pub fn new(config: Config) -> Result<Self, RouteError> {
        let parts = Self::without_routes(&config);
        for route in &config.routes {
            parts.add_route(route, connector(&route.transport)?)?;
        }
        Ok(parts)
    }

    fn without_routes(config: &Config) -> Self {
        let clock = Clock::start();
        let ledger = Arc::new(Ledger::default());
        let results = Arc::new(Results::new(&config.results, clock));
        let ended = Arc::<Results>::clone(&results);
        let intake = Arc::new(Intake::new(&config.collector, Arc::clone(&ledger), ended, clock));
        intake.follow_breaker(&config.feedback.breaker);
        let (returns, ending) = (Arc::<Intake>::clone(&intake), Arc::clone(&results));
        let retries = config.feedback.clone();
        let feedback = Arc::new(Feedback::new(retries, Arc::clone(&ledger), returns, ending, clock));
        let (window, ids) = (config.ingest.idempotency_window, config.ingest.idempotency_ids);
        let coalesce = Arc::new(Coalesce::default());
        coalesce.switch(config.collector.coalesce);
        Self {
            routes: Routes::new(
                Arc::clone(&intake),
                Arc::clone(&feedback),
                Arc::clone(&results),
                Arc::clone(&ledger),
                clock,
            ),
            hook: Arc::new(Hook::new(config.webhook.clone(), Arc::clone(&results))),
            meter: Arc::new(HttpMeter::new(&TEMPLATES, TEMPLATES.len())),
            refusals: Arc::default(),
            tracer: Arc::new(Tracer::new(config.traces.clone())),
            mint: Arc::new(KeyMint::new(fastrand::u64(..))),
            seen: (!window.is_zero()).then(|| Arc::new(Seen::new(window, ids))),
            senders: Senders::default(),
            live: Mutex::new(Arc::new(config.clone())),
            clock,
            ledger,
            intake,
            feedback,
            results,
            coalesce,
        }
    }

    /// Adds a route.
    ///
    /// # Errors
    /// There are too many.
    pub fn add_route(
        &self,
        settings: &Route,
        connector: Arc<dyn Connector>,
    ) -> Result<Arc<LiveRoute>, NoPartition> {
        let opening = Opening { connector, connections: home_connections(settings), key: None };
        self.routes.add(settings, opening)
    }

    /// Returns a route by its name.
    pub fn route(&self, name: &str) -> Option<&Arc<LiveRoute>> {
        self.routes.named(name)
    }
}

/// Returns the connections that a route has before anything is sent.
pub const fn home_connections(route: &Route) -> u32 {
    match route.transport {
        Transport::Xmpp(_) | Transport::Fcm(_) | Transport::Apns(_) => route.connections.min,
        Transport::WebPush(_) => 0,
    }
}

/// Returns what opens the connections of a transport.
///
/// # Errors
/// Its settings are impossible together.
pub fn connector(transport: &Transport) -> Result<Arc<dyn Connector>, SettingsError> {
    match transport {
        Transport::Xmpp(settings) => Ok(Arc::new(xmpp::Connector::new(settings.clone())?)),
        Transport::Fcm(settings) => Ok(Arc::new(fcm::Connector::new(settings.as_ref().clone())?)),
        Transport::Apns(settings) => Ok(Arc::new(apns::Connector::new(settings.as_ref().clone())?)),
        Transport::WebPush(settings) => Ok(Arc::new(webpush::Connector::new(settings.as_ref().clone()))),
    }
}
