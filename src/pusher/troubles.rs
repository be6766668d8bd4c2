//! What the log says of connections that fail: each cause at once, and while it lasts ever more seldom, with how often. Pure.
//!
//! The pushers of a partition share one book, in their [`super::Wiring`]: what keeps one from connecting mostly keeps all. Invariant: every
//! failure is in exactly one line, the one that is written for it or the next of its cause.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::outcome::bounded;
use crate::units::Moment;

/// The time to the second line of a cause, to the third, and to every further one.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60)];
/// A cause that has not shown for so long is a new one; well above the time between two tries.
const FORGOTTEN: Duration = Duration::from_secs(150);
/// Causes that are told apart; each failure by another one has a line of its own.
const CAUSES: usize = 16;
/// The most bytes of a cause that are kept.
const LONGEST: usize = 1_024;

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The connection of a pusher that has none.
    Connect,
    /// The connection of a pusher that still reads one.
    Replace,
    /// As either, but trying again soon is pointless.
    Login,
    /// A connection that was open.
    Lost,
    /// A connection that was drained before it was of use.
    Nothing,
    /// The pusher itself, for a reason that only its supervisor knows.
    Pusher,
}

/// A failure of a pusher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What failed.
    pub what: What,
    /// Why; names the peer where the pusher does not.
    pub cause: String,
    /// Pushes that were taken back with the connection.
    pub unanswered: usize,
}

/// Which time it is that something fails in a row, and when it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// The number of the try that failed; 0 if one had gone well before.
    pub attempt: u32,
    /// The time until the next one.
    pub after: Duration,
}

/// A line of the log: the last failure of a cause, and how many there were since the line before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    trouble: Trouble,
    pusher: u32,
    next: Next,
    times: u64,
    pushers: usize,
    within: Duration,
}

#[derive(Debug)]
struct Cause {
    last: Line,
    who: BTreeSet<u32>,
    told_at: Moment,
    failed_at: Moment,
    lines: usize,
}

/// The book.
#[derive(Debug, Default)]
pub struct Troubles {
    causes: Vec<Cause>,
    /// By pusher: why it has ended, until its supervisor says when it is started again.
    ended: HashMap<u32, Trouble>,
}

// === impl Troubles ===

impl Troubles {
    /// Takes note of why a pusher ends.
    pub fn ends(&mut self, pusher: u32, trouble: Trouble) {
        self.ended.insert(pusher, trouble);
    }

    /// Takes note of when a pusher that has ended is started again, and returns the line about it if it is time for one.
    /// `reason` is the supervisor's, for a pusher that did not get as far as to say why it ends.
    pub fn restarts(&mut self, pusher: u32, reason: &str, next: Next, now: Moment) -> Option<Line> {
        let unknown = || Trouble { what: What::Pusher, cause: reason.to_owned(), unanswered: 0 };
        let trouble = self.ended.remove(&pusher).unwrap_or_else(unknown);
        self.fails(pusher, trouble, next, now)
    }

    /// Takes note of a failure, and returns the line about it if it is time for one.
    pub fn fails(&mut self, pusher: u32, trouble: Trouble, next: Next, now: Moment) -> Option<Line> {
        let Trouble { what, cause, unanswered } = trouble;
        let trouble = Trouble { what, cause: bounded(&cause, LONGEST).into(), unanswered };
        let line = Line { trouble, pusher, next, times: 1, pushers: 1, within: Duration::ZERO };
        let known = |cause: &&mut Cause| {
            (cause.last.trouble.what, &cause.last.trouble.cause) == (what, &line.trouble.cause)
        };
        let Some(known) = self.causes.iter_mut().find(known) else {
            if self.causes.len() < CAUSES {
                let last = Line { times: 0, ..line.clone() };
                let who = BTreeSet::new();
                self.causes.push(Cause { last, who, told_at: now, failed_at: now, lines: 1 });
            }
            return Some(line);
        };
        known.add(line, now);
        known.tell(now)
    }

    /// Returns the lines that are due; to be called about once a second.
    pub fn due(&mut self, now: Moment) -> Vec<Line> {
        let due = self.causes.iter_mut().filter_map(|cause| cause.tell(now)).collect();
        self.causes.retain(|cause| cause.last.times > 0 || now.since(cause.failed_at) < FORGOTTEN);
        due
    }
}

// === impl Cause ===

impl Cause {
    fn add(&mut self, line: Line, now: Moment) {
        let before = &self.last;
        let is_first = before.times == 0;
        let unanswered = line.trouble.unanswered + if is_first { 0 } else { before.trouble.unanswered };
        self.who.insert(line.pusher);
        let trouble = Trouble { unanswered, ..line.trouble };
        self.last = Line { trouble, times: before.times + 1, ..line };
        self.failed_at = now;
    }

    fn tell(&mut self, now: Moment) -> Option<Line> {
        let within = now.since(self.told_at);
        let pause = PAUSES[(self.lines - 1).min(PAUSES.len() - 1)];
        if self.last.times == 0 || within < pause {
            return None;
        }
        let line = Line { pushers: std::mem::take(&mut self.who).len(), within, ..self.last.clone() };
        self.last.times = 0;
        self.told_at = now;
        self.lines += 1;
        Some(line)
    }
}

// === impl Line ===

impl Line {
    /// Writes it to the log, for a route.
    pub fn log(&self, route: &str) {
        let level = if self.trouble.what == What::Login { log::Level::Error } else { log::Level::Warn };
        log::log!(level, "{}", self.text(route));
    }

    fn text(&self, route: &str) -> String {
        let Self { trouble, pusher, next, times, pushers, within } = self;
        let mut text = format!("{} pusher={route}/{pusher} error={:?}", trouble.what.as_str(), trouble.cause);
        if trouble.what == What::Lost {
            text += &format!(" unanswered={}", trouble.unanswered);
        }
        text += &format!(" attempt={} next_try={:.1?}", next.attempt, next.after);
        if *times > 1 {
            text += &format!(" times={times} pushers={pushers} within={within:.0?}");
        }
        text
    }
}

// === impl What ===

impl What {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "could not connect",
            Self::Replace => "could not connect the replacement",
            Self::Login => "the provider refuses our login, or may not be connected to",
            Self::Lost => "connection lost",
            Self::Nothing => "the connection came to nothing",
            Self::Pusher => "the pusher failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused() -> Trouble {
        Trouble { what: What::Connect, cause: "connect to peer:1: refused".to_owned(), unanswered: 0 }
    }

    fn at(seconds: f64) -> Moment {
        Moment::default().after(Duration::from_secs_f64(seconds))
    }

    fn next(attempt: u32) -> Next {
        Next { attempt, after: Duration::from_millis(1_500) }
    }

    #[test]
    fn ten_minutes_of_refusals_are_a_dozen_lines_that_count_them_all() {
        let mut troubles = Troubles::default();
        let mut lines = Vec::new();
        for second in 0..600_u32 {
            for pusher in 0..8 {
                troubles.ends(pusher, refused());
                lines.extend(troubles.restarts(pusher, "", next(second + 1), at(f64::from(second))));
            }
            lines.extend(troubles.due(at(f64::from(second) + 0.5)));
        }
        lines.extend(troubles.due(at(700.0)));
        assert!((10..=14).contains(&lines.len()), "{}", lines.len());
        assert_eq!(lines.iter().map(|line| line.times).sum::<u64>(), 4_800);
        let first =
            "could not connect pusher=a/0 error=\"connect to peer:1: refused\" attempt=1 next_try=1.5s";
        assert_eq!(lines[0].text("a"), first);
        let later = lines[3].text("a");
        assert!(later.contains(" pushers=8 within=60s") && later.contains(" times=480 "), "{later}");
    }

    #[test]
    fn another_cause_is_told_at_once_and_so_is_one_that_comes_back() {
        let mut troubles = Troubles::default();
        let lost = |cause: &str| Trouble { what: What::Lost, cause: cause.to_owned(), unanswered: 3 };
        assert!(troubles.fails(0, lost("reset"), next(0), at(0.0)).is_some());
        assert!(troubles.fails(1, lost("reset"), next(0), at(0.0)).is_none());
        assert!(troubles.fails(2, lost("reset"), next(0), at(0.0)).is_none());
        assert!(troubles.fails(0, refused(), next(1), at(0.1)).is_some());
        let due = troubles.due(at(1.0));
        assert_eq!(due.len(), 1, "{due:?}");
        assert!(due[0].text("a").contains("unanswered=6 "), "{}", due[0].text("a"));
        assert_eq!(troubles.due(at(400.0)), []);
        assert!(troubles.fails(0, lost("reset"), next(0), at(401.0)).is_some());
    }

    #[test]
    fn a_restart_that_the_pusher_does_not_explain_is_told_with_the_supervisors_reason() {
        let line = Troubles::default().restarts(1, "it ended before it was up", next(1), at(0.0)).unwrap();
        let expected =
            "the pusher failed pusher=a/1 error=\"it ended before it was up\" attempt=1 next_try=1.5s";
        assert_eq!(line.text("a"), expected);
    }

    proptest! {
        #[test]
        fn every_failure_is_told_once(steps in prop::collection::vec((0..40_u8, 0..4_u32, 0..5_000_u64), 1..300)) {
            let mut troubles = Troubles::default();
            let (mut now, mut told) = (Moment::default(), 0);
            for (cause, pusher, pause) in &steps {
                now = now.after(Duration::from_millis(*pause));
                let trouble = Trouble { cause: cause.to_string(), ..refused() };
                told += troubles.fails(*pusher, trouble, next(1), now).map_or(0, |line| line.times);
                told += troubles.due(now).iter().map(|line| line.times).sum::<u64>();
                prop_assert!(troubles.causes.len() <= CAUSES);
            }
            told += troubles.due(now.after(FORGOTTEN)).iter().map(|line| line.times).sum::<u64>();
            prop_assert_eq!(told, steps.len() as u64);
        }
    }
}
