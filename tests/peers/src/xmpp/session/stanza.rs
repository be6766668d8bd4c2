//! Sorts the stanzas of a connection: login, messages, `iq`, and what a client must not send.
//!
//! A message of the usual writing takes a short way without a tree, a usual push in it a shorter one without an unescaped copy; every other
//! stanza is parsed in full. All ways end in the same handling, and tests hold them against each other.

use std::time::Instant;

use super::Core;
use crate::double::ledger::Breach;
use crate::xmpp::answer::{self, Addressed};
use crate::xmpp::downstream::{Downstream, read, usual};
use crate::xmpp::element::Element;
use crate::xmpp::escape::unescape;
use crate::xmpp::knobs::CloseStyle;
use crate::xmpp::login::{LoginOutcome, result_head_into};
use crate::xmpp::plain::Plain;

const CLIENT: &str = "jabber:client";
const GCM: &str = "google:mobile:data";
const ROSTER: &str = "jabber:iq:roster";

impl Core {
    /// Answers a stream header.
    pub(super) fn on_header(&mut self, tag: &[u8]) {
        let stream_id = self.rng.u64(..);
        let outcome = self.login.header(tag, stream_id, &mut self.out);
        self.after_login_step(outcome, self.started);
    }

    /// Handles a message of the usual writing; returns whether a new stream header comes next.
    pub(super) fn on_message(&mut self, plain: &Plain<'_>, now: Instant) -> bool {
        if !self.is_bound() {
            return self.on_stanza(plain.stanza, now);
        }
        if self.knobs.trusting && self.trust(plain.text) {
            return false;
        }
        if let Some(push) = usual::read(plain.text) {
            self.on_push(&push, now);
            return false;
        }
        match unescape(plain.text) {
            Ok(json) => self.on_json(&json, &String::from_utf8_lossy(plain.id), now),
            Err(error) => self.bad_xml(error.to_string()),
        }
        false
    }

    /// Handles any other stanza; returns whether a new stream header comes next.
    pub(super) fn on_stanza(&mut self, stanza: &[u8], now: Instant) -> bool {
        let element = match Element::parse(stanza, CLIENT) {
            Ok(element) => element,
            Err(error) => {
                self.bad_xml(error.to_string());
                return false;
            }
        };
        if self.is_bound() {
            self.on_element(&element, now);
            return false;
        }
        let account = (!self.knobs.auth_fail).then_some(&self.setup.account);
        let suffix = self.rng.u32(..);
        let outcome = self.login.stanza(&element, account, suffix, &mut self.out);
        let restarts = outcome == LoginOutcome::Restart;
        self.after_login_step(outcome, now);
        restarts
    }

    fn after_login_step(&mut self, outcome: LoginOutcome, now: Instant) {
        match outcome {
            LoginOutcome::Continue | LoginOutcome::Restart => {}
            LoginOutcome::Refused => {
                self.tally.logins_refused += 1;
                self.ending = Some(CloseStyle::Graceful);
            }
            LoginOutcome::StreamError(condition) => self.stream_error(condition),
            LoginOutcome::OutOfTurn => {
                self.breach(Breach::BeforeLogin, "a stanza or header out of turn before login".to_owned());
                self.stream_error("not-authorized");
            }
            LoginOutcome::Bound(jid) => {
                self.jid = jid;
                self.restart_clocks(now);
                self.take_upstream(usize::MAX, now);
            }
        }
    }

    fn bad_xml(&mut self, text: String) {
        self.breach(Breach::BadXml, text);
        self.stream_error("invalid-xml");
    }

    fn on_element(&mut self, element: &Element, now: Instant) {
        match element.name.as_str() {
            "message" => {
                let id = element.attribute("id").unwrap_or_default();
                match element.child("gcm", GCM) {
                    Some(gcm) => self.on_json(&gcm.text, id, now),
                    None => self.unanswerable(id, "", "the message has no gcm element"),
                }
            }
            "iq" => self.on_iq(element),
            "presence" => self.breach(Breach::Chatter, "a presence stanza".to_owned()),
            other => {
                self.breach(Breach::BadXml, format!("an unknown stanza {other:?}"));
                self.stream_error("unsupported-stanza-type");
            }
        }
    }

    fn on_json(&mut self, json: &str, stanza_id: &str, now: Instant) {
        match read(json) {
            Downstream::Push(push) => self.on_push(&push, now),
            Downstream::Ack { to, id } => self.on_upstream_ack(&to, &id, now),
            Downstream::BadAck => {
                self.breach(Breach::BadAck, "an ack without to or message_id".to_owned());
                self.send_bad_ack();
            }
            Downstream::Unanswerable(text) => self.unanswerable(stanza_id, json, text),
        }
    }

    fn unanswerable(&mut self, id: &str, json: &str, text: &'static str) {
        self.breach(Breach::BadPayload, format!("stanza {id:?}: {text}"));
        self.tally.stanza_errors += 1;
        let stanza = Addressed { id, jid: &self.jid };
        answer::stanza_error_into(self.out.bytes(), &stanza, json.as_bytes(), text);
    }

    pub(super) fn send_bad_ack(&mut self) {
        self.tally.nack("BAD_ACK");
        let prefixed = self.form.next_is_data(self.knobs.prefix);
        answer::message_into(self.out.bytes(), answer::BAD_ACK, prefixed);
    }

    fn on_iq(&mut self, iq: &Element) {
        if !matches!(iq.attribute("type"), Some("get" | "set")) {
            return;
        }
        let asked = iq.children.first().map(|child| (child.name.as_str(), child.namespace.as_str()));
        let bytes = self.out.bytes();
        result_head_into(bytes, self.login.host(), iq.attribute("id").unwrap_or_default());
        match asked {
            Some(("session", "urn:ietf:params:xml:ns:xmpp-session") | ("ping", "urn:xmpp:ping")) => {
                self.out.text("/>");
            }
            _ => {
                let head = b"type=\"result\"";
                bytes.truncate(bytes.len() - head.len());
                self.out.text(
                    "type=\"error\"><error type=\"cancel\">\
                     <service-unavailable xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/></error></iq>",
                );
            }
        }
        if asked.is_some_and(|(_, namespace)| namespace == ROSTER) {
            self.breach(Breach::Chatter, "a roster request".to_owned());
        }
    }

    /// Asks the client for a sign of life.
    pub(super) fn send_ping(&mut self) {
        self.sequence += 1;
        self.out.text(&format!(
            "<iq from=\"gcm.googleapis.com\" id=\"ping-{}\" type=\"get\"><ping xmlns=\"urn:xmpp:ping\"/></iq>",
            self.sequence
        ));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::xmpp::escape::escape_into;

    proptest! {
        #[test]
        fn the_short_way_reads_what_the_full_parse_reads(id in "[!-~]{0,8}", text in "[ -~é]{0,60}", raw in any::<bool>()) {
            let mut stanza = format!("<message id=\"{id}\"><gcm xmlns=\"google:mobile:data\">").into_bytes();
            if raw { stanza.extend_from_slice(text.as_bytes()) } else { escape_into(&mut stanza, text.as_bytes()) }
            stanza.extend_from_slice(b"</gcm></message>");
            if let Some(plain) = Plain::read(&stanza) {
                match (unescape(plain.text), Element::parse(&stanza, CLIENT)) {
                    (Ok(json), Ok(full)) => {
                        prop_assert_eq!(full.attribute("id").map(str::as_bytes), Some(plain.id));
                        prop_assert_eq!(&full.child("gcm", GCM).unwrap().text, &*json);
                    }
                    (Err(_), Err(_)) => {}
                    (short, full) => prop_assert!(false, "short {short:?}, full {full:?}"),
                }
            }
        }
    }
}
