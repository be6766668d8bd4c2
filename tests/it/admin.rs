//! The operator's interface: every action does what it says under load, and answers what it did or why not.

mod access;
mod actions;
mod live;
mod observation;
mod terminal;
