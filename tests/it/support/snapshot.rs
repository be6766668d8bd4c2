//! One snapshot of the service's state, and what must be true of every one.

use serde_json::Value;

/// The places and outcomes of an accepted push.
const PARTS: [&str; 11] = [
    "delivered",
    "rejected",
    "unregistered",
    "expired",
    "exhausted",
    "coalesced",
    "shed",
    "lost",
    "buffered",
    "waiting_retry",
    "in_flight",
];

/// The answer of `GET /admin/api/state`.
#[derive(Debug, Clone)]
pub struct Snapshot(pub Value);

// === impl Snapshot ===

impl Snapshot {
    /// Returns a figure of the ledger.
    #[track_caller]
    pub fn ledger(&self, word: &str) -> u64 {
        figure(&self.0["ledger"], word)
    }

    /// Returns accepted pushes that have not ended.
    pub fn held(&self) -> u64 {
        ["buffered", "waiting_retry", "in_flight"].map(|word| self.ledger(word)).iter().sum()
    }

    /// Returns the state of the whole.
    pub fn state(&self) -> &str {
        self.0["state"].as_str().unwrap_or_default()
    }

    /// Returns a route by its name.
    #[track_caller]
    pub fn route(&self, name: &str) -> &Value {
        let routes = self.0["routes"].as_array().expect("routes is a list");
        routes
            .iter()
            .find(|route| route["name"] == name)
            .unwrap_or_else(|| panic!("no route {name} in {:#}", self.0))
    }

    /// Returns a pusher by its id, such as `android/0`.
    #[track_caller]
    pub fn pusher(&self, id: &str) -> &Value {
        self.pushers()
            .iter()
            .find(|pusher| pusher["id"] == id)
            .unwrap_or_else(|| panic!("no pusher {id} in {:#}", self.0))
    }

    /// Returns all pushers.
    pub fn pushers(&self) -> &[Value] {
        self.0["pushers"].as_array().expect("pushers is a list")
    }

    /// Returns how many pushers are in a state.
    pub fn pushers_in(&self, state: &str) -> usize {
        self.pushers().iter().filter(|pusher| pusher["state"] == state).count()
    }

    /// Checks both sums, for each route and for the whole.
    #[track_caller]
    pub fn assert_balanced(&self) {
        assert_account(&self.0["ledger"]);
        let routes = self.0["routes"].as_array().expect("routes is a list");
        routes.iter().for_each(|route| assert_account(&route["ledger"]));
        for word in PARTS.iter().chain(&["accepted"]) {
            let sum: u64 = routes.iter().map(|route| figure(&route["ledger"], word)).sum();
            assert_eq!(
                figure(&self.0["ledger"], word),
                sum,
                "{word}: the whole and the sum of the routes in {:#}",
                self.0
            );
        }
    }
}

#[track_caller]
fn assert_account(ledger: &Value) {
    let of = |word| figure(ledger, word);
    assert_eq!(of("received"), of("refused") + of("accepted"), "received in {ledger:#}");
    assert_eq!(of("accepted"), PARTS.map(of).iter().sum::<u64>(), "accepted in {ledger:#}");
    assert_eq!(of("unaccounted"), 0, "{ledger:#}");
}

#[track_caller]
fn figure(ledger: &Value, word: &str) -> u64 {
    ledger[word].as_u64().unwrap_or_else(|| panic!("no {word} in {ledger:#}"))
}
