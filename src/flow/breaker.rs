//! A route's circuit breaker: how many of its pushes may go out, from how its provider answered the last ones. Pure.
//!
//! ```text
//!          too much trouble, or a limit for all that the route sends
//!  Closed ───────────────────────────────────────────────────────► Open ◄──┐ the probes fail: twice as long
//!    ▲                                        the back-off is over │       │
//!    └── Ramping ◄──────────────────────────────────────────── HalfOpen ───┘
//!   a window long    the probes succeed
//! ```
//! Fed once per batch of answers, asked once per batch that could go out. Invariant: whenever it lets nothing out, [`Breaker::next`] names
//! the moment at which it will look again, so nobody has to poll and nothing is stuck.

mod recent;
mod words;

use std::time::Duration;

use recent::Recent;
pub use words::{Change, Settings, State, Tally, Why};

use crate::units::Moment;

/// How long probes are waited for before others are sent: some come back unsent, or are never answered.
const PATIENCE: Duration = Duration::from_secs(5);
/// Answers that earn one more push on the way while ramping; 4 is a quarter more each round trip.
const ANSWERS_PER_STEP: u64 = 4;

/// Pushes that are let out a few at a time.
#[derive(Debug, Clone, Copy, Default)]
struct Trial {
    /// Let out and not answered.
    out: u64,
    /// When some were let out last.
    at: Moment,
    fine: u64,
    trouble: u64,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed,
    Open { until: Moment },
    HalfOpen(Trial),
    Ramping { trial: Trial, since: Moment },
}

/// The breaker.
#[derive(Debug)]
pub struct Breaker {
    settings: Settings,
    phase: Phase,
    recent: Recent,
    /// Times it opened for trouble since it was closed.
    streak: u32,
    why: Option<Why>,
    opened: u64,
}

// === impl Trial ===

impl Trial {
    /// Returns how many more may be let out if `most` may be out.
    fn room(&self, most: u64) -> u64 {
        most.saturating_sub(self.out)
    }

    fn give(&mut self, now: Moment, count: u64) {
        self.out += count;
        self.at = now;
    }

    fn hear(&mut self, tally: &Tally) {
        self.out = self.out.saturating_sub(tally.fine + tally.trouble);
        self.fine += tally.fine;
        self.trouble += tally.trouble;
    }

    /// Stops waiting for what was let out too long ago.
    fn lapse(&mut self, now: Moment) {
        if self.out > 0 && now >= self.at.after(PATIENCE) {
            self.out = 0;
        }
    }
}

// === impl Breaker ===

impl Breaker {
    /// Returns a closed breaker.
    pub fn new(settings: Settings) -> Self {
        Self { settings, phase: Phase::Closed, recent: Recent::default(), streak: 0, why: None, opened: 0 }
    }

    /// Follows new settings; where it is stays.
    pub fn follow(&mut self, settings: Settings) {
        self.recent = Recent::default();
        self.settings = settings;
    }

    /// Closes it and forgets all answers, for another provider's.
    pub fn reset(&mut self) {
        (self.phase, self.recent) = (Phase::Closed, Recent::default());
        (self.streak, self.why) = (0, None);
    }

    /// Returns where it is.
    pub const fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen(_) => State::HalfOpen,
            Phase::Ramping { .. } => State::Ramping,
        }
    }

    /// Returns why it opened, until it is closed.
    pub const fn why(&self) -> Option<Why> {
        self.why
    }

    /// Returns how often it opened.
    pub const fn opened(&self) -> u64 {
        self.opened
    }

    /// Returns until when it is open.
    pub const fn until(&self) -> Option<Moment> {
        match self.phase {
            Phase::Open { until } => Some(until),
            _ => None,
        }
    }

    /// Takes note of answers; `spread`, a random number from 0 to 1, keeps the breakers of many processes apart.
    pub fn observe(&mut self, now: Moment, tally: &Tally, spread: f64) -> Option<Change> {
        if let Some((pause, why)) = tally.limit {
            return self.limit(now, pause, why);
        }
        let probes = u64::from(self.settings.probes);
        // From so many failures on, the probes' share of trouble cannot come out below the limit any more.
        let too_many = ((probes as f64 * self.settings.share).ceil() as u64).clamp(1, probes);
        match &mut self.phase {
            // What is answered now was sent before.
            Phase::Open { .. } => None,
            Phase::HalfOpen(trial) => {
                trial.hear(tally);
                if trial.trouble >= too_many {
                    return self.open(now, tally.asked, spread);
                }
                if trial.fine + too_many <= probes {
                    return None;
                }
                self.recent = Recent::default();
                self.phase = Phase::Ramping { trial: Trial::default(), since: now };
                Some(Change::Recovering)
            }
            Phase::Closed | Phase::Ramping { .. } => {
                if let Phase::Ramping { trial, .. } = &mut self.phase {
                    trial.hear(tally);
                }
                self.recent.add(now, self.settings.window, tally);
                if self.is_sick() { self.open(now, tally.asked, spread) } else { None }
            }
        }
    }

    /// Takes note of the time.
    pub fn advance(&mut self, now: Moment) -> Option<Change> {
        match &mut self.phase {
            Phase::Open { until } if *until <= now => {
                self.phase = Phase::HalfOpen(Trial::default());
                Some(Change::Probing)
            }
            Phase::Ramping { since, .. } if since.after(self.settings.window) <= now => {
                self.phase = Phase::Closed;
                self.streak = 0;
                self.why = None;
                Some(Change::Closed)
            }
            Phase::HalfOpen(trial) | Phase::Ramping { trial, .. } => {
                trial.lapse(now);
                None
            }
            Phase::Closed | Phase::Open { .. } => None,
        }
    }

    /// Returns how many pushes may be let out.
    pub fn allowance(&self) -> u64 {
        let probes = u64::from(self.settings.probes);
        match &self.phase {
            Phase::Closed => u64::MAX,
            Phase::Open { .. } => 0,
            Phase::HalfOpen(trial) => trial.room(probes),
            Phase::Ramping { trial, .. } => trial.room(probes * 2 + trial.fine / ANSWERS_PER_STEP),
        }
    }

    /// Takes note that so many were let out.
    pub fn give(&mut self, now: Moment, count: u64) {
        if let Phase::HalfOpen(trial) | Phase::Ramping { trial, .. } = &mut self.phase {
            trial.give(now, count);
        }
    }

    /// Returns when to look again though nothing is answered.
    pub fn next(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Closed => None,
            Phase::Open { until } => Some(*until),
            Phase::HalfOpen(trial) => (self.allowance() == 0).then(|| trial.at.after(PATIENCE)),
            Phase::Ramping { trial, since } => {
                let over = since.after(self.settings.window);
                let lapse = (self.allowance() == 0).then(|| trial.at.after(PATIENCE));
                Some(lapse.map_or(over, |lapse| lapse.min(over)))
            }
        }
    }

    fn is_sick(&self) -> bool {
        let (answers, trouble) = self.recent.sum();
        self.settings.enabled
            && answers >= u64::from(self.settings.least.max(1))
            && trouble as f64 >= self.settings.share * answers as f64
    }

    fn limit(&mut self, now: Moment, pause: Duration, why: Why) -> Option<Change> {
        let end = now.after(pause);
        if let Phase::Open { until } = &mut self.phase {
            // Those pushes were under way; all their answers are one event.
            if end > *until {
                *until = end;
                self.why = Some(why);
            }
            return None;
        }
        Some(self.hold(end, pause, why))
    }

    fn open(&mut self, now: Moment, asked: Duration, spread: f64) -> Option<Change> {
        let full =
            self.settings.open_min.saturating_mul(1 << self.streak.min(20)).min(self.settings.open_max);
        let pause = full.mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0).max(asked);
        self.streak = self.streak.saturating_add(1);
        Some(self.hold(now.after(pause), pause, Why::Trouble))
    }

    fn hold(&mut self, until: Moment, pause: Duration, why: Why) -> Change {
        let (answers, trouble) = self.recent.sum();
        self.phase = Phase::Open { until };
        self.recent = Recent::default();
        self.why = Some(why);
        self.opened += 1;
        Change::Opened { why, pause, trouble, answers }
    }
}

#[cfg(test)]
mod tests;
