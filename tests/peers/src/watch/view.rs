//! What a watcher needs of a gateway's snapshot and of a double's report. Pure.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

/// The words in which accepted pushes end, as the gateway's ledger has them.
pub const OUTCOMES: [&str; 8] =
    ["delivered", "rejected", "unregistered", "expired", "exhausted", "coalesced", "shed", "lost"];
/// The words for those that have not ended.
pub const PLACES: [&str; 3] = ["buffered", "waiting_retry", "in_flight"];

/// A gateway's snapshot.
#[derive(Debug, Clone)]
pub struct View {
    snapshot: Value,
}

/// A double's report.
#[derive(Debug, Clone)]
pub struct PeerView {
    /// Pushes received.
    pub messages: u64,
    /// Distinct pushes acknowledged.
    pub delivered: u64,
    /// Nacks sent.
    pub nacks: u64,
    /// Repeated pushes.
    pub duplicates: u64,
    /// The most unanswered on a connection.
    pub highest_unacked: u64,
    /// Connections opened.
    pub connections: u64,
    /// What the gateway must not do.
    pub violations: u64,
}

// === impl View ===

impl View {
    /// Reads a snapshot.
    ///
    /// # Errors
    /// It has no ledger.
    pub fn read(snapshot: &Value) -> anyhow::Result<Self> {
        snapshot.get("ledger").context("the snapshot has no ledger")?;
        Ok(Self { snapshot: snapshot.clone() })
    }

    /// Returns a figure of the ledger, 0 if it has no such word.
    pub fn ledger(&self, word: &str) -> u64 {
        self.snapshot["ledger"][word].as_u64().unwrap_or(0)
    }

    /// Returns pushes that have not ended.
    pub fn held(&self) -> u64 {
        PLACES.iter().map(|word| self.ledger(word)).sum()
    }

    /// Returns whether both sums hold and the gateway says so too.
    pub fn is_balanced(&self) -> bool {
        let ended: u64 = OUTCOMES.iter().map(|word| self.ledger(word)).sum();
        self.ledger("received") == self.ledger("refused") + self.ledger("accepted")
            && self.ledger("accepted") == ended + self.held()
            && self.ledger("unaccounted") == 0
    }

    /// Returns the heading for [`View::line`].
    pub fn heading() -> &'static str {
        "   time  accepted/s  delivered/s  buffered      shed  in flight  state"
    }

    /// Returns a line of live figures.
    pub fn line(&self, at: Duration) -> String {
        let rate = |name: &str| self.snapshot["rates"][name].as_f64().unwrap_or(0.0);
        format!(
            "{:6.0}s  {:>10.0}  {:>11.0}  {:>8}  {:>8}  {:>9}  {}",
            at.as_secs_f64(),
            rate("accepted_per_second"),
            rate("delivered_per_second"),
            self.ledger("buffered"),
            self.ledger("shed"),
            self.ledger("in_flight"),
            self.snapshot["state"].as_str().unwrap_or("?"),
        )
    }
}

// === impl PeerView ===

impl PeerView {
    /// Reads a report.
    ///
    /// # Errors
    /// A figure is missing.
    pub fn read(report: &Value) -> anyhow::Result<Self> {
        let figure = |pointer: &str| {
            report
                .pointer(pointer)
                .and_then(Value::as_u64)
                .with_context(|| format!("the report has no {pointer}"))
        };
        Ok(Self {
            messages: figure("/messages")?,
            delivered: figure("/delivered_unique")?,
            nacks: figure("/nacks/total")?,
            duplicates: figure("/duplicates")?,
            highest_unacked: figure("/highest_unacked")?,
            connections: figure("/connections/opened")?,
            violations: figure("/violations/total")?,
        })
    }
}
