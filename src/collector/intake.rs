//! The collector's face to other threads: admission with an honest answer, the way back, and the queue that outlives the actor.
//!
//! HTTP threads put batches into a bounded channel and ring one bell; returns go straight into the queue. A push that [`Door::admit`]
//! reports as held is in the channel or in the queue, and in the ledger as buffered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use parking_lot::{Mutex, MutexGuard};
use pushweir_actors::{Doorbell, SubscriptionId, Undelivered};

use super::queue::{Load, Queue};
use super::{Keep, Settings};
use crate::flow::{Door, Ended, Port, Returns, RouteCell, Sighting, Wanted};
use crate::ledger::{Ledger, Place};
use crate::outcome::{Outcome, Refusal};
use crate::push::{Push, RouteId};
use crate::units::{Clock, Moment};

/// The least that may stand in the intake, so that a small buffer still takes a batch.
const INTAKE_FLOOR: Load = Load { pushes: 1000, bytes: 4 << 20 };
/// With `keep = "newest"` the intake may hold this part of the buffer on top of it before arriving pushes are shed.
const INTAKE_PART: u64 = 8;
const RETRY_AFTER_UNKNOWN: Duration = Duration::from_secs(30);
const RETRY_AFTER_LONGEST: Duration = Duration::from_secs(120);

/// Pushes of one route that were admitted together.
#[derive(Debug)]
pub struct Batch {
    /// Their route.
    pub route: RouteId,
    /// The pushes.
    pub pushes: Vec<Push>,
    load: Load,
}

/// What the collector, its actor's incarnations and everybody around it share.
pub struct Intake {
    routes: Vec<Arc<RouteCell>>,
    ledger: Arc<Ledger>,
    ended: Arc<dyn Ended>,
    clock: Clock,
    keep: Keep,
    bound: Load,
    sender: Sender<Batch>,
    receiver: Receiver<Batch>,
    bell: Doorbell,
    port: Arc<Port>,
    queue: Mutex<Queue>,
    queued: [AtomicU64; 2],
    in_channel: Mutex<Load>,
    draining: AtomicBool,
    touched: AtomicBool,
    drain_rates: Vec<AtomicU64>,
}

// === impl Intake ===

impl Intake {
    /// Returns an empty intake and queue for these routes; `ended` is told what the queue sheds and lets expire.
    pub fn new(
        settings: &Settings,
        routes: Vec<Arc<RouteCell>>,
        ledger: Arc<Ledger>,
        ended: Arc<dyn Ended>,
        clock: Clock,
    ) -> Self {
        let bound = Load { pushes: settings.buffer, bytes: settings.buffer_bytes };
        let (sender, receiver) = crossbeam_channel::bounded(settings.intake);
        Self {
            queue: Mutex::new(Queue::new(routes.len(), bound, settings.keep)),
            drain_rates: routes.iter().map(|_| AtomicU64::new(0)).collect(),
            routes,
            ledger,
            ended,
            clock,
            keep: settings.keep,
            bound,
            sender,
            receiver,
            bell: Doorbell::new(),
            port: Arc::default(),
            queued: Default::default(),
            in_channel: Mutex::default(),
            draining: AtomicBool::new(false),
            touched: AtomicBool::new(false),
        }
    }

    /// Returns where consumers subscribe.
    pub fn port(&self) -> Arc<Port> {
        Arc::clone(&self.port)
    }

    /// Returns the bound of the buffer.
    pub const fn bound(&self) -> Load {
        self.bound
    }

    /// Returns what is buffered at the moment, the intake included.
    pub fn load(&self) -> Load {
        let mut load = *self.in_channel.lock();
        load.add(self.queued());
        load
    }

    /// Returns how long the push that has waited longest has waited.
    pub fn oldest_age(&self) -> Duration {
        let oldest = self.queue.lock().oldest();
        oldest.map_or(Duration::ZERO, |moment| self.clock.now().since(moment))
    }

    /// Opens or closes the intake for all routes.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
    }

    /// Returns whether the intake is closed for draining.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Tells how fast a route's pushes leave, in pushes per second; the base of `Retry-After`.
    pub fn set_drain_rate(&self, route: RouteId, per_second: f64) {
        self.drain_rates[route.index()].store(per_second.to_bits(), Ordering::Relaxed);
    }

    /// Returns the bell that announces work for the collector.
    pub(super) const fn bell(&self) -> &Doorbell {
        &self.bell
    }

    /// Moves up to `budget` pushes from the channel into the queue; what is shed for them is entered and dropped.
    pub(super) fn drain_channel(&self, budget: usize) {
        let mut moved = 0;
        let mut shed = Vec::new();
        while moved < budget
            && let Ok(batch) = self.receiver.try_recv()
        {
            moved += batch.pushes.len();
            self.with_queue(|queue| queue.store(batch.route, batch.pushes, &mut shed));
            // After the queue's count has risen, never before: admission may see a push twice, but never not at all.
            self.in_channel.lock().remove(batch.load);
        }
        self.end_buffered(&shed, Outcome::Shed);
    }

    /// Returns whether nothing was put back since the last call and the channel is empty.
    pub(super) fn is_quiet(&self) -> bool {
        self.receiver.is_empty() && !self.touched.load(Ordering::Acquire)
    }

    /// Takes note that the queue will be looked at.
    pub(super) fn acknowledge_returns(&self) {
        self.touched.store(false, Ordering::Release);
    }

    /// Runs `work` on the queue and publishes its load.
    pub(super) fn with_queue<R>(&self, work: impl FnOnce(&mut Queue) -> R) -> R {
        let mut queue = self.queue.lock();
        let result = work(&mut queue);
        debug_assert!(queue.is_consistent(), "{queue:?}");
        self.publish(&queue);
        result
    }

    /// Enters buffered pushes that have ended, and has their senders told.
    pub(super) fn end_buffered(&self, pushes: &[Push], outcome: Outcome) {
        self.tell_ended(pushes, outcome);
        for chunk in pushes.chunk_by(|one, next| one.route == next.route) {
            self.ledger
                .enter(chunk[0].route, |books| books.end(chunk.len() as u64, Place::Buffered, outcome));
        }
    }

    /// Has senders told of pushes that have ended.
    pub(super) fn tell_ended(&self, pushes: &[Push], outcome: Outcome) {
        if !pushes.is_empty() {
            self.ended.ended(pushes, outcome);
        }
    }

    /// Returns the ledger.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns the clock.
    pub(super) const fn clock(&self) -> Clock {
        self.clock
    }

    fn publish(&self, queue: &MutexGuard<'_, Queue>) {
        self.queued[0].store(queue.load().pushes, Ordering::Release);
        self.queued[1].store(queue.load().bytes, Ordering::Release);
    }

    fn queued(&self) -> Load {
        Load { pushes: self.queued[0].load(Ordering::Acquire), bytes: self.queued[1].load(Ordering::Acquire) }
    }

    /// Reserves room for a prefix of a batch and returns its length and load.
    fn reserve(&self, pushes: &[Push]) -> (usize, Load) {
        let mut in_channel = self.in_channel.lock();
        let mut used = *in_channel;
        let bound = match self.keep {
            Keep::Oldest => {
                used.add(self.queued());
                self.bound
            }
            Keep::Newest => Load {
                pushes: (self.bound.pushes / INTAKE_PART).max(INTAKE_FLOOR.pushes),
                bytes: (self.bound.bytes / INTAKE_PART).max(INTAKE_FLOOR.bytes),
            },
        };
        let mut granted = Load::default();
        for (count, push) in pushes.iter().enumerate() {
            used.add(Load::of(push));
            if used.exceeds(&bound) {
                in_channel.add(granted);
                return (count, granted);
            }
            granted.add(Load::of(push));
        }
        in_channel.add(granted);
        (pushes.len(), granted)
    }

    fn ring(&self) {
        self.touched.store(true, Ordering::Release);
        self.bell.ring();
    }
}

impl Door for Intake {
    fn gate(&self, route: RouteId) -> Result<(), Refusal> {
        let cell = &self.routes[route.index()];
        if self.is_draining() {
            return Err(Refusal::RefusedDraining);
        }
        if cell.paused.load(Ordering::Relaxed) {
            return Err(Refusal::RefusedPaused);
        }
        if cell.down.load(Ordering::Relaxed) {
            return Err(Refusal::RefusedRouteDown);
        }
        Ok(())
    }

    fn admit(&self, route: RouteId, mut pushes: Vec<Push>) -> usize {
        let offered = pushes.len();
        let (held, load) = self.reserve(&pushes);
        pushes.truncate(held);
        self.ledger.enter(route, |books| books.accept(held as u64, (offered - held) as u64));
        if held == 0 {
            return 0;
        }
        if let Err(full) = self.sender.try_send(Batch { route, pushes, load }) {
            self.in_channel.lock().remove(load);
            // The answer to the request says so; a result would say it twice.
            let shed = full.into_inner().pushes.len() as u64;
            self.ledger.enter(route, |books| books.end(shed, Place::Buffered, Outcome::Shed));
            return 0;
        }
        self.bell.ring();
        held
    }

    fn refuse(&self, route: Option<RouteId>, count: u64) {
        match route {
            Some(route) => self.ledger.enter(route, |books| books.refuse(count)),
            None => self.ledger.refuse_without_route(count),
        }
    }

    fn find(&self, wanted: &Wanted) -> Option<Sighting> {
        self.queue.lock().find(wanted)
    }

    fn retry_after(&self, route: RouteId) -> Duration {
        let rate = f64::from_bits(self.drain_rates[route.index()].load(Ordering::Relaxed));
        if rate < 1.0 {
            return RETRY_AFTER_UNKNOWN;
        }
        // Half of what stands in the buffer gone is room enough for everybody who comes back then.
        let seconds = self.ledger.read(route).buffered as f64 / 2.0 / rate;
        Duration::from_secs_f64(seconds.clamp(1.0, RETRY_AFTER_LONGEST.as_secs_f64()).ceil())
    }
}

impl Returns for Intake {
    fn put_back(&self, route: RouteId, pushes: Vec<Push>) {
        if pushes.is_empty() {
            return;
        }
        let count = pushes.len() as u64;
        self.ledger.enter(route, |books| books.transfer(count, Place::InFlight, Place::Buffered));
        self.with_queue(|queue| queue.put_back(route, pushes));
        self.ring();
    }

    fn retry_at(&self, route: RouteId, pushes: Vec<(Moment, Push)>) {
        if pushes.is_empty() {
            return;
        }
        let count = pushes.len() as u64;
        self.ledger.enter(route, |books| books.transfer(count, Place::InFlight, Place::WaitingRetry));
        self.with_queue(|queue| {
            for (due, push) in pushes {
                queue.delay(route, due, push);
            }
        });
        self.ring();
    }
}

impl Undelivered<Push> for Intake {
    fn give_back(&self, _id: SubscriptionId, pushes: Vec<Push>) {
        if let Some(first) = pushes.first() {
            self.put_back(first.route, pushes);
        }
    }
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("load", &self.load()).finish_non_exhaustive()
    }
}
