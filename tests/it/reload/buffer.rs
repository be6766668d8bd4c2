//! `[collector]` while pushes are buffered: a smaller buffer sheds by its policy, and everything is accounted for.

use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::{Config, Peer, batch, push};

/// One connection with a window of one push, and a peer that takes its time.
fn held_up() -> (Peer, Config) {
    let peer = Peer::start(&["--latency", "10m"]);
    let config = Config::to(&peer).route("connections", 1).route("window", 1);
    (peer, config.set("collector.buffer", 1000).set("collector.refuse_late", false))
}

#[test]
fn a_smaller_buffer_sheds_what_is_too_much_and_a_larger_one_takes_more() {
    let (peer, config) = held_up();
    let gateway = Gateway::start_ready(&config);
    gateway.post(&batch(500)).expect(202);
    gateway.wait_for("one is under way", |state| state.ledger("in_flight") == 1);
    let smaller = config.clone().set("collector.buffer", 100).set("collector.critical_reserve", 0.1);
    gateway.reload(&smaller.render());
    gateway.wait_for_log("reloaded changes=1 need_restart=0");
    let state = gateway.state();
    state.assert_balanced();
    assert_eq!((state.ledger("buffered"), state.ledger("shed"), state.ledger("lost")), (90, 409, 0));
    assert_eq!(state.0["collector"]["capacity"], 100);
    gateway.reload(&config.render());
    gateway.wait_for("it is large again", |state| state.0["collector"]["capacity"] == 1000);
    gateway.post(&batch(400)).expect(202);
    let state = gateway.state();
    state.assert_balanced();
    assert_eq!((state.ledger("buffered"), state.ledger("shed")), (490, 409));
    peer.command("set?latency=0ms");
    peer.command("close");
    let state = gateway.settled();
    assert_eq!(state.ledger("delivered"), 900 - 409);
    assert_eq!((state.ledger("accepted"), state.ledger("lost")), (900, 0));
    peer.assert_no_violations();
    gateway.finish();
}

#[test]
fn what_is_kept_and_what_replaces_what_follows_the_new_configuration() {
    let (peer, config) = held_up();
    let config = config.set("collector.critical_reserve", 0);
    let gateway =
        Gateway::start_ready(&config.clone().set("collector.buffer", 5).set("collector.coalesce", false));
    let score =
        || json!({"route": "android", "to": {"token": "t"}, "collapse_key": "score", "data": {"n": 1}});
    gateway.post(&push()).expect(202);
    gateway.wait_for("one is under way", |state| state.ledger("in_flight") == 1);
    gateway.post(&json!({"pushes": [score(), score()]})).expect(202);
    gateway.wait_for("both wait", |state| state.ledger("buffered") == 2);
    let other = config.set("collector.buffer", 5).text("collector.keep", "oldest");
    gateway.reload(&other.render());
    gateway.wait_for_log("reloaded changes=1 need_restart=0");
    gateway.post(&json!({"pushes": [score(), score()]})).expect(202);
    gateway.wait_for("one has replaced the other", |state| state.ledger("coalesced") == 1);
    gateway.post(&batch(2)).expect(202);
    gateway.wait_for("it is full", |state| state.ledger("buffered") == 5);
    gateway.post(&push()).expect(429);
    let state = gateway.state();
    state.assert_balanced();
    assert_eq!((state.ledger("buffered"), state.ledger("shed"), state.ledger("lost")), (5, 1, 0));
    peer.command("set?latency=0ms");
    peer.command("close");
    assert_eq!(gateway.settled().ledger("delivered"), 6);
    gateway.finish();
}
