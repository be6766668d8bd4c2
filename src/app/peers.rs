//! Which partition a push goes to that names its peer, and how many peers a route may have connections to.
//!
//! Ingest asks once per push of such a route, on its own threads; all but the first push for a peer cost one look-up. Invariants: a route has
//! connections to no more peers than it may, but for those that are being closed; it knows at most twice as many, so that senders who name
//! ever new ones use up no more.

use std::sync::Arc;

use parking_lot::Mutex;

use super::routes::{LiveRoute, Partition, Phase};
use super::service::Service;
use crate::config::OnDemand;
use crate::ingest::Peers;
use crate::push::RouteId;

/// How long a peer must have got nothing to make room for another: a request that has looked it up is at the door long before.
const LEAST_IDLE: std::time::Duration = std::time::Duration::from_secs(1);

/// Finds and opens partitions for ingest.
pub struct OnDemandPeers {
    service: Arc<Service>,
    /// Held by whoever opens one, so that counting and opening are one step.
    opening: Mutex<()>,
}

// === impl OnDemandPeers ===

impl OnDemandPeers {
    /// Returns what opens partitions in this service.
    pub fn new(service: Arc<Service>) -> Self {
        Self { service, opening: Mutex::default() }
    }

    fn open(&self, route: &Arc<LiveRoute>, peer: &str) -> Result<RouteId, String> {
        let _turn = self.opening.lock();
        let name = &route.cell.name;
        let limits = route.on_demand().ok_or_else(|| format!("route {name} has one peer only"))?;
        let connector = route.current().wiring.connector.read().towards(peer);
        let connector = connector.ok_or_else(|| format!("route {name} cannot connect to {peer}"))?;
        let known = route.keyed(peer);
        if !known.as_ref().is_some_and(|partition| partition.phase() == Phase::Awake) {
            self.make_room(route, limits, known.is_none())?;
        }
        let connections = route.connections().min;
        if let Some(asleep) = known.filter(|each| matches!(each.phase(), Phase::Asleep { .. })) {
            asleep.set_connections(connections);
        }
        self.service
            .partition(route, peer, connections, || connector)
            .map_err(|error| format!("route {name} cannot connect to {peer}: {error}"))
    }

    /// Sees to it that another peer may have connections: closes those of the one that has been idle longest, if need be.
    fn make_room(&self, route: &LiveRoute, limits: OnDemand, is_new: bool) -> Result<(), String> {
        let routes = &self.service.parts.routes;
        let now = self.service.parts.clock.now();
        let peers: Vec<&Arc<Partition>> =
            routes.partitions_of(route).filter(|partition| partition.has_key()).collect();
        let refusal = |what: &str| {
            let (name, most) = (&route.cell.name, limits.most);
            Err(format!(
                "route {name} {what} (hint: max_origins is {most}; send it again later, or raise it)"
            ))
        };
        if is_new && peers.len() >= 2 * limits.most && routes.resting(route).is_none() {
            return refusal("had too many different push services within a minute");
        }
        let awake: Vec<_> = peers.into_iter().filter(|each| each.phase() == Phase::Awake).collect();
        if awake.len() < limits.most {
            return Ok(());
        }
        let idle = awake.into_iter().filter_map(|partition| {
            let books = routes.books(partition);
            let idle = partition.idle(&books, now);
            (books.held() == 0 && idle >= LEAST_IDLE).then_some((idle, partition))
        });
        match idle.max_by_key(|(idle, _)| *idle) {
            Some((idle, partition)) => {
                partition.retire(now);
                log::info!(
                    "a peer makes room for another route={} peer={:?} idle={idle:?}",
                    route.cell.name,
                    partition.key()
                );
                Ok(())
            }
            None => refusal("is busy with as many push services as it may connect to"),
        }
    }
}

impl Peers for OnDemandPeers {
    fn partition(&self, route: RouteId, peer: &str) -> Result<RouteId, String> {
        let mut routes = self.service.parts.routes.iter();
        let route = routes.find(|live| live.cell.id == route).ok_or("the route is gone")?;
        match route.keyed(peer).filter(|partition| partition.phase() == Phase::Awake) {
            Some(partition) => Ok(partition.id()),
            None => self.open(route, peer),
        }
    }
}

#[cfg(test)]
mod tests;
