//! A double of Apple's push notification service over HTTP/2, strict and scriptable.
//!
//! [`serve`] starts one; `pushweir-peers apns` is the command around it. The protocol's facts are in `reference/apns_webpush.md` part 1.
//! [`crate::http2`] serves, [`service`] judges, with [`token`] for provider tokens, [`request`] for headers and payload, [`broadcast`] for channels, [`answer`] for what comes
//! back and [`account`] for what clients log in with; [`knobs`] say how to behave.
//!
//! A push is known again by its `apns-id`. Device tokens are hex; those whose bytes are a text follow the table of scripts.

pub mod account;
pub mod answer;
pub mod broadcast;
pub mod knobs;
pub mod request;
pub mod service;
pub mod token;

use self::knobs::Knobs;
use self::service::Apns;
use crate::double::listener::{Place, ServeError};
use crate::http2::{self, Handle};
use crate::tls::Clients;

/// Starts a double on the current runtime for the app with this bundle id.
///
/// # Errors
/// [`ServeError`] when an address cannot be bound, or certificate or accounts cannot be made.
pub async fn serve(place: &Place, knobs: Knobs, topic: &str) -> Result<Handle<Apns>, ServeError> {
    http2::serve(place, Clients::Known, knobs, |_| Apns::prepare(&place.tls_dir, topic)).await
}
