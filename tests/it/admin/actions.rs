//! Restart, pause, scale, drain.

use serde_json::json;

use crate::faults::trial::Trial;
use crate::support::agreement::{assert_agreed, assert_agreed_without_repeats};
use crate::support::gateway::Gateway;
use crate::support::{Config, Load, Peer, batch, eventually, push};

#[test]
fn a_graceful_restart_reconnects_and_sends_nothing_twice() {
    let trial = Trial::start(&["--latency", "20ms"], |config| config);
    for number in 0..2 {
        let opened = trial.peer.count("connections/opened");
        let reply = trial.gateway.command_at(&format!("pushers/android/{number}/restart")).expect(200);
        assert_eq!(
            reply.json()["pusher"]["id"],
            format!("android/{number}"),
            "the thing's new state: {reply:?}"
        );
        trial.peer.wait_for("connections/opened", opened + 1);
        trial.recovers();
    }
    let peer = trial.end_all_delivered();
    assert_eq!(peer.count("duplicates"), 0, "{:#}", peer.report());
    assert_eq!(peer.count("connections/opened"), 4);
}

#[test]
fn a_forced_restart_gives_the_unanswered_back_and_delivers_them() {
    let trial = Trial::start(&["--latency", "100ms"], |config| config);
    for mode in ["force", "graceful", "force"] {
        let opened = trial.peer.count("connections/opened");
        trial.gateway.command_at(&format!("pushers/android/0/restart?mode={mode}")).expect(200);
        trial.peer.wait_for("connections/opened", opened + 1);
        trial.recovers();
    }
    let state = trial.gateway.state();
    assert_eq!(state.pusher("android/1")["restarts"], 0, "{:#}", state.0);
    trial.end_all_delivered();
}

#[test]
fn a_graceful_restart_of_a_stalled_connection_is_over_in_time() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer).route("connections", 1));
    peer.command("stall");
    gateway.post(&batch(10)).expect(202);
    gateway.wait_for("they are in flight", |state| state.ledger("in_flight") == 10);
    let opened = peer.count("connections/opened");
    let admin = gateway.admin;
    let restart = std::thread::spawn(move || {
        crate::support::http::call(admin, "POST", "/admin/api/pushers/android/0/restart", &[], b"")
    });
    gateway.wait_for("it is draining", |state| state.pushers_in("draining") == 1);
    // A second wish while the first is carried out is the same wish.
    gateway.command_at("pushers/android/0/restart").expect(200);
    peer.wait_for("connections/opened", opened + 1);
    let overtaken = restart.join().expect("the call does not panic");
    assert!(overtaken.status == 200 || overtaken.error().contains("android/0"), "{overtaken:?}");
    let state = assert_agreed(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 10);
    assert_eq!(
        (peer.count("connections/opened"), state.pusher("android/0")["restarts"].as_u64()),
        (opened + 1, Some(1))
    );
    gateway.finish();
}

#[test]
fn a_paused_pusher_asks_for_nothing_until_it_is_resumed() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer).route("connections", 1));
    gateway.command_at("pushers/android/0/pause").expect(200);
    gateway.wait_for("it is paused", |state| state.pushers_in("paused") == 1);
    gateway.command_at("pushers/android/0/restart").expect(200);
    gateway.wait_for("it is still paused after a restart", |state| {
        state.pushers_in("paused") == 1 && state.pusher("android/0")["connected_seconds"].is_number()
    });
    gateway.post(&batch(50)).expect(202);
    let state = gateway.wait_for("they wait", |state| state.0["collector"]["buffered"] == 50);
    assert_eq!(state.ledger("in_flight"), 0);
    assert_eq!(peer.count("messages"), 0);
    gateway.command_at("pushers/android/0/resume").expect(200);
    assert_agreed_without_repeats(&gateway, &peer);
    gateway.finish();
}

#[test]
fn a_paused_route_refuses_new_pushes_and_keeps_what_it_holds() {
    let peer = Peer::start(&["--latency", "50ms"]);
    let gateway = Gateway::start_ready(&Config::to(&peer).route("connections", 1).route("window", 10));
    gateway.post(&batch(100)).expect(202);
    gateway.command_at("routes/android/pause").expect(200);
    let reply = gateway.post(&push()).expect(503);
    assert!(reply.header("retry-after").is_some() && reply.error().contains("android"), "{reply:?}");
    let state = gateway.wait_for("what is in flight is answered", |state| state.ledger("in_flight") == 0);
    assert!(state.ledger("buffered") > 0, "{:#}", state.0);
    assert_eq!(state.route("android")["state"], "paused");
    assert_eq!(state.state(), "paused");
    gateway.command_at("routes/android/resume").expect(200);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!((state.ledger("delivered"), state.ledger("refused")), (100, 1));
    gateway.post(&push()).expect(202);
    gateway.finish();
}

#[test]
fn a_route_is_scaled_up_and_down_under_load_and_costs_no_push() {
    let trial = Trial::start(&["--latency", "20ms"], |config| config);
    for connections in [6, 1, 4] {
        trial
            .gateway
            .command_with("routes/android/scale", &json!({"connections": connections}).to_string())
            .expect(200);
        trial.gateway.wait_for(&format!("{connections} are ready"), |state| {
            state.pushers().len() == connections && state.pushers_in("ready") == connections
        });
        trial.flows();
        eventually("the peer sees as many connections", || match trial.peer.open_connections().len() {
            open if open == connections => Ok(()),
            open => Err(format!("{open} are open")),
        });
    }
    let peer = trial.end_all_delivered();
    assert_eq!(peer.count("duplicates"), 0, "{:#}", peer.report());
}

#[test]
fn a_rolling_restart_renews_every_connection_and_the_flow_never_stops() {
    let trial = Trial::start(&["--latency", "10ms"], |config| config.route("connections", 4));
    let opened = trial.peer.count("connections/opened");
    trial.gateway.command_at("routes/android/restart").expect(200);
    let mut fewest = usize::MAX;
    trial.gateway.wait_for("every pusher is ready on a new connection", |state| {
        fewest = fewest.min(state.pushers_in("ready"));
        trial.peer.count("connections/opened") >= opened + 4 && state.pushers_in("ready") == 4
    });
    assert!(fewest >= 2, "only {fewest} of 4 were ready at a time");
    trial.recovers();
    let peer = trial.end_all_delivered();
    assert_eq!(peer.count("duplicates"), 0, "{:#}", peer.report());
    assert_eq!(peer.count("connections/opened"), opened + 4);
}

#[test]
fn a_drain_closes_the_intake_and_a_resume_opens_it() {
    let peer = Peer::start(&["--latency", "20ms"]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let load = Load::start(&gateway, 20);
    gateway.delivered(200);
    gateway.command_at("drain").expect(200);
    let reply = gateway.post(&push()).expect(503);
    assert!(reply.header("retry-after").is_some() && reply.error().contains("drain"), "{reply:?}");
    gateway.get("/readyz").expect(503);
    let state = gateway.settled();
    assert_eq!(state.state(), "draining");
    gateway.command_at("resume").expect(200);
    gateway.get("/readyz").expect(200);
    gateway.delivered(state.ledger("delivered") + 200);
    let told = load.finish();
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), told.accepted);
    assert_eq!(state.ledger("refused"), told.failed_for("refused_draining") + 1);
    gateway.finish();
}

#[test]
fn what_does_not_exist_is_answered_with_what_does() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let table = [
        ("pushers/android/7/restart", "android/1"),
        ("pushers/ios/0/restart", "android"),
        ("pushers/ios/0/pause", "android"),
        ("pushers/android/2/resume", "android/1"),
        ("routes/ios/restart", "android"),
        ("routes/ios/pause", "android"),
        ("routes/ios/resume", "android"),
    ];
    for (path, exists) in table {
        let reply = gateway.command_at(path).expect(404);
        assert!(reply.error().contains(exists), "{path}: {reply:?}");
    }
    let reply = gateway.command_with("routes/ios/scale", "{\"connections\":3}").expect(404);
    assert!(reply.error().contains("android"), "{reply:?}");
    for path in ["pushers/android/x/restart", "pushers/android/0/explode", "nothing", "routes/android"] {
        gateway.command_at(path).expect(404);
    }
    gateway.get("/nothing").expect(404);
    gateway.finish();
}

#[test]
fn a_bad_value_is_answered_with_what_is_allowed() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    for body in [
        "",
        "{}",
        "{\"connections\":0}",
        "{\"connections\":-1}",
        "{\"connections\":\"3\"}",
        "{\"connections\":100000000}",
        "nonsense",
    ] {
        let reply = gateway.command_with("routes/android/scale", body).expect(400);
        assert!(reply.error().contains("connections"), "{body:?}: {reply:?}");
    }
    let reply = gateway.command_at("pushers/android/0/restart?mode=rough").expect(400);
    assert!(reply.error().contains("graceful") && reply.error().contains("force"), "{reply:?}");
    assert_eq!(gateway.state().pushers().len(), 2);
    gateway.finish();
}

#[test]
fn two_scalings_at_once_do_not_mix() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer).route("connections", 4));
    gateway.command_at("routes/android/restart").expect(200);
    let reply = gateway.command_with("routes/android/scale", "{\"connections\":2}");
    match reply.status {
        // The restart may be over already.
        200 => {}
        409 => assert!(reply.error().contains("android") && reply.error().contains("hint"), "{reply:?}"),
        _ => panic!("{reply:?}"),
    }
    gateway.wait_for("every pusher is ready", |state| state.pushers_in("ready") == state.pushers().len());
    gateway.finish();
}

#[test]
fn nothing_changes_by_get() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let actions = [
        "pushers/android/0/restart",
        "pushers/android/0/pause",
        "pushers/android/0/resume",
        "routes/android/restart",
        "routes/android/scale",
        "routes/android/pause",
        "routes/android/resume",
        "drain",
        "resume",
    ];
    for action in actions {
        let reply = gateway.get(&format!("/admin/api/{action}")).expect(405);
        assert_eq!(reply.header("allow"), Some("POST"), "{reply:?}");
    }
    let state = gateway.state();
    assert_eq!((state.state(), state.pushers_in("ready")), ("ok", 2), "{:#}", state.0);
    assert!(state.pushers().iter().all(|pusher| pusher["restarts"] == 0));
    assert_eq!(peer.count("connections/opened"), 2);
    gateway.finish();
}
