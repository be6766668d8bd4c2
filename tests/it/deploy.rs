//! What operators deploy is true: dashboard, alerts, unit and image name only what the program has.
//!
//! `scripts/setup test` installs promtool (Debian's package `prometheus`).

mod container;
mod monitoring;
mod runbook;
mod unit;

use std::path::PathBuf;

/// Returns a file of the kit.
fn kit(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/deploy").join(name)
}

fn read(name: &str) -> String {
    let path = kit(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
