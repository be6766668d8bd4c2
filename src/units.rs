//! Clocks, durations, sizes and secrets: the units every other module speaks in.

mod amount;
mod clock;
mod secret;
mod size;
mod slots;
mod span;
mod stamp;

pub use amount::AmountError;
pub use clock::{Clock, Moment};
pub use secret::Secret;
pub use size::{format_size, parse_size};
pub use slots::{MOST_SLOTS, Slots};
pub use span::{format_duration, parse_duration};
pub use stamp::Stamp;
