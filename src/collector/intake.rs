//! The collector's face to other threads: admission with an honest answer, the way back, and the queue that outlives the actor.
//!
//! HTTP threads put batches into a bounded channel and ring one bell; returns go straight into the queue. A push that [`Door::admit`]
//! reports as held is in the channel or in the queue, and in the ledger as buffered.

mod closing;
mod ends;
mod figures;
mod open;
mod returns;
#[cfg(test)]
mod tests;
mod way;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use parking_lot::{Mutex, MutexGuard, RwLock};
use pushweir_actors::Doorbell;

use super::Gauges;
use super::Keep;
use super::Settings;
use super::drain::{Drains, wait};
use super::occupancy::{Classes, Load, Sifted};
use super::queue::{Gone, Queue};
use crate::flow::{Door, Ended, Gate, Port, RouteCell, Search, Sighting, Wanted, breaker};
use crate::ledger::{Books, Ledger, Place};
use crate::outcome::{Outcome, Refusal};
use crate::push::{Lane, Push, RouteId};
use crate::units::{Clock, Moment, Slots};
use way::{Bounds, Way};

/// Places of the queue that one step of a search looks at: some hundred microseconds.
const LOOK: usize = 4_096;
const RETRY_AFTER_UNKNOWN: Duration = Duration::from_secs(30);
const RETRY_AFTER_LONGEST: Duration = Duration::from_secs(120);

/// Pushes of one partition that were admitted together.
#[derive(Debug)]
pub struct Batch {
    /// Their partition.
    pub route: RouteId,
    /// The route that it belongs to.
    owner: RouteId,
    /// The pushes.
    pub pushes: Vec<Push>,
    load: Classes,
}

/// What the collector, its actor's incarnations and everybody around it share.
pub struct Intake {
    /// By partition: the route that it belongs to.
    routes: Slots<Arc<RouteCell>>,
    /// By partition: what its provider's answers let out.
    gates: Slots<Gate>,
    breaker: RwLock<breaker::Settings>,
    ledger: Arc<Ledger>,
    results: Arc<dyn Ended>,
    clock: Clock,
    sender: Sender<Batch>,
    receiver: Receiver<Batch>,
    bell: Doorbell,
    port: Arc<Port>,
    queue: Mutex<Queue>,
    queued: [AtomicU64; 2],
    gauges: Gauges,
    /// Locked before the queue by those who need both.
    way: Mutex<Way>,
    draining: AtomicBool,
    touched: AtomicBool,
    drain_rates: Slots<AtomicU64>,
    refuse_late: AtomicBool,
    drains: Drains,
    refused_late: AtomicU64,
}

// === impl Intake ===

impl Intake {
    /// Returns an empty intake and queue without partitions; `ended` is told what the queue sheds and lets expire.
    pub fn new(settings: &Settings, ledger: Arc<Ledger>, ended: Arc<dyn Ended>, clock: Clock) -> Self {
        let bounds = Bounds::of(settings);
        let (sender, receiver) = crossbeam_channel::bounded(settings.intake);
        Self {
            queue: Mutex::new(Queue::new(bounds.limits(&[]), bounds.keep)),
            way: Mutex::new(Way::new(bounds)),
            refuse_late: AtomicBool::new(settings.refuse_late),
            drains: Drains::default(),
            refused_late: AtomicU64::new(0),
            drain_rates: Slots::default(),
            routes: Slots::default(),
            gates: Slots::default(),
            breaker: RwLock::new(breaker::Settings::OFF),
            ledger,
            results: ended,
            clock,
            sender,
            receiver,
            bell: Doorbell::new(),
            port: Arc::default(),
            queued: Default::default(),
            gauges: Gauges::default(),
            draining: AtomicBool::new(false),
            touched: AtomicBool::new(false),
        }
    }

    /// Opens the next partition, for pushes of this route, and returns its number; `None` if there are as many as there can be. The first of
    /// a route has the number that the route is known by.
    pub fn open(&self, route: &Arc<RouteCell>) -> Option<RouteId> {
        let mut way = self.way.lock();
        // Before the number is known to anybody, since everybody who knows it looks for its gate and its part of the queue.
        let gate = self.gates.push(self.new_gate(route)).ok()?;
        // Once it is there, so that settings that change meanwhile reach it one way or the other.
        self.gate_of(RouteId::at(gate)).follow(self.breaker.read().clone());
        way.open();
        self.queue.lock().open(route.id);
        let partition = self.routes.push(Arc::clone(route));
        self.weigh(way);
        partition.ok().map(RouteId::at)
    }

    /// Returns how many partitions have been opened.
    pub fn partitions(&self) -> usize {
        self.routes.len()
    }

    /// Follows other settings, and the routes' shares as they are now. What the buffer holds too much by them is shed.
    pub fn follow(&self, settings: &Settings) {
        self.refuse_late.store(settings.refuse_late, Ordering::Relaxed);
        let mut way = self.way.lock();
        way.bounds = Bounds::of(settings);
        self.weigh(way);
    }

    /// Follows the routes' shares as they are now.
    pub fn follow_shares(&self) {
        self.weigh(self.way.lock());
    }

    fn weigh(&self, mut way: MutexGuard<'_, Way>) {
        let share = |(index, route): (usize, &Arc<RouteCell>)| {
            if route.id.index() == index { route.share.load(Ordering::Relaxed) } else { 0 }
        };
        way.weigh(&self.routes.iter().enumerate().map(share).collect::<Vec<_>>());
        let mut shed = Vec::new();
        self.with_queue(|queue| queue.follow(way.limits.clone(), way.bounds.keep, &mut shed));
        drop(way);
        self.end_buffered(&shed, Outcome::Shed);
    }

    /// Returns where consumers subscribe.
    pub fn port(&self) -> Arc<Port> {
        Arc::clone(&self.port)
    }

    /// Returns the bound of the buffer.
    pub fn bound(&self) -> Load {
        self.way.lock().limits.all
    }

    /// Returns what is buffered at the moment, the intake included.
    pub fn load(&self) -> Load {
        let in_channel = self.way.lock().held.sum().all();
        in_channel.plus(self.queued())
    }

    /// Opens or closes the intake for all routes.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
    }

    /// Returns whether the intake is closed for draining.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Tells how fast a partition's pushes leave, in pushes per second; the base of `Retry-After`.
    pub fn set_drain_rate(&self, route: RouteId, per_second: f64) {
        self.drain_rates.at(route.index()).store(per_second.to_bits(), Ordering::Relaxed);
    }

    /// Has a look at a partition's books; once a second makes the predictions at the door right.
    pub fn observe(&self, route: RouteId, books: &Books) {
        self.drains.sample(route, self.clock.now(), books);
    }

    /// Returns the pushes a second that a partition delivers while it has work, if that has been measured lately.
    pub fn capacity(&self, route: RouteId) -> Option<f64> {
        self.drains.rate(route)
    }

    /// Returns the bell that announces work for the collector.
    pub(super) const fn bell(&self) -> &Doorbell {
        &self.bell
    }

    /// Moves up to `budget` pushes from the channel into the queue; what is shed for them is entered and dropped.
    pub(super) fn drain_channel(&self, budget: usize) {
        let mut moved = 0;
        let mut gone = Gone::default();
        while moved < budget
            && let Ok(batch) = self.receiver.try_recv()
        {
            moved += batch.pushes.len();
            // A door that looks at both counts waits, as it would refuse pushes for those that it sees twice; one that does not need not.
            let mut way = Some(self.way.lock()).filter(|way| way.bounds.keep == Keep::Oldest);
            self.with_queue(|queue| queue.store(batch.route, batch.pushes, &mut gone));
            // After the queue's count has risen, never before: nobody may see a push not at all.
            way.get_or_insert_with(|| self.way.lock()).held.remove_batch(batch.owner, &batch.load);
        }
        self.end_buffered(&gone.shed, Outcome::Shed);
        self.end_buffered(&gone.coalesced, Outcome::Coalesced);
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

    /// Returns, by lane, the moment before which a push that arrives now will not be served; `None` if every push of the batch lives longer
    /// than everything that is buffered takes, or the route's rate is not known.
    fn served_from(&self, route: RouteId, pushes: &[Push]) -> Option<[Moment; 4]> {
        let rate = self.capacity(route).filter(|_| self.refuse_late.load(Ordering::Relaxed))?;
        let now = self.clock.now();
        // A batch comes from one request, and so from one sender.
        let sender = pushes.first()?.sender;
        let shortest = pushes.iter().map(|push| push.deadline).min()?;
        if now.after(wait(self.queued().pushes, rate)) <= shortest {
            return None;
        }
        let queue = self.queue.lock();
        Some(Lane::ALL.map(|lane| now.after(wait(queue.ahead(route, lane, sender), rate))))
    }

    /// Keeps the pushes of a batch that will be served in time and for which there is room, and reserves that.
    fn sift(&self, route: RouteId, owner: RouteId, pushes: &mut Vec<Push>) -> Sifted {
        let served = self.served_from(route, pushes);
        let mut way = self.way.lock();
        let keep = way.bounds.keep;
        let queue = (keep == Keep::Oldest).then(|| self.queue.lock());
        let mut room = way.room(owner, queue.as_ref().map(|queue| queue.held()));
        let mut sifted = Sifted::default();
        let mut position = 0;
        pushes.retain(|push| {
            let refusal = match served {
                Some(served) if served[push.lane.index()] > push.deadline => {
                    sifted.late += 1;
                    Some(Refusal::RefusedDeadline)
                }
                _ if room.take(push, keep) => None,
                _ => {
                    sifted.behind += u64::from(room.is_behind(push));
                    Some(Refusal::ShedBufferFull)
                }
            };
            sifted.failed.extend(refusal.map(|refusal| (position, refusal)));
            position += 1;
            refusal.is_none()
        });
        sifted.load = room.granted;
        sifted
    }

    fn ring(&self) {
        self.touched.store(true, Ordering::Release);
        self.bell.ring();
    }
}

impl Door for Intake {
    fn gate(&self, route: RouteId) -> Result<(), Refusal> {
        let Some(cell) = self.routes.get(route.index()) else { return Err(Refusal::RefusedUnknownRoute) };
        if cell.removed.load(Ordering::Relaxed) {
            return Err(Refusal::RefusedUnknownRoute);
        }
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

    fn admit(&self, route: RouteId, mut pushes: Vec<Push>) -> Vec<(usize, Refusal)> {
        let offered = pushes.len();
        let owner = self.routes.get(route.index()).map_or(route, |cell| cell.id);
        let Sifted { failed, late, behind, load } = self.sift(route, owner, &mut pushes);
        let held = pushes.len();
        if !failed.is_empty() {
            self.refused_late.fetch_add(late, Ordering::Relaxed);
            self.gauges.add_shed_behind(behind);
        }
        self.ledger.enter(route, |books| {
            books.refuse(late);
            books.accept(held as u64, failed.len() as u64 - late);
        });
        if held == 0 {
            return failed;
        }
        if let Err(full) = self.sender.try_send(Batch { route, owner, pushes, load }) {
            self.way.lock().held.remove_batch(owner, &load);
            // The answer to the request says so; a result would say it twice.
            let shed = full.into_inner().pushes.len() as u64;
            self.gauges.add_shed_behind(shed);
            self.ledger.enter(route, |books| books.end(shed, Place::Buffered, Outcome::Shed));
            let mut told: Vec<_> = (0..offered).map(|position| (position, Refusal::ShedBufferFull)).collect();
            failed.iter().for_each(|(position, refusal)| told[*position].1 = *refusal);
            return told;
        }
        self.bell.ring();
        failed
    }

    fn refuse(&self, route: Option<RouteId>, count: u64) {
        match route {
            Some(route) => self.ledger.enter(route, |books| books.refuse(count)),
            None => self.ledger.refuse_without_route(count),
        }
    }

    fn repeat(&self, route: RouteId, count: u64) {
        self.ledger.enter(route, |books| books.repeat(count));
    }

    fn buffered(&self) -> u64 {
        self.queued().pushes
    }

    fn find(&self, wanted: &Wanted, search: &mut Search) -> Option<Sighting> {
        let queue = self.queue.lock();
        let found = queue.look(wanted, search, LOOK);
        // To whoever waits for it, before the next step takes it again.
        MutexGuard::unlock_fair(queue);
        found
    }

    fn retry_after(&self, route: RouteId) -> Duration {
        let rate = f64::from_bits(self.drain_rates.at(route.index()).load(Ordering::Relaxed));
        if rate < 1.0 {
            return RETRY_AFTER_UNKNOWN;
        }
        // Half of what stands in the buffer gone is room enough for everybody who comes back then.
        let seconds = self.ledger.read(route).buffered as f64 / 2.0 / rate;
        Duration::from_secs_f64(seconds.clamp(1.0, RETRY_AFTER_LONGEST.as_secs_f64()).ceil())
    }
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("load", &self.load()).finish_non_exhaustive()
    }
}
