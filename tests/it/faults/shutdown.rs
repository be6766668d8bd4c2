//! The end of the service: what was accepted is delivered first, and what cannot be is said.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::trial::Trial;
use crate::support::gateway::Gateway;
use crate::support::wait::LIMIT;
use crate::support::{Config, Peer, batch, push};

#[test]
fn a_term_signal_under_load_delivers_everything_that_was_accepted() {
    for signal in ["TERM", "INT"] {
        let trial = Trial::start(&["--latency", "20ms"], |config| config);
        let (peer, mut gateway, load, sampler) = trial.into_parts();
        gateway.signal(signal);
        assert_eq!(gateway.wait(LIMIT), 0, "{}", gateway.log().join("\n"));
        sampler.finish();
        let told = load.finish();
        assert_eq!(peer.count("unique"), told.accepted, "{told:?}");
        assert_eq!(peer.count("duplicates"), 0, "{:#}", peer.report());
        peer.assert_no_violations();
        assert_eq!(peer.count("connections/open"), 0, "every connection was closed");
    }
}

#[test]
fn a_full_buffer_is_delivered_before_the_end() {
    let peer = Peer::start(&["--latency", "20ms"]);
    let mut gateway = Gateway::start_ready(&Config::to(&peer));
    for _ in 0..20 {
        gateway.post(&batch(100)).expect(202);
    }
    gateway.signal("TERM");
    gateway.wait_for_log("draining reason=SIGTERM");
    assert_eq!(gateway.wait(LIMIT), 0, "{}", gateway.log().join("\n"));
    assert_eq!((peer.count("unique"), peer.count("duplicates")), (2_000, 0));
    peer.assert_no_violations();
}

#[test]
fn while_it_drains_it_refuses_and_says_so() {
    let peer = Peer::start(&["--latency", "2s"]);
    let mut gateway = Gateway::start_ready(&Config::to(&peer));
    gateway.post(&push()).expect(202);
    gateway.wait_for("it is in flight", |state| state.ledger("in_flight") == 1);
    gateway.signal("TERM");
    gateway.wait_for_log("draining reason=SIGTERM");
    let reply = gateway.post(&push()).expect(503);
    assert!(reply.error().contains("drain"), "{reply:?}");
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
    gateway.get("/healthz").expect(200);
    gateway.get("/readyz").expect(503);
    assert_eq!(gateway.state().state(), "draining");
    assert_eq!(gateway.wait(LIMIT), 0, "{}", gateway.log().join("\n"));
    assert_eq!(peer.count("unique"), 1);
}

#[test]
fn a_drain_that_cannot_finish_ends_at_its_deadline_and_says_how_many_are_left() {
    let peer = Peer::start(&["--latency", "5ms"]);
    let config = Config::to(&peer).text("runtime.drain_deadline", "1s");
    let mut gateway = Gateway::start_ready(&config);
    peer.command("stall");
    gateway.post(&batch(250)).expect(202);
    gateway.wait_for("both windows are full", |state| state.ledger("in_flight") == 200);
    let start = Instant::now();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(LIMIT), 75, "{}", gateway.log().join("\n"));
    let taken = start.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(6)).contains(&taken), "{taken:?}");
    let log = gateway.log();
    assert!(log.iter().any(|line| line.contains("250 pushes unfinished")), "{}", log.join("\n"));
}

#[test]
fn a_second_signal_ends_at_once() {
    let peer = Peer::start(&["--latency", "5ms"]);
    // A receiver of results that takes the connection and never answers.
    let deaf = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let url = format!("http://{}/", deaf.local_addr().expect("it is bound"));
    let config = Config::to(&peer)
        .text("feedback.webhook.url", &url)
        .text("feedback.webhook.secret", "s")
        .text("feedback.report", "all");
    let mut gateway = Gateway::start_ready(&config);
    gateway.post(&push()).expect(202);
    gateway.wait_for("it has left a result", |state| state.ledger("delivered") == 1);
    peer.command("stall");
    gateway.post(&batch(5)).expect(202);
    gateway.wait_for("they are in flight", |state| state.ledger("in_flight") == 5);
    gateway.signal("TERM");
    gateway.wait_for_log("draining reason=SIGTERM");
    let start = Instant::now();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(LIMIT), 75, "{}", gateway.log().join("\n"));
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[test]
fn an_idle_service_ends_within_a_second() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let start = Instant::now();
    let log = gateway.finish();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}\n{}", start.elapsed(), log.join("\n"));
}

#[test]
fn a_service_that_never_connected_ends_in_order() {
    let mut peer = Peer::start(&[]);
    peer.kill();
    let gateway = Gateway::start(&Config::to(&peer));
    gateway.finish();
}

#[test]
fn a_hup_signal_is_answered_in_the_log_and_ends_nothing() {
    let trial = Trial::start(&["--latency", "5ms"], |config| config);
    trial.gateway.signal("HUP");
    trial.gateway.wait_for_log("reloaded");
    trial.flows();
    assert_eq!(trial.peer.count("connections/opened"), 2);
    trial.end_all_delivered();
}
