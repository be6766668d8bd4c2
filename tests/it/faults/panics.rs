//! Panics inside the service, injected under load: one child is restarted, the rest goes on, and nothing is lost.

use serde_json::Value;

use super::trial::Trial;
use crate::support::agreement::{assert_agreed, assert_agreed_without_repeats};
use crate::support::gateway::Gateway;
use crate::support::{Config, Peer, batch, eventually, push};

fn trial(connections: u32) -> Trial {
    let peer = Peer::start(&["--latency", "5ms"]);
    let config = Config::to(&peer).set("runtime.fault_injection", true).route("connections", connections);
    let gateway = Gateway::start_ready(&config).allow_panics();
    Trial::with(peer, gateway)
}

/// A node's child by its id.
#[track_caller]
fn child(node: &Value, id: &str) -> Value {
    let mut children = node["children"].as_array().expect("it is a list").iter();
    children.find(|child| child["id"] == id).unwrap_or_else(|| panic!("no {id} in {node:#}")).clone()
}

/// Waits until the collector has been restarted so many times and runs.
#[track_caller]
fn wait_for_collector(gateway: &Gateway, restarts: u64) {
    gateway.wait_for(&format!("{restarts} restarts of the collector"), |state| {
        let collector = child(&state.0["tree"], "collector");
        collector["restarts"] == restarts && collector["state"] == "running"
    });
}

#[test]
fn a_pusher_that_panics_is_restarted_and_its_pushes_are_sent_again() {
    let trial = trial(3);
    for round in 1..=3 {
        let opened = trial.peer.count("connections/opened");
        trial.gateway.command_at("faults/panic?target=android/1").expect(200);
        trial.peer.wait_for("connections/opened", opened + 1);
        trial.recovers();
        let state = trial.gateway.state();
        assert_eq!(state.pusher("android/1")["restarts"], round, "{:#}", state.pusher("android/1"));
        assert_eq!(state.pusher("android/0")["restarts"], 0);
    }
    trial.end_all_delivered();
}

#[test]
fn a_collector_that_panics_keeps_its_queue_and_the_connections_stay() {
    let trial = trial(2);
    for round in 1..=3 {
        trial.gateway.command_at("faults/panic?target=collector").expect(200);
        wait_for_collector(&trial.gateway, round);
        trial.recovers();
    }
    assert_eq!(trial.peer.count("connections/opened"), 2, "no connection was touched");
    let peer = trial.end_all_delivered();
    assert_eq!(peer.count("duplicates"), 0, "{:#}", peer.report());
}

#[test]
fn a_collector_that_panics_with_a_full_buffer_loses_none_of_it() {
    let peer = Peer::start(&[]);
    let config = Config::to(&peer).set("runtime.fault_injection", true);
    let gateway = Gateway::start_ready(&config).allow_panics();
    for number in 0..2 {
        gateway.command_at(&format!("pushers/android/{number}/pause")).expect(200);
    }
    gateway.wait_for("both are paused", |state| state.pushers_in("paused") == 2);
    gateway.post(&batch(1_000)).expect(202);
    gateway.command_at("faults/panic?target=collector").expect(200);
    wait_for_collector(&gateway, 1);
    assert_eq!(gateway.state().ledger("buffered"), 1_000);
    for number in 0..2 {
        gateway.command_at(&format!("pushers/android/{number}/resume")).expect(200);
    }
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 1_000);
    gateway.finish();
}

#[test]
fn panics_without_end_take_the_route_down_and_bring_it_back() {
    let peer = Peer::start(&["--latency", "5ms"]);
    let config = Config::to(&peer)
        .set("runtime.fault_injection", true)
        .route("connections", 1)
        .route("restart_limit", 2);
    let gateway = Gateway::start_ready(&config.route_text("restart_period", "1h")).allow_panics();
    for restarts in 0..3 {
        gateway.wait_for("it is ready", |state| {
            state.pushers_in("ready") == 1 && state.pusher("android/0")["restarts"] == restarts
        });
        gateway.command_at("faults/panic?target=android/0").expect(200);
    }
    gateway.wait_for("the route's supervisor has given up and was started again", |state| {
        let routes = child(&state.0["tree"], "routes");
        child(&routes, "android")["restarts"] == 1 && state.pushers_in("ready") == 1
    });
    eventually("pushes are taken again", || match gateway.post(&push()) {
        reply if reply.status == 202 => Ok(()),
        reply => Err(format!("{reply:?}")),
    });
    assert_agreed(&gateway, &peer);
    gateway.finish();
}

#[test]
fn faults_cannot_be_injected_unless_the_configuration_says_so() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let reply = gateway.command_at("faults/panic?target=collector");
    assert!((400..500).contains(&reply.status), "{reply:?}");
    assert_eq!(gateway.state().pushers_in("ready"), 2);
    gateway.finish();
}
