//! Figures about the process: latencies and rates, the log, and traces.

mod histogram;
mod latency;
pub mod log;
mod rate;
pub mod trace;

pub use histogram::{Histogram, Reading, Tally};
pub use latency::Latencies;
pub use rate::Rate;
