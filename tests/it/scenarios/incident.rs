//! The overload of `reference/observability.md` 2.1, a hundredth as large and a tenth as long: what fills, what is shed, what drains.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::agreement::assert_agreed_without_repeats;
use crate::support::gateway::Gateway;
use crate::support::sampler::Sampler;
use crate::support::wait::pace;
use crate::support::{Config, Peer, batch};

/// Pushes a second that the provider takes: a window of 50, answers after 50 ms.
const TAKEN: f64 = 1_000.0;
const BUFFER: u64 = 2_000;
const WINDOW: u64 = 50;
/// Pushes that may be on the way from the door into the buffer.
const DOOR: u64 = 1_000;
/// 5/3 of it for five seconds, half of it for four.
const OVERLOAD: (f64, Duration) = (TAKEN * 5.0 / 3.0, Duration::from_secs(5));
const AFTER: (f64, Duration) = (TAKEN / 2.0, Duration::from_secs(4));

/// Offers a rate for a time, as exactly as the machine allows; returns how many.
fn offer(gateway: &Gateway, (rate, length): (f64, Duration)) -> u64 {
    const BATCH: u64 = 25;
    let (start, mut offered) = (Instant::now(), 0);
    while start.elapsed() < length {
        if (offered as f64) < rate * start.elapsed().as_secs_f64() {
            let batch = batch(BATCH as usize);
            offered += BATCH;
            let accepted = gateway.post(&batch).expect(202).json()["accepted"].as_u64();
            assert_eq!(accepted, Some(BATCH), "the newest are kept");
        } else {
            pace();
        }
    }
    offered
}

/// Checks that a figure is what follows from others, give or take a tenth.
#[track_caller]
fn assert_near(what: &str, measured: u64, predicted: f64) {
    let off = (measured as f64 - predicted).abs();
    assert!(off <= predicted / 10.0, "{what}: {measured}, predicted {predicted:.0}");
}

#[test]
fn an_overload_sheds_what_does_not_fit_and_drains_when_it_is_over() {
    let peer = Peer::start(&["--latency", "50ms"]);
    let config = Config::to(&peer)
        .set("collector.buffer", BUFFER)
        .set("collector.critical_reserve", 0)
        .route("connections", 1)
        .route("window", WINDOW);
    let gateway = Gateway::start_ready(&config);
    let sampler = Sampler::start(&gateway);
    let (mut overload, mut before_full) = (0, None);
    let end = thread::scope(|scope| {
        let load = scope.spawn(|| offer(&gateway, OVERLOAD));
        while !load.is_finished() {
            let state = gateway.state();
            assert!(state.ledger("buffered") <= BUFFER + DOOR, "{:#}", state.0);
            if state.ledger("shed") == 0 {
                before_full = Some(state);
            }
            pace();
        }
        overload = load.join().expect("the sender does not panic");
        gateway.state()
    });
    let (delivered, shed) = (end.ledger("delivered"), end.ledger("shed"));
    // The provider's rate is what was measured, as a busy machine may be slower; the rest follows from it.
    assert_near("shed", shed, (overload - delivered - WINDOW - BUFFER) as f64);
    assert!(shed > BUFFER / 4, "it was an overload: {:#}", end.0);
    let last = before_full.expect("the buffer was empty at first");
    assert!(last.ledger("buffered") > BUFFER / 2, "nothing is shed before it is full: {:#}", last.0);
    // Goodput does not collapse under overload: it is what the windows allow all the time.
    let law = TAKEN * OVERLOAD.1.as_secs_f64();
    assert!(
        delivered as f64 <= law * 1.02 + WINDOW as f64,
        "{delivered} delivered, {law} by the window's law"
    );
    let after = offer(&gateway, AFTER);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    sampler.finish();
    assert_near(
        "delivered after the overload",
        state.ledger("delivered") - delivered,
        (BUFFER + WINDOW + after) as f64,
    );
    assert!(state.ledger("shed") - shed <= BUFFER / 20, "nothing more is shed: {:#}", state.0);
    gateway.wait_for("the state is ok", |state| state.state() == "ok");
    gateway.finish();
}
