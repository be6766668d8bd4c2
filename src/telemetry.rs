//! Figures about the process: latencies and rates, the log, and traces.

mod histogram;
mod latency;
pub mod log;
mod rate;
mod times;
pub mod trace;

pub use histogram::{Example, Histogram, Reading, Tally};
pub use latency::Latencies;
pub use rate::Rate;
pub use times::{CLASSES, HttpMeter, Longest, PushTimes, Requests};
