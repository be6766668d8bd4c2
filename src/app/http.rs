//! The two HTTP servers, wired to the parts.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::Server;

use super::peers::OnDemandPeers;
use super::service::Service;
use super::snapshot::Operator;
use crate::admin;
use crate::flow::Door;
use crate::ingest::{self, Ingest};

impl Service {
    /// Returns what takes senders' requests, by the settings as they are now.
    pub fn ingest(self: &Arc<Self>) -> Ingest {
        let parts = &self.parts;
        let settings = parts.live.lock().ingest.clone();
        let door: Arc<dyn Door> = Arc::<crate::collector::Intake>::clone(&parts.intake);
        Ingest {
            routes: parts.routes.entries(),
            door,
            peers: Arc::new(OnDemandPeers::new(Arc::clone(self))),
            results: Arc::clone(&parts.results),
            look_ups: tokio::sync::Semaphore::new(1),
            meter: Arc::clone(&parts.meter),
            refusals: Arc::clone(&parts.refusals),
            tracer: Arc::clone(&parts.tracer),
            mint: Arc::clone(&parts.mint),
            clock: parts.clock,
            coalesce: Arc::clone(&parts.coalesce),
            seen: parts.seen.clone(),
            senders: parts.senders.numbers(&settings.tokens),
            settings,
        }
    }

    /// Returns the senders' server on a bound socket.
    ///
    /// # Errors
    /// The system's, when the socket cannot be used.
    pub fn ingest_server(self: &Arc<Self>, listener: TcpListener) -> io::Result<Server> {
        ingest::http::server(listener, Arc::new(self.ingest()))
    }

    /// Returns the operator's server on a bound socket.
    ///
    /// # Errors
    /// The system's, when the socket cannot be used.
    pub fn admin_server(self: Arc<Self>, listener: TcpListener) -> io::Result<Server> {
        let settings = self.parts.live.lock().admin.clone();
        admin::http::server(listener, settings, Arc::new(Operator(self)))
    }
}
