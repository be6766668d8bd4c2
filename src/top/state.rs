//! What of `/admin/api/state` is shown. Pure; whatever is missing in an answer is empty, so that an older service is shown, too.

use serde::Deserialize;

/// The service at one instant.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) state: String,
    pub(super) why: String,
    pub(super) advice: String,
    pub(super) version: String,
    pub(super) uptime_seconds: f64,
    pub(super) ledger: Ledger,
    pub(super) collector: Collector,
    pub(super) rates: Rates,
    pub(super) routes: Vec<Route>,
    pub(super) pushers: Vec<Pusher>,
    pub(super) recent: Recent,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ledger {
    pub(super) received: u64,
    pub(super) refused: u64,
    pub(super) accepted: u64,
    pub(super) delivered: u64,
    pub(super) rejected: u64,
    pub(super) unregistered: u64,
    pub(super) expired: u64,
    pub(super) exhausted: u64,
    pub(super) coalesced: u64,
    pub(super) shed: u64,
    pub(super) lost: u64,
    pub(super) buffered: u64,
    pub(super) waiting_retry: u64,
    pub(super) in_flight: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Collector {
    pub(super) buffered: u64,
    pub(super) capacity: u64,
    pub(super) oldest_age_seconds: f64,
    pub(super) projected_drain_seconds: Option<f64>,
    pub(super) intake_pushes: u64,
    pub(super) intake_capacity: u64,
    pub(super) intake_batches: u64,
    pub(super) intake_capacity_batches: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rates {
    pub(super) accepted_per_second: f64,
    pub(super) delivered_per_second: f64,
    pub(super) shed_per_second: f64,
    pub(super) shed_behind_per_second: f64,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Route {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) connections: u64,
    pub(super) ready: u64,
    pub(super) window: u64,
    pub(super) in_flight: u64,
    pub(super) buffered: u64,
    pub(super) delivery_p50_ms: f64,
    pub(super) delivery_p95_ms: f64,
    pub(super) delivery_p99_ms: f64,
    pub(super) ledger: Ledger,
    pub(super) breaker: Breaker,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Breaker {
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) until_seconds: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pusher {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) window: u64,
    pub(super) in_flight: u64,
    pub(super) restarts: u64,
    pub(super) last_error: Option<String>,
    pub(super) last_error_age_seconds: Option<f64>,
    pub(super) acks_per_second: f64,
    pub(super) ack_p99_ms: f64,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Recent {
    pub(super) problems: Vec<Problem>,
    pub(super) shed_last_minute: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    pub(super) kind: String,
    pub(super) reason: String,
    pub(super) count: u64,
    pub(super) last: u64,
}

// === impl Ledger ===

impl Ledger {
    /// Returns whether the sum at the door holds.
    pub(super) const fn doors_hold(&self) -> bool {
        self.received == self.refused + self.accepted
    }

    /// Returns where accepted pushes are or how they ended.
    pub(super) const fn places(&self) -> [(&'static str, u64); 11] {
        [
            ("delivered", self.delivered),
            ("rejected", self.rejected),
            ("unregistered", self.unregistered),
            ("expired", self.expired),
            ("exhausted", self.exhausted),
            ("coalesced", self.coalesced),
            ("shed", self.shed),
            ("lost", self.lost),
            ("buffered", self.buffered),
            ("waiting retry", self.waiting_retry),
            ("in flight", self.in_flight),
        ]
    }

    /// Returns whether the sum of the places holds.
    pub(super) fn places_hold(&self) -> bool {
        self.accepted == self.places().iter().map(|(_, number)| number).sum::<u64>()
    }
}
