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
    // The allocator asks for huge pages, which stay resident for the sake of the few objects in them: a third of what thousands of
    // connections and a full buffer need, and no faster. A kernel without this switch has them as it likes.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
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
