//! Writes what happened to children to the log, without flooding it when thousands of them fail at once.

use std::time::{Duration, Instant};

use log::{Level, error, info, log, warn};

use super::exit::Exit;
use super::plan::Note;

/// So many ordinary notes are written per [`PERIOD`].
const LIMIT: u32 = 20;
const PERIOD: Duration = Duration::from_secs(1);

/// The notes of one supervisor.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

// === impl Notes ===

impl Notes {
    /// Writes the note, unless it is one too many; what needs an operator is always written.
    pub(crate) fn write(&mut self, now: Instant, (supervisor, child): (&str, &str), note: Note) {
        match note {
            Note::Abandoned => {
                return error!("child does not end, abandoned supervisor={supervisor} child={child}");
            }
            Note::GaveUp { exit } => {
                return error!(
                    "too many restarts, giving up supervisor={supervisor} child={child} exit={:?}",
                    exit.to_string()
                );
            }
            _ => {}
        }
        let Some(left_out) = self.admit(now) else { return };
        if left_out > 0 {
            warn!("notes about children left out supervisor={supervisor} count={left_out}");
        }
        match note {
            Note::Restarting { exit, failures: _, after } => {
                let after = after.as_millis();
                log!(
                    level(&exit),
                    "child restarts supervisor={supervisor} child={child} after={after}ms exit={:?}",
                    exit.to_string()
                );
            }
            Note::Ended { exit } => {
                info!("child ended supervisor={supervisor} child={child} exit={:?}", exit.to_string())
            }
            Note::StartFailed { reason } => {
                warn!("child did not start supervisor={supervisor} child={child} reason={reason:?}");
            }
            Note::StopFailed { exit } => {
                warn!(
                    "child did not stop in order supervisor={supervisor} child={child} exit={:?}",
                    exit.to_string()
                );
            }
            Note::Overran => warn!("child overran its time to stop supervisor={supervisor} child={child}"),
            Note::Abandoned | Note::GaveUp { .. } => {}
        }
    }

    /// Returns how many notes were left out before this one, or `None` when this one is left out too.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= PERIOD) {
            (self.since, self.written) = (Some(now), 0);
        }
        if self.written == LIMIT {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// A child that failed in order has said so itself; one that panicked or was killed may not have.
const fn level(exit: &Exit) -> Level {
    match exit {
        Exit::Normal | Exit::Shutdown | Exit::Failed(_) => Level::Info,
        Exit::Panicked(_) | Exit::Killed | Exit::Escalated => Level::Warn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let now = Instant::now();
        let mut notes = Notes::default();
        let admitted = (0..1000).filter_map(|_| notes.admit(now)).collect::<Vec<_>>();
        assert_eq!(admitted, [0; LIMIT as usize]);
        assert_eq!(notes.admit(now + PERIOD), Some(1000 - u64::from(LIMIT)));
        assert_eq!(notes.admit(now + PERIOD), Some(0));
    }
}
