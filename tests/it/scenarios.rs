//! What the gateway must show when things go wrong for long, scaled down in rate and time to some seconds; `scripts/bench` has the full size.

mod blackhole;
mod chaos;
mod critical;
mod incident;
mod outage;
