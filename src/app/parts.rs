//! Everything that outlives the actors: books, queue, cells, connectors. Made once, before the tree.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use crate::collector::Intake;
use crate::config::{Config, Route, Transport};
use crate::feedback::Feedback;
use crate::feedback::results::{Results, Source};
use crate::feedback::webhook::Hook;
use crate::flow::RouteCell;
use crate::ingest::Seen;
use crate::ledger::Ledger;
use crate::push::{Digest, KeyMint, RouteId};
use crate::pusher::Wiring;
use crate::telemetry::trace::Tracer;
use crate::transport::{Connector, SettingsError, fcm, xmpp};
use crate::units::Clock;

/// Connections of one route that may be opening at the same time.
const LOGINS_AT_ONCE: usize = 32;

/// The parts.
#[derive(Debug)]
pub struct Parts {
    /// The configuration they were made from.
    pub config: Config,
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
    /// Which requests and pushes are traced.
    pub tracer: Arc<Tracer>,
    /// Push identities.
    pub mint: Arc<KeyMint>,
    /// Tells which pushes replace each other in the buffer; one for the life of the process, whatever restarts.
    pub coalesce: Option<Digest>,
    /// Which of the senders' ids were taken lately.
    pub seen: Option<Arc<Seen>>,
    /// What the pushers of each route share, in the routes' order.
    pub wirings: Vec<Arc<Wiring>>,
}

// === impl Parts ===

impl Parts {
    /// Makes the parts of a configuration.
    ///
    /// # Errors
    /// A transport's settings are impossible together.
    pub fn new(config: Config) -> Result<Self, SettingsError> {
        let clock = Clock::start();
        let ledger = Arc::new(Ledger::new(config.routes.len()));
        let cells: Vec<Arc<RouteCell>> = config.routes.iter().enumerate().map(cell).collect();
        let connectors =
            config.routes.iter().map(|route| connector(&route.transport)).collect::<Result<Vec<_>, _>>()?;
        let results = Arc::new(Results::new(&config.results, sources(&config.routes, &connectors), clock));
        let ended = Arc::<Results>::clone(&results);
        let intake =
            Arc::new(Intake::new(&config.collector, cells.clone(), Arc::clone(&ledger), ended, clock));
        let returns = Arc::<Intake>::clone(&intake);
        let feedback = Arc::new(Feedback::new(
            config.feedback.clone(),
            Arc::clone(&ledger),
            returns,
            Arc::clone(&results),
            clock,
        ));
        let mut wirings = Vec::with_capacity(cells.len());
        for ((route, cell), connector) in config.routes.iter().zip(cells).zip(connectors) {
            wirings.push(Arc::new(Wiring {
                route: cell,
                port: intake.port(),
                feedback: Arc::clone(&feedback),
                connector: RwLock::new(connector),
                settings: route.pusher.clone(),
                clock,
                logins: Semaphore::new(LOGINS_AT_ONCE),
            }));
        }
        let hook = Arc::new(Hook::new(config.webhook.clone(), Arc::clone(&results)));
        let tracer = Arc::new(Tracer::new(config.traces.clone()));
        let mint = Arc::new(KeyMint::new(fastrand::u64(..)));
        let (window, ids) = (config.ingest.idempotency_window, config.ingest.idempotency_ids);
        let seen = (!window.is_zero()).then(|| Arc::new(Seen::new(window, ids)));
        let coalesce = config.collector.coalesce.then(Digest::default);
        let live = Mutex::new(Arc::new(config.clone()));
        Ok(Self {
            config,
            live,
            clock,
            ledger,
            intake,
            feedback,
            results,
            hook,
            tracer,
            mint,
            coalesce,
            seen,
            wirings,
        })
    }

    /// Returns a route's position and wiring by its name.
    pub fn route(&self, name: &str) -> Option<(&Route, &Arc<Wiring>)> {
        self.config.routes.iter().zip(&self.wirings).find(|(route, _)| route.name == name)
    }
}

fn cell((index, route): (usize, &Route)) -> Arc<RouteCell> {
    let id = RouteId(u16::try_from(index).unwrap_or(u16::MAX));
    let cell = RouteCell::new(id, route.name.clone(), route.transport.name());
    cell.resize(route.connections);
    cell.share.store(route.share, Ordering::Relaxed);
    Arc::new(cell)
}

fn sources(routes: &[Route], connectors: &[Arc<dyn Connector>]) -> Vec<Source> {
    let source = |(route, connector): (&Route, &Arc<dyn Connector>)| Source {
        name: route.name.as_str().into(),
        connector: Arc::clone(connector),
    };
    routes.iter().zip(connectors).map(source).collect()
}

/// Returns what opens the connections of a transport.
///
/// # Errors
/// Its settings are impossible together.
pub fn connector(transport: &Transport) -> Result<Arc<dyn Connector>, SettingsError> {
    match transport {
        Transport::Xmpp(settings) => Ok(Arc::new(xmpp::Connector::new(settings.clone())?)),
        Transport::Fcm(settings) => Ok(Arc::new(fcm::Connector::new(settings.as_ref().clone())?)),
    }
}
