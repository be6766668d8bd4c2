//! An HTTP proxy on the way out: everything that a route sends goes through it, access tokens too.

use serde_json::json;

use crate::support::agreement::{assert_agreed, assert_agreed_without_repeats};
use crate::support::gateway::Gateway;
use crate::support::proxy::Proxy;
use crate::support::{Config, Peer, batch, push};

/// Checks that a peer was reached through the proxy and in no other way.
#[track_caller]
fn assert_only_through(proxy: &Proxy, peer: &Peer, host: &str) {
    let to = format!("{host}:{}", peer.address.port());
    let targets = proxy.targets();
    assert!(targets.iter().all(|target| *target == to), "{targets:?}");
    assert_eq!(peer.count("connections/opened"), targets.len() as u64, "{:#}", peer.report());
}

#[test]
fn fcm_s_messages_and_access_tokens_go_through_the_proxy() {
    let (peer, proxy) = (Peer::start_fcm(&["--latency", "5ms"]), Proxy::start());
    let config = Config::to_fcm(&peer).route_text("fcm.proxy", &proxy.address.to_string());
    let gateway = Gateway::start_ready(&config);
    for _ in 0..10 {
        assert_eq!(gateway.post(&batch(50)).expect(202).json()["accepted"], 50);
    }
    gateway.delivered(500);
    // A new token while connections are open, as after an hour.
    peer.command("revoke");
    gateway.post(&batch(50)).expect(202);
    let state = assert_agreed(&gateway, &peer);
    assert_eq!((state.ledger("delivered"), peer.count("tokens_granted")), (550, 2), "{:#}", state.0);
    assert_only_through(&proxy, &peer, "127.0.0.1");
    assert_eq!(proxy.targets().len(), 4, "two connections, two tokens");
    gateway.finish();
}

#[test]
fn web_push_goes_through_the_proxy_with_either_http() {
    for flags in [&["--latency", "2ms"][..], &["--http1"]] {
        let (peer, proxy) = (Peer::start_webpush(flags), Proxy::start());
        let config = Config::to_webpush(&[&peer]).route_text("webpush.proxy", &proxy.address.to_string());
        let gateway = Gateway::start(&config);
        let to = peer.subscription("browser");
        let pushes: Vec<_> = (0..100).map(|number| json!({"to": to, "data": {"number": number}})).collect();
        assert_eq!(gateway.post(&json!({"pushes": pushes})).expect(202).json()["accepted"], 100);
        let state = gateway.settled();
        assert_eq!((state.ledger("delivered"), peer.count("unique")), (100, 100), "{:#}", state.0);
        peer.assert_no_violations();
        assert_only_through(&proxy, &peer, "localhost");
        gateway.finish();
    }
}

#[test]
fn apns_goes_through_the_proxy_and_a_proxy_that_refuses_is_named() {
    let (peer, proxy) = (Peer::start_apns(&[]), Proxy::start());
    proxy.refuse(true);
    let address = proxy.address.to_string();
    let gateway = Gateway::start(&Config::to_apns(&peer).route_text("apns.proxy", &address));
    let state = gateway.wait_for("the proxy is named", |state| {
        let errors = state.pushers().iter().filter_map(|pusher| pusher["last_error"].as_str());
        errors.into_iter().any(|error| error.contains(&address) && error.contains("403"))
    });
    assert_eq!(state.pushers_in("ready"), 0);
    gateway.post(&json!({"to": {"token": "00ff"}, "data": {"n": 1}})).expect(202);
    proxy.refuse(false);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 1, "{:#}", state.0);
    gateway.finish();
}

#[test]
fn a_proxy_that_cuts_nothing_costs_nothing_while_connections_go_away() {
    let flags = ["--latency", "2ms", "--drain-after", "100"];
    let (peer, proxy) = (Peer::start_fcm(&flags), Proxy::start());
    let config = Config::to_fcm(&peer).route_text("fcm.proxy", &proxy.address.to_string());
    let gateway = Gateway::start_ready(&config);
    for _ in 0..10 {
        gateway.post(&batch(100)).expect(202);
    }
    gateway.post(&push()).expect(202);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 1_001, "{:#}", state.0);
    assert_only_through(&proxy, &peer, "127.0.0.1");
    gateway.finish();
}
