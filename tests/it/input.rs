//! Whatever comes in: an answer that names what is wrong, and a service that stays up with balanced books.

mod pushes;
mod requests;

use crate::support::agreement::assert_agreed_without_repeats;
use crate::support::gateway::Gateway;
use crate::support::{Config, Peer, batch};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

fn start(adapt: impl FnOnce(Config) -> Config) -> (Peer, Gateway) {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&adapt(Config::to(&peer)));
    (peer, gateway)
}

/// Checks that good pushes are still taken and that the books are right.
#[track_caller]
fn assert_unharmed(peer: &Peer, gateway: &Gateway) {
    gateway.post(&batch(3)).expect(202);
    assert_agreed_without_repeats(gateway, peer);
}
