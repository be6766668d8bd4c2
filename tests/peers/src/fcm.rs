//! A double of FCM's HTTP v1 API over HTTP/2, with the token service in front of it, strict and scriptable.
//!
//! `pushweir-peers fcm` is the command around it. The protocol's facts are in `reference/fcm.md` part 2. [`crate::http2`] serves; [`oauth`] gives
//! tokens, [`message`] reads what is sent, [`answer`] writes what comes back, [`account`] makes the service account.
//!
//! Messages have no id on this API. The double knows one again by all that is in it but its remaining time to live.

pub mod account;
pub mod answer;
pub mod message;
pub mod oauth;

pub use crate::http2::knobs;
pub use crate::http2::{admin, listener};
pub use listener::{Config, Handle, serve};
