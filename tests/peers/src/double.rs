//! What all doubles share, whatever their protocol.
//!
//! - [`listener`] binds, accepts and secures; [`switchboard`] reaches the open connections; [`admin`] answers control calls;
//! - [`books`], [`ledger`] and [`report`] say what happened;
//! - [`quota`] counts per minute, [`script`] reads what a device's token asks for, [`knobs`] change while a double runs.

pub mod admin;
pub mod books;
pub mod knobs;
pub mod ledger;
pub mod listener;
pub mod quota;
pub mod report;
pub mod script;
pub mod switchboard;
