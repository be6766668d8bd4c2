//! Looks after routes whose `connections` are bounds: sees what each partition needs ([`super::sizing`]) and opens or closes connections.
//!
//! [`look`] is called four times a second, so that what lasts is told from what comes and goes. A connection that is closed is drained first:
//! it asks for nothing more and waits for its last answers. If they do not come in time it stays, so nothing is sent twice because of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::control::{self, Busy};
use super::routes::{LiveRoute, Partition, Phase};
use super::scale;
use super::service::Service;
use super::sizing::{Opens, Resize, Sight, Sizer, Why};
use crate::config::Connections;
use crate::flow::{CommandError, Nudge, PusherCell, PusherState};
use crate::push::RouteId;
use crate::units::Moment;

/// Between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often a connection that is drained is looked at.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
pub struct Autosize {
    sizers: HashMap<RouteId, Sizer>,
    opens: HashMap<RouteId, Opens>,
}

/// Looks at all routes, and has those changed that choose by themselves and need it.
pub fn look(service: &Arc<Service>) {
    if service.is_stopping.load(Ordering::Relaxed) {
        return;
    }
    let now = service.parts.clock.now();
    let mut autosize = service.autosize.lock();
    for route in service.parts.routes.iter() {
        let bounds = route.connections();
        // Also where the number is fixed: a reload may give it bounds any time.
        let opens = autosize.opens.entry(route.cell.id).or_default();
        let room = opens.look(now, route.cell.dials.load(Ordering::Relaxed), bounds.open_rate);
        if bounds.is_fixed() || !route.is_present() {
            continue;
        }
        let Some((partition, resize)) = autosize.choose(service, route, (bounds, room, now)) else {
            continue;
        };
        if let Ok(busy) = control::busy(route) {
            actix::spawn(carry_out(Arc::clone(service), Arc::clone(route), partition, resize, busy));
        }
    }
}

// === impl Autosize ===

impl Autosize {
    /// Returns the first partition of a route that needs another number; one at a time, and none while others change the route.
    fn choose(
        &mut self,
        service: &Service,
        route: &LiveRoute,
        (bounds, room, now): (Connections, u32, Moment),
    ) -> Option<(Arc<Partition>, Resize)> {
        let is_busy = route.is_busy.load(Ordering::Acquire);
        let mut chosen = None;
        for partition in service.parts.routes.partitions_of(route) {
            let sizer = self.sizers.entry(partition.id()).or_default();
            if is_busy || partition.connections() == 0 || partition.phase() != Phase::Awake {
                sizer.forget();
            } else if chosen.is_none() {
                let waiting = service.parts.routes.books(partition).buffered;
                let cells = route.cell.pushers_of(partition.id());
                let is_held_back =
                    is_held_back(route) || service.parts.intake.gate_of(partition.id()).is_limited();
                let sight = Sight { waiting, room, is_held_back, ..sight(&cells) };
                chosen = sizer.look(now, &bounds, &sight).map(|resize| (Arc::clone(partition), resize));
            }
        }
        chosen
    }
}

/// Whether something else than the windows keeps a route's pushes back.
fn is_held_back(route: &LiveRoute) -> bool {
    let cell = &route.cell;
    cell.paused.load(Ordering::Relaxed) || cell.down.load(Ordering::Relaxed)
}

/// Returns what a partition's pushers show; what is not theirs is nothing.
fn sight(cells: &[Arc<PusherCell>]) -> Sight {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let takes_pushes = |cell: &&Arc<PusherCell>| cell.state() == PusherState::Ready;
    let is_settled =
        |cell: &Arc<PusherCell>| matches!(cell.state(), PusherState::Ready | PusherState::Paused);
    let ready = || cells.iter().filter(takes_pushes);
    Sight {
        present: count(cells.len()),
        ready: count(ready().count()),
        is_settled: cells.iter().all(is_settled),
        is_held_back: false,
        waiting: 0,
        window: ready().map(|cell| u64::from(cell.window())).sum(),
        in_flight: ready().map(|cell| u64::from(cell.in_flight())).sum(),
        room: 0,
    }
}

async fn carry_out(
    service: Arc<Service>,
    route: Arc<LiveRoute>,
    partition: Arc<Partition>,
    resize: Resize,
    busy: Busy,
) {
    let name = &route.cell.name;
    let (from, Resize { to, why }) = (partition.connections(), resize);
    let result = change(&service, &route, &partition, to).await;
    drop(busy);
    match result {
        Ok(()) => {
            log::info!("connections changed route={name} from={from} to={to} reason=\"{why}\"");
            match why {
                Why::Full => drop(route.cell.grown.fetch_add(1, Ordering::Relaxed)),
                Why::Idle => drop(route.cell.shrunk.fetch_add(1, Ordering::Relaxed)),
                Why::Bounds => {}
            }
        }
        Err(error) => log::warn!(
            "connections were not changed route={name} from={from} to={to} reason=\"{why}\" error={error}"
        ),
    }
}

async fn change(
    service: &Arc<Service>,
    route: &LiveRoute,
    partition: &Partition,
    to: u32,
) -> Result<(), CommandError> {
    let supervisor = control::supervisor(service, &route.cell.name)?;
    let cells = route.cell.pushers_of(partition.id());
    let surplus = cells.get(to as usize..).unwrap_or_default();
    let patience = partition.wiring.settings().answer_timeout;
    if !drained(surplus, patience).await {
        return Err(CommandError::Conflict(format!("answers are missing after {patience:?}")));
    }
    let resized = scale::resize(service, &supervisor, route, partition, to).await;
    if resized.is_err() {
        // Those that are still there would ask for nothing for ever.
        set_leaving(surplus, false);
    }
    resized?;
    scale::adjust(service, route).await
}

/// Has pushers ask for nothing more, or again.
fn set_leaving(pushers: &[Arc<PusherCell>], leaving: bool) {
    for cell in pushers {
        cell.set_leaving(leaving);
        cell.nudge(Nudge::LookAtSwitches);
    }
}

/// Lets pushers ask for nothing more and waits until they have nothing in flight; if that takes too long, they go on.
async fn drained(pushers: &[Arc<PusherCell>], patience: Duration) -> bool {
    set_leaving(pushers, true);
    // One that is ready has not heard of it yet.
    let is_done = |cell: &Arc<PusherCell>| cell.in_flight() == 0 && cell.state() != PusherState::Ready;
    let all_done = async {
        while !pushers.iter().all(is_done) {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    };
    let is_drained = tokio::time::timeout(patience, all_done).await.is_ok();
    if !is_drained {
        set_leaving(pushers, false);
    }
    is_drained
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::partitions::tests::service;

    #[actix::test]
    async fn a_connection_that_could_not_be_closed_goes_on() {
        let service = service().await;
        let route = Arc::clone(service.parts.route("web").unwrap());
        // Its supervisor takes no commands any more.
        service.root().unwrap().shutdown(Duration::from_secs(5)).await;
        assert!(change(&service, &route, &route.current(), 1).await.is_err());
        let pushers = route.cell.pushers();
        assert_eq!(pushers.len(), 2);
        assert!(pushers.iter().all(|cell| !cell.is_leaving()), "or it would ask for nothing for ever");
    }

    #[actix::test]
    async fn a_route_that_gets_bounds_may_open_what_its_last_minute_leaves() {
        tokio::time::pause();
        let service = service().await;
        let route = Arc::clone(service.parts.route("web").unwrap());
        // What a route has opened in a long life.
        route.cell.dials.fetch_add(10_000, Ordering::Relaxed);
        for _ in 0..70 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            look(&service);
        }
        let bounds = Connections { min: 4, max: 9, open_rate: 1_000, ..route.connections() };
        route.set_settings(crate::config::Route { connections: bounds, ..route.settings() });
        for _ in 0..20 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        assert_eq!(route.cell.pushers().len(), 4);
        service.root().unwrap().shutdown(Duration::from_secs(5)).await;
    }
}
