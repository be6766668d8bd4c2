//! How fast the stages are, beside bare channels and GenStage on the same kind of machine (`reference/genstage.md` part 3).
//!
//! `cargo bench -p pushweir-actors --bench stages` prints one table and writes `target/bench/actors-stages.json`; with
//! `-- --quick` in a few seconds. Figures are medians of five runs with their spread, by the wall clock, which suffers
//! from whatever else runs, and by the CPU time of all threads, which hardly does.

mod bare;
mod discord;
mod latency;
mod pull;
mod pure;
mod rate;
#[path = "../common/report.rs"]
mod report;

use report::Report;

/// The service's, so that the figures are the service's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 48 bytes, as a push by reference is.
pub type Event = [u64; 6];

/// What is sent.
pub trait Sample: Send + 'static {
    /// Makes the event of this number.
    fn make(number: u64) -> Self;

    /// Looks at the event, as a consumer does.
    fn number(&self) -> u64;
}

/// A push that owns its 300 bytes.
pub struct Owned(Vec<u8>);

impl Sample for u64 {
    fn make(number: u64) -> Self {
        number
    }

    fn number(&self) -> u64 {
        *self
    }
}

impl Sample for Event {
    fn make(number: u64) -> Self {
        [number; 6]
    }

    fn number(&self) -> u64 {
        self[0]
    }
}

impl Sample for Owned {
    fn make(number: u64) -> Self {
        Self(vec![number as u8; 300])
    }

    fn number(&self) -> u64 {
        u64::from(self.0[0])
    }
}

fn main() {
    let mut report = Report::new("stages");
    discord::measure(&mut report);
    pull::measure(&mut report);
    pure::measure(&mut report);
    latency::measure(&mut report);
    report.finish();
}
