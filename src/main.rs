//! The service binary.

use std::process::ExitCode;

use pushweir::cli::{self, Exit};

fn main() -> ExitCode {
    let serve = |config: pushweir::config::Config, _: Option<&std::path::Path>| {
        log::error!("the service is not linked into this binary routes={}", config.routes.len());
        Exit::StartFailed
    };
    cli::run(std::env::args_os(), serve).into()
}
