//! Provider doubles and load.
fn main() {}
