//! An HTTP server as a supervised child: it ends when its server ends, and stops its server when told to.

use std::net::TcpListener;
use std::sync::Arc;

use actix::prelude::*;
use actix_web::dev::{Server, ServerHandle};
use pushweir_actors::{Exit, Link, StartError, Stop};

/// A bound socket that outlives the servers on it, so that a restart can neither lose nor miss the address.
#[derive(Debug, Clone)]
pub struct Listener(Arc<TcpListener>);

/// The actor.
pub struct Endpoint {
    server: Option<Server>,
    handle: ServerHandle,
    link: Link,
}

// === impl Listener ===

impl Listener {
    /// Keeps a bound socket.
    pub fn new(listener: TcpListener) -> Self {
        Self(Arc::new(listener))
    }

    /// Returns a handle of the socket for one server.
    ///
    /// # Errors
    /// The process is out of file descriptors.
    pub fn take(&self) -> Result<TcpListener, StartError> {
        self.0
            .try_clone()
            .map_err(|error| StartError::failed(format_args!("share the listening socket: {error}")))
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// Returns an actor that will run `server`.
    pub fn new(server: Server, link: Link) -> Self {
        Self { handle: server.handle(), server: Some(server), link }
    }

    fn ended(&mut self, result: std::io::Result<()>, ctx: &mut Context<Self>) {
        self.link.exit(match result {
            Ok(()) => Exit::Shutdown,
            Err(error) => Exit::Failed(format!("the HTTP server ended: {error}")),
        });
        ctx.stop();
    }
}

impl Actor for Endpoint {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(server) = self.server.take() {
            ctx.spawn(server.into_actor(self).map(|result, endpoint, ctx| endpoint.ended(result, ctx)));
        }
    }
}

impl Handler<Stop> for Endpoint {
    type Result = ();

    fn handle(&mut self, stop: Stop, ctx: &mut Self::Context) {
        let stopping = self.handle.stop(!stop.is_forced());
        ctx.spawn(stopping.into_actor(self).map(|(), _, _| ()));
    }
}
