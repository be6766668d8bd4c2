//! Upstream messages and receipts on one connection: sending, sending again, and judging the client's acks.
//!
//! Acks are valid only on the connection that carried the message (`reference/fcm.md` 1.7); the pool knows which one
//! that is.

use std::time::Instant;

use super::Core;
use crate::double::ledger::Breach;
use crate::xmpp::answer::{Addressed, upstream_into};
use crate::xmpp::upstream::{AckVerdict, UPSTREAM_WINDOW, Upstream};

impl Core {
    /// Takes up to `share` messages from the pool, as far as the window for upstream allows.
    pub(super) fn take_upstream(&mut self, share: usize, now: Instant) {
        if !self.is_live() || !self.is_bound() || self.drain.is_some() {
            return;
        }
        let room = UPSTREAM_WINDOW.saturating_sub(self.upstream.len());
        let taken = self.setup.books.pool.lock().take(self.setup.connection, room.min(share));
        for message in taken {
            self.write_upstream(&message);
            self.upstream.push_back((now, message));
        }
    }

    /// Sends the receipt for a push, unless too many messages wait for their ack: receipts are lossy.
    pub(super) fn send_receipt(&mut self, push_id: String, json: String, now: Instant) {
        if self.upstream.len() >= UPSTREAM_WINDOW {
            return;
        }
        let id = format!("dr2:{push_id}");
        let message = Upstream { id, from: "gcm.googleapis.com".to_owned(), json, receipt: true };
        self.setup.books.pool.lock().carry(self.setup.connection, &message);
        self.write_upstream(&message);
        self.upstream.push_back((now, message));
    }

    /// Sends again what got no ack in time.
    pub(super) fn resend_upstream(&mut self, now: Instant) {
        while let Some((sent, _)) = self.upstream.front()
            && *sent + self.knobs.upstream_timeout <= now
        {
            let Some((_, message)) = self.upstream.pop_front() else {
                return;
            };
            self.write_upstream(&message);
            self.upstream.push_back((now, message));
            let mut pool = self.setup.books.pool.lock();
            pool.sent += 1;
            pool.resent += 1;
            if self.knobs.upstream_timeout.is_zero() {
                return;
            }
        }
    }

    /// Judges an ack for an upstream message.
    pub(super) fn on_upstream_ack(&mut self, to: &str, id: &str, now: Instant) {
        let verdict = self.setup.books.pool.lock().ack(self.setup.connection, to, id);
        match verdict {
            AckVerdict::Settled => {
                self.upstream.retain(|(_, message)| message.id != id);
                self.take_upstream(usize::MAX, now);
            }
            AckVerdict::Again => {}
            AckVerdict::WrongConnection => {
                self.breach(Breach::AckOnWrongConnection, format!("an ack for {id:?}, which came elsewhere"));
            }
            AckVerdict::WrongAddress => {
                self.breach(Breach::BadAck, format!("an ack for {id:?} to {to:?}, who did not send it"));
                self.send_bad_ack();
            }
            AckVerdict::Unknown => {
                self.breach(Breach::BadAck, format!("an ack for {id:?}, which does not exist"));
                self.send_bad_ack();
            }
        }
    }

    fn write_upstream(&mut self, message: &Upstream) {
        let prefixed = self.form.next_is_data(self.knobs.prefix);
        let stanza = Addressed { id: &message.id, jid: &self.jid };
        upstream_into(self.out.bytes(), &stanza, &message.json, prefixed);
    }
}
