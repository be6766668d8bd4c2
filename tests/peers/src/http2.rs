//! What the doubles of HTTP/2 services share; a double is this and a [`Provider`].
//!
//! - [`serve`] starts one: [`connection`] serves a connection, [`hub`] is its outside;
//! - [`call`] decides what becomes of a request, which the [`provider`] judges;
//! - [`frames`] changes the stream limit under a connection and announces its end, which the HTTP/2 library cannot; [`allowance`] says which
//!   limit;
//! - [`knobs`] say how to behave, [`report`] what happened.

pub mod allowance;
pub mod call;
pub mod connection;
pub mod frames;
pub mod hub;
pub mod knobs;
pub mod provider;
pub mod report;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

pub use self::provider::Provider;
use crate::double::listener::Secured;
use crate::double::listener::{self, Listening, Place, ServeError};
use crate::http2::hub::Hub;
use crate::tls::Clients;

/// What ALPN calls HTTP/2 (RFC 9113 section 3.2).
pub const ALPN: &[u8] = b"h2";

/// A running double.
pub type Handle<P> = listener::Handle<Hub<P>>;

/// Starts a double on the current runtime; `make` makes the provider once the address is known.
///
/// # Errors
/// [`ServeError`] when an address cannot be bound, or certificate or accounts cannot be made.
pub async fn serve<P: Provider, E: Error + Send + Sync + 'static>(
    place: &Place,
    clients: Clients,
    knobs: P::Knobs,
    make: impl FnOnce(SocketAddr) -> Result<P, E>,
) -> Result<Handle<P>, ServeError> {
    let listening = Listening::open(place, &[ALPN], clients).await?;
    let provider = make(listening.address).map_err(|error| ServeError::Accounts(Box::new(error)))?;
    let hub = Arc::new(Hub::new(provider, knobs));
    Ok(listening.serve(hub, welcome))
}

/// Serves a connection on which the client has agreed to HTTP/2.
pub async fn welcome<P: Provider>(hub: Arc<Hub<P>>, secured: Option<(Secured, TcpStream)>) {
    let Some((stream, socket)) = secured else {
        hub.books.ledger.lock().handshakes_failed += 1;
        return;
    };
    let line = hub.open();
    let number = line.connection;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    hub.provider.opened(number, certificate.map(|certificate| certificate.as_ref()));
    connection::run(stream, socket, Arc::clone(&hub), line).await;
    hub.provider.closed(number);
    hub.close(number);
}
