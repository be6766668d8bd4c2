//! Everything that outlives the actors: books, queue, cells, connectors. Made once, before the tree.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::collector::Intake;
use crate::config::{Config, Route, Transport};
use crate::feedback::Feedback;
use crate::flow::RouteCell;
use crate::ledger::Ledger;
use crate::push::{KeyMint, RouteId};
use crate::pusher::Wiring;
use crate::transport::{Connector, SettingsError, fcm, xmpp};
use crate::units::Clock;

/// Connections of one route that may be opening at the same time.
const LOGINS_AT_ONCE: usize = 32;

/// The parts.
#[derive(Debug)]
pub struct Parts {
    /// The configuration they were made from.
    pub config: Config,
    /// The clock.
    pub clock: Clock,
    /// The books.
    pub ledger: Arc<Ledger>,
    /// Queue and admission.
    pub intake: Arc<Intake>,
    /// Verdicts to consequences.
    pub feedback: Arc<Feedback>,
    /// Push identities.
    pub mint: Arc<KeyMint>,
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
        let intake = Arc::new(Intake::new(&config.collector, cells.clone(), Arc::clone(&ledger), clock));
        let returns = Arc::<Intake>::clone(&intake);
        let feedback = Arc::new(Feedback::new(config.feedback.clone(), Arc::clone(&ledger), returns, clock));
        let mut wirings = Vec::with_capacity(cells.len());
        for (route, cell) in config.routes.iter().zip(cells) {
            wirings.push(Arc::new(Wiring {
                route: cell,
                port: intake.port(),
                feedback: Arc::clone(&feedback),
                connector: connector(&route.transport)?,
                settings: route.pusher.clone(),
                clock,
                logins: Semaphore::new(LOGINS_AT_ONCE),
            }));
        }
        let mint = Arc::new(KeyMint::new(fastrand::u64(..)));
        Ok(Self { config, clock, ledger, intake, feedback, mint, wirings })
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
    Arc::new(cell)
}

fn connector(transport: &Transport) -> Result<Arc<dyn Connector>, SettingsError> {
    match transport {
        Transport::Xmpp(settings) => Ok(Arc::new(xmpp::Connector::new(settings.clone())?)),
        Transport::Fcm(settings) => Ok(Arc::new(fcm::Connector::new(settings.clone())?)),
    }
}
