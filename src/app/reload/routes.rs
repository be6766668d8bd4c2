//! The steps of a reload that concern one route.
//!
//! They run while nobody else puts partitions to sleep, so what they see awake stays awake.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pushweir_actors::SupervisorError;

use super::plan::Step;
use crate::app::control::{self, conflict};
use crate::app::partitions::start_pushers;
use crate::app::parts::home_connections;
use crate::app::routes::{LiveRoute, NoPartition, Opening, Partition};
use crate::app::scale;
use crate::app::service::Service;
use crate::app::tree;
use crate::config::{Config, Route};
use crate::flow::{Command, CommandError, RestartMode};
use crate::transport::Connector;

/// How long a step waits for an operator's change of the same route to be done.
const FREE_WITHIN: Duration = Duration::from_secs(120);
const FREE_LOOK: Duration = Duration::from_millis(50);

/// Takes a step; `connector` opens connections with the new settings, if the step needs that.
///
/// # Errors
/// It was not done, or not all of it.
pub(super) async fn follow(
    service: &Arc<Service>,
    config: &Config,
    step: &Step,
    connector: Option<&Arc<dyn Connector>>,
) -> Result<(), CommandError> {
    let Some(name) = step.route() else { return Ok(()) };
    let known = service.parts.routes.ever_named(name).cloned();
    if let Some(route) = &known {
        until_free(route).await?;
    }
    let _turn = service.tending.lock().await;
    let wanted = config.routes.iter().find(|route| route.name == name);
    match (step, known, wanted, connector) {
        (Step::Remove(_), Some(route), ..) => remove(service, &route),
        (Step::Add(_), None, Some(wanted), Some(connector)) => add(service, wanted, connector).await?,
        (Step::Add(_), Some(route), Some(wanted), Some(connector)) => {
            restore(service, &route, wanted, connector).await?;
        }
        (Step::Transport(_), Some(route), Some(wanted), Some(connector)) => {
            settle(service, &route, wanted).await?;
            switch(service, &route, wanted, connector).await?;
        }
        (Step::Settings(_), Some(route), Some(wanted), _) => settle(service, &route, wanted).await?,
        (Step::Scale(_), Some(route), Some(wanted), _) => {
            route.set_settings(wanted.clone());
            scale::follow(service, &route).await?;
        }
        (Step::Rotate(_), Some(route), Some(wanted), Some(connector)) => {
            rotate(service, &route, wanted, connector).await?;
        }
        _ => return Err(CommandError::Conflict(format!("route {name:?} is not there any more"))),
    }
    Ok(())
}

/// Takes a route out: it refuses what is new, delivers what it holds, and then goes by itself.
fn remove(service: &Service, route: &LiveRoute) {
    service.parts.routes.remove(route);
    let held: u64 =
        service.parts.routes.partitions_of(route).map(|each| service.parts.routes.books(each).held()).sum();
    log::info!(
        "a route is removed when it has delivered what it holds route={} held={held}",
        route.cell.name
    );
}

async fn add(
    service: &Arc<Service>,
    wanted: &Route,
    connector: &Arc<dyn Connector>,
) -> Result<(), CommandError> {
    let route = service.parts.add_route(wanted, Arc::clone(connector)).map_err(|error| too_many(&error))?;
    log::info!("a route is added route={} transport={}", wanted.name, wanted.transport.name());
    supervise(service, &route).await
}

/// Takes up a route that was removed: what it still holds, it keeps.
async fn restore(
    service: &Arc<Service>,
    route: &Arc<LiveRoute>,
    wanted: &Route,
    connector: &Arc<dyn Connector>,
) -> Result<(), CommandError> {
    let before = route.settings();
    settle(service, route, wanted).await?;
    if before.transport.name() == wanted.transport.name() {
        let current = route.current();
        current.set_connections(home_connections(wanted));
        service.parts.routes.restore(route);
        service.parts.routes.reconnect(route, connector);
        start(service, route, &current).await?;
        let (name, mode) = (wanted.name.clone(), RestartMode::Graceful);
        scale::follow(service, route).await?;
        if before.transport != wanted.transport {
            control::carry_out(service, Command::RestartRoute { route: name, mode }).await?;
        }
    } else {
        switch(service, route, wanted, connector).await?;
        // Only now: its old partition is not to get anything in between.
        service.parts.routes.restore(route);
    }
    log::info!("a route that was removed is back route={}", wanted.name);
    Ok(())
}

/// Gives a route's new pushes to a partition with another transport.
async fn switch(
    service: &Arc<Service>,
    route: &Arc<LiveRoute>,
    wanted: &Route,
    connector: &Arc<dyn Connector>,
) -> Result<(), CommandError> {
    let opening =
        Opening { connector: Arc::clone(connector), connections: home_connections(wanted), key: None };
    let partition = service.parts.routes.switch(route, opening).map_err(|error| too_many(&error))?;
    service.parts.routes.reconnect(route, connector);
    log::info!("a route has another transport route={} transport={}", wanted.name, partition.transport);
    start(service, route, &partition).await
}

/// Gives a route's pushers another account or peer, one at a time.
async fn rotate(
    service: &Arc<Service>,
    route: &LiveRoute,
    wanted: &Route,
    connector: &Arc<dyn Connector>,
) -> Result<(), CommandError> {
    route.set_settings(wanted.clone());
    service.parts.routes.reconnect(route, connector);
    let command = Command::RestartRoute { route: wanted.name.clone(), mode: RestartMode::Graceful };
    control::carry_out(service, command).await.map(drop)
}

/// Follows the settings that count at once.
async fn settle(service: &Service, route: &LiveRoute, wanted: &Route) -> Result<(), CommandError> {
    let parts = &service.parts;
    route.set_settings(wanted.clone());
    route.cell.share.store(wanted.share, Ordering::Relaxed);
    parts.intake.follow_shares();
    for partition in parts.routes.partitions_of(route) {
        *partition.wiring.settings.write() = wanted.pusher;
    }
    scale::adjust(service, route).await
}

/// Wakes a partition, starts what has no child yet, and has the route supervised if it is not.
async fn start(
    service: &Arc<Service>,
    route: &Arc<LiveRoute>,
    partition: &Partition,
) -> Result<(), CommandError> {
    partition.wake();
    if service.route_state(&route.cell.name).is_none() {
        return supervise(service, route).await;
    }
    start_pushers(service, route, partition).await.map_err(|error| conflict(&error))
}

async fn supervise(service: &Arc<Service>, route: &Arc<LiveRoute>) -> Result<(), CommandError> {
    let starting = || CommandError::Conflict("the supervisor of the routes is being started".into());
    let routes = service.routes_supervisor().ok_or_else(starting)?;
    match routes.start_child(tree::route(service, route)).await {
        Ok(()) | Err(SupervisorError::AlreadyStarted(_) | SupervisorError::NotReady(_)) => Ok(()),
        Err(SupervisorError::StartFailed { id, reason }) => {
            Err(CommandError::Conflict(format!("route {id:?} did not start: {reason}")))
        }
        Err(error) => Err(CommandError::Conflict(error.to_string())),
    }
}

/// Waits until an operator's change of the route is done.
async fn until_free(route: &LiveRoute) -> Result<(), CommandError> {
    let free = async {
        while route.is_busy.load(Ordering::Acquire) {
            tokio::time::sleep(FREE_LOOK).await;
        }
    };
    let late =
        |_| CommandError::Conflict(format!("route {:?} is being changed by somebody else", route.cell.name));
    tokio::time::timeout(FREE_WITHIN, free).await.map_err(late)
}

fn too_many(error: &NoPartition) -> CommandError {
    CommandError::Conflict(error.to_string())
}
