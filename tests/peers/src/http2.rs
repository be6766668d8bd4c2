//! What the doubles of HTTP/2 services share.
//!
//! - [`listener`] accepts, [`connection`] serves one connection, [`hub`] and [`admin`] steer from outside;
//! - [`call`] answers requests;
//! - [`frames`] changes the stream limit under a connection and announces its end, which the HTTP/2 library cannot;
//! - [`knobs`] say how to behave, [`report`] what happened.

pub mod admin;
pub mod call;
pub mod connection;
pub mod frames;
pub mod hub;
pub mod knobs;
pub mod listener;
pub mod report;
