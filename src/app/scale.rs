//! Another number of connections for a route, while it runs: by an operator's command, by a reload, by what the route needs ([`super::autosize`]).

use std::sync::Arc;

use pushweir_actors::{SupervisorError, SupervisorHandle};

use super::control;
use super::partitions::{start_pushers, stop_pushers};
use super::routes::{LiveRoute, Partition, Phase};
use super::service::Service;
use super::tree;
use crate::flow::CommandError;

/// More connections than any provider allows a sender.
const MOST_CONNECTIONS: u32 = 5000;

/// Gives each partition of a route that has pushers so many of them.
///
/// # Errors
/// There is no such route, the number is not allowed, or somebody else changes the route at the moment.
pub async fn scale(service: &Arc<Service>, name: &str, connections: u32) -> Result<(), CommandError> {
    let route = control::route(service, name)?;
    if !(1..=MOST_CONNECTIONS).contains(&connections) {
        return Err(CommandError::Invalid(format!(
            "connections: must be 1 to {MOST_CONNECTIONS}, not {connections} (hint: pause the route to stop it)"
        )));
    }
    if !route.is_present() {
        let text =
            format!("route {name:?} was removed from the configuration and only delivers what it holds");
        return Err(CommandError::Conflict(text));
    }
    let bounds = route.connections();
    if !bounds.is_fixed() && !(bounds.min..=bounds.max).contains(&connections) {
        return Err(CommandError::Conflict(format!(
            "route {name:?} chooses from {} to {} connections by itself (hint: change them in the configuration and reload)",
            bounds.min, bounds.max
        )));
    }
    let supervisor = control::supervisor(service, name)?;
    let _busy = control::busy(&route)?;
    for partition in service.parts.routes.partitions_of(&route) {
        let before = partition.connections();
        if before > 0 && partition.phase() == Phase::Awake {
            log::info!("scaling route={name} from={before} to={connections}");
            resize(service, &supervisor, &route, partition, connections).await?;
        }
    }
    adjust(service, &route).await
}

/// Makes a route follow its settings' number of connections. Bounds are kept, from now on, by whoever looks after them.
///
/// # Errors
/// As [`scale`].
pub async fn follow(service: &Arc<Service>, route: &LiveRoute) -> Result<(), CommandError> {
    let bounds = route.connections();
    if bounds.is_fixed() { scale(service, &route.cell.name, bounds.max).await } else { Ok(()) }
}

/// Gives a partition so many pushers. The caller keeps the route from being changed by others, and adjusts its supervisor.
///
/// # Errors
/// One was not stopped or not started.
pub(super) async fn resize(
    service: &Arc<Service>,
    supervisor: &SupervisorHandle,
    route: &LiveRoute,
    partition: &Partition,
    connections: u32,
) -> Result<(), CommandError> {
    partition.set_connections(connections);
    let cells = route.cell.pushers_of(partition.id());
    let surplus = cells.iter().skip(connections as usize).map(|cell| cell.number).collect();
    stop_pushers(Some(supervisor), route, surplus).await.map_err(|error| control::conflict(&error))?;
    let missing = (connections as usize).saturating_sub(cells.len());
    (0..missing).for_each(|_| drop(route.cell.add(partition.id())));
    start_pushers(service, route, partition).await.map_err(|error| control::conflict(&error))
}

/// Tells a route's supervisor how often pushers may fail, for as many as there are now, and how long they wait then. One that is being started
/// reads that itself.
///
/// # Errors
/// It could not be told.
pub async fn adjust(service: &Service, route: &LiveRoute) -> Result<(), CommandError> {
    let Some(supervisor) = service.route_supervisor(&route.cell.name) else { return Ok(()) };
    let settings = route.settings();
    let limit = tree::restart_limit(&settings, route.cell.pushers().len());
    let backoff = tree::restart_backoff(settings.restart_min, settings.restart_max);
    match supervisor.adjust(limit, backoff).await {
        Ok(()) | Err(SupervisorError::NotReady(_) | SupervisorError::ShuttingDown(_)) => Ok(()),
        Err(error) => Err(control::conflict(&error)),
    }
}
