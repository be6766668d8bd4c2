//! Provider doubles and an open-loop load generator for pushweir.
//!
//! This crate judges the gateway, so it shares no code with it.
//!
//! - [`xmpp`]: a double of Google's Cloud Connection Server, strict and scriptable.
//! - [`load`]: sends pushes to the gateway on a schedule fixed in advance and measures what comes back.
//! - [`tls`]: the certificate authority the doubles share.
//! - [`watch`]: follows a gateway and compares its ledger with a double's report.
//! - [`control`]: the small HTTP face that steers a double while it runs.
//! - [`units`]: durations, shares and byte counts as flags write them.

pub mod cli;
pub mod control;
pub mod load;
pub mod tls;
pub mod units;
pub mod watch;
pub mod xmpp;
