//! Whose turn it is: which child to stop next, which to start next, and whether the supervisor is up or down.

use std::time::{Duration, Instant};

use super::{
    super::{
        error::SupervisorError,
        exit::Exit,
        spec::{ChildKind, Shutdown, Strategy},
        stop::StopMode,
    },
    After, Effect, Key, Mode, Note, Phase, Plan, Run,
    record::Attempt,
};

impl Plan {
    /// Does everything that may be done now.
    pub(super) fn advance(&mut self, now: Instant) {
        self.stop_next(now);
        while self.may_start() {
            self.start_next();
        }
        match self.mode {
            Mode::Booting(0) => {
                self.mode = Mode::Running;
                self.effects.push_back(Effect::Booted);
            }
            Mode::Stopping { ref exit, .. } if self.counts.up() == 0 => {
                let exit = exit.clone();
                self.mode = Mode::Done;
                self.effects.push_back(Effect::Exit(exit));
            }
            _ => {}
        }
    }

    /// Stops in reverse start order, one after the other, unless order does not matter (any more).
    fn stop_next(&mut self, now: Instant) {
        let together = match self.mode {
            Mode::Stopping { expired, .. } => expired || self.rules.strategy == Strategy::Dynamic,
            _ => false,
        };
        while together || self.counts.stopping == 0 {
            let Some(&key) = self.doomed.last() else { return };
            self.begin_stop(now, key, None);
        }
    }

    fn may_start(&self) -> bool {
        if self.queued.is_empty() || self.is_stopping() {
            return false;
        }
        let counts = &self.counts;
        if self.rules.strategy.is_ordered() {
            // A doomed child implies one that is stopping.
            return counts.waiting + counts.starting + counts.stopping == 0;
        }
        let limit = if matches!(self.mode, Mode::Booting(_)) { 1 } else { self.rules.max_starting };
        counts.starting < limit
    }

    fn start_next(&mut self) {
        let Some((_, &key)) = self.queued.first_key_value() else { return };
        let run = Run(self.fresh());
        let child = self.child(key);
        if child.attempt == Attempt::Again {
            child.restarts = child.restarts.saturating_add(1);
        }
        self.set_phase(key, Phase::Starting { run });
        self.effects.push_back(Effect::Start { key, run });
    }

    /// Asks a child that is up to end, in the way its policy says unless a command says otherwise.
    pub(super) fn begin_stop(&mut self, now: Instant, key: Key, mode: Option<StopMode>) {
        let shutdown = self.child(key).policy.shutdown;
        let mode = mode.unwrap_or(match shutdown {
            Shutdown::Brutal => StopMode::Force,
            Shutdown::After(time) => StopMode::Graceful(time),
            Shutdown::Infinite => StopMode::Graceful(Duration::MAX),
        });
        let Some(run) = self.child(key).run() else { return };
        match (mode, self.time_left(now)) {
            (StopMode::Graceful(time), left) if !time.min(left).is_zero() => {
                let time = time.min(left);
                self.set_phase(key, Phase::Stopping { run, forced: false });
                self.effects.push_back(Effect::Stop { key, run, mode: StopMode::Graceful(time) });
                if time != Duration::MAX {
                    self.arm(key, time);
                }
            }
            _ => self.force_stop(key, run),
        }
    }

    /// Tells a child to end at once, and gives it the grace to do so.
    pub(super) fn force_stop(&mut self, key: Key, run: Run) {
        self.set_phase(key, Phase::Stopping { run, forced: true });
        self.effects.push_back(Effect::Stop { key, run, mode: StopMode::Force });
        let grace = self.grace(key);
        self.arm(key, grace);
    }

    /// A supervisor needs the grace of its children before it can end itself.
    fn grace(&mut self, key: Key) -> Duration {
        match self.child(key).policy.kind {
            ChildKind::Worker => self.rules.grace,
            ChildKind::Supervisor => self.rules.grace.saturating_mul(4),
        }
    }

    fn time_left(&self, now: Instant) -> Duration {
        match self.mode {
            Mode::Stopping { deadline: Some(deadline), .. } => deadline.saturating_duration_since(now),
            _ => Duration::MAX,
        }
    }

    /// Begins to stop all children, or hurries if that is under way already.
    pub(super) fn begin_shutdown(&mut self, now: Instant, exit: Exit, within: Option<Duration>) {
        let limit = within.and_then(|time| now.checked_add(time));
        match &mut self.mode {
            Mode::Done => return,
            Mode::Stopping { deadline, .. } => {
                *deadline = deadline.iter().copied().chain(limit).min();
            }
            Mode::Booting(_) | Mode::Running => {
                self.mode = Mode::Stopping { exit, deadline: limit, expired: false };
                self.effects.push_back(Effect::Stopping);
                self.doom_all();
            }
        }
        match self.time_left(now) {
            Duration::MAX => {}
            Duration::ZERO => self.deadline_passed(now),
            after => self.effects.push_back(Effect::Timer { key: None, token: 0, after }),
        }
    }

    fn doom_all(&mut self) {
        let keys: Vec<Key> = self.children.keys().copied().collect();
        for key in keys {
            let child = self.child(key);
            child.after = After::Idle;
            match child.phase {
                Phase::Queued { .. } | Phase::Waiting => self.set_phase(key, Phase::Idle),
                Phase::Starting { .. } | Phase::Running { .. } => {
                    self.doomed.insert(key);
                }
                Phase::Idle | Phase::Stopping { .. } => {}
            }
            // Looked at first, because most of perhaps very many children have nobody waiting.
            if self.child(key).ticket.is_some() {
                let id = self.child(key).policy.id.to_string();
                self.answer(key, Err(SupervisorError::ShuttingDown(id)));
            }
        }
    }

    /// The supervisor's own time is over: everything that is still up is told to end at once, together.
    pub(super) fn deadline_passed(&mut self, now: Instant) {
        let Mode::Stopping { deadline, expired, .. } = &mut self.mode else { return };
        if *expired || deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        *expired = true;
        let slow: Vec<(Key, Run)> = self
            .children
            .iter()
            .rev()
            .filter_map(|(key, child)| match child.phase {
                Phase::Stopping { run, forced: false } => Some((*key, run)),
                _ => None,
            })
            .collect();
        for (key, run) in slow {
            self.note(key, Note::Overran);
            self.force_stop(key, run);
        }
    }
}
