//! All four transports in one process: each has faults of its own, the books balance, and a sick provider is nobody else's trouble.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::agreement::assert_explained;
use crate::support::gateway::Gateway;
use crate::support::sampler::Sampler;
use crate::support::{Config, Peer, Snapshot};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A double for each transport.
struct Providers {
    xmpp: Peer,
    fcm: Peer,
    apns: Peer,
    web: Peer,
    subscription: Value,
}

// === impl Providers ===

impl Providers {
    fn start() -> Self {
        let web =
            Peer::start_webpush(&["--latency", "5ms", "--nack", "0.05:UNAVAILABLE", "--drain-after", "200"]);
        Self {
            xmpp: Peer::start(&[
                "--latency",
                "5ms",
                "--nack",
                "0.05:SERVICE_UNAVAILABLE",
                "--drain-after",
                "200",
            ]),
            fcm: Peer::start_fcm(&["--latency", "5ms", "--nack", "0.05:UNAVAILABLE", "--drain-after", "200"]),
            apns: Peer::start_apns(&[
                "--latency",
                "5ms",
                "--nack",
                "0.05:SERVICE_UNAVAILABLE",
                "--drain-after",
                "200",
            ]),
            subscription: web.subscription("browser"),
            web,
        }
    }

    fn config(&self) -> Config {
        Config::to(&self.xmpp)
            .and(Config::to_fcm(&self.fcm).route_text("name", "v1"))
            .and(Config::to_apns(&self.apns))
            .and(Config::to_webpush(&[&self.web]))
    }

    fn all(&self) -> [&Peer; 4] {
        [&self.xmpp, &self.fcm, &self.apns, &self.web]
    }

    /// Posts a hundred pushes to each of these routes.
    #[track_caller]
    fn post(&self, gateway: &Gateway, routes: &[&str]) {
        for route in routes {
            let pushes: Vec<Value> = (0..100).map(|_| self.push(route)).collect();
            assert_eq!(
                gateway.post(&json!({"pushes": pushes})).expect(202).json()["accepted"],
                100,
                "{route}"
            );
        }
    }

    fn push(&self, route: &str) -> Value {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let to = match route {
            "ios" => json!({"token": format!("{number:064x}")}),
            "web" => self.subscription.clone(),
            _ => json!({"token": format!("device-{number}")}),
        };
        json!({"route": route, "to": to, "data": {"number": number}})
    }
}

fn delivered(state: &Snapshot, route: &str) -> u64 {
    state.route(route)["ledger"]["delivered"].as_u64().expect("a route has books")
}

#[test]
fn each_with_faults_all_four_deliver_everything_and_the_books_balance() {
    let providers = Providers::start();
    let gateway = Gateway::start(&providers.config());
    let sampler = Sampler::start(&gateway);
    for _ in 0..10 {
        providers.post(&gateway, &["android", "v1", "ios", "web"]);
    }
    let state = gateway.settled();
    sampler.finish();
    assert_explained(&gateway, &providers.all());
    assert_eq!((state.ledger("delivered"), state.ledger("lost")), (4_000, 0), "{:#}", state.0);
    for route in ["android", "v1", "ios", "web"] {
        assert_eq!(delivered(&state, route), 1_000, "{route}: {:#}", state.0);
    }
    for peer in providers.all() {
        assert!(peer.count("nacks/total") > 0 && peer.count("connections/opened") > 2, "{:#}", peer.report());
    }
    gateway.finish();
}

#[test]
fn a_provider_that_answers_nothing_but_errors_holds_up_no_other_transport() {
    let providers = Providers::start();
    let gateway = Gateway::start(&providers.config());
    providers.fcm.command("set?nack=1:UNAVAILABLE");
    for _ in 0..5 {
        providers.post(&gateway, &["v1", "android", "ios", "web"]);
    }
    let state = gateway.wait_for("the others have delivered", |state| {
        ["android", "ios", "web"].iter().all(|route| delivered(state, route) == 500)
    });
    assert_eq!(delivered(&state, "v1"), 0, "{:#}", state.0);
    providers.fcm.command("set?nack=0");
    let state = gateway.settled();
    assert_explained(&gateway, &providers.all());
    let [delivered, exhausted, lost] = ["delivered", "exhausted", "lost"].map(|word| state.ledger(word));
    assert_eq!((delivered + exhausted, lost), (2_000, 0), "{:#}", state.0);
    assert!(delivered >= 1_500, "{:#}", state.0);
    gateway.finish();
}
