//! Decides what a supervisor does next; the shell brings it exits, commands and timers, and carries its effects out.
//!
//! OTP's rules (`reference/genstage.md` 1.14) with two additions, a delay before a restart and an exit of its own for
//! giving up. Where OTP blocks (a slow start, a slow stop) the plan goes on taking events.
//! Invariants: a child has at most one run; an event of an older run changes nothing; under an ordered strategy nothing
//! starts while a sibling is being stopped or waits out its delay; every accepted ticket is answered once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use self::record::{After, Child, Phase};
pub(crate) use self::{
    effect::{Effect, Event, Note, Up},
    record::{Key, Run, Ticket},
};
use super::{
    error::SupervisorError,
    exit::Exit,
    intensity::Window,
    spec::{ChildPolicy, Rules, SpecError},
};
use crate::observe::NodeState;

mod command;
mod effect;
mod exits;
mod record;
mod turn;

#[cfg(test)]
mod tests;

/// The state of one supervisor.
#[derive(Debug)]
pub(crate) struct Plan {
    rules: Rules,
    window: Window,
    children: BTreeMap<Key, Child>,
    ids: HashMap<Arc<str>, Key>,
    mode: Mode,
    /// Children whose turn to start has come or will come, in the order of their turn.
    queued: BTreeMap<u64, Key>,
    /// Children that are up and wait for their turn to be stopped.
    doomed: BTreeSet<Key>,
    counts: Counts,
    burst: Burst,
    next_key: u64,
    next: u64,
    effects: VecDeque<Effect>,
}

#[derive(Debug)]
enum Mode {
    /// The first start; holds how many children have not had theirs.
    Booting(usize),
    Running,
    Stopping {
        exit: Exit,
        deadline: Option<Instant>,
        expired: bool,
    },
    Done,
}

/// How many children are in the phases that hold others up.
#[derive(Debug, Default)]
struct Counts {
    waiting: usize,
    starting: usize,
    running: usize,
    stopping: usize,
}

/// Immediate restarts since `since`, so that a crowd of them is noticed.
#[derive(Debug)]
struct Burst {
    since: Option<Instant>,
    count: u32,
}

/// What the tree shows of a child.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) state: NodeState,
    pub(crate) restarts: u32,
    pub(crate) last_exit: Option<Exit>,
    /// There is no run.
    pub(crate) is_down: bool,
}

// === impl Plan ===

impl Plan {
    /// Checks the rules and the first children, which get the keys 0, 1, 2, … in order.
    pub(crate) fn new(name: &str, rules: Rules, children: Vec<ChildPolicy>) -> Result<Self, SpecError> {
        if rules.max_starting == 0 {
            return Err(SpecError::NoStarts(name.to_owned()));
        }
        let mut plan = Self {
            window: Window::new(rules.intensity),
            mode: Mode::Booting(children.len()),
            rules,
            children: BTreeMap::new(),
            ids: HashMap::new(),
            queued: BTreeMap::new(),
            doomed: BTreeSet::new(),
            counts: Counts::default(),
            burst: Burst { since: None, count: 0 },
            next_key: 0,
            next: 0,
            effects: VecDeque::new(),
        };
        for policy in children {
            policy.check(plan.rules.auto_shutdown)?;
            if plan.ids.contains_key(&policy.id) {
                return Err(SpecError::Duplicate(policy.id.to_string()));
            }
            plan.insert(policy, None);
        }
        Ok(plan)
    }

    /// Starts the first children.
    pub(crate) fn boot(&mut self, now: Instant) {
        self.advance(now);
    }

    /// Takes an event; `roll` in 0..=1 is the chance that jitter needs.
    pub(crate) fn handle(&mut self, now: Instant, roll: f64, event: Event) {
        match event {
            Event::StartReturned { key, run, result } => self.start_returned(now, roll, (key, run), result),
            Event::Started { key, run } => self.started(now, key, run),
            Event::Exited { key, run, exit } => self.exited(now, roll, (key, run), exit),
            Event::Timer { key: Some(key), token } => self.timer(now, roll, key, token),
            Event::Timer { key: None, .. } => self.deadline_passed(now),
        }
        self.advance(now);
    }

    /// Returns the next thing to do.
    pub(crate) fn pop_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns what to show of a child; `None` once it is forgotten.
    pub(crate) fn view(&self, key: Key) -> Option<View> {
        let child = self.children.get(&key)?;
        Some(View {
            state: child.state(),
            restarts: child.restarts,
            last_exit: child.last_exit.clone(),
            is_down: child.run().is_none(),
        })
    }

    /// The id of a child.
    pub(crate) fn id(&self, key: Key) -> Option<&Arc<str>> {
        self.children.get(&key).map(|child| &child.policy.id)
    }

    /// Returns whether the supervisor is on its way down, or down.
    fn is_stopping(&self) -> bool {
        matches!(self.mode, Mode::Stopping { .. } | Mode::Done)
    }

    fn child(&mut self, key: Key) -> &mut Child {
        self.children.get_mut(&key).expect("the caller has looked the key up in this turn")
    }

    fn insert(&mut self, policy: ChildPolicy, ticket: Option<Ticket>) -> Key {
        let key = Key(self.next_key);
        self.next_key += 1;
        self.ids.insert(policy.id.clone(), key);
        self.children.insert(key, Child::new(policy, ticket));
        self.enqueue(key);
        key
    }

    fn fresh(&mut self) -> u64 {
        let fresh = self.next;
        self.next += 1;
        fresh
    }

    /// Removes the child and its specification.
    fn forget(&mut self, key: Key) {
        self.end_attempt(key);
        self.set_phase(key, Phase::Idle);
        self.answer(key, Ok(()));
        let child = self.children.remove(&key).expect("it has just changed its phase");
        self.ids.remove(&child.policy.id);
        self.effects.push_back(Effect::Forget { key });
    }

    /// Answers who waits for the child, if anybody does.
    fn answer(&mut self, key: Key, result: Result<(), SupervisorError>) {
        if let Some(ticket) = self.child(key).ticket.take() {
            self.effects.push_back(Effect::Answer { ticket, result });
        }
    }

    fn note(&mut self, key: Key, note: Note) {
        self.effects.push_back(Effect::Note { key, note });
    }

    /// Changes the phase of a child and everything that is counted by phase; pending timers of the child lapse.
    fn set_phase(&mut self, key: Key, phase: Phase) {
        let old = std::mem::replace(&mut self.child(key).phase, phase);
        self.child(key).timer += 1;
        if let Phase::Queued { rank } = old {
            self.queued.remove(&rank);
        }
        if let Phase::Queued { rank } = phase {
            self.queued.insert(rank, key);
        }
        if !matches!(phase, Phase::Starting { .. } | Phase::Running { .. }) {
            self.doomed.remove(&key);
        }
        if let Some(count) = self.counts.of(old) {
            *count -= 1;
        }
        if let Some(count) = self.counts.of(phase) {
            *count += 1;
        }
        self.effects.push_back(Effect::Changed { key });
    }

    /// Arms the one timer of a child.
    fn arm(&mut self, key: Key, after: Duration) {
        let token = self.child(key).timer;
        self.effects.push_back(Effect::Timer { key: Some(key), token, after });
    }

    /// Puts a child that is down into the queue for its turn to start.
    fn enqueue(&mut self, key: Key) {
        let rank = if self.rules.strategy.is_ordered() { key.0 } else { self.fresh() };
        self.set_phase(key, Phase::Queued { rank });
    }

    /// What becomes of a child that ends for good.
    fn after_end(&self, key: Key) -> After {
        if self.children[&key].forgotten_when_down(self.rules.strategy) { After::Forget } else { After::Idle }
    }
}

// === impl Counts ===

impl Counts {
    fn of(&mut self, phase: Phase) -> Option<&mut usize> {
        match phase {
            Phase::Idle | Phase::Queued { .. } => None,
            Phase::Waiting => Some(&mut self.waiting),
            Phase::Starting { .. } => Some(&mut self.starting),
            Phase::Running { .. } => Some(&mut self.running),
            Phase::Stopping { .. } => Some(&mut self.stopping),
        }
    }

    fn up(&self) -> usize {
        self.starting + self.running + self.stopping
    }
}
