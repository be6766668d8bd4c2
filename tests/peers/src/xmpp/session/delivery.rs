//! Writes the answers that are due, and the last texts of a connection.
//!
//! The session's clock calls it; an answer counts as given when its bytes are in the output.

use std::time::Instant;

use super::Core;
use crate::double::ledger::Event;
use crate::xmpp::answer;
use crate::xmpp::flight::{Answer, AnswerKind};
use crate::xmpp::knobs::CloseStyle;

/// Bytes no XML parser accepts.
pub(super) const GARBAGE: &str = "\u{1}<<garbage & ]]>";

impl Core {
    /// Ends the connection in the given style, with the texts that belong to it.
    pub(super) fn end(&mut self, style: CloseStyle) {
        if self.ending.is_some() {
            return;
        }
        match style {
            CloseStyle::Graceful => self.out.text("</stream:stream>"),
            CloseStyle::StreamError => answer::stream_error_into(self.out.bytes(), "system-shutdown"),
            CloseStyle::HalfStanza => {
                self.out.text("<message id=\"\"><gcm xmlns=\"google:mobile:data\">{\"from\":\"dev")
            }
            CloseStyle::Garbage => self.out.text(GARBAGE),
            CloseStyle::Fin | CloseStyle::Rst => {}
        }
        self.stalled = false;
        self.ending = Some(style);
    }

    pub(super) fn stream_error(&mut self, condition: &'static str) {
        if self.ending.is_none() {
            answer::stream_error_into(self.out.bytes(), condition);
            self.ending = Some(CloseStyle::StreamError);
        }
    }

    pub(super) fn send_due(&mut self, now: Instant) {
        if self.flight.next_due().is_some_and(|at| at <= now) {
            self.send_answers(now, Some(now));
        }
    }

    pub(super) fn send_all(&mut self, now: Instant) {
        self.send_answers(now, None);
    }

    /// Writes the answers due at `until`, or all of them.
    fn send_answers(&mut self, now: Instant, until: Option<Instant>) {
        let mut receipts = Vec::new();
        let Self { flight, out, tally, form, knobs, rng, .. } = self;
        let send = |answer: &mut Answer| {
            let event = match answer.kind {
                AnswerKind::Ack | AnswerKind::AckTwice => Event::Acked,
                AnswerKind::Lost => Event::Lost,
                AnswerKind::Nack => {
                    tally.nack(&answer.code);
                    Event::Nacked
                }
            };
            tally.events.push((answer.key, event));
            let into = if answer.is_plain { answer::plain_message_into } else { answer::message_into };
            if event != Event::Lost {
                into(out.bytes(), &answer.json, form.next_is_data(knobs.prefix));
            }
            if answer.kind == AnswerKind::AckTwice {
                tally.acks_duplicated += 1;
                into(out.bytes(), &answer.json, form.next_is_data(knobs.prefix));
            }
            if event == Event::Acked && knobs.ack_unknown > 0.0 && rng.f64() < knobs.ack_unknown {
                tally.acks_unknown += 1;
                let mut json = Vec::new();
                answer::ack_json(&mut json, "\"nobody\"", &format!("\"unknown-{:016x}\"", rng.u64(..)), None);
                answer::message_into(out.bytes(), &json, form.next_is_data(knobs.prefix));
            }
            if knobs.flush_each {
                out.border();
            }
            receipts.extend(answer.receipt.take());
        };
        match until {
            Some(at) => flight.take_due(at, send),
            None => flight.take_all(send),
        }
        for (id, json) in receipts.into_iter().map(|receipt| *receipt) {
            self.send_receipt(id, json, now);
        }
    }
}
