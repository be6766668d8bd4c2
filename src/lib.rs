//! pushweir: a push-notification gateway that carries back-pressure from provider to sender.
//!
//! # The flow
//! ```text
//!  HTTP ─► admit ─► intake ─► Collector ◄── Ask(n) ── Pusher ──► Session ──► provider
//!          │        bounded   lanes, shed ── Events(≤n) ►  in-flight table  (a connection with a window)
//!          └ 429 + Retry-After    ▲                          │
//!                                 └──── requeue ◄── feedback ◄── verdicts ── answers
//!                                                     └──► ledger (outcomes counted here, nowhere else)
//! ```
//!
//! # Where things are (a module may name only the modules before it; `tests/it/layers.rs` keeps that true)
//! | module | what |
//! | --- | --- |
//! | [`units`] | clock, sizes, durations, secrets |
//! | [`push`] | a push: its key, lane, deadline and rendered payload |
//! | [`outcome`] | verdicts of one attempt, final outcomes, reasons |
//! | [`telemetry`] | the log, traces, rates, latency histograms |
//! | [`flow`] | what crosses actor boundaries: returns, commands, observation cells |
//! | [`ledger`] | double-entry books: where every push is or how it ended |
//! | [`transport`] | a connection with a window; XMPP; HTTP/2 with FCM v1, APNs and Web Push on it |
//! | [`collector`] | the one producer: admission, queue, lanes, shedding, dispatch by demand |
//! | [`feedback`] | verdict → consequence |
//! | [`pusher`] | a consumer per connection: window, in-flight table, re-ask |
//! | [`ingest`] | the senders' HTTP |
//! | [`admin`] | the operator's HTTP: state, actions, health, metrics |
//! | [`config`] | config.toml → typed settings, all faults at once |
//! | [`top`] | the admin interface in a terminal |
//! | [`cli`] | the command line and exit codes |
//! | [`app`] | the supervision tree, start and drain |
//!
//! The stage protocol and the supervisors are the crate `pushweir-actors` (its manual: `actors/README.md`).

pub mod units;

pub mod push;

pub mod outcome;

pub mod telemetry;

pub mod flow;

pub mod ledger;

pub mod transport;

pub mod collector;

pub mod feedback;

pub mod pusher;

pub mod ingest;

pub mod admin;

pub mod config;

pub mod top;

pub mod cli;

pub mod app;
