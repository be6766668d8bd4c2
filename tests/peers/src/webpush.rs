//! A double of a browser's push service: HTTP/2 or HTTP/1.1 over TLS, with the browsers behind it, strict and scriptable.
//!
//! [`serve`] starts one; `pushweir-peers webpush` is the command around it. The protocol's facts are in `reference/apns_webpush.md` part 2.
//! [`crate::http2`] serves, or [`http1`] where the client takes no HTTP/2; [`service`] judges, with [`vapid`] for who sends, [`request`] for the
//! headers, [`browser`] for what only the subscription can read and [`answer`] for what comes back.
//!
//! One double is one origin for each name in its certificate. Several of them in one directory share the authority and the sender's key.
//! A push is known again by its subscription and its message, since every attempt is encrypted anew.

pub mod answer;
pub mod browser;
pub mod http1;
pub mod request;
pub mod service;
pub mod vapid;

use std::sync::Arc;

use tokio::net::TcpStream;

use self::service::WebPush;
use crate::double::listener::Secured;
use crate::double::listener::{Listening, Place, ServeError};
use crate::http2::hub::Hub;
use crate::http2::knobs::Knobs;
use crate::http2::{self, Handle};
use crate::tls::Clients;

/// What ALPN calls HTTP/1.1.
const HTTP1: &[u8] = b"http/1.1";

/// Starts a double on the current runtime; `only_http1` keeps it from offering HTTP/2.
///
/// # Errors
/// [`ServeError`] when an address cannot be bound, or certificate or keys cannot be made.
pub async fn serve(place: &Place, only_http1: bool, knobs: Knobs) -> Result<Handle<WebPush>, ServeError> {
    let protocols: &[&[u8]] = if only_http1 { &[HTTP1] } else { &[http2::ALPN, HTTP1] };
    let listening = Listening::open(place, protocols, Clients::Anonymous).await?;
    let name = place.names.first().map_or("localhost", String::as_str);
    let origin = format!("https://{name}:{}", listening.address.port());
    let provider =
        WebPush::prepare(&place.tls_dir, origin).map_err(|error| ServeError::Accounts(Box::new(error)))?;
    Ok(listening.serve(Arc::new(Hub::new(provider, knobs)), welcome))
}

async fn welcome(hub: Arc<Hub<WebPush>>, secured: Option<(Secured, TcpStream)>) {
    match secured {
        Some((stream, socket)) if stream.get_ref().1.alpn_protocol() != Some(http2::ALPN) => {
            let line = hub.open();
            let number = line.connection;
            http1::run(stream, socket, Arc::clone(&hub), line).await;
            hub.close(number);
        }
        secured => http2::welcome(hub, secured).await,
    }
}
