//! Clock, durations, sizes and secrets: the units every other module speaks in.

mod clock;
mod secret;

pub use clock::{Clock, Moment};
pub use secret::Secret;
