//! The frame of a trial: peer and gateway under load from before the fault until after the recovery, the books watched all the time.

use crate::support::agreement::assert_agreed;
use crate::support::gateway::Gateway;
use crate::support::load::Told;
use crate::support::sampler::Sampler;
use crate::support::{Config, Load, Peer, Snapshot};

/// Deliveries before the fault, and after it, that show that pushes flow.
const FLOWING: u64 = 300;

/// A trial under way.
pub struct Trial {
    pub peer: Peer,
    pub gateway: Gateway,
    load: Load,
    sampler: Sampler,
}

// === impl Trial ===

impl Trial {
    /// Starts everything and waits until pushes flow.
    #[track_caller]
    pub fn start(flags: &[&str], adapt: impl FnOnce(Config) -> Config) -> Self {
        let peer = Peer::start(flags);
        let gateway = Gateway::start_ready(&adapt(Config::to(&peer)));
        Self::with(peer, gateway)
    }

    /// As [`Self::start`], with what runs already.
    #[track_caller]
    pub fn with(peer: Peer, gateway: Gateway) -> Self {
        let trial =
            Self { sampler: Sampler::start(&gateway), load: Load::start(&gateway, 20), peer, gateway };
        trial.flows();
        trial
    }

    /// Waits until pushes flow, from now on.
    #[track_caller]
    pub fn flows(&self) {
        let now = self.gateway.state().ledger("delivered");
        self.gateway.delivered(now + FLOWING);
    }

    /// Waits until every pusher is ready again and pushes flow.
    #[track_caller]
    pub fn recovers(&self) {
        self.gateway.wait_for("every pusher is ready again", |state| {
            state.pushers_in("ready") == state.pushers().len()
        });
        self.flows();
    }

    /// Ends the load, checks books and agreement, and ends the service in order.
    #[track_caller]
    pub fn end(self) -> (Snapshot, Told, Peer) {
        let told = self.load.finish();
        let state = assert_agreed(&self.gateway, &self.peer);
        assert_eq!(state.ledger("accepted"), told.accepted);
        self.sampler.finish();
        self.gateway.finish();
        (state, told, self.peer)
    }

    /// Ends the trial where everything must have been delivered.
    #[track_caller]
    pub fn end_all_delivered(self) -> Peer {
        let (state, told, peer) = self.end();
        assert_eq!(state.ledger("delivered"), told.accepted, "{:#}", state.0);
        peer
    }

    /// Takes the trial apart, with the load still running.
    pub fn into_parts(self) -> (Peer, Gateway, Load, Sampler) {
        (self.peer, self.gateway, self.load, self.sampler)
    }
}
