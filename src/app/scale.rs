//! Another number of connections for a route, while it runs.

use std::sync::Arc;

use pushweir_actors::SupervisorError;

use super::control;
use super::partitions::{start_pushers, stop_pushers};
use super::routes::{LiveRoute, Phase};
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
    let supervisor = control::supervisor(service, name)?;
    let _busy = control::busy(&route)?;
    for partition in service.parts.routes.partitions_of(&route) {
        let before = partition.connections();
        if before == 0 || partition.phase() != Phase::Awake {
            continue;
        }
        log::info!("scaling route={name} from={before} to={connections}");
        partition.set_connections(connections);
        let cells = route.cell.pushers_of(partition.id());
        let surplus = cells.iter().skip(connections as usize).map(|cell| cell.number).collect();
        stop_pushers(Some(&supervisor), &route, surplus).await.map_err(|error| control::conflict(&error))?;
        let missing = (connections as usize).saturating_sub(cells.len());
        (0..missing).for_each(|_| drop(route.cell.add(partition.id())));
        start_pushers(service, &route, partition).await.map_err(|error| control::conflict(&error))?;
    }
    adjust(service, &route).await
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
