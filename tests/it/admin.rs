//! The operator's interface: every action does what it says under load, and answers what it did or why not.

mod actions;
mod observation;
