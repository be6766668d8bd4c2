//! Keeps the log lines of each test's own thread, where its stages run as well.

use std::cell::RefCell;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Keeper;

impl Log for Keeper {
    fn enabled(&self, _: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        if record.target().starts_with("pushweir_actors") {
            LINES.with_borrow_mut(|lines| lines.push(format!("{} {}", record.level(), record.args())));
        }
    }

    fn flush(&self) {}
}

/// Starts to keep the lines of this thread, without those from before.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Keeper).expect("nobody else sets a logger in this binary");
        log::set_max_level(LevelFilter::Debug);
    });
    LINES.take();
}

/// Returns the kept lines of a level.
pub fn of(level: &str) -> Vec<String> {
    LINES.with_borrow(|lines| lines.iter().filter(|line| line.starts_with(level)).cloned().collect())
}
