//! End-to-end tests: the programs as they are shipped, real sockets, one file per promise.
//!
//! Every test that sends pushes ends with a balanced ledger, nothing lost, and the same counts at the gateway and at the provider.

mod admin;
mod apns;
mod autosize;
mod breaker;
mod command_line;
mod delivery;
mod deploy;
mod faults;
mod fcm;
mod input;
mod layers;
mod load_generator;
mod online;
mod overload;
mod privacy;
mod prosody;
mod proxy;
mod referees;
mod reload;
mod scenarios;
mod support;
mod together;
mod traces;
mod webpush;
