//! Another number of connections for a route, while it runs: by an operator's command, by a reload, by what the route needs ([`super::autosize`]).

use std::sync::Arc;
use std::time::Duration;

use pushweir_actors::SupervisorHandle;
use tokio::time::Instant;

use super::control;
use super::partitions::{start_pushers, stop_pushers};
use super::routes::{LiveRoute, Partition, Phase};
use super::service::Service;
use crate::config::Route;
use crate::flow::CommandError;

/// More connections than any provider allows a sender.
const MOST_CONNECTIONS: u32 = 5000;
/// How long a reload waits for others that change the route.
const TURN_WITHIN: Duration = Duration::from_secs(60);
const TURN_LOOK: Duration = Duration::from_millis(50);

/// Gives each partition of a route that has pushers so many of them. A route that chooses by itself goes on from there.
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
    let bounds = route.connections();
    if !bounds.is_fixed() && !(bounds.min..=bounds.max).contains(&connections) {
        return Err(CommandError::Conflict(format!(
            "route {name:?} chooses from {} to {} connections by itself (hint: change them in the configuration and reload)",
            bounds.min, bounds.max
        )));
    }
    let _busy = control::busy(&route)?;
    resize_all(service, &route, connections).await
}

/// Makes a route follow what a reload says of its connections: a fixed number at once; bounds are kept from now on by whoever looks after them.
///
/// # Errors
/// There is no such route, somebody else does not come to an end with it, or its pushers could not be changed.
pub async fn follow(service: &Arc<Service>, settings: &Route) -> Result<(), CommandError> {
    let route = control::route(service, &settings.name)?;
    route.set_connections(settings.connections);
    if !settings.connections.is_fixed() {
        return Ok(());
    }
    let end = Instant::now() + TURN_WITHIN;
    let _busy = loop {
        match control::busy(&route) {
            Err(_) if Instant::now() < end => tokio::time::sleep(TURN_LOOK).await,
            turn => break turn?,
        }
    };
    resize_all(service, &route, settings.connections.max).await
}

async fn resize_all(
    service: &Arc<Service>,
    route: &Arc<LiveRoute>,
    connections: u32,
) -> Result<(), CommandError> {
    let supervisor = control::supervisor(service, &route.cell.name)?;
    for partition in service.parts.routes.partitions_of(route) {
        let before = partition.connections();
        if before > 0 && partition.phase() == Phase::Awake {
            log::info!("scaling route={} from={before} to={connections}", route.cell.name);
            resize(service, &supervisor, route, partition, connections).await?;
        }
    }
    Ok(())
}

/// Gives a partition so many pushers. The caller keeps the route from being changed by others.
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
