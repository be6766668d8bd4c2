//! The log: one line per record on standard error, `time level target text key=value`.
//!
//! [`start`] is called once, by `cli`; [`set_filter`] by the operator, and whenever a reload changes `[telemetry] log`. `RUST_LOG` is not read.
//! A place in the source that repeats itself writes so many lines a second; `app` has the others told once a second.

mod ended;
mod repeats;

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub use ended::{Ended, ended};
use env_logger::{Builder, Logger, WriteStyle};
use log::{Level, Log, Metadata, Record, SetLoggerError};
use parking_lot::{Mutex, RwLock};
use repeats::{LeftOut, Place, Repeats};
use tokio::time::Instant;

/// Warnings and errors that a place may write in a second.
const WARNINGS: u32 = 10;
/// The most bytes of a record's text that are written: what a peer says in an error can be a quarter of a megabyte.
const LONGEST: usize = 8 * 1_024;
/// Pushes that ended in the same way of which a second tells.
const ENDS: u32 = 1;

/// The logger that is installed, whose inner one a new filter replaces.
struct Switch {
    inner: RwLock<(String, Logger)>,
    epoch: Instant,
    repeats: Mutex<Repeats>,
    left_out: AtomicU64,
}

static SWITCH: OnceLock<Switch> = OnceLock::new();

/// The filters there are, for people who wrote another one.
pub const FILTERS: &str =
    "off, error, warn, info, debug, trace, or a list such as info,pushweir::pusher=debug";

/// A filter as an example.
pub const EXAMPLE: &str = "info,pushweir::pusher=debug";

/// Returns whether a text is a filter.
pub fn is_filter(text: &str) -> bool {
    let level = |word: &str| word.parse::<log::LevelFilter>().is_ok();
    let target = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte))
    };
    text.split(',').map(str::trim).all(|part| match part.split_once('=') {
        Some((name, word)) => target(name) && level(word),
        None => level(part),
    })
}

/// Installs the log with a filter: a level, or a list such as `info,pushweir::pusher=debug`.
///
/// # Errors
/// When another log is installed already.
pub fn start(filter: &str) -> Result<(), SetLoggerError> {
    let switch = SWITCH.get_or_init(|| Switch::new(filter));
    log::set_logger(switch)?;
    set_filter(filter);
    Ok(())
}

/// Changes the filter from now on; does nothing before [`start`].
pub fn set_filter(filter: &str) {
    let Some(switch) = SWITCH.get() else { return };
    let logger = build(filter);
    log::set_max_level(logger.filter());
    *switch.inner.write() = (filter.to_owned(), logger);
}

/// Returns the filter; empty before [`start`].
pub fn filter() -> String {
    SWITCH.get().map_or_else(String::new, |switch| switch.inner.read().0.clone())
}

/// Writes what was left out in the seconds before; to be called once a second.
pub fn report_left_out() {
    let Some(switch) = SWITCH.get() else { return };
    let taken = switch.repeats.lock().take(switch.epoch.elapsed());
    for LeftOut { count, like, target } in taken {
        if target.starts_with(ended::TARGET) {
            log::info!(target: &target, "more pushes ended in this way pushes={count}");
        } else {
            log::warn!(target: &target, "lines were left out suppressed={count} like={like:?}");
        }
    }
}

/// Returns how many lines were left out since the start.
pub fn left_out() -> u64 {
    SWITCH.get().map_or(0, |switch| switch.left_out.load(Ordering::Relaxed))
}

/// Returns how many lines a second a place may write; `None` for as many as it likes.
fn limit(metadata: &Metadata<'_>) -> Option<u32> {
    if metadata.target().starts_with(ended::TARGET) {
        return Some(ENDS);
    }
    (metadata.level() <= Level::Warn).then_some(WARNINGS)
}

fn build(filter: &str) -> Logger {
    Builder::new()
        .parse_filters(filter)
        .write_style(WriteStyle::Never)
        .format(|line, record| {
            let time = line.timestamp_millis();
            writeln!(line, "{time} {:<5} {} {}", record.level(), record.target(), OneLine(record.args()))
        })
        .build()
}

/// Text in which line breaks and other control characters are escaped, so that no peer's words can fake a record, cut after [`LONGEST`].
struct OneLine<'a>(&'a std::fmt::Arguments<'a>);

// === impl Switch ===

impl Switch {
    fn new(filter: &str) -> Self {
        Self {
            inner: RwLock::new((filter.to_owned(), build(filter))),
            epoch: Instant::now(),
            repeats: Mutex::default(),
            left_out: AtomicU64::new(0),
        }
    }

    fn is_admitted(&self, record: &Record<'_>) -> bool {
        let Some(limit) = limit(record.metadata()) else { return true };
        let place = Place::new(record.target(), record.file_static(), record.line());
        let text = || (record.target().to_owned(), OneLine(record.args()).to_string());
        let is_admitted = self.repeats.lock().admit(place, self.epoch.elapsed(), limit, text);
        if !is_admitted {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        is_admitted
    }
}

impl Log for Switch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.inner.read().1.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) && self.is_admitted(record) {
            self.inner.read().1.log(record);
        }
    }

    fn flush(&self) {
        self.inner.read().1.flush();
    }
}

// === impl OneLine ===

impl std::fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut escaped = Escaped { line: f, room: Some(LONGEST) };
        std::fmt::Write::write_fmt(&mut escaped, *self.0)
    }
}

struct Escaped<'a, 'f> {
    line: &'a mut std::fmt::Formatter<'f>,
    /// Bytes that may still be written; none once something was cut.
    room: Option<usize>,
}

impl std::fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let Some(room) = self.room else { return Ok(()) };
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        let shown = &text[..end.unwrap_or_default()];
        for part in shown.split_inclusive(char::is_control) {
            match part.chars().next_back().filter(|last| last.is_control()) {
                Some(last) => {
                    self.line.write_str(&part[..part.len() - last.len_utf8()])?;
                    write!(self.line, "{}", last.escape_default())?;
                }
                None => self.line.write_str(part)?,
            }
        }
        self.room = (shown.len() == text.len()).then(|| room - shown.len());
        if self.room.is_none() { self.line.write_str("…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_stays_on_one_line() {
        let shown =
            OneLine(&format_args!("closed reason={} n={}", "bye\nERROR fake\u{1b}[0m", 3)).to_string();
        assert_eq!(shown, "closed reason=bye\\nERROR fake\\u{1b}[0m n=3");
    }

    #[test]
    fn a_record_has_an_end() {
        let long = "é".repeat(LONGEST);
        let shown = OneLine(&format_args!("reason={long} n={}", 3)).to_string();
        assert_eq!(shown.len(), LONGEST - 1 + "…".len(), "cut between characters");
        assert!(shown.starts_with("reason=é") && shown.ends_with("é…"));
        let fits = "x".repeat(LONGEST);
        assert_eq!(OneLine(&format_args!("{fits}{}", "")).to_string(), fits);
    }

    #[test]
    fn a_filter_may_be_a_level_or_a_list() {
        assert_eq!(build("debug").filter(), log::LevelFilter::Debug);
        assert_eq!(build("off").filter(), log::LevelFilter::Off);
        let logger = build("warn,pushweir::pusher=trace");
        let metadata = |target, level| Metadata::builder().target(target).level(level).build();
        assert!(logger.enabled(&metadata("pushweir::pusher", log::Level::Trace)));
        assert!(!logger.enabled(&metadata("pushweir::ingest", log::Level::Info)));
    }
}
