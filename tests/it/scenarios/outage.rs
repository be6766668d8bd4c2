//! The provider is away for a while: the buffer fills and sheds, memory stays, nobody storms the provider when it is back.

use std::time::{Duration, Instant};

use crate::support::gateway::Gateway;
use crate::support::peer::count;
use crate::support::sampler::Sampler;
use crate::support::snapshot::Snapshot;
use crate::support::{Config, Load, Peer};

const CONNECTIONS: u64 = 8;
const BUFFER: u64 = 3_000;
/// Pushes that may be on the way from the door into the buffer, or come back to it from the windows.
const DOOR: u64 = 2_000;
/// Delays between attempts: from 100 ms, doubling, up to a second, of which chance takes away half.
const LONGEST: Duration = Duration::from_secs(1);
/// Attempts of a connection until its delays have reached that.
const RISING: u64 = 5;

fn dials(state: &Snapshot) -> u64 {
    count(state.route("android"), "dials")
}

/// Resident memory in bytes.
fn memory(gateway: &Gateway) -> f64 {
    let metrics = gateway.get("/metrics").expect(200).body;
    let line = metrics.lines().find(|line| line.starts_with("pushweir_process_resident_memory_bytes "));
    let value = line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok());
    value.unwrap_or_else(|| panic!("no memory in {metrics}"))
}

#[test]
fn an_outage_is_sat_out_and_ends_without_a_storm() {
    let mut peer = Peer::start(&["--latency", "10ms"]);
    let config = Config::to(&peer)
        .set("collector.buffer", BUFFER)
        .route("connections", CONNECTIONS)
        .route_text("restart_min", "100ms")
        .route_text("restart_max", "1s")
        .route("restart_limit", 1_000_000)
        .text("feedback.breaker.open_max", "1s");
    let gateway = Gateway::start_ready(&config);
    let sampler = Sampler::start(&gateway);
    let load = Load::start(&gateway, 30);
    gateway.delivered(500);
    let acked = peer.count("unique");
    let (at_first, before) = (memory(&gateway), dials(&gateway.state()));
    assert_eq!(before, CONNECTIONS);
    let start = Instant::now();
    peer.kill();
    let state = gateway.wait_for("the buffer sheds, and every connection was tried often", |state| {
        assert!(state.ledger("buffered") <= BUFFER + DOOR, "{:#}", state.0);
        state.ledger("shed") > BUFFER && dials(state) >= before + CONNECTIONS * (RISING + 2)
    });
    let (tried, seconds) = (dials(&state) - before, start.elapsed().as_secs_f64());
    let most = CONNECTIONS as f64 * (RISING as f64 + seconds / (LONGEST.as_secs_f64() / 2.0));
    assert!(tried as f64 <= most, "{tried} attempts within {seconds:.1} s, at most {most:.0} expected");
    assert!(memory(&gateway) < at_first + 48e6, "{} after {at_first}", memory(&gateway));
    gateway.get("/healthz").expect(200);
    peer.start_again();
    gateway.wait_for("every connection is back", |state| state.pushers_in("ready") == CONNECTIONS as usize);
    let back = dials(&gateway.state());
    assert_eq!(peer.count("connections/opened"), CONNECTIONS, "one attempt each, once it is there");
    let delivered = gateway.state().ledger("delivered");
    gateway.delivered(delivered + 1_000);
    let told = load.finish();
    let state = gateway.settled();
    sampler.finish();
    assert_eq!(dials(&state), back, "they stay");
    let ended = ["delivered", "shed", "expired", "exhausted"].map(|word| state.ledger(word));
    assert_eq!(ended.iter().sum::<u64>(), told.accepted, "every push has its outcome: {:#}", state.0);
    assert_eq!((ended[2], ended[3], state.ledger("lost")), (0, 0, 0), "{:#}", state.0);
    // The double's report began anew: what it had acked before it was killed is known as a lower bound.
    let report = peer.report();
    assert!(count(&report, "unique") + acked <= ended[0] + count(&state.0, "maybe_delivered"), "{report:#}");
    peer.assert_no_violations();
    gateway.finish();
}
