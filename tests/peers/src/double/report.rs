//! The report of a double as JSON: what a test or a person reads after a run.
//!
//! Made from the books by the control face and at the end of the process.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::double::books::Books;
use crate::double::ledger::Ledger;

/// The report; its field names are the JSON's keys.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Pushes received.
    pub messages: u64,
    /// Acks sent, second ones not counted.
    pub acks: u64,
    /// Acks withheld on purpose.
    pub acks_lost: u64,
    /// Second acks sent on purpose.
    pub acks_duplicated: u64,
    /// Acks for invented message ids.
    pub acks_unknown: u64,
    /// Nacks sent.
    pub nacks: Nacks,
    /// Stanza errors for messages without a readable message id.
    pub stanza_errors: u64,
    /// Distinct message ids received.
    pub unique_received: u64,
    /// Distinct message ids acked.
    pub unique: u64,
    /// Distinct message ids delivered: acked, or their ack withheld.
    pub delivered_unique: u64,
    /// Pushes received whose message id had been received before, on any connection.
    pub duplicates: u64,
    /// Deliveries of a message id that had been delivered before.
    pub delivered_duplicates: u64,
    /// The most un-acked pushes on any connection.
    pub highest_unacked: u64,
    /// Connections.
    pub connections: Connections,
    /// Logins refused.
    pub logins_refused: u64,
    /// Upstream messages and receipts.
    pub upstream: Upstream,
    /// What the client did that the protocol forbids.
    pub violations: Violations,
}

/// Nacks sent.
#[derive(Debug, Clone, Serialize)]
pub struct Nacks {
    /// All of them.
    pub total: u64,
    /// By code.
    pub by_code: BTreeMap<String, u64>,
}

/// Connections.
#[derive(Debug, Clone, Serialize)]
pub struct Connections {
    /// Accepted so far.
    pub opened: u64,
    /// Open now.
    pub open: u64,
    /// Turned away by `--max-connections`.
    pub refused: u64,
    /// TLS handshakes that failed.
    pub handshakes_failed: u64,
    /// One by one, those remembered, oldest first.
    pub each: Vec<Connection>,
}

/// One connection.
#[derive(Debug, Clone, Serialize)]
pub struct Connection {
    /// Its number, from 1.
    pub id: u64,
    /// Whether it is open.
    pub open: bool,
    /// Pushes received.
    pub messages: u64,
    /// Acks and nacks that fell due.
    pub answers: u64,
    /// The most un-acked pushes at once.
    pub highest_unacked: u64,
}

/// Upstream messages and receipts.
#[derive(Debug, Clone, Serialize)]
pub struct Upstream {
    /// Sends, repeats included.
    pub sent: u64,
    /// Acked by the client.
    pub acked: u64,
    /// Acked after they were acked.
    pub acked_again: u64,
    /// Sent again for want of an ack.
    pub resent: u64,
    /// Receipts among those sent.
    pub receipts: u64,
    /// Messages that wait for a connection.
    pub waiting: u64,
}

/// What the client did that the protocol forbids.
#[derive(Debug, Clone, Serialize)]
pub struct Violations {
    /// All of them.
    pub total: u64,
    /// By kind.
    pub by_kind: BTreeMap<&'static str, u64>,
    /// The first ones as text.
    pub first: Vec<String>,
}

impl Report {
    /// Returns the report as the books stand now.
    #[must_use]
    pub fn of(books: &Books) -> Self {
        let upstream = Upstream::of(books);
        let ledger = books.ledger.lock();
        Self {
            messages: ledger.messages,
            acks: ledger.acks,
            acks_lost: ledger.acks_lost,
            acks_duplicated: ledger.sums.acks_duplicated,
            acks_unknown: ledger.sums.acks_unknown,
            nacks: Nacks { total: ledger.sums.nacks.values().sum(), by_code: ledger.sums.nacks.clone() },
            stanza_errors: ledger.sums.stanza_errors,
            unique_received: ledger.unique_received,
            unique: ledger.unique,
            delivered_unique: ledger.delivered_unique,
            duplicates: ledger.duplicates,
            delivered_duplicates: ledger.delivered_duplicates,
            highest_unacked: ledger.sums.highest_unacked,
            connections: Connections::of(&ledger),
            logins_refused: ledger.sums.logins_refused,
            upstream,
            violations: Violations::of(&ledger),
        }
    }

    /// Returns the report as indented JSON.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("the report has no map with other keys than text")
    }
}

impl Connections {
    fn of(ledger: &Ledger) -> Self {
        let each = ledger.connections.iter().map(|(id, record)| Connection {
            id: *id,
            open: record.open,
            messages: record.messages,
            answers: record.answers,
            highest_unacked: record.highest_unacked,
        });
        Self {
            opened: ledger.opened,
            open: ledger.connections.values().filter(|record| record.open).count() as u64,
            refused: ledger.refused,
            handshakes_failed: ledger.handshakes_failed,
            each: each.collect(),
        }
    }
}

impl Violations {
    fn of(ledger: &Ledger) -> Self {
        let texts = ledger.sums.breaches.iter().map(|(breach, text)| format!("{}: {text}", breach.word()));
        Self {
            total: ledger.violations.values().sum(),
            by_kind: ledger.violations.iter().map(|(breach, count)| (breach.word(), *count)).collect(),
            first: texts.collect(),
        }
    }
}

impl Upstream {
    fn of(books: &Books) -> Self {
        let pool = books.pool.lock();
        Self {
            sent: pool.sent,
            acked: pool.acked,
            acked_again: pool.acked_again,
            resent: pool.resent,
            receipts: pool.receipts,
            waiting: pool.waiting() as u64,
        }
    }
}
