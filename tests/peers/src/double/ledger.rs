//! What the double saw and did: counters, the fate of every message id, and violations.
//!
//! Each session collects a [`Tally`] while it works on one read and hands it over with one lock; the control face reads the
//! totals as a [`crate::double::report::Report`]. Message ids are kept in 112 bits, so that ten million of them fit. UUIDs keep their order:
//! those that were counted one after the other lie side by side, and looking one up costs no miss in the processor's cache.

mod fates;
mod key;

use std::collections::BTreeMap;

use fates::Fates;
pub use key::{KeyHasher, MessageKey};

/// How many violations keep their text.
const KEPT_TEXTS: usize = 20;

/// How many closed connections are remembered one by one.
const KEPT_CONNECTIONS: usize = 2000;

/// Something the client did that the protocol forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// More un-acked pushes on a connection than its window.
    OverWindow,
    /// A message id used again while un-acked on the same connection.
    ReusedInFlight,
    /// A push that breaks the rules for its JSON.
    BadPayload,
    /// A push more than a second after the connection announced that it drains.
    PushWhileDraining,
    /// An ack for an upstream message on another connection than its own.
    AckOnWrongConnection,
    /// An ack for an upstream message that is malformed, unknown or addressed wrongly.
    BadAck,
    /// XML that is not well-formed or not allowed.
    BadXml,
    /// Presence or roster stanzas.
    Chatter,
    /// A message or other stanza before login.
    BeforeLogin,
    /// A request without a credential, or with one that was never given out.
    BadCredential,
    /// A request that no call of the API matches.
    BadRequest,
}

impl Breach {
    /// Returns the word for it in the report.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::OverWindow => "over_window",
            Self::ReusedInFlight => "reused_in_flight",
            Self::BadPayload => "bad_payload",
            Self::PushWhileDraining => "push_while_draining",
            Self::AckOnWrongConnection => "ack_on_wrong_connection",
            Self::BadAck => "bad_ack",
            Self::BadXml => "bad_xml",
            Self::Chatter => "presence_or_roster",
            Self::BeforeLogin => "before_login",
            Self::BadCredential => "bad_credential",
            Self::BadRequest => "bad_request",
        }
    }
}

/// One thing that happened to a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It arrived.
    Received,
    /// It was delivered and acked.
    Acked,
    /// It was delivered and its ack withheld.
    Lost,
    /// It was refused.
    Nacked,
}

/// What one session did since it last reported.
#[derive(Debug, Default)]
pub struct Tally {
    /// What happened to which push.
    pub events: Vec<(MessageKey, Event)>,
    /// Pushes acked without a look at them.
    pub trusted: u64,
    /// Codes of nacks, with how many there were.
    pub nacks: BTreeMap<String, u64>,
    /// Second acks.
    pub acks_duplicated: u64,
    /// Acks for ids nobody sent.
    pub acks_unknown: u64,
    /// Stanza errors sent.
    pub stanza_errors: u64,
    /// Violations with their text.
    pub breaches: Vec<(Breach, String)>,
    /// Logins refused.
    pub logins_refused: u64,
    /// The most un-acked pushes so far.
    pub highest_unacked: u64,
}

impl Tally {
    /// Counts one nack.
    pub fn nack(&mut self, code: &str) {
        match self.nacks.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                self.nacks.insert(code.to_owned(), 1);
            }
        }
    }
}

const ACKED: u8 = 0x80;

/// One connection as the report shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionRecord {
    /// Pushes received.
    pub messages: u64,
    /// Acks and nacks that fell due.
    pub answers: u64,
    /// The most un-acked pushes at once.
    pub highest_unacked: u64,
    /// Whether it is still open.
    pub open: bool,
}

impl ConnectionRecord {
    fn count(&mut self, event: Event) {
        if event == Event::Received { self.messages += 1 } else { self.answers += 1 }
    }
}

/// The totals; see the module's documentation.
#[derive(Debug, Default)]
pub struct Ledger {
    fates: Fates,
    /// Sums of the tallies; only the counters are used.
    pub sums: Tally,
    /// Pushes received, acks sent, acks withheld.
    pub messages: u64,
    /// Acks sent, second ones not counted.
    pub acks: u64,
    /// Acks withheld.
    pub acks_lost: u64,
    /// Distinct message ids received.
    pub unique_received: u64,
    /// Distinct message ids acked.
    pub unique: u64,
    /// Distinct message ids delivered, acked or not.
    pub delivered_unique: u64,
    /// Pushes received whose id had been received before.
    pub duplicates: u64,
    /// Deliveries of an id delivered before.
    pub delivered_duplicates: u64,
    /// Violations by kind.
    pub violations: BTreeMap<Breach, u64>,
    /// Connections by number.
    pub connections: BTreeMap<u64, ConnectionRecord>,
    /// Connections accepted.
    pub opened: u64,
    /// Connections turned away.
    pub refused: u64,
    /// TLS handshakes that failed.
    pub handshakes_failed: u64,
}

impl Ledger {
    /// Notes a new connection.
    pub fn opened(&mut self, connection: u64) {
        self.opened += 1;
        self.connections.insert(connection, ConnectionRecord { open: true, ..ConnectionRecord::default() });
    }

    /// Notes that a connection ended; the oldest closed ones are forgotten one by one.
    pub fn closed(&mut self, connection: u64) {
        if let Some(record) = self.connections.get_mut(&connection) {
            record.open = false;
        }
        if self.connections.len() > KEPT_CONNECTIONS
            && let Some(oldest) = self.connections.iter().find(|(_, record)| !record.open).map(|(id, _)| *id)
        {
            self.connections.remove(&oldest);
        }
    }

    /// Adds one thing that happened to a push.
    pub fn note(&mut self, connection: u64, key: MessageKey, event: Event) {
        self.apply(key, event);
        self.connections.entry(connection).or_default().count(event);
    }

    /// Adds what a session did, and empties the tally.
    pub fn add(&mut self, connection: u64, tally: &mut Tally) {
        let trusted = std::mem::take(&mut tally.trusted);
        self.messages += trusted;
        self.acks += trusted;
        let mut counted =
            ConnectionRecord { messages: trusted, answers: trusted, ..ConnectionRecord::default() };
        for (key, event) in tally.events.drain(..) {
            self.apply(key, event);
            counted.count(event);
        }
        let record = self.connections.entry(connection).or_default();
        record.messages += counted.messages;
        record.answers += counted.answers;
        record.highest_unacked = record.highest_unacked.max(tally.highest_unacked);
        self.sums.highest_unacked = self.sums.highest_unacked.max(tally.highest_unacked);
        for (code, count) in std::mem::take(&mut tally.nacks) {
            *self.sums.nacks.entry(code).or_default() += count;
        }
        self.sums.acks_duplicated += std::mem::take(&mut tally.acks_duplicated);
        self.sums.acks_unknown += std::mem::take(&mut tally.acks_unknown);
        self.sums.stanza_errors += std::mem::take(&mut tally.stanza_errors);
        self.sums.logins_refused += std::mem::take(&mut tally.logins_refused);
        for (breach, text) in tally.breaches.drain(..) {
            *self.violations.entry(breach).or_default() += 1;
            if self.sums.breaches.len() < KEPT_TEXTS {
                self.sums.breaches.push((breach, format!("connection {connection}: {text}")));
            }
        }
    }

    fn apply(&mut self, key: MessageKey, event: Event) {
        let fate = self.fates.of(key);
        match event {
            Event::Received => {
                self.messages += 1;
                if fate.received == 0 {
                    self.unique_received += 1;
                } else {
                    self.duplicates += 1;
                }
                fate.received = fate.received.saturating_add(1);
            }
            Event::Acked | Event::Lost => {
                let before = fate.delivered & !ACKED;
                if before == 0 {
                    self.delivered_unique += 1;
                } else {
                    self.delivered_duplicates += 1;
                }
                fate.delivered = (fate.delivered & ACKED) | (before + 1).min(!ACKED);
                if event == Event::Lost {
                    self.acks_lost += 1;
                    return;
                }
                self.acks += 1;
                if fate.delivered & ACKED == 0 {
                    self.unique += 1;
                    fate.delivered |= ACKED;
                }
            }
            Event::Nacked => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(ledger: &mut Ledger, events: &[(&str, Event)]) {
        let events = events.iter().map(|(id, event)| (MessageKey::of(id), *event)).collect();
        ledger.add(1, &mut Tally { events, ..Tally::default() });
    }

    #[test]
    fn a_message_sent_again_is_a_duplicate_and_one_delivery_more() {
        let mut ledger = Ledger::default();
        add(&mut ledger, &[("a", Event::Received), ("a", Event::Lost)]);
        assert_eq!((ledger.unique, ledger.delivered_unique, ledger.acks_lost), (0, 1, 1));
        add(&mut ledger, &[("a", Event::Received), ("a", Event::Acked)]);
        assert_eq!((ledger.messages, ledger.unique_received, ledger.duplicates), (2, 1, 1));
        assert_eq!((ledger.unique, ledger.delivered_unique, ledger.delivered_duplicates), (1, 1, 1));
    }

    #[test]
    fn a_nacked_message_is_not_delivered() {
        let mut ledger = Ledger::default();
        add(&mut ledger, &[("a", Event::Received), ("a", Event::Nacked)]);
        assert_eq!((ledger.unique, ledger.delivered_unique, ledger.acks), (0, 0, 0));
        assert_eq!(
            ledger.connections[&1],
            ConnectionRecord { messages: 1, answers: 1, ..Default::default() }
        );
    }

    #[test]
    fn only_the_first_violations_keep_their_text() {
        let mut ledger = Ledger::default();
        let mut tally = Tally::default();
        tally.breaches.extend((0..30).map(|n| (Breach::OverWindow, format!("push {n}"))));
        ledger.add(4, &mut tally);
        assert_eq!(ledger.violations[&Breach::OverWindow], 30);
        assert_eq!(ledger.sums.breaches.len(), KEPT_TEXTS);
        assert_eq!(ledger.sums.breaches[0].1, "connection 4: push 0");
    }

    #[test]
    fn closed_connections_are_forgotten_before_open_ones() {
        let mut ledger = Ledger::default();
        ledger.opened(0);
        for id in 1..=(KEPT_CONNECTIONS as u64 + 5) {
            ledger.opened(id);
            ledger.closed(id);
        }
        assert_eq!(ledger.connections.len(), KEPT_CONNECTIONS);
        assert!(ledger.connections.contains_key(&0));
    }
}
