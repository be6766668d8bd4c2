//! A double of FCM's HTTP v1 API over HTTP/2, with the token service in front of it, strict and scriptable.
//!
//! [`serve`] starts one; `pushweir-peers fcm` is the command around it. The protocol's facts are in `reference/fcm.md` part 2.
//! [`crate::http2`] serves, [`service`] judges, with [`oauth`] for tokens, [`message`] for what is sent, [`answer`] for what comes back and
//! [`account`] for the service account; [`knobs`] say how to behave.
//!
//! Messages have no id on this API. The double knows one again by all that is in it but its remaining time to live.

pub mod account;
pub mod answer;
pub mod knobs;
pub mod message;
pub mod oauth;
pub mod service;

use self::knobs::Knobs;
use self::service::Fcm;
use crate::double::listener::{Place, ServeError};
use crate::http2::{self, Handle};
use crate::tls::Clients;

/// Starts a double on the current runtime.
///
/// # Errors
/// [`ServeError`] when an address cannot be bound, or certificate or account cannot be made.
pub async fn serve(place: &Place, knobs: Knobs) -> Result<Handle<Fcm>, ServeError> {
    http2::serve(place, Clients::Anonymous, knobs, |address| Fcm::prepare(&place.tls_dir, address)).await
}
