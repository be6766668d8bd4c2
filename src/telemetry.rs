//! Figures about the process: latencies and rates, and the log.

mod latency;
pub mod log;
mod rate;

pub use latency::Latencies;
pub use rate::Rate;
