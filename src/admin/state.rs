//! What the operator sees: the snapshot's JSON (`CONTRACT`: Admin HTTP), and the words that sum it up. Pure.
//!
//! `app` fills a [`Snapshot`] from the ledger, the cells and the supervisors; `http` serves it. The order of the fields is the order
//! of the JSON.

mod breaker;
mod counts;
mod route_state;
#[cfg(test)]
pub(super) mod tests;

use std::sync::atomic::Ordering;

pub use breaker::BreakerRow;
pub use counts::{ReloadCounts, ResultCounts, TelemetryState, TraceState, WebhookState};
pub use route_state::RouteState;
use serde::Serialize;

use crate::flow::{PusherCell, PusherState, RouteCell};
use crate::ledger::Books;
use crate::units::Moment;

/// The share of the buffer that counts as saturated.
const SATURATED: f64 = 0.8;

/// The service at one instant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// All of it in a word.
    pub state: State,
    /// The program's version.
    pub version: &'static str,
    /// Since the start.
    pub uptime_seconds: f64,
    /// The books of all routes.
    pub ledger: Books,
    /// The buffer.
    pub collector: CollectorState,
    /// Rates over the last seconds.
    pub rates: Rates,
    /// How often providers answered with which code.
    pub answers: Vec<AnswerCount>,
    /// Attempts without an answer; each is a possible duplicate at the provider.
    pub maybe_delivered: u64,
    /// What senders are told of pushes that have ended.
    pub results: ResultCounts,
    /// The webhook.
    pub webhook: WebhookState,
    /// How often the configuration was read again since the start.
    pub reloads: ReloadCounts,
    /// What is told of the service besides this.
    pub telemetry: TelemetryState,
    /// The routes, in the configuration's order.
    pub routes: Vec<RouteRow>,
    /// The pushers, route by route.
    pub pushers: Vec<PusherRow>,
    /// The supervision tree.
    pub tree: TreeNode,
}

/// The service in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Pushes go out as they come.
    Ok,
    /// They wait: all windows are full, or the buffer nearly is.
    Saturated,
    /// Some are dropped.
    Shedding,
    /// New ones are refused, those held are delivered.
    Draining,
    /// Every route is paused by an operator.
    Paused,
    /// A route is down or kept back by its breaker, or pushers are not connected.
    Degraded,
}

/// The buffer.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct CollectorState {
    /// Pushes in it.
    pub buffered: u64,
    /// Pushes it can hold.
    pub capacity: u64,
    /// Bytes in it.
    pub buffered_bytes: u64,
    /// Bytes it can hold.
    pub capacity_bytes: u64,
    /// Age of the oldest push in it.
    pub oldest_age_seconds: f64,
    /// See [`projected_drain`].
    pub projected_drain_seconds: Option<f64>,
    /// Pushes refused because they would have waited longer than they live.
    pub refused_deadline: u64,
    /// Pushes between the door and the collector's thread.
    pub intake_pushes: u64,
    /// How many may be there, beyond those that the buffer holds.
    pub intake_capacity: u64,
    /// Batches there; a request has one for each partition that it has pushes for.
    pub intake_batches: u64,
    /// How many may be there.
    pub intake_capacity_batches: u64,
    /// Pushes shed because there was no room there, however empty the buffer was.
    pub shed_behind: u64,
}

/// Rates over the last seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Rates {
    /// Pushes taken over.
    pub accepted_per_second: f64,
    /// Pushes delivered.
    pub delivered_per_second: f64,
    /// Pushes shed.
    pub shed_per_second: f64,
    /// Those of them that were shed because the collector is behind.
    pub shed_behind_per_second: f64,
}

/// How often providers answered with a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnswerCount {
    /// The provider's code, such as `SERVICE_UNAVAILABLE`.
    pub code: String,
    /// Answers with it.
    pub count: u64,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteRow {
    /// Its name.
    pub name: String,
    /// Its transport.
    pub transport: &'static str,
    /// It in a word.
    pub state: RouteState,
    /// Its pushers.
    pub connections: u32,
    /// The least that each of its partitions may have.
    pub connections_min: u32,
    /// The most; the same unless the route chooses.
    pub connections_max: u32,
    /// Those that are ready.
    pub ready: u32,
    /// The sum of their windows.
    pub window: u64,
    /// Pushes without an answer.
    pub in_flight: u64,
    /// Pushes that wait for it.
    pub buffered: u64,
    /// Median time from admission to delivery, over the last seconds.
    pub delivery_p50_ms: f64,
    /// Its 99th percentile.
    pub delivery_p99_ms: f64,
    /// The 95th percentile between them.
    pub delivery_p95_ms: f64,
    /// Retries that had to wait longer because the route's retry budget was used up.
    pub stretched_retries: u64,
    /// The part of the buffer that it has when others need theirs.
    pub share: f64,
    /// Pushes a second that it delivers while it has work, if measured lately.
    pub drain_per_second: Option<f64>,
    /// Connections that it tried to open, since the start.
    pub dials: u64,
    /// How often it chose to have more connections.
    pub grown: u64,
    /// How often it chose to have fewer.
    pub shrunk: u64,
    /// What its providers' answers let out.
    pub breaker: BreakerRow,
    /// Its books.
    pub ledger: Books,
}

/// A pusher.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PusherRow {
    /// `route/number`.
    pub id: String,
    /// Its route.
    pub route: String,
    /// What it does.
    pub state: PusherState,
    /// How many pushes may be unanswered; 0 while not connected.
    pub window: u32,
    /// How many are.
    pub in_flight: u32,
    /// How often it was restarted.
    pub restarts: u64,
    /// How often something went wrong.
    pub errors: u64,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
    /// How long ago that was.
    pub last_error_age_seconds: Option<f64>,
    /// How long its connection stands; 0 without one.
    pub connected_seconds: f64,
    /// Answers a second.
    pub acks_per_second: f64,
    /// Median round trip of its answers.
    pub ack_p50_ms: f64,
    /// Their 99th percentile.
    pub ack_p99_ms: f64,
}

/// A supervisor or a child of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TreeNode {
    /// Its name, unique among its siblings.
    pub id: String,
    /// `supervisor` or what it does.
    pub kind: String,
    /// A supervisor's strategy.
    pub strategy: Option<String>,
    /// Such as `running`.
    pub state: String,
    /// How often it was restarted.
    pub restarts: u64,
    /// Why it ended last.
    pub last_exit: Option<String>,
    /// What it supervises.
    pub children: Vec<Self>,
}

/// Sums the service up: what needs the operator most comes first.
pub fn overall(draining: bool, collector: &CollectorState, rates: &Rates, routes: &[RouteRow]) -> State {
    if draining {
        return State::Draining;
    }
    let mut present = routes.iter().filter(|route| route.state != RouteState::Removed).peekable();
    if present.peek().is_some() && present.all(|route| route.state == RouteState::Paused) {
        return State::Paused;
    }
    if rates.shed_per_second > 0.0 {
        return State::Shedding;
    }
    let fine = |route: &RouteRow| {
        matches!(route.state, RouteState::Ready | RouteState::Paused | RouteState::Removed)
    };
    if !routes.iter().all(fine) {
        return State::Degraded;
    }
    let share = |part: u64, whole: u64| part as f64 >= SATURATED * whole as f64 && part > 0;
    // More than another window's worth waits, or none of the window is free.
    let full = |route: &RouteRow| {
        route.buffered > route.window || (route.buffered > 0 && route.in_flight >= route.window)
    };
    let filling = share(collector.buffered, collector.capacity)
        || share(collector.buffered_bytes, collector.capacity_bytes)
        || collector.door() >= SATURATED;
    if filling || routes.iter().any(full) { State::Saturated } else { State::Ok }
}

/// Returns when the buffer will be empty if the rates stay: `None` when nothing is buffered or it is not shrinking.
///
/// `out_per_second` is what is worked off: deliveries and other ends. Drops are no way out: while there are some, the buffer is full.
pub fn projected_drain(buffered: u64, in_per_second: f64, out_per_second: f64) -> Option<f64> {
    let shrinking = out_per_second - in_per_second;
    (buffered > 0 && shrinking > 0.0).then(|| buffered as f64 / shrinking)
}

/// Returns whether pushes can be taken and delivered now.
///
/// # Errors
/// Why not.
pub fn readiness(snapshot: &Snapshot) -> Result<(), &'static str> {
    if snapshot.state == State::Draining {
        return Err("draining: no new pushes are taken");
    }
    // A route that opens its connections when there is something to send is ready without any.
    let is_ready = |route: &RouteRow| route.state == RouteState::Ready && route.connections == 0;
    let ready = snapshot.pushers.iter().any(|pusher| pusher.state == PusherState::Ready)
        || snapshot.routes.iter().any(is_ready);
    ready.then_some(()).ok_or("no pusher is ready")
}

// === impl CollectorState ===

impl CollectorState {
    /// Returns how full the way between door and collector is, 0 to 1 and a little more.
    pub fn door(&self) -> f64 {
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        share(self.intake_pushes, self.intake_capacity)
            .max(share(self.intake_batches, self.intake_capacity_batches))
    }
}

// === impl RouteRow ===

impl RouteRow {
    /// Returns the row of a route from its cell, its books and its pushers' rows.
    pub fn new(cell: &RouteCell, ledger: Books, pushers: &[PusherRow], breaker: BreakerRow) -> Self {
        let ready = pushers.iter().filter(|pusher| pusher.state == PusherState::Ready).count();
        let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            name: cell.name.clone(),
            transport: cell.transport(),
            state: RouteState::new(cell, pushers, &breaker),
            connections: count(pushers.len()),
            connections_min: count(pushers.len()),
            connections_max: count(pushers.len()),
            ready: count(ready),
            window: pushers.iter().map(|pusher| u64::from(pusher.window)).sum(),
            in_flight: ledger.in_flight,
            buffered: ledger.buffered,
            delivery_p50_ms: cell.delivery.quantile(0.5).as_secs_f64() * 1_000.0,
            delivery_p99_ms: cell.delivery.quantile(0.99).as_secs_f64() * 1_000.0,
            delivery_p95_ms: cell.delivery.quantile(0.95).as_secs_f64() * 1_000.0,
            stretched_retries: 0,
            share: 1.0,
            drain_per_second: None,
            dials: cell.dials.load(Ordering::Relaxed),
            grown: cell.grown.load(Ordering::Relaxed),
            shrunk: cell.shrunk.load(Ordering::Relaxed),
            breaker,
            ledger,
        }
    }
}

// === impl State ===

impl State {
    /// Returns its name as in the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Saturated => "saturated",
            Self::Shedding => "shedding",
            Self::Draining => "draining",
            Self::Paused => "paused",
            Self::Degraded => "degraded",
        }
    }
}

// === impl PusherRow ===

impl PusherRow {
    /// Returns the row of a pusher from its cell and what its supervisor and a rate know.
    pub fn new(route: &str, cell: &PusherCell, restarts: u64, acks_per_second: f64, now: Moment) -> Self {
        let millis = |share| cell.latencies.quantile(share).as_secs_f64() * 1_000.0;
        let (age, last_error) = cell.last_error().unzip();
        Self {
            id: format!("{route}/{}", cell.number),
            route: route.into(),
            state: cell.state(),
            window: cell.window(),
            in_flight: cell.in_flight(),
            restarts,
            errors: cell.errors(),
            last_error,
            last_error_age_seconds: age.map(|age| age.as_secs_f64()),
            connected_seconds: cell.connected_for(now).unwrap_or_default().as_secs_f64(),
            acks_per_second,
            ack_p50_ms: millis(0.5),
            ack_p99_ms: millis(0.99),
        }
    }
}
