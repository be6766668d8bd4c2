//! Figures about the process: latencies and rates, and the log.

mod latency;
mod rate;

pub use latency::Latencies;
pub use rate::Rate;
