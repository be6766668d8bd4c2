//! A partition's gate: what its provider's answers let out of the queue. Outlives every actor.
//!
//! Feedback tells it how batches ended, the collector asks it what may go out, the operator looks at it. While nothing is limited, which is
//! nearly always, the collector reads two flags and takes no lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::breaker::{Breaker, Change, Settings, State, Tally, Why};
use super::targets::Targets;
use crate::push::{Addressee, Push};
use crate::units::Moment;

/// Reads the addressee back from a payload.
type Read = Box<dyn Fn(&[u8]) -> Option<Addressee> + Send + Sync>;

/// The gate.
pub struct Gate {
    route: String,
    breaker: Mutex<Breaker>,
    is_limited: AtomicBool,
    targets: Mutex<Targets>,
    held_targets: AtomicUsize,
    addressee: OnceLock<Read>,
}

/// A gate at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Where the breaker is.
    pub state: State,
    /// Why it opened; none once it is closed.
    pub why: Option<Why>,
    /// How long it stays open.
    pub until: Option<Duration>,
    /// How often it opened.
    pub opened: u64,
    /// Devices and topics whose pushes wait.
    pub held_targets: usize,
}

// === impl Gate ===

impl Gate {
    /// Returns the gate of a partition, which only limits close until it is told settings; `route` is its name, for the log.
    pub fn new(route: String) -> Self {
        Self {
            route,
            breaker: Mutex::new(Breaker::new(Settings::OFF)),
            is_limited: AtomicBool::new(false),
            targets: Mutex::default(),
            held_targets: AtomicUsize::new(0),
            addressee: OnceLock::new(),
        }
    }

    /// Follows new settings.
    pub fn follow(&self, settings: Settings) {
        self.breaker.lock().follow(settings);
    }

    /// Forgets everything, for a partition that another peer gets.
    pub fn reset(&self) {
        let mut breaker = self.breaker.lock();
        breaker.reset();
        self.publish(&breaker);
        let mut targets = self.targets.lock();
        *targets = Targets::default();
        self.held_targets.store(0, Ordering::Release);
    }

    /// Says how to read the addressee back from a payload; until then no target is held. The first reader stays.
    pub fn read_addressees(&self, read: impl Fn(&[u8]) -> Option<Addressee> + Send + Sync + 'static) {
        let _first_stays = self.addressee.set(Box::new(read));
    }

    /// Takes note of how a batch of attempts ended; returns whether the collector should look at the route again.
    pub fn observe(&self, now: Moment, tally: &Tally, spread: f64) -> bool {
        let mut breaker = self.breaker.lock();
        let change = breaker.observe(now, tally, spread);
        self.publish(&breaker);
        let is_limited = breaker.state() != State::Closed;
        drop(breaker);
        self.tell(change);
        is_limited || change.is_some()
    }

    /// Takes note of the time.
    pub fn advance(&self, now: Moment) {
        if self.is_limited() {
            drop(self.advanced(now));
        }
    }

    /// Returns how many pushes may go out now.
    pub fn allowance(&self, now: Moment) -> usize {
        if !self.is_limited() {
            return usize::MAX;
        }
        let breaker = self.advanced(now);
        usize::try_from(breaker.allowance()).unwrap_or(usize::MAX)
    }

    /// Takes note that so many went out.
    pub fn give(&self, now: Moment, count: usize) {
        if self.is_limited() {
            self.breaker.lock().give(now, count as u64);
        }
    }

    /// Returns when the collector should look at the route again though nothing is answered.
    pub fn next(&self) -> Option<Moment> {
        if self.is_limited() { self.breaker.lock().next() } else { None }
    }

    /// Returns whether not everything may go out.
    pub fn is_limited(&self) -> bool {
        self.is_limited.load(Ordering::Acquire)
    }

    /// Takes note that whom a push is for takes nothing before `until`.
    pub fn hold_target(&self, now: Moment, push: &Push, until: Moment) {
        let Some(target) = self.target(push) else { return };
        let mut targets = self.targets.lock();
        targets.hold(now, &target, until);
        self.held_targets.store(targets.len(), Ordering::Release);
    }

    /// Takes those pushes out whose target takes nothing now, with the moments at which they may be sent.
    pub fn part_held(&self, now: Moment, pushes: &mut Vec<Push>) -> Vec<(Moment, Push)> {
        if self.held_targets.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut targets = self.targets.lock();
        let due = |push: &Push| self.target(push).and_then(|target| targets.wait(now, &target));
        // All are read before the first is taken out: reading is a transport's code, and may panic.
        let dues: Vec<Option<Moment>> = pushes.iter().map(due).collect();
        let mut each = dues.iter();
        let is_held = |_: &mut Push| each.next().is_some_and(Option::is_some);
        let held: Vec<Push> = pushes.extract_if(.., is_held).collect();
        dues.into_iter().flatten().zip(held).collect()
    }

    /// Forgets the targets that take pushes again; call it now and then.
    pub fn forget_past(&self, now: Moment) {
        if self.held_targets.load(Ordering::Acquire) > 0 {
            let mut targets = self.targets.lock();
            targets.forget_past(now);
            self.held_targets.store(targets.len(), Ordering::Release);
        }
    }

    /// Returns the gate as it is now.
    pub fn view(&self, now: Moment) -> View {
        let breaker = self.advanced(now);
        View {
            state: breaker.state(),
            why: breaker.why(),
            until: breaker.until().map(|until| until.since(now)),
            opened: breaker.opened(),
            held_targets: self.held_targets.load(Ordering::Acquire),
        }
    }

    fn target(&self, push: &Push) -> Option<Addressee> {
        self.addressee.get()?(&push.payload)
    }

    /// Returns the breaker as it is at `now`.
    fn advanced(&self, now: Moment) -> parking_lot::MutexGuard<'_, Breaker> {
        let mut breaker = self.breaker.lock();
        let change = breaker.advance(now);
        if change.is_some() {
            self.publish(&breaker);
            self.tell(change);
        }
        breaker
    }

    fn publish(&self, breaker: &Breaker) {
        self.is_limited.store(breaker.state() != State::Closed, Ordering::Release);
    }

    fn tell(&self, change: Option<Change>) {
        let route = &self.route;
        match change {
            None => {}
            Some(Change::Opened { why, pause, trouble, answers }) => log::warn!(
                "breaker open, nothing is sent route={route} reason={:?} pause={pause:.1?} trouble={trouble} answers={answers}",
                why.sentence()
            ),
            Some(Change::Probing) => {
                log::info!("breaker half open, a few pushes try the provider route={route}")
            }
            Some(Change::Recovering) => {
                log::info!("the provider takes pushes again, more go out by and by route={route}")
            }
            Some(Change::Closed) => log::info!("breaker closed route={route}"),
        }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("breaker", &self.breaker.lock()).finish_non_exhaustive()
    }
}
