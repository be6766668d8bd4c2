//! GenStage's own test cases, played against our stages; `reference/genstage.md` part 2 numbers and describes them.
//!
//! `table.rs` lists which cases apply and which test plays each of them. Where our stages differ on purpose, the test
//! says why.

mod buffer;
mod callbacks;
mod demand;
mod dispatcher;
mod extra;
mod extra_recovery;
mod protocol;
mod subscribing;
mod support;
mod table;
