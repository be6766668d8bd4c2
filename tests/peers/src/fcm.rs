//! A double of FCM's HTTP v1 API over HTTP/2, with the token service in front of it, strict and scriptable.
//!
//! [`serve`] starts one; `pushweir-peers fcm` is the command around it. The protocol's facts are in `reference/fcm.md` part 2. Outside in:
//!
//! - [`listener`] accepts, [`connection`] serves one connection, [`hub`] and [`admin`] steer from outside;
//! - [`call`] answers requests, with [`oauth`] for tokens, [`message`] for what is sent and [`answer`] for what comes back;
//! - [`frames`] changes the stream limit under a connection and announces its end, which the HTTP/2 library cannot;
//! - [`account`] makes the service account, [`knobs`] say how to behave, [`report`] what happened.
//!
//! Messages have no id on this API. The double knows one again by all that is in it but its remaining time to live.

pub mod account;
pub mod admin;
pub mod answer;
pub mod call;
pub mod connection;
pub mod frames;
pub mod hub;
pub mod knobs;
pub mod listener;
pub mod message;
pub mod oauth;
pub mod report;

pub use listener::{Config, Handle, serve};
