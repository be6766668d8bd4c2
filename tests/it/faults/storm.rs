//! Everything at once, for some seconds: what each fault alone does not do, all of them together must not do either.

use std::time::{Duration, Instant};

use crate::support::agreement::assert_agreed;
use crate::support::gateway::Gateway;
use crate::support::sampler::Sampler;
use crate::support::{Config, Load, Peer};

const LENGTH: Duration = Duration::from_secs(6);

/// What the provider does all the time: it refuses, forgets, repeats and invents answers, drains and drops connections.
const UNRELIABLE: &str = "set?nack=0.05:SERVICE_UNAVAILABLE,0.02:INTERNAL_SERVER_ERROR&lose_acks=0.01&duplicate_acks=0.05&ack_unknown=0.05\
                          &order=shuffled&jitter=20ms&close_after=700&drain_after=500&drain_mode=both&drain_close=200ms";

/// What happens now and then, in turn: to the provider, if it begins with `peer`, or by the operator.
const EVENTS: [&str; 12] = [
    "peer close?style=rst",
    "faults/panic?target=android/1",
    "pushers/android/0/restart?mode=force",
    "peer drain",
    "faults/panic?target=collector",
    "pushers/android/2/restart",
    "peer garbage",
    "pushers/android/0/pause",
    "peer close?style=half-stanza",
    "pushers/android/0/resume",
    "peer stall",
    "routes/android/restart",
];

#[test]
fn all_faults_together_cost_no_push_and_no_count() {
    let peer = Peer::start(&["--latency", "5ms"]);
    let config = Config::to(&peer)
        .set("runtime.fault_injection", true)
        .set("runtime.delivery_threads", 2)
        .route("connections", 3)
        .route("restart_limit", 1_000_000)
        .route_text("answer_timeout", "500ms");
    let gateway = Gateway::start_ready(&config).allow_panics();
    let sampler = Sampler::start(&gateway);
    let loads: Vec<Load> = (0..3).map(|_| Load::start(&gateway, 30)).collect();
    peer.command(UNRELIABLE);
    let end = Instant::now() + LENGTH;
    for event in EVENTS.iter().cycle().take_while(|_| Instant::now() < end) {
        let seen = gateway.state().ledger("delivered");
        match event.strip_prefix("peer ") {
            Some(command) => drop(peer.command(command)),
            // A restart may be under way; then it is refused.
            None => assert!(matches!(gateway.command_at(event).status, 200 | 409), "{event}"),
        }
        gateway
            .wait_for(&format!("pushes flow after {event}"), |state| state.ledger("delivered") > seen + 50);
    }
    peer.command(
        "set?nack=0&lose_acks=0&duplicate_acks=0&ack_unknown=0&close_after=0&drain_after=0&jitter=0",
    );
    let resumed = gateway.command_at("pushers/android/0/resume").status;
    assert!(matches!(resumed, 200 | 409), "{resumed}");
    let accepted: u64 = loads.into_iter().map(|load| load.finish().accepted).sum();
    gateway.wait_for("every pusher is ready", |state| state.pushers_in("ready") == 3);
    let state = assert_agreed(&gateway, &peer);
    sampler.finish();
    assert!(accepted > 1_000, "{:#}", state.0);
    assert_eq!(state.ledger("delivered"), accepted, "{:#}", state.0);
    gateway.finish();
}
