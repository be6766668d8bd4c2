//! OTP's supervisor in plain words: one loop, children in a list, every start and stop done on the spot.
//!
//! Written from the rules in `reference/genstage.md` 1.14, not from the plan: no phases, no queues, no runs.

use std::collections::{HashMap, VecDeque};

use super::*;

/// What a start function does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Up,
    Ignore,
    Fail,
}

/// What the next starts of each child do; those after them come up.
pub(super) type Script = HashMap<String, VecDeque<Outcome>>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pid {
    Alive,
    Undefined,
    Restarting,
}

#[derive(Clone, Debug)]
struct Kid {
    policy: ChildPolicy,
    pid: Pid,
}

/// The model's whole state.
#[derive(Debug)]
pub(super) struct Otp {
    rules: Rules,
    kids: Vec<Kid>,
    times: Vec<Instant>,
    script: Script,
    pub(super) log: Vec<String>,
    pub(super) ended: Option<Exit>,
}

// === impl Otp ===

impl Otp {
    pub(super) fn boot(rules: Rules, children: Vec<ChildPolicy>, script: Script) -> Self {
        let mut otp =
            Self { rules, kids: Vec::new(), times: Vec::new(), script, log: Vec::new(), ended: None };
        for policy in children {
            let id = policy.id.to_string();
            match otp.start(&id) {
                Outcome::Fail => {
                    otp.stop_all();
                    otp.ended = Some(Exit::Failed(format!("child {id:?} did not start: no")));
                    return otp;
                }
                outcome => otp.keep(Kid { policy, pid: Pid::Undefined }, outcome),
            }
        }
        otp
    }

    /// The children as `id state`.
    pub(super) fn children(&self) -> Vec<String> {
        let state = |pid| match pid {
            Pid::Alive => "up",
            Pid::Undefined => "down",
            Pid::Restarting => "restarting",
        };
        self.kids.iter().map(|kid| format!("{} {}", kid.policy.id, state(kid.pid))).collect()
    }

    pub(super) fn alive(&self) -> Vec<String> {
        self.kids.iter().filter(|kid| kid.pid == Pid::Alive).map(|kid| kid.policy.id.to_string()).collect()
    }

    pub(super) fn exited(&mut self, now: Instant, id: &str, exit: &Exit) {
        let at = self.at(id);
        let restarts = match self.kids[at].policy.restart {
            Restart::Permanent => true,
            Restart::Transient => !exit.is_clean(),
            Restart::Temporary => false,
        };
        if restarts {
            return self.restart(now, id);
        }
        let significant = self.kids[at].policy.significant;
        self.kids[at].pid = Pid::Undefined;
        self.drop_if_forgotten(id);
        let left = self.kids.iter().any(|kid| kid.policy.significant && kid.pid != Pid::Undefined);
        let ends = match self.rules.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => !left,
        };
        if significant && ends {
            self.shutdown(Exit::Shutdown);
        }
    }

    pub(super) fn shutdown(&mut self, exit: Exit) {
        self.stop_all();
        self.ended = Some(exit);
    }

    pub(super) fn start_child(&mut self, policy: ChildPolicy) -> bool {
        let id = policy.id.to_string();
        if self.kids.iter().any(|kid| kid.policy.id == policy.id) {
            return false;
        }
        match self.start(&id) {
            Outcome::Fail => false,
            outcome => {
                self.keep(Kid { policy, pid: Pid::Undefined }, outcome);
                true
            }
        }
    }

    pub(super) fn terminate_child(&mut self, id: &str) -> bool {
        let Some(at) = self.kids.iter().position(|kid| *kid.policy.id == *id) else { return false };
        self.stop(at);
        self.drop_if_forgotten(id);
        true
    }

    /// Only for a child that is down: for others OTP refuses.
    pub(super) fn restart_child(&mut self, id: &str) -> bool {
        let Some(at) = self.kids.iter().position(|kid| *kid.policy.id == *id) else { return false };
        assert_eq!(self.kids[at].pid, Pid::Undefined);
        match self.start(id) {
            Outcome::Fail => false,
            Outcome::Ignore => {
                self.drop_if_forgotten(id);
                true
            }
            Outcome::Up => {
                self.kids[at].pid = Pid::Alive;
                true
            }
        }
    }

    pub(super) fn delete_child(&mut self, id: &str) -> bool {
        let found = self.kids.iter().position(|kid| *kid.policy.id == *id);
        match found.filter(|at| self.kids[*at].pid == Pid::Undefined) {
            Some(at) => {
                self.kids.remove(at);
                true
            }
            None => false,
        }
    }

    pub(super) fn is_down(&self, id: &str) -> bool {
        self.kids.iter().any(|kid| *kid.policy.id == *id && kid.pid == Pid::Undefined)
    }

    fn restart(&mut self, now: Instant, id: &str) {
        let mut failed = id.to_owned();
        loop {
            self.times.push(now);
            let at = self.at(&failed);
            self.kids[at].pid = Pid::Restarting;
            let recent = self.times.iter().filter(|t| now - **t <= self.rules.intensity.period).count();
            if recent > self.rules.intensity.max_restarts as usize {
                return self.shutdown(Exit::Escalated);
            }
            match self.try_strategy(&failed) {
                None => return,
                Some(next) => failed = next,
            }
        }
    }

    /// Returns which child did not start.
    fn try_strategy(&mut self, id: &str) -> Option<String> {
        let at = self.at(id);
        let from = match self.rules.strategy {
            Strategy::OneForOne | Strategy::Dynamic => return self.start_kids(vec![id.to_owned()]),
            Strategy::RestForOne => at,
            Strategy::OneForAll => 0,
        };
        for other in (from..self.kids.len()).rev() {
            if other != at {
                self.stop(other);
            }
        }
        let keep = |kid: &Kid| *kid.policy.id == *id || kid.policy.restart != Restart::Temporary;
        let mut index = 0;
        self.kids.retain(|kid| {
            index += 1;
            index <= from || keep(kid)
        });
        let again = self.kids[from..].iter().map(|kid| kid.policy.id.to_string()).collect();
        self.start_kids(again)
    }

    fn start_kids(&mut self, ids: Vec<String>) -> Option<String> {
        for id in ids {
            let outcome = self.start(&id);
            let at = self.at(&id);
            match outcome {
                Outcome::Fail => {
                    self.kids[at].pid = Pid::Restarting;
                    return Some(id);
                }
                Outcome::Up => self.kids[at].pid = Pid::Alive,
                Outcome::Ignore => {
                    self.kids[at].pid = Pid::Undefined;
                    self.drop_if_forgotten(&id);
                }
            }
        }
        None
    }

    fn keep(&mut self, mut kid: Kid, outcome: Outcome) {
        let id = kid.policy.id.to_string();
        kid.pid = if outcome == Outcome::Up { Pid::Alive } else { Pid::Undefined };
        self.kids.push(kid);
        if outcome == Outcome::Ignore {
            self.drop_if_forgotten(&id);
        }
    }

    fn drop_if_forgotten(&mut self, id: &str) {
        let at = self.at(id);
        if self.kids[at].policy.restart == Restart::Temporary || self.rules.strategy == Strategy::Dynamic {
            self.kids.remove(at);
        }
    }

    fn start(&mut self, id: &str) -> Outcome {
        self.log.push(format!("start {id}"));
        self.script.get_mut(id).and_then(VecDeque::pop_front).unwrap_or(Outcome::Up)
    }

    fn stop(&mut self, at: usize) {
        if self.kids[at].pid == Pid::Alive {
            self.log.push(format!("stop {}", self.kids[at].policy.id));
        }
        self.kids[at].pid = Pid::Undefined;
    }

    fn stop_all(&mut self) {
        for at in (0..self.kids.len()).rev() {
            self.stop(at);
        }
    }

    fn at(&self, id: &str) -> usize {
        self.kids.iter().position(|kid| *kid.policy.id == *id).expect("the caller names a child there is")
    }
}
