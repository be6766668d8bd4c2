//! Logins that fail: the service stays up, says why, keeps what it holds, and goes on when the cause is gone.

use std::time::Duration;

use crate::support::agreement::assert_agreed_without_repeats;
use crate::support::gateway::Gateway;
use crate::support::wait::LIMIT;
use crate::support::{Config, Peer, Snapshot, batch, eventually};

/// The last errors of all pushers.
fn errors(state: &Snapshot) -> Vec<String> {
    state.pushers().iter().map(|pusher| pusher["last_error"].as_str().unwrap_or("none").to_owned()).collect()
}

/// Checks that a service that cannot log in is up, not ready, keeps ten pushes, and says how many it leaves behind.
#[track_caller]
fn assert_up_and_waiting(config: &Config, said: &str) {
    let mut gateway = Gateway::start(&config.clone().text("runtime.drain_deadline", "1s"));
    gateway.post(&batch(10)).expect(202);
    let state = gateway.wait_for(&format!("all pushers say {said:?}"), |state| {
        errors(state).iter().all(|error| error.to_lowercase().contains(said))
    });
    assert_eq!(state.pushers_in("ready"), 0);
    gateway.get("/healthz").expect(200);
    gateway.get("/readyz").expect(503);
    let state = gateway.state();
    assert_eq!((state.ledger("buffered"), state.ledger("lost")), (10, 0), "{:#}", state.0);
    gateway.signal("TERM");
    assert_eq!(gateway.wait(Duration::from_secs(10)), 75, "{}", gateway.log().join("\n"));
    assert!(
        gateway.log().iter().any(|line| line.contains("10 pushes unfinished")),
        "{}",
        gateway.log().join("\n")
    );
}

#[test]
fn a_refused_login_is_said_and_tried_again_and_the_pushes_wait() {
    let peer = Peer::start(&["--auth-fail"]);
    let gateway = Gateway::start(&Config::to(&peer).route_text("login_retry", "1s"));
    gateway.post(&batch(10)).expect(202);
    let state = gateway.wait_for("both have failed", |state| state.pushers_in("failed") == 2);
    assert_eq!(state.ledger("buffered"), 10);
    assert!(
        errors(&state).iter().all(|error| error.contains("not-authorized") || error.contains("login")),
        "{state:?}"
    );
    gateway.wait_for_log("refuses our login");
    gateway.get("/healthz").expect(200);
    gateway.get("/readyz").expect(503);
    peer.command("set?auth_fail=false");
    gateway.wait_for("both are ready", |state| state.pushers_in("ready") == 2);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 10);
    gateway.finish();
}

#[test]
fn a_wrong_password_never_reaches_log_or_state() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start(&Config::to(&peer).route_text("xmpp.server_key", "w0rd-that-is-wrong"));
    let state = gateway.wait_for("both have failed", |state| state.pushers_in("failed") == 2);
    assert!(!state.0.to_string().contains("w0rd-that"), "{state:?}");
    peer.wait_for("logins_refused", 2);
    let log = gateway.finish().join("\n");
    assert!(!log.contains("w0rd-that"), "{log}");
}

#[test]
fn a_certificate_for_another_name_is_not_accepted() {
    let peer = Peer::start(&["--cert-name", "elsewhere.example"]);
    assert_up_and_waiting(&Config::to(&peer), "mismatch");
    assert_eq!(peer.count("messages"), 0);
}

#[test]
fn a_certificate_of_an_unknown_authority_is_not_accepted() {
    let (peer, other) = (Peer::start(&[]), Peer::start(&[]));
    let config = Config::to(&peer).route_text("xmpp.ca", &other.ca());
    assert_up_and_waiting(&config, "certificate");
    assert_eq!(peer.count("messages"), 0);
}

#[test]
fn a_missing_ca_file_is_named_and_the_service_goes_on_when_it_is_there() {
    let peer = Peer::start(&[]);
    let place = tempfile::TempDir::new().expect("there is a temporary directory");
    let file = place.path().join("late.pem");
    let gateway = Gateway::start(&Config::to(&peer).route_text("xmpp.ca", &file.display().to_string()));
    gateway
        .wait_for("the file is named", |state| errors(state).iter().all(|error| error.contains("late.pem")));
    std::fs::copy(peer.ca(), &file).expect("the certificate is there");
    gateway.wait_for("both are ready", |state| state.pushers_in("ready") == 2);
    gateway.finish();
}

#[test]
fn a_provider_that_is_not_there_is_waited_for() {
    let mut peer = Peer::start(&[]);
    peer.kill();
    let gateway = Gateway::start(&Config::to(&peer));
    gateway.post(&batch(10)).expect(202);
    gateway
        .wait_for("the refusal is said", |state| errors(state).iter().all(|error| error.contains("refused")));
    let first = gateway.wait_for_log("could not connect");
    for word in ["pusher=android/", "connect to 127.0.0.1:", "attempt=1 ", "next_try="] {
        assert!(first.contains(word), "{first}");
    }
    // Two connections try five times a second each; a second of that is the second line.
    gateway.wait_for_log(" pushers=2 within=");
    let told = gateway.log().iter().filter(|line| line.contains("could not connect")).count();
    assert_eq!(told, 2, "{}", gateway.log().join("\n"));
    peer.start_again();
    gateway.wait_for("both are ready", |state| state.pushers_in("ready") == 2);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), 10);
    gateway.finish();
}

#[test]
fn a_route_whose_connections_fail_too_often_is_down_and_says_so_until_it_is_back() {
    let mut peer = Peer::start(&[]);
    let config = Config::to(&peer).route("restart_limit", 1).route_text("restart_period", "1h");
    let gateway = Gateway::start_ready(&config);
    gateway.post(&batch(10)).expect(202);
    gateway.settled();
    peer.kill();
    let reply = eventually("pushes are refused", || match gateway.post(&batch(1)) {
        reply if reply.status == 503 => Ok(reply),
        reply => Err(format!("{reply:?}")),
    });
    assert!(reply.header("retry-after").is_some() && reply.error().contains("android"), "{reply:?}");
    assert_eq!(reply.json()["failed"][0]["reason"], "refused_route_down", "{reply:?}");
    gateway.get("/healthz").expect(200);
    peer.start_again();
    eventually("pushes are taken again", || match gateway.post(&batch(1)) {
        reply if reply.status == 202 => Ok(()),
        reply => Err(format!("{reply:?}")),
    });
    let state = gateway.settled();
    assert_eq!(
        (state.ledger("delivered"), state.ledger("lost")),
        (state.ledger("accepted"), 0),
        "{:#}",
        state.0
    );
    gateway.finish();
}

#[test]
fn a_host_that_takes_connections_and_says_nothing_is_given_up_in_time() {
    let peer = Peer::start(&[]);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = silent.local_addr().expect("it is bound").port();
    let config = Config::to(&peer).route("xmpp.port", port).route_text("xmpp.connect_timeout", "300ms");
    let gateway = Gateway::start(&config);
    let start = std::time::Instant::now();
    gateway.wait_for("the limit is said", |state| errors(state).iter().all(|error| error.contains("300ms")));
    assert!(start.elapsed() < LIMIT);
    gateway.finish();
}
