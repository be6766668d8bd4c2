//! What follows from the end of a child, from a start that worked or did not, and from time running out.

use std::time::{Duration, Instant};

use super::{
    super::{
        error::SupervisorError,
        exit::Exit,
        spec::{AutoShutdown, Startup, Strategy},
    },
    Key, Mode, Note, Plan, Run,
    effect::Up,
    record::{After, Attempt, Phase},
};

/// So many restarts without a delay are let through at once; those beyond are spread over time.
const BURST: u32 = 16;

impl Plan {
    fn is_current(&self, key: Key, run: Run) -> bool {
        self.children.get(&key).is_some_and(|child| child.run() == Some(run))
    }

    pub(super) fn start_returned(
        &mut self,
        now: Instant,
        roll: f64,
        (key, run): (Key, Run),
        result: Result<Up, String>,
    ) {
        if !self.is_current(key, run) {
            return;
        }
        let starting = matches!(self.child(key).phase, Phase::Starting { .. });
        match result {
            Ok(Up::Child) if starting => match self.child(key).policy.startup {
                Startup::Returned => self.came_up(now, key, run),
                Startup::Announced(Some(limit)) => self.arm(key, limit),
                Startup::Announced(None) => {}
            },
            // It was told to end before its start function was called: the stop follows in the effects.
            Ok(Up::Child) => {}
            Ok(Up::Nothing) if starting && !self.doomed.contains(&key) => self.ignored(key),
            Ok(Up::Nothing) => self.settle(now, roll, key),
            Err(reason) => self.start_failed(now, roll, key, reason),
        }
    }

    pub(super) fn started(&mut self, now: Instant, key: Key, run: Run) {
        if self.is_current(key, run) && matches!(self.child(key).phase, Phase::Starting { .. }) {
            self.came_up(now, key, run);
        }
    }

    fn came_up(&mut self, now: Instant, key: Key, run: Run) {
        let child = self.child(key);
        child.up_since = Some(now);
        self.end_attempt(key);
        self.set_phase(key, Phase::Running { run });
        self.answer(key, Ok(()));
    }

    /// A first start is over, one way or the other.
    pub(super) fn end_attempt(&mut self, key: Key) {
        let first = std::mem::replace(&mut self.child(key).attempt, Attempt::Again) == Attempt::First;
        if let Mode::Booting(left) = &mut self.mode
            && first
        {
            *left -= 1;
        }
    }

    /// The start function had nothing to supervise.
    fn ignored(&mut self, key: Key) {
        self.end_attempt(key);
        if self.after_end(key) == After::Forget {
            self.forget(key);
        } else {
            self.set_phase(key, Phase::Idle);
            self.answer(key, Ok(()));
        }
    }

    fn start_failed(&mut self, now: Instant, roll: f64, key: Key, reason: String) {
        let doomed = self.doomed.contains(&key);
        let child = self.child(key);
        child.last_exit = Some(Exit::Failed(reason.clone()));
        child.up_since = None;
        let (attempt, id) = (child.attempt, child.policy.id.to_string());
        self.note(key, Note::StartFailed { reason: reason.clone() });
        if doomed || (matches!(self.child(key).phase, Phase::Stopping { .. }) && !self.overdue(key)) {
            return self.settle(now, roll, key);
        }
        let error = SupervisorError::StartFailed { id: id.clone(), reason: reason.clone() };
        match attempt {
            Attempt::First if matches!(self.mode, Mode::Booting(_)) => {
                self.set_phase(key, Phase::Idle);
                let exit = Exit::Failed(format!("child {id:?} did not start: {reason}"));
                self.begin_shutdown(now, exit, None);
            }
            Attempt::First => {
                self.answer(key, Err(error));
                self.forget(key);
            }
            Attempt::Revive => {
                self.set_phase(key, Phase::Idle);
                self.answer(key, Err(error));
            }
            Attempt::Again => {
                self.answer(key, Err(error));
                self.restart(now, roll, key, Exit::Failed(reason));
            }
        }
    }

    fn overdue(&mut self, key: Key) -> bool {
        matches!(self.child(key).after, After::FailStart(_))
    }

    pub(super) fn exited(&mut self, now: Instant, roll: f64, (key, run): (Key, Run), exit: Exit) {
        if !self.is_current(key, run) {
            return;
        }
        let doomed = self.doomed.contains(&key);
        let child = self.child(key);
        match child.phase {
            Phase::Stopping { forced, .. } => {
                let exit = match exit {
                    _ if forced => Exit::Killed,
                    Exit::Normal => Exit::Shutdown,
                    other => other,
                };
                self.stopped(now, roll, key, exit);
            }
            // It ended before its turn to be stopped came: that costs nothing (OTP finds it dead when the turn comes).
            _ if doomed => self.stopped(now, roll, key, exit),
            Phase::Starting { .. } => {
                self.start_failed(now, roll, key, format!("it ended before it was up: {exit}"));
            }
            _ if child.wants_restart(&exit) => self.restart(now, roll, key, exit),
            _ => self.ended(now, key, exit),
        }
    }

    fn stopped(&mut self, now: Instant, roll: f64, key: Key, exit: Exit) {
        if matches!(exit, Exit::Failed(_) | Exit::Panicked(_) | Exit::Escalated) {
            self.note(key, Note::StopFailed { exit: exit.clone() });
        }
        self.child(key).last_exit = Some(exit);
        self.settle(now, roll, key);
    }

    /// A child that was to be stopped is down: what follows was decided when its stop was.
    fn settle(&mut self, now: Instant, roll: f64, key: Key) {
        let child = self.child(key);
        child.up_since = None;
        match std::mem::replace(&mut child.after, After::Idle) {
            After::Idle => {
                self.set_phase(key, Phase::Idle);
                self.answer(key, Ok(()));
            }
            After::Forget => self.forget(key),
            After::Start => self.enqueue(key),
            After::FailStart(reason) => {
                self.child(key).after = After::FailStart(reason.clone());
                self.start_failed(now, roll, key, reason);
            }
        }
    }

    /// A child ended by itself and is not started again.
    fn ended(&mut self, now: Instant, key: Key, exit: Exit) {
        let child = self.child(key);
        let significant = child.policy.significant;
        child.up_since = None;
        child.last_exit = Some(exit.clone());
        self.note(key, Note::Ended { exit });
        if self.after_end(key) == After::Forget {
            self.forget(key);
        } else {
            self.set_phase(key, Phase::Idle);
        }
        if significant && self.ends_with_it() {
            self.begin_shutdown(now, Exit::Shutdown, None);
        }
    }

    fn ends_with_it(&self) -> bool {
        match self.rules.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => {
                !self.children.values().any(|child| child.policy.significant && child.phase != Phase::Idle)
            }
        }
    }

    /// A child failed: it, and the siblings the strategy names, are started again, unless it was once too often.
    fn restart(&mut self, now: Instant, roll: f64, key: Key, exit: Exit) {
        let child = self.child(key);
        let lived = child.up_since.take().map(|since| now.saturating_duration_since(since));
        child.last_exit = Some(exit.clone());
        child.attempt = Attempt::Again;
        if !self.window.record(now) {
            self.note(key, Note::GaveUp { exit });
            self.set_phase(key, Phase::Idle);
            return self.begin_shutdown(now, Exit::Escalated, None);
        }
        let after = self.delay(now, roll, key, lived);
        let failures = self.child(key).failures;
        self.note(key, Note::Restarting { exit, failures, after });
        self.take_along(key);
        if after.is_zero() {
            self.enqueue(key);
        } else {
            self.set_phase(key, Phase::Waiting);
            self.arm(key, after);
        }
    }

    /// The delay of the child's own back-off; one of a crowd that needs none gets a random share of the shortest one.
    fn delay(&mut self, now: Instant, roll: f64, key: Key, lived: Option<Duration>) -> Duration {
        let mut failures = self.child(key).failures;
        let backoff = &self.rules.backoff;
        let own = match lived {
            Some(lived) => backoff.after(&mut failures, lived, roll),
            // It did not come up: that is never a healthy life, however short that may be.
            None => {
                failures = failures.saturating_add(1);
                backoff.delay(failures, roll)
            }
        };
        let span = backoff.min();
        self.child(key).failures = failures;
        if !own.is_zero() || span.is_zero() {
            return own;
        }
        let burst = &mut self.burst;
        if burst.since.is_none_or(|since| now.saturating_duration_since(since) > span) {
            (burst.since, burst.count) = (Some(now), 0);
        }
        burst.count = burst.count.saturating_add(1);
        if burst.count <= BURST { Duration::ZERO } else { span.mul_f64(roll.clamp(0.0, 1.0)) }
    }

    /// Dooms or queues the siblings that are restarted with a failed child.
    fn take_along(&mut self, failed: Key) {
        let along: Vec<Key> = match self.rules.strategy {
            Strategy::OneForOne | Strategy::Dynamic => return,
            Strategy::OneForAll => self.children.keys().copied().filter(|key| *key != failed).collect(),
            Strategy::RestForOne => {
                self.children.range(failed..).map(|(key, _)| *key).filter(|key| *key != failed).collect()
            }
        };
        for key in along {
            let strategy = self.rules.strategy;
            let child = self.child(key);
            let after = if child.forgotten_when_down(strategy) { After::Forget } else { After::Start };
            match child.phase {
                Phase::Idle | Phase::Waiting => {
                    child.attempt = Attempt::Again;
                    self.enqueue(key);
                }
                Phase::Queued { .. } => {}
                Phase::Starting { .. } | Phase::Running { .. } => {
                    child.after = after;
                    self.doomed.insert(key);
                }
                // A command that stops it wins over the strategy, as if it had come after it.
                Phase::Stopping { .. } if child.ticket.is_some() => {}
                Phase::Stopping { .. } => child.after = after,
            }
        }
    }

    pub(super) fn timer(&mut self, now: Instant, roll: f64, key: Key, token: u64) {
        let Some(child) = self.children.get_mut(&key).filter(|child| child.timer == token) else { return };
        match child.phase {
            Phase::Waiting => self.enqueue(key),
            Phase::Starting { run } => {
                if !self.doomed.contains(&key) {
                    self.child(key).after = After::FailStart("it was not up in time".to_owned());
                }
                self.force_stop(key, run);
            }
            Phase::Stopping { run, forced: false } => {
                self.note(key, Note::Overran);
                self.force_stop(key, run);
            }
            Phase::Stopping { forced: true, .. } => {
                self.note(key, Note::Abandoned);
                self.stopped(now, roll, key, Exit::Killed);
            }
            Phase::Idle | Phase::Queued { .. } | Phase::Running { .. } => {}
        }
    }
}
