//! Observation cells: written by one actor, read by anybody without a message; they outlive the actor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use actix::{Message, Recipient};
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use tokio::time::Instant;

use super::Look;
use crate::outcome::bounded;
use crate::push::RouteId;
use crate::telemetry::{Latencies, PushTimes};
use crate::units::Moment;

/// The most bytes of an error that are kept: each snapshot has those of all pushers.
const MAX_ERROR: usize = 512;

/// What a pusher is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PusherState {
    /// Opening its connection.
    Connecting,
    /// Its connection takes pushes.
    Ready,
    /// It waits for the last answers of a connection that will close.
    Draining,
    /// An operator stopped it from asking.
    Paused,
    /// Its supervisor waits before the next start.
    BackingOff,
    /// The provider refuses our credentials; a slow probe goes on.
    Failed,
}

/// What an operator tells a running pusher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum Nudge {
    /// Its own or its route's pause switch was moved.
    LookAtSwitches,
    /// Panic, to prove in a running service that supervision works (`[runtime] fault_injection`).
    Panic,
}

/// What is known of one pusher, across its restarts.
#[derive(Debug)]
pub struct PusherCell {
    /// The partition that it serves.
    pub partition: RouteId,
    /// Its number in the route, over all the route's partitions.
    pub number: u32,
    /// Round-trip times of its answers.
    pub latencies: Latencies,
    state: AtomicU8,
    paused: AtomicBool,
    leaving: AtomicBool,
    window: AtomicU32,
    in_flight: AtomicU32,
    answered: AtomicU64,
    unknown_answers: AtomicU64,
    connected_at: AtomicU64,
    errors: AtomicU64,
    last_error: Mutex<Option<(Instant, String)>>,
    inbox: Mutex<Option<Recipient<Nudge>>>,
    looks: Mutex<Option<Recipient<Look>>>,
}

/// What is known of one route.
#[derive(Debug)]
pub struct RouteCell {
    /// The partition that it was opened with.
    pub id: RouteId,
    /// Its name.
    pub name: String,
    /// Times from admission to the final answer of delivered pushes.
    pub delivery: Latencies,
    /// How long its pushes took since the start.
    pub times: PushTimes,
    /// Whether an operator paused it.
    pub paused: AtomicBool,
    /// Whether its supervisor gave up and has not been restarted yet.
    pub down: AtomicBool,
    /// Whether it is no longer in the configuration: nothing new is taken, what it holds is delivered.
    pub removed: AtomicBool,
    /// Its weight when routes compete for the buffer.
    pub share: AtomicU32,
    /// Connections that its pushers tried to open.
    pub dials: AtomicU64,
    /// How often it got more connections because its windows were full.
    pub grown: AtomicU64,
    /// How often it got fewer because they were not half used.
    pub shrunk: AtomicU64,
    transport: RwLock<&'static str>,
    /// Of all its partitions, in the order of their numbers, which may have gaps.
    pushers: RwLock<Vec<Arc<PusherCell>>>,
}

// === impl PusherState ===

impl PusherState {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Connecting, Self::Ready, Self::Draining, Self::Paused, Self::BackingOff, Self::Failed];

    /// Returns its name as in the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Paused => "paused",
            Self::BackingOff => "backing_off",
            Self::Failed => "failed",
        }
    }
}

// === impl PusherCell ===

impl PusherCell {
    /// Returns the cell of a pusher that has not started yet.
    pub fn new(partition: RouteId, number: u32) -> Self {
        Self {
            partition,
            number,
            latencies: Latencies::default(),
            state: AtomicU8::new(PusherState::Connecting as u8),
            paused: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            window: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            unknown_answers: AtomicU64::new(0),
            connected_at: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            last_error: Mutex::new(None),
            inbox: Mutex::new(None),
            looks: Mutex::new(None),
        }
    }

    /// Sets the state.
    pub fn set_state(&self, state: PusherState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// Returns the state.
    pub fn state(&self) -> PusherState {
        PusherState::ALL[usize::from(self.state.load(Ordering::Relaxed))]
    }

    /// Sets whether an operator paused it; survives restarts.
    pub fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// Returns whether an operator paused it.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Sets whether it is to ask for nothing more, as it is going to be taken out; survives restarts.
    pub fn set_leaving(&self, leaving: bool) {
        self.leaving.store(leaving, Ordering::Relaxed);
    }

    /// Returns whether it is going to be taken out.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Sets window and in-flight count.
    pub fn set_load(&self, window: u32, in_flight: u32) {
        self.window.store(window, Ordering::Relaxed);
        self.in_flight.store(in_flight, Ordering::Relaxed);
    }

    /// Returns the window, in pushes; 0 while not connected.
    pub fn window(&self) -> u32 {
        self.window.load(Ordering::Relaxed)
    }

    /// Returns pushes without an answer.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts answers: those that settled an attempt and those that matched nothing in flight.
    pub fn count_answers(&self, settled: u64, unknown: u64) {
        self.answered.fetch_add(settled, Ordering::Relaxed);
        self.unknown_answers.fetch_add(unknown, Ordering::Relaxed);
    }

    /// Returns answers that settled an attempt since the process started.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Returns answers to pushes that were not in flight (late, repeated or invented).
    pub fn unknown_answers(&self) -> u64 {
        self.unknown_answers.load(Ordering::Relaxed)
    }

    /// Notes that the connection stands since `now`, or that there is none.
    pub fn set_connected(&self, since: Option<Moment>) {
        self.connected_at.store(since.map_or(0, |moment| moment.as_micros().max(1)), Ordering::Relaxed);
    }

    /// Returns how long the connection has stood, if there is one.
    pub fn connected_for(&self, now: Moment) -> Option<Duration> {
        match self.connected_at.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(now.since(Moment::from_micros(micros))),
        }
    }

    /// Says where the present incarnation listens.
    pub fn attach(&self, inbox: Recipient<Nudge>, looks: Recipient<Look>) {
        *self.inbox.lock() = Some(inbox);
        *self.looks.lock() = Some(looks);
    }

    /// Asks the present incarnation for a push, if there is one and its mailbox has room.
    pub fn look(&self, look: Look) {
        let looks = self.looks.lock().clone();
        if let Some(Err(error)) = looks.map(|looks| looks.try_send(look)) {
            log::debug!("a pusher was not asked pusher={} error={error}", self.number);
        }
    }

    /// Tells the present incarnation something; returns whether there is one.
    #[expect(
        clippy::disallowed_methods,
        reason = "an operator's commands are few, and must not wait for room in a mailbox"
    )]
    pub fn nudge(&self, nudge: Nudge) -> bool {
        let inbox = self.inbox.lock();
        match inbox.as_ref().filter(|inbox| inbox.connected()) {
            Some(inbox) => {
                inbox.do_send(nudge);
                true
            }
            None => false,
        }
    }

    /// Counts something that went wrong, and keeps it as the last; peers may have much to say, so it may be cut.
    pub fn set_error(&self, text: String) {
        *self.last_error.lock() = Some((Instant::now(), bounded(&text, MAX_ERROR).into_string()));
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how often something went wrong.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Returns the last thing that went wrong, and how long ago.
    pub fn last_error(&self) -> Option<(Duration, String)> {
        self.last_error.lock().as_ref().map(|(when, text)| (when.elapsed(), text.clone()))
    }
}

// === impl RouteCell ===

impl RouteCell {
    /// Returns the cell of a route without pushers.
    pub fn new(id: RouteId, name: String, transport: &'static str) -> Self {
        Self {
            id,
            name,
            delivery: Latencies::default(),
            times: PushTimes::default(),
            paused: AtomicBool::new(false),
            down: AtomicBool::new(false),
            removed: AtomicBool::new(false),
            share: AtomicU32::new(1),
            dials: AtomicU64::new(0),
            grown: AtomicU64::new(0),
            shrunk: AtomicU64::new(0),
            transport: RwLock::new(transport),
            pushers: RwLock::new(Vec::new()),
        }
    }

    /// Returns its transport's name, such as `xmpp`.
    pub fn transport(&self) -> &'static str {
        *self.transport.read()
    }

    /// Notes that new pushes go out by another transport from now on.
    pub fn set_transport(&self, transport: &'static str) {
        *self.transport.write() = transport;
    }

    /// Returns the cells of its pushers, in the order of their numbers.
    pub fn pushers(&self) -> Vec<Arc<PusherCell>> {
        self.pushers.read().clone()
    }

    /// Returns the cell of a pusher.
    pub fn pusher(&self, number: u32) -> Option<Arc<PusherCell>> {
        let pushers = self.pushers.read();
        let at = pushers.binary_search_by_key(&number, |cell| cell.number).ok()?;
        Some(Arc::clone(&pushers[at]))
    }

    /// Returns the cells of the pushers of one of its partitions, in the order of their numbers.
    pub fn pushers_of(&self, partition: RouteId) -> Vec<Arc<PusherCell>> {
        self.pushers.read().iter().filter(|cell| cell.partition == partition).cloned().collect()
    }

    /// Gives a partition another pusher, with the lowest number that is free in the route.
    pub fn add(&self, partition: RouteId) -> Arc<PusherCell> {
        let mut pushers = self.pushers.write();
        let free = pushers.iter().zip(0..).position(|(cell, number)| cell.number != number);
        let at = free.unwrap_or(pushers.len());
        let cell = Arc::new(PusherCell::new(partition, u32::try_from(at).unwrap_or(u32::MAX)));
        pushers.insert(at, Arc::clone(&cell));
        cell
    }

    /// Takes a pusher out.
    pub fn remove(&self, number: u32) {
        self.pushers.write().retain(|cell| cell.number != number);
    }

    /// Makes a partition have `count` pushers, keeping the cells of those that stay.
    pub fn resize(&self, partition: RouteId, count: u32) {
        let present = self.pushers_of(partition);
        present.iter().skip(count as usize).for_each(|cell| self.remove(cell.number));
        (present.len()..count as usize).for_each(|_| drop(self.add(partition)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_over_partitions_and_the_lowest_free_one_is_taken() {
        let route = RouteCell::new(RouteId(3), "web".into(), "webpush");
        route.resize(RouteId(3), 2);
        route.resize(RouteId(9), 2);
        let numbers =
            |partition| route.pushers_of(partition).iter().map(|cell| cell.number).collect::<Vec<_>>();
        assert_eq!((numbers(RouteId(3)), numbers(RouteId(9))), (vec![0, 1], vec![2, 3]));
        let stays = route.pusher(0).unwrap();
        route.resize(RouteId(3), 1);
        route.resize(RouteId(9), 4);
        assert_eq!((numbers(RouteId(3)), numbers(RouteId(9))), (vec![0], vec![1, 2, 3, 4]));
        assert!(Arc::ptr_eq(&stays, &route.pusher(0).unwrap()), "a cell that stays is the same");
        route.resize(RouteId(9), 0);
        assert!(route.pusher(1).is_none() && route.pushers().len() == 1);
    }

    #[test]
    fn a_peer_that_says_much_does_not_fill_every_snapshot() {
        let cell = RouteCell::new(RouteId(0), "a".into(), "xmpp");
        cell.resize(RouteId(0), 1);
        let pusher = cell.pusher(0).unwrap();
        pusher.set_error("ü".repeat(100_000));
        assert_eq!(pusher.last_error().unwrap().1, "ü".repeat(MAX_ERROR / 2));
    }
}
