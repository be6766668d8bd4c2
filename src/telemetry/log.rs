//! The log: one line per record on standard error, `time level target text key=value`.
//!
//! [`start`] is called once, by `cli`; [`set_filter`] whenever a reload changes `[telemetry] log`. `RUST_LOG` is not read.

use std::io::Write;
use std::sync::OnceLock;

use env_logger::{Builder, Logger, WriteStyle};
use log::{Log, Metadata, Record, SetLoggerError};
use parking_lot::RwLock;

/// The logger that is installed, whose inner one a new filter replaces.
struct Switch {
    inner: RwLock<Logger>,
}

static SWITCH: OnceLock<Switch> = OnceLock::new();

/// The filters there are, for people who wrote another one.
pub const FILTERS: &str =
    "off, error, warn, info, debug, trace, or a list such as \"info,pushweir::pusher=debug\"";

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
    let switch = SWITCH.get_or_init(|| Switch { inner: RwLock::new(build(filter)) });
    log::set_logger(switch)?;
    set_filter(filter);
    Ok(())
}

/// Changes the filter from now on; does nothing before [`start`].
pub fn set_filter(filter: &str) {
    let Some(switch) = SWITCH.get() else { return };
    let logger = build(filter);
    log::set_max_level(logger.filter());
    *switch.inner.write() = logger;
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

/// Text in which line breaks and other control characters are escaped, so that no peer's words can fake a record.
struct OneLine<'a>(&'a std::fmt::Arguments<'a>);

// === impl Switch ===

impl Log for Switch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.inner.read().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.inner.read().log(record);
    }

    fn flush(&self) {
        self.inner.read().flush();
    }
}

// === impl OneLine ===

impl std::fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut escaped = Escaped(f);
        std::fmt::Write::write_fmt(&mut escaped, *self.0)
    }
}

struct Escaped<'a, 'f>(&'a mut std::fmt::Formatter<'f>);

impl std::fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            match part.chars().next_back().filter(|last| last.is_control()) {
                Some(last) => {
                    self.0.write_str(&part[..part.len() - last.len_utf8()])?;
                    write!(self.0, "{}", last.escape_default())?;
                }
                None => self.0.write_str(part)?,
            }
        }
        Ok(())
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
    fn a_filter_may_be_a_level_or_a_list() {
        assert_eq!(build("debug").filter(), log::LevelFilter::Debug);
        assert_eq!(build("off").filter(), log::LevelFilter::Off);
        let logger = build("warn,pushweir::pusher=trace");
        let metadata = |target, level| Metadata::builder().target(target).level(level).build();
        assert!(logger.enabled(&metadata("pushweir::pusher", log::Level::Trace)));
        assert!(!logger.enabled(&metadata("pushweir::ingest", log::Level::Info)));
    }
}
