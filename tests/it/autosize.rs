//! Routes that choose their number of connections: more under a backlog, fewer when idle, and no push is sent twice for it.

use serde_json::{Value, json};

use crate::support::agreement::assert_agreed_without_repeats;
use crate::support::gateway::Gateway;
use crate::support::peer::count;
use crate::support::{Config, Load, Peer, Snapshot, batch};

/// A connection takes 200 pushes a second: windows of 20, answers after 100 ms.
const SLOW: [&str; 2] = ["--latency", "100ms"];

fn config(peer: &Peer, bounds: &str) -> Config {
    Config::to(peer).route("connections", bounds).route("window", 20).route_text("shrink_after", "1s")
}

fn figure(state: &Snapshot, word: &str) -> u64 {
    count(state.route("android"), word)
}

fn scale(gateway: &Gateway, connections: u32) -> (u16, Value) {
    let body = json!({ "connections": connections }).to_string();
    let reply = gateway.command_with("routes/android/scale", &body);
    (reply.status, reply.json())
}

#[test]
fn a_backlog_opens_connections_and_idleness_closes_them_without_a_repeat() {
    let peer = Peer::start(&SLOW);
    let config = config(&peer, "{ min = 1, max = 6 }");
    let gateway = Gateway::start_ready(&config);
    assert_eq!(figure(&gateway.state(), "connections"), 1, "it starts with the least");
    for _ in 0..6 {
        gateway.post(&batch(1_000)).expect(202);
    }
    let state = gateway.wait_for("it has as many connections as it may", |state| {
        assert!((1..=6).contains(&figure(state, "connections")), "{:#}", state.0);
        figure(state, "ready") == 6
    });
    assert_eq!((figure(&state, "connections_min"), figure(&state, "connections_max")), (1, 6));
    assert!(figure(&state, "grown") >= 3, "1, 2, 4, 6: {:#}", state.0);
    assert!(state.held() > 0, "it grew while it had something to do");
    gateway.wait_for_log("reason=\"pushes wait and all windows are full\"");
    gateway.wait_for("some are closed", |state| figure(state, "connections") < 6);
    gateway.wait_for_log("reason=\"the windows were at most half used\"");
    gateway.reload(&config.route("connections", "{ min = 1, max = 2 }").render());
    gateway.wait_for("new bounds are followed", |state| figure(state, "connections") == 2);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 6_000);
    let opened = peer.count("connections/opened");
    assert_eq!((opened, figure(&state, "dials")), (6, 6), "each was opened once");
    gateway.finish();
}

#[test]
fn connections_that_are_closed_under_load_wait_for_their_answers() {
    let peer = Peer::start(&["--latency", "300ms"]);
    let config = config(&peer, "{ min = 4, max = 5 }");
    let gateway = Gateway::start_ready(&config);
    let load = Load::start(&gateway, 2);
    gateway.delivered(50);
    gateway.reload(&config.route("connections", "{ min = 1, max = 2 }").render());
    gateway.wait_for("two are closed", |state| figure(state, "connections") == 2);
    let told = load.finish();
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), told.accepted);
    gateway.finish();
}

#[test]
fn nothing_is_opened_while_the_provider_refuses_the_login() {
    let peer = Peer::start(&["--auth-fail"]);
    let gateway = Gateway::start(&config(&peer, "{ min = 1, max = 6 }").route_text("login_retry", "1s"));
    gateway.post(&batch(500)).expect(202);
    // Some seconds, by the provider's count.
    peer.wait_for("logins_refused", 4);
    let state = gateway.state();
    assert_eq!((figure(&state, "connections"), figure(&state, "grown")), (1, 0), "{:#}", state.0);
    peer.command("set?auth_fail=false");
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 500);
    gateway.finish();
}

#[test]
fn no_more_are_opened_than_the_provider_allows_in_a_minute() {
    let peer = Peer::start(&["--latency", "300ms"]);
    let gateway = Gateway::start_ready(&config(&peer, "{ min = 1, max = 6 }").route("open_rate", 3));
    for _ in 0..3 {
        gateway.post(&batch(400)).expect(202);
    }
    gateway.wait_for("it is all it may be", |state| figure(state, "ready") == 3);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert!(figure(&state, "connections") <= 3 && figure(&state, "dials") == 3, "{:#}", state.0);
    gateway.finish();
}

#[test]
fn an_operator_moves_it_within_its_bounds() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&config(&peer, "{ min = 2, max = 6 }"));
    let (status, answer) = scale(&gateway, 7);
    assert_eq!(status, 409, "{answer:#}");
    assert!(answer.to_string().contains("from 2 to 6 connections by itself"), "{answer:#}");
    assert_eq!(scale(&gateway, 1).0, 409);
    assert_eq!(scale(&gateway, 5).0, 200);
    gateway.wait_for("it goes on from there: what is not needed is closed", |state| {
        figure(state, "connections") == 2 && figure(state, "shrunk") == 1
    });
    gateway.finish();
}
