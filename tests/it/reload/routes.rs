//! Routes that come, go, come back, and change their transport, while pushes are under way.

use serde_json::{Value, json};

use crate::support::agreement::assert_agreed_without_repeats;
use crate::support::gateway::Gateway;
use crate::support::http::Reply;
use crate::support::snapshot::Snapshot;
use crate::support::{Config, Load, Peer, push};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Returns pushes for a route, each to a device of its own.
fn pushes(route: &str, devices: std::ops::Range<u32>) -> Value {
    let push =
        |device| json!({"route": route, "to": {"token": format!("device-{device}")}, "data": {"n": 1}});
    json!({"pushes": devices.map(push).collect::<Vec<_>>()})
}

fn post_without_route(gateway: &Gateway) -> Reply {
    gateway.post_with(&[JSON], json!({"to": {"token": "t"}, "data": {"n": 1}}).to_string().as_bytes())
}

fn delivered(state: &Snapshot, route: &str) -> u64 {
    state.route(route)["ledger"]["delivered"].as_u64().expect("it is a count")
}

fn has_supervisor(state: &Snapshot, route: &str) -> bool {
    let children = |node: &Value| node["children"].as_array().cloned().unwrap_or_default();
    let supervisors = children(&state.0["tree"]).into_iter().filter(|child| child["id"] == "routes");
    supervisors.flat_map(|routes| children(&routes)).any(|child| child["id"] == route)
}

/// A configuration with the routes `android` and `slow`, the second to a peer of its own with a small window.
fn with_slow(android: &Peer, slow: &Peer) -> Config {
    Config::to(android).and_route("slow", slow).route("connections", 1).route("window", 5)
}

#[test]
fn a_route_that_is_added_under_load_delivers_at_once_and_holds_nobody_up() {
    let (android, web) = (Peer::start(&["--latency", "2ms"]), Peer::start(&[]));
    let config = Config::to(&android);
    let gateway = Gateway::start_ready(&config);
    let load = Load::start(&gateway, 10);
    gateway.delivered(50);
    gateway.post(&pushes("web", 0..1)).expect(400);
    let reply = post_without_route(&gateway).expect(202);
    assert_eq!(reply.json()["accepted"], 1, "with one route its name may be left out");
    gateway.reload(&config.and_route("web", &web).route("share", 3).render());
    gateway.wait_for_log("reloaded changes=1 need_restart=0");
    gateway.post(&pushes("web", 0..100)).expect(202);
    gateway.wait_for("the new route delivers", |state| delivered(state, "web") == 100);
    post_without_route(&gateway).expect(400);
    let before = gateway.state().ledger("delivered");
    gateway.delivered(before + 50);
    let told = load.finish();
    let state = gateway.settled();
    assert_eq!(told.failed.len(), 0, "{told:?}");
    assert_eq!(state.ledger("delivered"), told.accepted + 101);
    assert_eq!(state.route("web")["share"], 0.75);
    assert_eq!((android.count("unique"), web.count("unique")), (told.accepted + 1, 100));
    assert!(gateway.get("/admin/api/config").body.contains("web"), "the configuration that is shown follows");
    gateway.finish();
}

#[test]
fn a_route_that_is_removed_delivers_what_it_holds_and_then_is_gone() {
    let (android, slow) = (Peer::start(&[]), Peer::start(&["--latency", "300ms"]));
    let config = with_slow(&android, &slow);
    let gateway = Gateway::start_ready(&config);
    gateway.post(&pushes("slow", 0..60)).expect(202);
    gateway.reload(&Config::to(&android).render());
    gateway.wait_for_log("a route is removed when it has delivered what it holds route=slow");
    let refused = gateway.post(&pushes("slow", 100..101)).expect(400).json();
    assert_eq!(refused["failed"][0]["reason"], "refused_unknown_route");
    assert!(refused.to_string().contains("was removed from the configuration"), "{refused}");
    let state = gateway.state();
    assert!(state.held() > 0 && state.route("slow")["state"] == "removed", "{:#}", state.0);
    gateway.wait_for_log("a removed route has delivered what it held, and is gone route=slow");
    let state = gateway.settled();
    assert_eq!((delivered(&state, "slow"), slow.count("unique"), slow.count("duplicates")), (60, 60, 0));
    assert!(!has_supervisor(&state, "slow"));
    assert!(state.pushers().iter().all(|pusher| pusher["route"] == "android"));
    assert_eq!((state.route("android")["share"].clone(), state.ledger("delivered")), (json!(1.0), 60));
    gateway.command_at("routes/slow/pause").expect(404);
    post_without_route(&gateway).expect(202);
    gateway.settled();
    gateway.finish();
}

#[test]
fn a_removed_route_that_comes_back_goes_on_with_what_it_holds_and_also_when_it_was_gone() {
    let (android, slow) = (Peer::start(&[]), Peer::start(&["--latency", "200ms"]));
    let (with, without) = (with_slow(&android, &slow).render(), Config::to(&android).render());
    let gateway = Gateway::start_ready(&with_slow(&android, &slow));
    gateway.post(&pushes("slow", 0..30)).expect(202);
    gateway.reload(&without);
    gateway.wait_for_log("a route is removed when it has delivered what it holds route=slow");
    gateway.reload(&with);
    gateway.wait_for_log("a route that was removed is back route=slow");
    gateway.post(&pushes("slow", 30..40)).expect(202);
    let state = gateway.settled();
    assert_eq!((delivered(&state, "slow"), slow.count("unique"), slow.count("duplicates")), (40, 40, 0));
    assert_eq!(slow.count("connections/opened"), 1, "its connection was never touched");
    gateway.reload(&without);
    gateway.wait_for_log("a removed route has delivered what it held, and is gone route=slow");
    gateway.reload(&with);
    gateway.wait_for("it is back", |state| state.route("slow")["state"] == "ready");
    gateway.post(&pushes("slow", 40..50)).expect(202);
    let state = gateway.settled();
    assert_eq!((delivered(&state, "slow"), slow.count("unique")), (50, 50));
    assert_eq!(state.pusher("slow/0")["state"], "ready");
    gateway.finish();
}

#[test]
fn pushes_for_the_old_transport_go_out_by_it_and_new_ones_by_the_new_one() {
    let (old, new) = (Peer::start(&["--latency", "300ms"]), Peer::start_fcm(&[]));
    let config = Config::to(&old).route("connections", 1).route("window", 5);
    let gateway = Gateway::start_ready(&config);
    gateway.post(&pushes("android", 0..40)).expect(202);
    gateway.reload(&Config::to_fcm(&new).render());
    gateway.wait_for_log("a route has another transport route=android transport=fcm");
    gateway.post(&pushes("android", 40..60)).expect(202);
    let state = gateway.wait_for("the new one delivers", |state| delivered(state, "android") >= 20);
    assert_eq!(state.route("android")["transport"], "fcm");
    let state = gateway.settled();
    assert_eq!((old.count("unique"), new.count("unique")), (40, 20), "{:#}", state.0);
    assert_eq!((delivered(&state, "android"), state.ledger("lost")), (60, 0));
    gateway.wait_for_log("a partition sleeps route=android");
    let state = gateway.wait_for("the old pusher is gone", |state| state.pushers().len() == 2);
    assert_eq!(state.pushers()[0]["id"], "android/1", "numbers of pushers are not given twice at a time");
    gateway.finish();
}

#[test]
fn times_shares_and_limits_of_a_running_route_change_without_a_new_connection() {
    let (android, other) = (Peer::start(&["--lose-acks", "1"]), Peer::start(&[]));
    let config = Config::to(&android).and_route("other", &other);
    let slow = Config::to(&android).route_text("answer_timeout", "10m").and_route("other", &other);
    let gateway = Gateway::start_ready(&slow);
    assert_eq!(gateway.state().route("android")["share"], 0.5);
    gateway.post(&push()).expect(202);
    android.wait_for("delivered_unique", 1);
    android.command("set?lose-acks=0");
    let opened = android.count("connections/opened");
    let quick = Config::to(&android)
        .route_text("answer_timeout", "100ms")
        .route_text("restart_max", "9s")
        .route("share", 3)
        .and_route("other", &other);
    gateway.reload(&quick.render());
    gateway.wait_for_log("reloaded changes=1 need_restart=0");
    let state = gateway.settled();
    assert_eq!(
        (state.ledger("delivered"), state.ledger("lost")),
        (1, 0),
        "its answer is overdue by the new time"
    );
    assert_eq!(state.route("android")["share"], 0.75);
    assert_eq!(android.count("connections/opened"), opened);
    gateway.reload(&config.render());
    gateway.wait_for("shares are as before", |state| state.route("android")["share"] == 0.5);
    gateway.finish();
}

#[test]
fn a_bad_configuration_removes_and_adds_no_route() {
    let (android, slow) = (Peer::start(&[]), Peer::start(&[]));
    let gateway = Gateway::start_ready(&with_slow(&android, &slow));
    let bad = Config::to(&android).and_route("new", &slow).route("share", 0);
    gateway.reload(&bad.render());
    gateway.wait_for_log("nothing is reloaded");
    gateway.wait_for_log("route[1].share");
    gateway.post(&pushes("slow", 0..5)).expect(202);
    gateway.post(&pushes("new", 0..5)).expect(400);
    let state = gateway.settled();
    assert_eq!((delivered(&state, "slow"), state.ledger("delivered")), (5, 5));
    assert_eq!(state.0["reloads"], json!({"done": 0, "refused": 1}));
    gateway.post(&push()).expect(202);
    assert_agreed_on_one(&gateway, &android);
    gateway.finish();
}

/// What went to this peer is one push, once.
fn assert_agreed_on_one(gateway: &Gateway, peer: &Peer) {
    gateway.settled();
    assert_eq!((peer.count("unique"), peer.count("duplicates")), (1, 0));
    peer.assert_no_violations();
}

#[test]
fn senders_keep_their_ids_when_tokens_are_put_in_another_order() {
    let peer = Peer::start(&[]);
    let config = Config::to(&peer).set("ingest.tokens", "[\"one\", \"two\"]");
    let gateway = Gateway::start_ready(&config);
    let post = |token: &str| {
        let bearer = format!("Bearer {token}");
        let push = json!({"id": "once", "route": "android", "to": {"token": "t"}, "data": {"n": 1}});
        gateway.post_with(&[JSON, ("authorization", &bearer)], push.to_string().as_bytes()).expect(202);
    };
    post("one");
    gateway.reload(&config.set("ingest.tokens", "[\"two\", \"new\", \"one\"]").render());
    gateway.wait_for_log("reloaded changes=1 need_restart=0");
    post("one");
    assert_eq!(gateway.settled().ledger("accepted"), 1, "the same sender sent the same id");
    post("two");
    post("new");
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!((state.ledger("accepted"), state.ledger("duplicates")), (3, 1));
    gateway.finish();
}
