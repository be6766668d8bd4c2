//! What an operator or the program itself may ask of a supervisor at run time.

use std::time::{Duration, Instant};

use super::{
    super::{error::SupervisorError, exit::Exit, intensity::Intensity, spec::ChildPolicy, stop::StopMode},
    Effect, Key, Mode, Plan, Ticket,
    record::{After, Attempt, Phase},
};
use crate::backoff::Backoff;

/// So many ids are named in an error.
const NAMED: usize = 8;

impl Plan {
    /// Adds a child and starts it; the ticket is answered when it is up or has failed, and then it is forgotten.
    ///
    /// # Errors
    /// The id is taken, the policy makes no sense, or the supervisor is not up.
    pub(crate) fn start_child(
        &mut self,
        now: Instant,
        name: &str,
        policy: ChildPolicy,
        ticket: Ticket,
    ) -> Result<Key, SupervisorError> {
        self.check_up(name)?;
        policy.check(self.rules.auto_shutdown)?;
        if let Some(key) = self.ids.get(&policy.id) {
            let id = policy.id.to_string();
            return Err(match self.children[key].phase {
                Phase::Idle => SupervisorError::AlreadyPresent(id),
                _ => SupervisorError::AlreadyStarted(id),
            });
        }
        let key = self.insert(policy, Some(ticket));
        self.advance(now);
        Ok(key)
    }

    /// Stops a child; its specification is kept, unless it is temporary or dynamic. Answered when it is down.
    ///
    /// # Errors
    /// There is no such child, or the supervisor is not up.
    pub(crate) fn terminate_child(
        &mut self,
        now: Instant,
        (name, id): (&str, &str),
        ticket: Ticket,
    ) -> Result<(), SupervisorError> {
        let key = self.find(name, id)?;
        self.supersede(key, ticket);
        let after = self.after_end(key);
        let child = self.child(key);
        let new = child.attempt == Attempt::First;
        match child.phase {
            Phase::Idle | Phase::Queued { .. } | Phase::Waiting => {
                if new || after == After::Forget {
                    self.forget(key);
                } else {
                    self.set_phase(key, Phase::Idle);
                    self.answer(key, Ok(()));
                }
            }
            Phase::Starting { .. } | Phase::Running { .. } => {
                child.after = after;
                self.begin_stop(now, key, None);
            }
            Phase::Stopping { .. } => child.after = after,
        }
        self.advance(now);
        Ok(())
    }

    /// Stops a child if it is up, and starts it: without delay, and without counting against the intensity.
    ///
    /// Siblings stay as they are, whatever the strategy. Answered when the new one is up or has failed.
    ///
    /// # Errors
    /// There is no such child, or the supervisor is not up.
    pub(crate) fn restart_child(
        &mut self,
        now: Instant,
        (name, id): (&str, &str),
        mode: StopMode,
        ticket: Ticket,
    ) -> Result<(), SupervisorError> {
        let key = self.find(name, id)?;
        self.supersede(key, ticket);
        let child = self.child(key);
        match child.phase {
            Phase::Idle => {
                child.attempt = Attempt::Revive;
                self.enqueue(key);
            }
            Phase::Waiting => self.enqueue(key),
            Phase::Queued { .. } => {}
            Phase::Starting { .. } | Phase::Running { .. } => {
                child.after = After::Start;
                self.begin_stop(now, key, Some(mode));
            }
            Phase::Stopping { run, forced } => {
                child.after = After::Start;
                if mode == StopMode::Force && !forced {
                    self.force_stop(key, run);
                }
            }
        }
        self.advance(now);
        Ok(())
    }

    /// Forgets a child that is down.
    ///
    /// # Errors
    /// There is no such child, it is not down, or the supervisor is not up.
    pub(crate) fn delete_child(
        &mut self,
        (name, id): (&str, &str),
        ticket: Ticket,
    ) -> Result<(), SupervisorError> {
        let key = self.find(name, id)?;
        if self.children[&key].phase != Phase::Idle {
            return Err(SupervisorError::NotDown(id.to_owned()));
        }
        self.child(key).ticket = Some(ticket);
        self.forget(key);
        Ok(())
    }

    /// Follows another limit of restarts and another delay before them.
    ///
    /// # Errors
    /// The supervisor is not up.
    pub(crate) fn adjust(
        &mut self,
        name: &str,
        (intensity, backoff): (Intensity, Backoff),
        ticket: Ticket,
    ) -> Result<(), SupervisorError> {
        self.check_up(name)?;
        self.rules.intensity = intensity;
        self.rules.backoff = backoff;
        self.window.set_limit(intensity);
        self.effects.push_back(Effect::Answer { ticket, result: Ok(()) });
        Ok(())
    }

    /// Stops all children in reverse order and ends with `exit`; a second call can only shorten the time.
    pub(crate) fn shutdown(&mut self, now: Instant, exit: Exit, within: Option<Duration>) {
        self.begin_shutdown(now, exit, within);
        self.advance(now);
    }

    fn check_up(&self, name: &str) -> Result<(), SupervisorError> {
        match self.mode {
            Mode::Running => Ok(()),
            Mode::Booting(_) => Err(SupervisorError::NotReady(name.to_owned())),
            Mode::Stopping { .. } | Mode::Done => Err(SupervisorError::ShuttingDown(name.to_owned())),
        }
    }

    fn find(&self, name: &str, id: &str) -> Result<Key, SupervisorError> {
        self.check_up(name)?;
        self.ids.get(id).copied().ok_or_else(|| SupervisorError::NotFound {
            supervisor: name.to_owned(),
            id: id.to_owned(),
            known: self.known(),
        })
    }

    fn known(&self) -> String {
        let mut names: Vec<&str> =
            self.children.values().take(NAMED).map(|child| &*child.policy.id).collect();
        let more = self.children.len().saturating_sub(NAMED);
        if names.is_empty() {
            return "none".to_owned();
        }
        let rest = format!("{more} more");
        if more > 0 {
            names.push(&rest);
        }
        names.join(", ")
    }

    /// The later command wins; who gave the earlier one is told.
    fn supersede(&mut self, key: Key, ticket: Ticket) {
        let id = self.child(key).policy.id.to_string();
        if let Some(earlier) = self.child(key).ticket.replace(ticket) {
            let result = Err(SupervisorError::Superseded(id));
            self.effects.push_back(Effect::Answer { ticket: earlier, result });
        }
    }
}
