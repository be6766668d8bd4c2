//! What crosses the boundaries between stages: the door into the collector, the way back, operator commands, observation cells.
//!
//! Demand and events themselves are `pushweir_actors::protocol`. Nobody here owns a mailbox or a socket.

pub mod breaker;
mod cells;
mod command;
mod gate;
mod look;
mod port;
mod targets;

use std::time::Duration;

pub use cells::{Nudge, PusherCell, PusherState, RouteCell};
pub use command::{Command, CommandError, RestartMode};
pub use gate::{Gate, View};
pub use look::{Look, Search, Sighting, Spot, Wanted, Whereabouts, find_in_flight, find_queued};
pub use port::Port;

use crate::outcome::{Outcome, Refusal};
use crate::push::{Push, RouteId};
use crate::units::Moment;

/// The way in: what ingest may ask of the collector. Implemented by `collector::Intake`.
pub trait Door: Send + Sync {
    /// Returns whether a route takes pushes at the moment.
    ///
    /// # Errors
    /// The refusal that its pushes get: draining, paused, route down.
    fn gate(&self, route: RouteId) -> Result<(), Refusal>;

    /// Takes over a batch for one route and returns which of its pushes, by position in rising order, got no place in the buffer, and
    /// why; nothing means that all hold one. The ledger has all of them when this returns.
    fn admit(&self, route: RouteId, batch: Vec<Push>) -> Vec<(usize, Refusal)>;

    /// Enters refused pushes in the ledger; `None` if their route is not known.
    fn refuse(&self, route: Option<RouteId>, count: u64);

    /// Enters pushes that repeat others in the ledger: refused, and counted as duplicates too.
    fn repeat(&self, route: RouteId, count: u64);

    /// Returns how many pushes are queued or wait for a retry.
    fn buffered(&self) -> u64;

    /// Looks at some more of what is queued or waits for a retry, so few that others hardly wait; see [`find_queued`].
    fn find(&self, wanted: &Wanted, search: &mut Search) -> Option<Sighting>;

    /// Returns when a sender that was shed should come back, from the measured drain rate; at least a second.
    fn retry_after(&self, route: RouteId) -> Duration;
}

/// The way out: who is told of pushes that have ended without an answer. Implemented by `feedback::Results`.
pub trait Ended: Send + Sync {
    /// Takes note that these pushes have ended. The ledger has them already or will in a moment; nothing is kept of them but a result.
    fn ended(&self, pushes: &[Push], outcome: Outcome);
}

/// The way back: where pushes go that were with a pusher and have not ended. Implemented by `collector::Intake`.
///
/// Both of the calls that take pushes move them in the ledger, and work while the collector's actor is being restarted.
pub trait Returns: Send + Sync {
    /// Takes note of how a batch of attempts ended, which decides how much more of the route goes out. Call it before those that have to
    /// be sent again are put back.
    fn judge(&self, route: RouteId, tally: &breaker::Tally);

    /// Takes note that whom a push is for takes nothing before `until`.
    fn hold_target(&self, push: &Push, until: Moment);

    /// Puts pushes back in front of their lanes, in this order.
    fn put_back(&self, route: RouteId, pushes: Vec<Push>);

    /// Keeps pushes until their moment, then queues them behind their lanes.
    fn retry_at(&self, route: RouteId, pushes: Vec<(Moment, Push)>);
}
