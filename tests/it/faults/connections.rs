//! Connections that end, drain or go dead under load.

use super::trial::Trial;
use crate::support::agreement::assert_agreed;
use crate::support::eventually;

/// Every way in which the double ends a connection.
const STYLES: [&str; 6] = ["fin", "rst", "half-stanza", "garbage", "stream-error", "graceful"];

#[test]
fn a_connection_that_ends_in_any_way_is_replaced_and_costs_no_push() {
    let trial = Trial::start(&["--latency", "10ms"], |config| config);
    for style in STYLES {
        let opened = trial.peer.count("connections/opened");
        let victim = trial.peer.open_connections()[0];
        trial.peer.command(&format!("close?style={style}&connection={victim}"));
        trial.peer.wait_for("connections/opened", opened + 1);
        trial.recovers();
    }
    let restarts =
        trial.gateway.state().pushers().iter().map(|pusher| pusher["restarts"].as_u64()).sum::<Option<u64>>();
    assert!(restarts >= Some(STYLES.len() as u64), "{restarts:?}");
    trial.end_all_delivered();
}

#[test]
fn all_connections_ending_at_once_are_replaced_and_cost_no_push() {
    let trial = Trial::start(&["--latency", "10ms"], |config| config.route("connections", 4));
    for style in STYLES {
        let opened = trial.peer.count("connections/opened");
        trial.peer.command(&format!("close?style={style}"));
        trial.peer.wait_for("connections/opened", opened + 4);
        trial.recovers();
    }
    trial.end_all_delivered();
}

#[test]
fn connections_that_are_cut_again_and_again_cost_no_push() {
    let trial =
        Trial::start(&["--latency", "5ms", "--close-after", "150", "--close-style", "rst"], |config| {
            config.route("restart_limit", 1_000_000).route("connections", 3)
        });
    trial.peer.wait_for("connections/opened", 12);
    trial.peer.command("set?close_after=0");
    trial.flows();
    trial.end_all_delivered();
}

#[test]
fn a_provider_that_dies_and_comes_back_costs_no_push() {
    let mut trial = Trial::start(&["--latency", "10ms"], |config| config);
    let first = trial.peer.report();
    assert_eq!(first["violations"]["total"], 0, "{first:#}");
    trial.peer.kill();
    trial.gateway.wait_for("no pusher is ready", |state| state.pushers_in("ready") == 0);
    trial.gateway.wait_for("pushes wait in the buffer", |state| state.ledger("buffered") > 100);
    trial.peer.start_again();
    trial.recovers();
    let (peer, gateway, load, sampler) = trial.into_parts();
    let told = load.finish();
    let state = gateway.settled();
    sampler.finish();
    assert_eq!((state.ledger("delivered"), state.ledger("lost")), (told.accepted, 0), "{:#}", state.0);
    // What the dead provider had acked is known only as a lower bound.
    let known = first["unique"].as_u64().unwrap_or(0);
    assert!(
        peer.count("unique") <= told.accepted - known.min(told.accepted) + 200 + known,
        "{:#}",
        peer.report()
    );
    peer.assert_no_violations();
    gateway.finish();
}

#[test]
fn a_provider_that_announces_its_restart_gets_no_push_twice() {
    for mode in ["control", "nack", "both"] {
        let trial =
            Trial::start(&["--latency", "10ms", "--drain-close", "300ms", "--drain-mode", mode], |config| {
                config
            });
        for connection in trial.peer.open_connections() {
            let opened = trial.peer.count("connections/opened");
            trial.peer.command(&format!("drain?connection={connection}"));
            trial.peer.wait_for("connections/opened", opened + 1);
            trial.recovers();
        }
        let opened = trial.peer.count("connections/opened");
        trial.peer.command("drain");
        trial.peer.wait_for("connections/opened", opened + 2);
        trial.recovers();
        let peer = trial.end_all_delivered();
        assert_eq!(peer.count("delivered_duplicates"), 0, "mode {mode}: {:#}", peer.report());
    }
}

#[test]
fn a_provider_that_drains_after_every_thousand_pushes_gets_no_push_twice() {
    let flags =
        ["--latency", "5ms", "--drain-after", "200", "--drain-close", "200ms", "--drain-mode", "both"];
    let trial = Trial::start(&flags, |config| config);
    trial.peer.wait_for("connections/opened", 8);
    trial.flows();
    let peer = trial.end_all_delivered();
    assert_eq!(peer.count("delivered_duplicates"), 0, "{:#}", peer.report());
}

#[test]
fn a_provider_that_drains_and_answers_nothing_more_costs_no_push() {
    let flags = ["--latency", "100ms", "--drain-close", "50ms", "--drain-abandon"];
    let trial = Trial::start(&flags, |config| config);
    for _ in 0..3 {
        let opened = trial.peer.count("connections/opened");
        trial.peer.command("drain");
        trial.peer.wait_for("connections/opened", opened + 2);
        trial.recovers();
    }
    trial.end_all_delivered();
}

#[test]
fn a_connection_that_goes_dead_gives_its_pushes_to_the_others() {
    let trial = Trial::start(&["--latency", "5ms"], |config| config.route_text("answer_timeout", "500ms"));
    let victim = trial.peer.open_connections()[0];
    let opened = trial.peer.count("connections/opened");
    trial.peer.command(&format!("stall?connection={victim}"));
    trial.flows();
    trial.peer.wait_for("connections/opened", opened + 1);
    trial.recovers();
    trial.end_all_delivered();
}

#[test]
fn a_silent_connection_is_found_out_by_a_ping_though_nothing_is_in_flight() {
    let trial = Trial::start(&["--whitespace", "0"], |config| {
        config.route_text("xmpp.ping_after", "1s").route_text("xmpp.ping_timeout", "1s")
    });
    let (peer, gateway, load, sampler) = trial.into_parts();
    load.finish();
    gateway.settled();
    let opened = peer.count("connections/opened");
    peer.command("stall");
    peer.wait_for("connections/opened", opened + 2);
    sampler.finish();
    assert_agreed(&gateway, &peer);
    gateway.finish();
}

#[test]
fn a_provider_that_turns_connections_away_is_tried_again_later() {
    let trial = Trial::start(&["--latency", "5ms"], |config| config);
    trial.peer.command("set?max_connections=1");
    trial.peer.command("close?style=graceful");
    trial.peer.wait_for("connections/refused", 2);
    trial.flows();
    trial.peer.command("set?max_connections=0");
    trial.recovers();
    eventually("both connections are open", || match trial.peer.open_connections().len() {
        2 => Ok(()),
        open => Err(format!("{open} are")),
    });
    trial.end_all_delivered();
}
