//! An open-loop load generator for the gateway's ingest door.
//!
//! [`run`] is the whole of it; `pushweir-peers load` is the command around it. Send times are fixed before the first request
//! and latency is counted from them, so a slow gateway cannot hide behind a generator that slows down with it
//! (`reference/observability.md` 4.1).
//!
//! - [`profile`]: the shapes of load and the schedule;
//! - [`body`] and [`response`]: the bytes of HTTP;
//! - [`source`]: hands requests from the pacer to the workers, or makes them as fast as workers can;
//! - [`worker`]: one keep-alive connection;
//! - [`score`]: counts, histograms and the report;
//! - [`runner`]: starts and ends it all.

pub mod body;
pub mod profile;
pub mod response;
pub mod runner;
pub mod score;
pub mod source;
pub mod worker;

pub use runner::{Plan, run};
