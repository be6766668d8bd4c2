//! Provider doubles and an open-loop load generator for pushweir: the gateway's independent judge.
//!
//! This crate shares no code with the gateway, so that a mistake cannot be on both sides. Its binary is `pushweir-peers`:
//!
//! ```text
//! pushweir-peers xmpp --listen 127.0.0.1:5236 --latency 20ms --jitter 5ms --control 127.0.0.1:5280
//! pushweir-peers load --to http://127.0.0.1:8650 --route android --profile incident --live
//! curl -X POST 'http://127.0.0.1:5280/set?latency=200ms'; curl http://127.0.0.1:5280/report
//! ```
//!
//! - [`xmpp`]: a double of Google's Cloud Connection Server, strict and scriptable, and clients for testing it.
//! - [`fcm`]: a double of FCM's HTTP v1 API over HTTP/2, with its token service, likewise.
//! - [`apns`]: a double of Apple's push notification service, likewise.
//! - [`webpush`]: a double of a browser's push service and the browsers behind it, likewise.
//! - [`load`]: sends pushes to the gateway on a schedule fixed in advance and measures what comes back.
//! - [`limit`]: what the machine can do with the same bytes and nothing else.
//! - [`tls`]: the certificate authority the doubles share.
//! - [`watch`]: follows a gateway and compares its ledger with a double's report.
//! - [`control`]: the small HTTP face that steers a double while it runs.
//! - [`cli`]: the command line.
//! - [`units`]: durations, shares and byte counts as flags write them.

pub mod apns;
pub mod cli;
pub mod control;
pub mod double;
pub mod fcm;
pub mod http2;
pub mod limit;
pub mod load;
pub mod tls;
pub mod units;
pub mod watch;
pub mod webpush;
pub mod xmpp;
