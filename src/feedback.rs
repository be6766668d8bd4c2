//! Feedback: the only place that turns verdicts into consequences, and the only one that counts how attempts ended.
//!
//! Pushers call it, a batch at a time, on their own arbiter; it moves pushes back through [`Returns`] and enters outcomes in the ledger.

mod budget;
mod codes;
mod entries;
pub mod results;
mod retry;
#[cfg(test)]
mod tests;
mod traces;
pub mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use budget::Budget;
pub use codes::Codes;
use entries::Entries;
use parking_lot::{Mutex, RwLock};
pub use results::Results;
use results::{Done, Ending};
pub use retry::{Consequence, consequence};

use crate::flow::Returns;
use crate::flow::breaker::{self, Tally};
use crate::ledger::Ledger;
use crate::outcome::{Outcome, Scope, Verdict};
use crate::push::{Push, RouteId};
use crate::units::{Clock, Moment, Slots};

/// `[feedback]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Attempts that a push may use, 1 to 20.
    pub max_attempts: u8,
    /// Delay before the first retry; doubles each time.
    pub backoff_min: Duration,
    /// The longest delay between retries.
    pub backoff_max: Duration,
    /// Retries of a route as a share of what it sends; 1 for no limit.
    pub retry_share: f64,
    /// When a route stops sending for a while; the routes' gates follow it.
    pub breaker: breaker::Settings,
}

/// What becomes of a batch.
#[derive(Debug, Default)]
struct Decided {
    put_back: Vec<Push>,
    retries: Vec<(Moment, Push)>,
    endings: Vec<Ending>,
}

/// The shared handle.
pub struct Feedback {
    settings: RwLock<Settings>,
    ledger: Arc<Ledger>,
    returns: Arc<dyn Returns>,
    clock: Clock,
    codes: Codes,
    results: Arc<Results>,
    /// By partition, since each has its own provider or peer.
    budgets: Slots<Mutex<Budget>>,
    maybe_delivered: AtomicU64,
}

// === impl Feedback ===

impl Feedback {
    /// Returns a handle that enters outcomes in `ledger`, sends pushes back through `returns`, and records ends in `results`.
    pub fn new(
        settings: Settings,
        ledger: Arc<Ledger>,
        returns: Arc<dyn Returns>,
        results: Arc<Results>,
        clock: Clock,
    ) -> Self {
        let (codes, maybe_delivered) = (Codes::default(), AtomicU64::new(0));
        let budgets = Slots::default();
        let settings = RwLock::new(settings);
        Self { settings, ledger, returns, clock, codes, results, budgets, maybe_delivered }
    }

    /// Returns whether this delivered push must be handed to [`Self::settle`] by itself, and not only be counted.
    pub fn wants_delivery(&self, verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Delivered { canonical: Some(_) }) || self.results.wants_deliveries()
    }

    /// Settles one batch of answered attempts of a partition: `delivered` plain successes that nobody asked about, and the others one by one.
    pub fn settle(&self, route: RouteId, delivered: u64, others: Vec<(Push, Verdict)>) {
        let mut tally = Tally { fine: delivered, ..Tally::default() };
        others.iter().for_each(|(_, verdict)| tally.count(verdict));
        self.settle_batch(route, delivered, others, &tally);
    }

    /// Settles pushes whose connection is gone or whose answer is overdue.
    pub fn unanswered(&self, route: RouteId, pushes: Vec<Push>) {
        self.settle(route, 0, pushes.into_iter().map(|push| (push, Verdict::Unanswered)).collect());
    }

    /// As [`Self::unanswered`], for pushes whose connection we gave up ourselves: that says nothing about the provider.
    pub fn abandoned(&self, route: RouteId, pushes: Vec<Push>) {
        let others = pushes.into_iter().map(|push| (push, Verdict::Unanswered)).collect();
        self.settle_batch(route, 0, others, &Tally::default());
    }

    fn settle_batch(&self, route: RouteId, delivered: u64, others: Vec<(Push, Verdict)>, tally: &Tally) {
        let answered = delivered + others.len() as u64;
        let mut entries = Entries::new(&self.ledger, route, answered);
        entries.end(delivered, Outcome::Delivered);
        let Decided { put_back, retries, mut endings } = self.decide(route, answered, others);
        endings.iter().for_each(|ending| entries.end(1, ending.outcome));
        let traced = traces::of(&mut endings);
        if !traced.is_empty() {
            // Of the delivered some were handed over for their traces alone.
            endings.retain(|ending| {
                ending.outcome != Outcome::Delivered || self.wants_delivery(&ending.verdict)
            });
        }
        self.results.record(endings);
        entries.write();
        if !traced.is_empty() {
            traces::tell(traced, self.clock.now());
        }
        // Before anything comes back, so that a route that must wait does not send it again at once.
        self.returns.judge(route, tally);
        entries.hand_over(put_back.len());
        self.returns.put_back(route, put_back);
        entries.hand_over(retries.len());
        self.returns.retry_at(route, retries);
    }

    /// Turns verdicts into consequences.
    fn decide(&self, route: RouteId, answered: u64, others: Vec<(Push, Verdict)>) -> Decided {
        let now = self.clock.now();
        let settings = self.settings.read();
        let mut decided = Decided::default();
        let fresh = || Mutex::new(Budget::new(settings.retry_share));
        let mut budget = self.budgets.get_or_fill(route.index(), fresh).lock();
        budget.sent(now, answered);
        for (mut push, verdict) in others {
            self.note(&push, &verdict);
            if let Verdict::Limited { after, scope: Scope::Target, .. } = &verdict {
                self.returns.hold_target(&push, now.after(*after));
            }
            let follows = consequence(&mut push, &verdict, now, &settings, fastrand::f64());
            traces::attempt_ended(&mut push, &verdict, now, &follows);
            match follows {
                Consequence::End(outcome) => decided.endings.push(Ending { push, outcome, verdict }),
                Consequence::PutBack => decided.put_back.push(push),
                Consequence::RetryAt(due) => {
                    let due = due.max(budget.take(now));
                    if due <= push.deadline {
                        decided.retries.push((due, push));
                    } else {
                        budget.give_back();
                        decided.endings.push(Ending { push, outcome: Outcome::Expired, verdict });
                    }
                }
            }
        }
        decided
    }

    /// Returns whether deliveries are to be remembered.
    pub fn keeps_history(&self) -> bool {
        self.results.keeps_history()
    }

    /// Remembers deliveries, for those who ask for one of them.
    pub fn remember(&self, done: Vec<Done>) {
        self.results.remember(done);
    }

    /// Follows new settings from the next batch on.
    pub fn follow(&self, settings: Settings) {
        let share = settings.retry_share;
        // In this order: a budget that is opened meanwhile has the new share already.
        *self.settings.write() = settings;
        self.budgets.iter().for_each(|budget| budget.lock().follow(share));
    }

    /// Returns how often each provider code was answered.
    pub fn codes(&self) -> Vec<(String, u64)> {
        self.codes.read()
    }

    /// Returns how many attempts ended without an answer that tells whether the push was taken; each is a possible duplicate at the provider.
    pub fn maybe_delivered(&self) -> u64 {
        self.maybe_delivered.load(Ordering::Relaxed)
    }

    /// Returns how many retries of a partition had to wait longer because its budget was used up.
    pub fn stretched_retries(&self, route: RouteId) -> u64 {
        self.budgets.get(route.index()).map_or(0, |budget| budget.lock().stretched())
    }

    fn note(&self, push: &Push, verdict: &Verdict) {
        if matches!(verdict, Verdict::BrokenOff { .. } | Verdict::Unanswered) {
            self.maybe_delivered.fetch_add(1, Ordering::Relaxed);
        }
        match verdict {
            Verdict::Rejected(answer)
            | Verdict::Unregistered(answer)
            | Verdict::Retry { answer, .. }
            | Verdict::BrokenOff { answer, .. }
            | Verdict::Limited { answer, .. } => {
                self.codes.count(&answer.code);
                log::debug!(
                    "provider answered id={} code={} detail={:?}",
                    push.key,
                    answer.code,
                    answer.detail
                );
            }
            Verdict::Elsewhere(code) => self.codes.count(code),
            Verdict::Delivered { .. } | Verdict::Unanswered => {}
        }
    }
}

impl std::fmt::Debug for Feedback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feedback").field("settings", &self.settings.read()).finish_non_exhaustive()
    }
}
