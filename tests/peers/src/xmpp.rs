//! A double of Google's Cloud Connection Server (FCM over XMPP), strict and scriptable.
//!
//! [`serve`] starts one; `pushweir-peers xmpp` is the command around it. The protocol's facts are in `reference/fcm.md`
//! part 1. Outside in:
//!
//! - [`listener`] accepts, [`connection`] moves bytes, [`hub`] steers from outside;
//! - [`session`] decides, with [`login`], [`downstream`], [`payload`], [`flight`] and [`upstream`];
//! - [`framer`], [`plain`], [`element`], [`escape`], [`answer`] and [`output`] know the bytes;
//! - [`knobs`] say how to behave; what happened is in [`crate::double`].
//!
//! [`probe`] and [`pump`] are clients: for tests of the double, and for its own speed.

pub mod answer;
pub mod connection;
pub mod downstream;
pub mod element;
pub mod escape;
pub mod flight;
pub mod framer;
pub mod hub;
pub mod knobs;
pub mod listener;
pub mod login;
pub mod output;
pub mod payload;
pub mod plain;
pub mod probe;
pub mod pump;
pub mod session;
pub mod upstream;

pub use listener::{Config, Handle, serve};
