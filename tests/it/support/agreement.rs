//! The end of every test that sends: the books balance, nothing is lost, and provider and gateway count the same.

use super::gateway::Gateway;
use super::peer::{Peer, count};
use super::snapshot::Snapshot;

/// Waits until everything has ended and checks that every push that counts as delivered was acked by the peer, and no other;
/// that a push came twice to the peer only where the gateway says that it may have; and that the protocol was kept.
#[track_caller]
pub fn assert_agreed(gateway: &Gateway, peer: &Peer) -> Snapshot {
    let state = gateway.settled();
    assert_eq!(state.ledger("lost"), 0, "{:#}", state.0);
    let report = peer.report();
    assert_eq!(
        state.ledger("delivered"),
        count(&report, "unique"),
        "delivered and acked: {:#}\n{report:#}",
        state.0
    );
    let repeats = count(&state.0, "maybe_delivered");
    assert!(
        count(&report, "duplicates") <= repeats + count(&report, "nacks/total"),
        "more than {repeats} repeats: {report:#}"
    );
    assert!(count(&report, "delivered_duplicates") <= repeats, "more than {repeats} repeats: {report:#}");
    peer.assert_no_violations();
    state
}

/// As [`assert_agreed`], and each push was sent exactly once.
#[track_caller]
pub fn assert_agreed_without_repeats(gateway: &Gateway, peer: &Peer) -> Snapshot {
    let state = assert_agreed(gateway, peer);
    let report = peer.report();
    assert_eq!(count(&report, "duplicates"), 0, "{report:#}");
    state
}

/// Checks, at any moment, that the counts of a gateway and of all its providers explain each other: what counts as delivered was acked, what was
/// acked and does not count as delivered went to the provider in an attempt without an answer, and nothing came twice without one.
#[track_caller]
pub fn assert_explained(gateway: &Gateway, peers: &[&Peer]) {
    let sum = |pointer: &str| peers.iter().map(|peer| peer.count(pointer)).sum::<u64>();
    // Both sides go on meanwhile, so what is the greater one is read last, and what is on the way is part of it.
    let (repeats, acked) = (sum("delivered_duplicates"), sum("unique"));
    let state = gateway.state();
    let maybe = count(&state.0, "maybe_delivered");
    assert!(repeats <= maybe, "{repeats} came twice, {maybe} may have: {:#}", state.0);
    let explained = state.ledger("delivered") + maybe + state.held();
    assert!(acked <= explained, "{acked} acked, {explained} explained: {:#}", state.0);
    assert!(state.ledger("delivered") <= sum("unique"), "delivered and acked: {:#}", state.0);
    peers.iter().for_each(|peer| peer.assert_no_violations());
}
