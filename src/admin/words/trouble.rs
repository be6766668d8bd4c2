//! What is wrong with a route: the same judgement decides on the reason and on the advice. Pure.

use crate::admin::state::{PusherRow, RouteRow, RouteState, Snapshot};
use crate::flow::PusherState;

/// What is wrong with a route, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// The provider refuses its credentials.
    Refused,
    /// Its supervisor gave up.
    Down,
    /// Connections are missing.
    Unconnected,
    /// Its breaker lets next to nothing out.
    KeptBack,
    /// The only connections that are missing are paused.
    PartlyPaused,
    /// All its connections are there and full.
    Full,
}

// === impl Trouble ===

impl Trouble {
    /// Returns what is wrong with a route; `None` if nothing is, or somebody wanted it so.
    pub(super) fn of(snapshot: &Snapshot, route: &RouteRow) -> Option<Self> {
        let mut missing = missing(snapshot, route).peekable();
        match route.state {
            RouteState::Removed | RouteState::Paused => return None,
            RouteState::Down => return Some(Self::Down),
            RouteState::Ready | RouteState::Connecting | RouteState::Degraded => {}
        }
        if missing.peek().is_some() {
            let states: Vec<PusherState> = missing.map(|pusher| pusher.state).collect();
            return Some(if states.contains(&PusherState::Failed) {
                Self::Refused
            } else if states.iter().all(|state| *state == PusherState::Paused) {
                Self::PartlyPaused
            } else {
                Self::Unconnected
            });
        }
        if route.breaker.keeps_back() {
            return Some(Self::KeptBack);
        }
        (route.buffered > 0 && route.in_flight >= route.window).then_some(Self::Full)
    }

    /// Returns the routes in trouble: first that for which most pushes wait, among equals the one in the worst trouble.
    pub(super) fn all(snapshot: &Snapshot) -> Vec<(Self, &RouteRow)> {
        let troubled = |route| Self::of(snapshot, route).map(|trouble| (trouble, route));
        let mut all: Vec<(Self, &RouteRow)> = snapshot.routes.iter().filter_map(troubled).collect();
        all.sort_by_key(|(trouble, route)| (std::cmp::Reverse(route.buffered), *trouble));
        all
    }
}

/// The share of what may wait at the collector's door from which on it is behind.
const BEHIND: f64 = 0.5;

/// Returns whether the collector is behind: what arrives waits at its door, or is shed there, whatever the buffer could hold.
pub(super) fn is_behind(snapshot: &Snapshot) -> bool {
    let rates = &snapshot.rates;
    let sheds =
        rates.shed_behind_per_second > 0.0 && rates.shed_behind_per_second * 2.0 >= rates.shed_per_second;
    sheds || snapshot.collector.door() >= BEHIND
}

/// Returns a route's pushers that are not ready.
pub(super) fn missing<'s>(
    snapshot: &'s Snapshot,
    route: &'s RouteRow,
) -> impl Iterator<Item = &'s PusherRow> + Clone {
    let is_missing = |pusher: &&PusherRow| pusher.route == route.name && pusher.state != PusherState::Ready;
    snapshot.pushers.iter().filter(is_missing)
}
