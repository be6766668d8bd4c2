//! One of four routes leads into a black hole: the others do not notice, and what is still wanted arrives afterwards.

use serde_json::{Value, json};

use crate::support::agreement::assert_explained;
use crate::support::gateway::Gateway;
use crate::support::load::push;
use crate::support::peer::count;
use crate::support::sampler::Sampler;
use crate::support::snapshot::Snapshot;
use crate::support::{Config, Load, Peer};

const OTHERS: [&str; 3] = ["b", "c", "d"];
const URGENT: u64 = 200;
const PATIENT: u64 = 300;

fn to(route: &str, size: usize) -> Value {
    let with_route = |mut push: Value| {
        push["route"] = json!(route);
        push
    };
    json!({ "pushes": (0..size).map(|_| with_route(push())).collect::<Vec<_>>() })
}

fn dying(route: &str, size: usize) -> Value {
    let mut batch = to(route, size);
    for push in batch["pushes"].as_array_mut().expect("it is a list") {
        push["ttl"] = json!(2);
    }
    batch
}

fn books(state: &Snapshot, route: &str, word: &str) -> u64 {
    count(state.route(route), &format!("ledger/{word}"))
}

#[test]
fn a_black_hole_holds_up_its_own_route_only() {
    let (hole, peer) = (Peer::start(&["--latency", "5ms"]), Peer::start(&["--latency", "5ms"]));
    let mut config = Config::new()
        .and_route("a", &hole)
        .route_text("answer_timeout", "500ms")
        .set("feedback.backoff_min", "\"50ms\"")
        .set("feedback.max_attempts", 20)
        .set("feedback.retry_share", 1)
        .set("collector.refuse_late", false)
        .text("feedback.breaker.open_max", "1s");
    for name in OTHERS {
        config = config.and_route(name, &peer);
    }
    let gateway = Gateway::start_ready(&config);
    let sampler = Sampler::start(&gateway);
    let loads: Vec<Load> = OTHERS.map(|name| Load::of(&gateway, move || to(name, 10))).into();
    // Connections that are opened again go dead, too.
    hole.command("set?stall_after=1");
    hole.command("stall");
    gateway.post(&dying("a", URGENT as usize)).expect(202);
    gateway.post(&to("a", PATIENT as usize)).expect(202);
    let before = gateway.state();
    gateway.wait_for("the others deliver while what cannot wait any longer expires", |state| {
        let all_flow = OTHERS
            .iter()
            .all(|name| books(state, name, "delivered") >= books(&before, name, "delivered") + 500);
        all_flow && books(state, "a", "expired") == URGENT
    });
    let state = gateway.state();
    assert_eq!(books(&state, "a", "delivered"), 0, "it is a black hole: {:#}", state.0);
    for name in OTHERS {
        let route = state.route(name);
        assert!(count(route, "buffered") + count(route, "in_flight") <= 2_000, "{route:#}");
        assert_eq!(count(route, "ready"), 2, "{route:#}");
    }
    hole.command("set?stall_after=0");
    hole.command("close?style=rst");
    gateway.wait_for("what could wait is delivered", |state| books(state, "a", "delivered") == PATIENT);
    let accepted: u64 = loads.into_iter().map(|load| load.finish().accepted).sum();
    let state = gateway.settled();
    sampler.finish();
    assert_eq!((state.ledger("expired"), state.ledger("shed"), state.ledger("lost")), (URGENT, 0, 0));
    assert_eq!(state.ledger("delivered"), accepted + PATIENT, "{:#}", state.0);
    assert_explained(&gateway, &[&hole, &peer]);
    gateway.finish();
}
