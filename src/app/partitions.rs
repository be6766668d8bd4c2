//! Partitions while the process runs: opened for a peer when there is something for it, put to sleep when there is nothing any more.
//!
//! [`Service::partition`] is for routes whose peers are known by their pushes only, such as Web Push with its origins; it is called on HTTP
//! threads, once per push. [`tend`] is called once a second and does what takes time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use pushweir_actors::{SupervisorError, SupervisorHandle};

use super::control;
use super::routes::{LiveRoute, NoPartition, Opening, Partition, Phase};
use super::scale;
use super::service::Service;
use super::tree;
use crate::ledger::Books;
use crate::push::RouteId;
use crate::transport::Connector;
use crate::units::Moment;

/// A partition that takes nothing new stays so long at least: far longer than a request needs from its look-up to the door.
const LINGER: Duration = Duration::from_secs(1);
/// Pushers of one route that are started or stopped at the same time.
const AT_ONCE: usize = 32;

/// What has to be done about a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// It has pushes and no pushers.
    Wake,
    /// It has done nothing for long, or is not meant to do anything any more.
    Retire,
    /// It has nothing left to do.
    Sleep,
}

// === impl Service ===

impl Service {
    /// Returns the partition of `route` that is for the peer `key`, ready to be used with [`crate::flow::Door::gate`] and
    /// [`crate::flow::Door::admit`] at once.
    ///
    /// For a transport whose peers are named by the pushes themselves (Web Push: `key` is the origin of the endpoint). How to use it:
    ///
    /// - The route itself is added with a connector that renders, and without connections of its own (`home_connections` in `parts`).
    /// - For each push, look the partition up here and put its number into [`crate::push::Push::route`]; use it within the same request, and do
    ///   not keep it: a partition that has slept for a minute may be given to another key. The usual case is one read lock and a hash look-up.
    /// - `connect` is called if the key is new, and makes the connector that opens `connections` connections to that peer. Connectors of one
    ///   route must be able to read each other's payloads back ([`Connector::addressee`]), as results may ask any of them.
    /// - Pushers are started in the background; pushes that are admitted before they are up wait in the partition's queue.
    /// - Books, share of the buffer, pause, latencies, pusher numbers (`web/0`, `web/1`, …) and the row in the snapshot are those of `route`, over
    ///   all its partitions. Retry budget, drain rate and login permits are the partition's own.
    /// - A key that gets nothing for the route's `idle` time goes to sleep by itself, once what it holds has ended; the next push wakes it.
    /// - There are at most [`crate::units::MOST_SLOTS`] partitions. Senders can name keys, so bound the number of a route's keys before calling;
    ///   [`super::peers`] does.
    ///
    /// # Errors
    /// There is no place for another partition; refuse the push then.
    pub fn partition(
        self: &Arc<Self>,
        route: &Arc<LiveRoute>,
        key: &str,
        connections: u32,
        connect: impl FnOnce() -> Arc<dyn Connector>,
    ) -> Result<RouteId, NoPartition> {
        let known = route.keyed(key);
        if let Some(partition) = known {
            if partition.phase() != Phase::Awake && partition.wake() {
                self.start_in_background(route, &partition);
            }
            return Ok(partition.id());
        }
        let opening = Opening { connector: connect(), connections, key: Some(key.into()) };
        let partition = self.parts.routes.add_partition(route, opening)?;
        log::info!(
            "a partition is opened route={} peer={key:?} number={}",
            route.cell.name,
            partition.id().0
        );
        self.start_in_background(route, &partition);
        Ok(partition.id())
    }

    fn start_in_background(self: &Arc<Self>, route: &Arc<LiveRoute>, partition: &Arc<Partition>) {
        let (service, route, partition) = (Arc::clone(self), Arc::clone(route), Arc::clone(partition));
        // Not on the caller's thread: that of an HTTP server ends when the server is replaced.
        let started = self.delivery_thread(0).spawn(async move {
            if let Err(error) = start_pushers(&service, &route, &partition).await {
                log::error!("pushers were not started route={} error={error}", route.cell.name);
            }
        });
        if !started {
            log::debug!("the thread is gone: the process ends");
        }
    }
}

/// Starts the pushers of a partition that have a cell and do not run. A route that is down starts them itself when it is up again.
///
/// # Errors
/// One did not start; its cell is gone then.
pub async fn start_pushers(
    service: &Arc<Service>,
    route: &LiveRoute,
    partition: &Partition,
) -> Result<(), SupervisorError> {
    let name = &route.cell.name;
    let Some(supervisor) = service.route_supervisor(name) else { return Ok(()) };
    if supervisor.ready().await.is_err() {
        return Ok(());
    }
    // More pushers may fail more often, all together.
    if let Err(error) = scale::adjust(service, route).await {
        log::warn!("the restart limit stays as it was route={name} error={error}");
    }
    let mut starts = Vec::new();
    for cell in route.cell.pushers_of(partition.id()) {
        let child = tree::pusher(service, &partition.wiring, cell.number);
        let supervisor = supervisor.clone();
        starts.push(async move { (cell.number, supervisor.start_child(child).await) });
    }
    let mut started = futures_util::stream::iter(starts).buffer_unordered(AT_ONCE);
    let mut failed = Ok(());
    while let Some((number, result)) = started.next().await {
        use SupervisorError::{AlreadyPresent, AlreadyStarted, NotReady, ShuttingDown, Superseded};
        match result {
            Ok(()) | Err(AlreadyPresent(_) | AlreadyStarted(_) | NotReady(_) | ShuttingDown(_)) => {}
            // An operator restarts it already.
            Err(Superseded(_)) => {}
            Err(error) => {
                // The supervisor has forgotten it; a cell without a child could never be scaled away.
                route.cell.remove(number);
                failed = Err(error);
            }
        }
    }
    failed
}

/// Stops pushers of a route, in order, and forgets them.
///
/// # Errors
/// One was not stopped; the others were.
pub async fn stop_pushers(
    supervisor: Option<&SupervisorHandle>,
    route: &LiveRoute,
    numbers: Vec<u32>,
) -> Result<(), SupervisorError> {
    let mut stops = Vec::new();
    for number in numbers {
        let id = format!("{}/{number}", route.cell.name);
        stops.push(async move {
            match supervisor {
                Some(supervisor) => (number, forget_child(supervisor, &id).await),
                None => (number, Ok(())),
            }
        });
    }
    let mut stopped = futures_util::stream::iter(stops).buffer_unordered(AT_ONCE);
    let mut all = Ok(());
    while let Some((number, result)) = stopped.next().await {
        if result.is_ok() {
            route.cell.remove(number);
        }
        all = all.and(result);
    }
    all
}

/// Stops a child and forgets it; one that is not there is as good.
///
/// # Errors
/// It was not stopped.
pub async fn forget_child(supervisor: &SupervisorHandle, id: &str) -> Result<(), SupervisorError> {
    match supervisor.terminate_child(id).await {
        Ok(()) => supervisor.delete_child(id).await,
        Err(SupervisorError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Looks after all partitions; a call while another is at it does nothing.
pub async fn tend(service: Arc<Service>) {
    let Ok(_turn) = service.tending.try_lock() else { return };
    let routes = &service.parts.routes;
    let now = service.parts.clock.now();
    for route in routes.iter() {
        for partition in routes.partitions_of(route) {
            let books = routes.books(partition);
            let phase = partition.phase();
            let lacks_pushers = books.held() > 0 && partition.lacks_pushers();
            match need(phase, &books, (is_idle(route, partition, &books, now), lacks_pushers), now) {
                Need::Nothing => {}
                Need::Retire => partition.retire(now),
                // What came too late for a route that is gone ends at its deadline.
                Need::Wake if !route.is_present() && matches!(phase, Phase::Asleep { .. }) => {}
                Need::Wake => {
                    if partition.wake()
                        && let Err(error) = start_pushers(&service, route, partition).await
                    {
                        log::error!("pushers were not started route={} error={error}", route.cell.name);
                    }
                }
                Need::Sleep => sleep(&service, route, partition, now).await,
            }
        }
        if !route.is_present() && routes.is_asleep(route) {
            close(&service, route).await;
        }
    }
}

/// Ends the supervisor of a route that is gone, and gives its share of the buffer to the others.
async fn close(service: &Service, route: &LiveRoute) {
    let name = &route.cell.name;
    let Some(routes) = service.routes_supervisor().filter(|_| service.route_state(name).is_some()) else {
        return;
    };
    if let Err(error) = forget_child(&routes, name).await {
        return log::warn!("a removed route stays route={name} error={error}");
    }
    route.cell.share.store(0, Ordering::Relaxed);
    service.parts.intake.follow_shares();
    log::info!("a removed route has delivered what it held, and is gone route={name}");
}

async fn sleep(service: &Arc<Service>, route: &Arc<LiveRoute>, partition: &Partition, now: Moment) {
    // Whoever changes the route may be about to start pushers here; it can sleep a second later.
    let Ok(_busy) = control::busy(route) else { return };
    if !partition.stop() {
        return;
    }
    let numbers = route.cell.pushers_of(partition.id()).iter().map(|cell| cell.number).collect();
    let supervisor = service.route_supervisor(&route.cell.name);
    let stopped = stop_pushers(supervisor.as_ref(), route, numbers).await;
    partition.stopped(stopped.is_ok(), now);
    match stopped {
        Ok(()) => {
            log::info!("a partition sleeps route={} number={}", route.cell.name, partition.id().0);
        }
        Err(error) => {
            log::warn!("a partition stays awake route={} error={error}", route.cell.name);
        }
    }
}

/// Returns whether a partition's connections are not worth keeping when it is empty: it has accepted nothing for long, or others take the
/// route's pushes since the route was removed or got another transport.
fn is_idle(route: &LiveRoute, partition: &Partition, books: &Books, now: Moment) -> bool {
    let idle = partition.idle(books, now);
    let is_its_own = || partition.id() == route.current().id();
    let is_meant = match route.on_demand() {
        Some(limits) if partition.has_key() => idle < limits.idle,
        Some(_) | None => !partition.has_key() && is_its_own(),
    };
    !(route.is_present() && is_meant)
}

/// Returns what a partition needs; see [`is_idle`] and [`Partition::lacks_pushers`].
fn need(phase: Phase, books: &Books, (is_idle, lacks_pushers): (bool, bool), now: Moment) -> Need {
    let is_empty = books.held() == 0;
    match phase {
        Phase::Awake | Phase::Retiring { .. } if !is_empty && lacks_pushers => Need::Wake,
        Phase::Awake if is_empty && is_idle => Need::Retire,
        Phase::Retiring { since } if is_empty && now.since(since) >= LINGER => Need::Sleep,
        Phase::Asleep { .. } if !is_empty => Need::Wake,
        Phase::Awake | Phase::Retiring { .. } | Phase::Stopping | Phase::Asleep { .. } => Need::Nothing,
    }
}

#[cfg(test)]
pub(super) mod tests;
