//! Web Push: pushes that name their push service, connections that come and go with them, and nobody reached who must not be.

mod foreign;

use serde_json::{Value, json};

use crate::support::agreement::assert_agreed;
use crate::support::gateway::Gateway;
use crate::support::{Config, Peer, Snapshot, eventually};

/// Pushes to some subscriptions of a peer, each with a message of its own.
struct Audience {
    subscriptions: Vec<Value>,
    sent: u64,
}

impl Audience {
    #[track_caller]
    fn of(peer: &Peer) -> Self {
        let subscriptions = (0..5).map(|number| peer.subscription(&format!("browser-{number}"))).collect();
        Self { subscriptions, sent: 0 }
    }

    fn batch(&mut self, count: usize) -> Value {
        let pushes: Vec<Value> = (0..count)
            .map(|number| {
                self.sent += 1;
                let to = &self.subscriptions[number % self.subscriptions.len()];
                json!({"to": to, "data": {"number": self.sent}})
            })
            .collect();
        json!({ "pushes": pushes })
    }

    /// Posts so many pushes, all of which must be taken.
    #[track_caller]
    fn post(&mut self, gateway: &Gateway, count: usize) {
        let accepted = gateway.post(&self.batch(count)).expect(202).json()["accepted"].clone();
        assert_eq!(accepted, count);
    }
}

#[track_caller]
fn push_to(peer: &Peer, name: &str) -> Value {
    json!({"to": peer.subscription(name), "data": {"for": name}})
}

/// Waits for the end of everything and checks that these peers got it all, each push once.
#[track_caller]
fn assert_each_once(gateway: &Gateway, peers: &[&Peer]) -> Snapshot {
    let state = gateway.settled();
    let unique: u64 = peers.iter().map(|peer| peer.count("unique")).sum();
    assert_eq!((state.ledger("delivered"), state.ledger("lost")), (unique, 0), "{:#}", state.0);
    for peer in peers {
        assert_eq!(peer.count("duplicates"), 0, "{:#}", peer.report());
        peer.assert_no_violations();
    }
    state
}

#[test]
fn pushes_reach_each_service_once_whatever_http_it_speaks_with_one_token_each() {
    let fast = Peer::start_webpush(&["--latency", "5ms", "--jitter", "5ms", "--max-streams", "20"]);
    let other = fast.start_beside(&["--latency", "5ms", "--first-streams", "1"]);
    let old = fast.start_beside(&["--latency", "1ms", "--http1"]);
    let peers = [&fast, &other, &old];
    let gateway = Gateway::start(&Config::to_webpush(&peers).set("ingest.max_batch", 400));
    assert_eq!(gateway.get("/readyz").status, 200, "it is ready before anybody is connected to");
    for peer in peers {
        Audience::of(peer).post(&gateway, 300);
    }
    let state = assert_each_once(&gateway, &peers);
    assert_eq!(state.ledger("delivered"), 900);
    assert_eq!(peers.map(|peer| peer.count("unique")), [300; 3]);
    assert_eq!(
        peers.map(|peer| peer.count("tokens")),
        [1; 3],
        "a token per service, whatever the connections"
    );
    assert_eq!((fast.count("highest_unacked"), old.count("highest_unacked")), (20, 1));
    assert_eq!(state.pushers().len(), 6, "two to each: {:#}", state.0);
    gateway.finish();
}

#[test]
fn a_service_that_is_away_holds_up_nobody_else_and_gets_its_pushes_when_it_is_back() {
    let well = Peer::start_webpush(&["--latency", "2ms"]);
    let mut sick = well.start_beside(&["--latency", "2ms"]);
    let gateway = Gateway::start(&Config::to_webpush(&[&well, &sick]));
    let (mut to_well, mut to_sick) = (Audience::of(&well), Audience::of(&sick));
    to_sick.post(&gateway, 10);
    gateway.delivered(10);
    sick.kill();
    to_sick.post(&gateway, 50);
    to_well.post(&gateway, 200);
    let state = gateway.delivered(210);
    assert_eq!((state.held(), well.count("unique")), (50, 200), "{:#}", state.0);
    sick.start_again();
    let state = gateway.settled();
    assert_eq!(state.ledger("delivered"), 260, "{:#}", state.0);
    assert_eq!(sick.count("unique"), 50, "{:#}", sick.report());
    well.assert_no_violations();
    gateway.finish();
}

#[test]
fn connections_go_when_there_is_nothing_to_send_and_come_back_with_the_next_push() {
    let peer = Peer::start_webpush(&[]);
    let config = Config::to_webpush(&[&peer]).route_text("webpush.idle_shutdown", "1s");
    let gateway = Gateway::start(&config);
    let mut audience = Audience::of(&peer);
    audience.post(&gateway, 10);
    gateway.delivered(10);
    gateway.wait_for("its connections are closed", |state| state.pushers().is_empty());
    eventually("the peer has seen them go", || match peer.open_connections() {
        open if open.is_empty() => Ok(()),
        open => Err(format!("{open:?}")),
    });
    let opened = peer.count("connections/opened");
    audience.post(&gateway, 10);
    gateway.delivered(20);
    assert!(peer.count("connections/opened") > opened);
    assert_eq!(peer.count("tokens"), 1, "the token outlives the connections");
    assert_each_once(&gateway, &[&peer]);
    gateway.finish();
}

#[test]
fn one_service_too_many_waits_until_another_has_nothing_to_do() {
    let busy = Peer::start_webpush(&["--latency", "2s"]);
    let late = busy.start_beside(&[]);
    let gateway = Gateway::start(&Config::to_webpush(&[&busy, &late]).route("webpush.max_origins", 1));
    Audience::of(&busy).post(&gateway, 1);
    let refused = gateway.post(&push_to(&late, "browser-1")).expect(429);
    let failed = refused.json()["failed"][0].clone();
    assert_eq!(failed["reason"], "refused_peer_limit", "{failed:#}");
    assert!(failed["detail"].as_str().is_some_and(|text| text.contains("max_origins is 1")), "{failed:#}");
    gateway.delivered(1);
    gateway.wait_for("there is room for the other", |_| {
        gateway.post(&push_to(&late, "browser-1")).status == 202
    });
    gateway.delivered(2);
    gateway.wait_for("the first one's connections are closed", |_| busy.open_connections().is_empty());
    assert_each_once(&gateway, &[&busy, &late]);
    gateway.finish();
}

#[test]
fn a_name_that_leads_to_this_machine_is_never_connected_to() {
    let peer = Peer::start_webpush(&[]);
    let config = Config::to_webpush(&[&peer]).route("webpush.allow_private", false);
    let gateway = Gateway::start(&config);
    let push = json!({"to": peer.subscription("browser-1"), "ttl": 3, "data": {}});
    gateway.post(&push).expect(202);
    let state = gateway.settled();
    assert_eq!(state.ledger("expired"), 1, "{:#}", state.0);
    let error = state.pushers()[0]["last_error"].to_string();
    assert!(error.contains("loopback"), "{error}");
    let reached = (peer.count("connections/opened"), peer.count("connections/handshakes_failed"));
    assert_eq!(reached, (0, 0));
    gateway.finish();
}

#[test]
fn hosts_that_are_not_on_the_list_are_refused_at_the_door() {
    let peer = Peer::start_webpush(&[]);
    let gateway = Gateway::start(&Config::to_webpush(&[&peer]));
    let subscription = peer.subscription("browser-1");
    let port = peer.address.port();
    for endpoint in [
        "https://evil.example/x".to_owned(),
        format!("https://127.0.0.1:{port}/push/a"),
        format!("https://localhost:{port}@evil.example/push/a"),
        format!("https://a@localhost:{port}/push/a"),
        "https://localhost/push/a".to_owned(),
        format!("https://localhost.:{port}/push/a"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        format!("http://localhost:{port}/push/a"),
    ] {
        let mut to = subscription.clone();
        to["endpoint"] = endpoint.clone().into();
        let reply = gateway.post(&json!({"to": to})).expect(400);
        assert!(reply.body.contains("to.endpoint"), "{endpoint}: {}", reply.body);
    }
    let mut to = subscription;
    to["p256dh"] = "AAAA".into();
    assert!(gateway.post(&json!({ "to": to })).expect(400).body.contains("to.p256dh"));
    assert!(gateway.post(&json!({"to": {"token": "t"}})).expect(400).body.contains("Web Push"));
    assert_eq!(gateway.state().ledger("refused"), 10);
    assert_eq!(peer.count("connections/opened"), 0);
    gateway.finish();
}

#[test]
fn each_answer_of_a_service_has_its_outcome() {
    let peer = Peer::start_webpush(&["--retry-after", "1"]);
    let config = Config::to_webpush(&[&peer])
        .set("feedback.max_attempts", 2)
        .set("feedback.backoff_min", "\"10ms\"")
        .route("connections", 1);
    let gateway = Gateway::start(&config);
    let table = [
        ("browser-1", "delivered"),
        ("nack-GONE-1", "unregistered"),
        ("unregistered-1", "unregistered"),
        ("nack-NOT_FOUND-1", "unregistered"),
        ("nack-TOO_LARGE-1", "rejected"),
        ("nack-BAD_REQUEST-1", "rejected"),
        ("nack-MOVED-1", "rejected"),
        ("nack-FORBIDDEN-1", "rejected"),
        ("nack-UNAUTHORIZED-1", "rejected"),
        ("nack-APPLE_MISMATCH-1", "rejected"),
        ("nack-WNS_DROPPED-1", "rejected"),
        ("nack-once-TOO_MANY-1", "delivered"),
        ("nack-once-WNS_BUSY-1", "delivered"),
        ("nack-once-UNAVAILABLE-1", "delivered"),
        ("nack-once-INTERNAL-1", "delivered"),
        ("nack-once-BAD_GATEWAY-1", "delivered"),
        ("nack-once-RESET-1", "delivered"),
        ("nack-once-REFUSED-1", "delivered"),
        ("nack-INTERNAL-1", "exhausted"),
    ];
    let mut expected = std::collections::BTreeMap::<&str, u64>::new();
    for (name, outcome) in table {
        *expected.entry(outcome).or_default() += 1;
        gateway.post(&push_to(&peer, name)).expect(202);
        // One after the other, so that no two are put off in a row, which would stop the connection for a second.
        gateway.settled();
    }
    let state = gateway.state();
    for (outcome, count) in expected {
        assert_eq!(state.ledger(outcome), count, "{outcome}: {:#}\n{:#}", state.0, peer.report());
    }
    peer.assert_no_violations();
    gateway.finish();
}

#[test]
fn a_subscription_that_is_gone_is_reported_with_its_address() {
    let peer = Peer::start_webpush(&[]);
    let gateway = Gateway::start(&Config::to_webpush(&[&peer]));
    let mut push = push_to(&peer, "nack-GONE-7");
    push["id"] = "mine".into();
    gateway.post(&push).expect(202);
    gateway.settled();
    let results = gateway.results();
    let result = &results["results"][0];
    assert_eq!((&result["id"], &result["outcome"]), (&json!("mine"), &json!("unregistered")), "{results:#}");
    assert_eq!(result["delete_token"], true, "{results:#}");
    assert_eq!(result["to"]["endpoint"], push["to"]["endpoint"], "{results:#}");
    assert!(!results.to_string().contains(push["to"]["auth"].as_str().expect("it is text")), "no secrets");
    gateway.finish();
}

#[test]
fn every_header_and_the_longest_message_pass_the_strict_service() {
    let peer = Peer::start_webpush(&[]);
    let gateway = Gateway::start(&Config::to_webpush(&[&peer]).route_text("webpush.pad_to", "512 B"));
    let longest = "x".repeat(3993 - "{\"data\":{\"k\":\"\"}}".len());
    let pushes = [
        json!({"to": peer.subscription("a"), "data": {"k": longest}}),
        json!({"to": peer.subscription("a"), "priority": "critical", "ttl": 2_419_200, "collapse_key": "room-17",
               "notification": {"title": "Grüße", "body": "<b>&amp;</b>", "badge": 3}}),
        json!({"to": peer.subscription("a"), "priority": "low", "collapse_key": "no topic: ümläut".replace(' ', "-")}),
        json!({"to": peer.subscription("a"), "provider": {"web_push": 8030, "notification": {"navigate": "https://x.example"}}}),
    ];
    assert_eq!(gateway.post(&json!({ "pushes": pushes })).expect(202).json()["accepted"], 4);
    assert_each_once(&gateway, &[&peer]);
    let kept = peer.command("kept");
    let kept = kept["kept"].as_array().expect("it is a list").clone();
    let of = |what: &dyn Fn(&Value) -> bool| kept.iter().find(|push| what(push)).expect("it arrived").clone();
    let urgent = of(&|push| push["headers"]["urgency"] == "high");
    assert_eq!(
        (&urgent["headers"]["topic"], &urgent["headers"]["ttl"]),
        (&json!("room-17"), &json!("2419200"))
    );
    let low = of(&|push| push["headers"]["urgency"] == "low");
    assert_eq!((&low["body"], low["headers"]["topic"].as_str().map(str::len)), (&json!(""), Some(32)));
    assert!(of(&|push| push["message"].as_str().is_some_and(|text| text.contains("8030"))).is_object());
    let over = json!({"to": peer.subscription("a"), "data": {"k": format!("{longest}y")}});
    assert!(gateway.post(&over).expect(400).body.contains("3994"));
    gateway.finish();
}

#[test]
fn another_key_than_the_subscriptions_reaches_nobody_and_costs_no_subscription() {
    let peer = Peer::start_webpush(&[]);
    let other = Peer::start_webpush(&[]);
    let config = Config::to_webpush(&[&peer])
        .route_text("webpush.private_key", &format!("file:{}", other.vapid_key()));
    let gateway = Gateway::start(&config);
    Audience::of(&peer).post(&gateway, 5);
    let state = gateway.settled();
    assert_eq!((state.ledger("rejected"), state.ledger("unregistered")), (5, 0), "{:#}", state.0);
    gateway.finish();
}

#[test]
fn a_reload_brings_other_hosts_and_reaches_open_connections() {
    let first = Peer::start_webpush(&[]);
    let second = first.start_beside(&[]);
    let gateway = Gateway::start(&Config::to_webpush(&[&first]));
    Audience::of(&first).post(&gateway, 5);
    gateway.delivered(5);
    let push = push_to(&second, "browser-1");
    gateway.post(&push).expect(400);
    gateway.reload(&Config::to_webpush(&[&first, &second]).render());
    gateway.wait_for("the other host is on the list", |_| gateway.post(&push).status == 202);
    // They are restarted one after the other; new settings have tokens of their own.
    let mut audience = Audience::of(&first);
    audience.sent = 5;
    gateway.wait_for("connections that were open follow, too", |_| {
        audience.post(&gateway, 5);
        first.count("tokens") == 2
    });
    assert_each_once(&gateway, &[&first, &second]);
    gateway.finish();
}

#[test]
fn cut_stalled_and_drained_connections_cost_no_push_with_either_http() {
    for flags in [&["--latency", "5ms"][..], &["--latency", "1ms", "--http1"]] {
        let peer = Peer::start_webpush(flags);
        let config = Config::to_webpush(&[&peer])
            .route_text("webpush.ping_after", "1s")
            .route_text("webpush.ping_timeout", "1s")
            .route_text("webpush.request_timeout", "3s");
        let gateway = Gateway::start(&config);
        let mut audience = Audience::of(&peer);
        for command in ["drain", "close", "close?style=rst", "stall"] {
            audience.post(&gateway, 100);
            gateway.wait_for("they are connected", |_| !peer.open_connections().is_empty());
            peer.command(command);
        }
        let state = assert_agreed(&gateway, &peer);
        assert_eq!(state.ledger("delivered"), 400, "{:#}", state.0);
        gateway.finish();
    }
}
