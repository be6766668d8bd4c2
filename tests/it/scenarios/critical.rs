//! A campaign fills a route; what is critical goes past it, and the campaign still goes on.

use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::peer::count;
use crate::support::sampler::Sampler;
use crate::support::{Config, Load, Peer, batch};

const CAMPAIGN: u64 = 6_000;

/// The double answers these tokens with a nack, so that the ledger tells the campaign from the rest.
fn campaign(size: usize) -> Value {
    let push = json!({"route": "android", "to": {"token": "unregistered-campaign"}, "priority": "low"});
    json!({ "pushes": vec![push; size] })
}

fn critical(size: usize) -> Value {
    let mut batch = batch(size);
    for push in batch["pushes"].as_array_mut().expect("it is a list") {
        push["priority"] = json!("critical");
    }
    batch
}

/// 800 pushes a second at most: two windows of 20, answers after 50 ms; the campaign takes many seconds.
fn saturated() -> (Peer, Gateway) {
    let peer = Peer::start(&["--latency", "50ms"]);
    // The campaign's tokens are dead; its nacks are answers like any other.
    let config = Config::to(&peer).route("window", 20).set("collector.buffer", 100_000);
    let gateway = Gateway::start_ready(&config);
    for _ in 0..CAMPAIGN / 1_000 {
        gateway.post(&campaign(1_000)).expect(202);
    }
    gateway.wait_for("every window is full", |state| {
        state.ledger("in_flight") >= 30 && state.ledger("buffered") >= CAMPAIGN / 2
    });
    (peer, gateway)
}

fn finish(gateway: Gateway, peer: &Peer, sampler: Sampler, critical: u64) {
    let state = gateway.settled();
    sampler.finish();
    let (delivered, dead) = (state.ledger("delivered"), state.ledger("unregistered"));
    assert_eq!((delivered, dead, state.ledger("shed")), (critical, CAMPAIGN, 0), "{:#}", state.0);
    let report = peer.report();
    assert_eq!((count(&report, "unique"), count(&report, "duplicates")), (critical, 0), "{report:#}");
    peer.assert_no_violations();
    gateway.finish();
}

#[test]
fn critical_pushes_do_not_wait_behind_a_campaign() {
    let (peer, gateway) = saturated();
    let sampler = Sampler::start(&gateway);
    for round in 1..=10 {
        let seen = gateway.state().ledger("unregistered");
        let headers = [("content-type", "application/json")];
        let body = critical(10).to_string();
        let ended = crate::support::http::call(
            gateway.ingest,
            "POST",
            "/v1/pushes?wait=20s",
            &headers,
            body.as_bytes(),
        );
        let results = ended.expect(202).json()["results"].as_array().expect("it waited").clone();
        assert!(results.iter().all(|result| result["outcome"] == "delivered"), "{results:#?}");
        let state = gateway.state();
        assert_eq!(state.ledger("delivered"), round * 10);
        // In order of arrival they would have come after all that was buffered before them.
        let overtaken_by = state.ledger("unregistered") - seen;
        assert!(overtaken_by < (CAMPAIGN - seen) / 2, "{overtaken_by} of the campaign went before them");
    }
    assert!(gateway.state().ledger("buffered") > 0, "the campaign was there all the time");
    finish(gateway, &peer, sampler, 100);
}

#[test]
fn a_campaign_goes_on_though_critical_pushes_alone_would_fill_the_route() {
    let (peer, gateway) = saturated();
    let sampler = Sampler::start(&gateway);
    // About 3,000 a second where 800 go out.
    let load = Load::of(&gateway, || critical(30));
    let before = gateway.state();
    let after = gateway.wait_for("a thousand critical pushes are delivered", |state| {
        state.ledger("delivered") >= before.ledger("delivered") + 1_000
    });
    let told = load.finish();
    let low = after.ledger("unregistered") - before.ledger("unregistered");
    assert!(low >= 20, "only {low} of the campaign went out beside a thousand critical pushes");
    assert!(low < 500, "{low} of the campaign went out beside a thousand critical pushes");
    assert_eq!(told.failed_for("shed_buffer_full"), 0, "{told:?}");
    finish(gateway, &peer, sampler, told.accepted);
}
