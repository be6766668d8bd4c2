//! The service binary.

use std::path::Path;
use std::process::ExitCode;

use pushweir::app;
use pushweir::cli::{self, Exit};
use pushweir::config::Config;

// Batches are allocated by an HTTP thread and freed by a delivery thread, which glibc's allocator makes several times dearer
// (`reference/performance.md` 2a).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(std::env::args_os(), serve).into()
}

fn serve(config: Config, file: Option<&Path>) -> Exit {
    match app::serve(config, file.map(Path::to_path_buf)) {
        Ok(()) => Exit::Fine,
        Err(error) => {
            log::error!("{error}");
            error.exit()
        }
    }
}
