//! What an open session answers and tells.
//!
//! The stream gives it every frame; it appends events for the pusher and replies for the peer. Pure. Invariants: a push's answer is passed
//! on as often as it comes, the receiver ignores repeats; draining is told once; every upstream message is acknowledged.

use std::ops::ControlFlow;

use minidom::Element;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::ns;
use xmpp_parsers::ping::Ping;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use super::frame::Frame;
use super::verdict::{self, Incoming, Origin};
use super::{encode, fault};
use crate::outcome::Verdict;
use crate::transport::SessionEvent;
use crate::transport::doubt::Doubt;

/// The state of the talk on one connection.
#[derive(Debug, Default)]
pub struct Dialog {
    draining: bool,
    doubt: Doubt,
    has_complained: bool,
    upstream: u32,
    tally: Tally,
}

/// What was ignored, for the log at the end.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Payloads that ask for nothing.
    pub unknown: u64,
    /// Acknowledgements of ours that the provider refused.
    pub bad_acks: u64,
    /// Stanza errors that belong to no push.
    pub unmatched_errors: u64,
    /// Other stanzas.
    pub other: u64,
}

// === impl Dialog ===

impl Dialog {
    /// Takes one frame; a break carries why the connection is over.
    pub fn on_frame(
        &mut self,
        frame: Frame<'_>,
        events: &mut Vec<SessionEvent>,
        replies: &mut Vec<u8>,
    ) -> ControlFlow<String> {
        match frame {
            Frame::Json(json) => self.on_json(json, events, replies),
            Frame::End => return ControlFlow::Break("the peer ended the stream".to_owned()),
            Frame::Element(element) if fault::is_stream_error(&element) => {
                return ControlFlow::Break(fault::stream_error(&element));
            }
            Frame::Element(element) if element.is("iq", ns::DEFAULT_NS) => self.on_iq(element, replies),
            Frame::Element(element) if element.is("message", ns::DEFAULT_NS) => {
                self.on_message(&element, events)
            }
            Frame::Element(element) => {
                self.tally.other += 1;
                log::debug!("ignored a stanza name={} namespace={}", element.name(), element.ns());
            }
        }
        ControlFlow::Continue(())
    }

    /// Returns how many messages of the provider's own were acknowledged since the last call.
    pub fn take_upstream(&mut self) -> u32 {
        std::mem::take(&mut self.upstream)
    }

    /// Returns what was ignored so far.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    fn on_json(&mut self, json: &str, events: &mut Vec<SessionEvent>, replies: &mut Vec<u8>) {
        match verdict::read(json) {
            Incoming::Answer { key, verdict } => {
                let draining = verdict == Verdict::CONNECTION_DRAINING;
                let verdict = self.weigh(verdict);
                events.push(SessionEvent::Answered { key, verdict });
                if draining {
                    self.drain(events, "a nack with CONNECTION_DRAINING");
                }
            }
            Incoming::Upstream(origin) | Incoming::Receipt(origin) => self.acknowledge(&origin, replies),
            Incoming::Draining => self.drain(events, "a control message with CONNECTION_DRAINING"),
            Incoming::BadAck => {
                self.tally.bad_acks += 1;
                log::debug!("the provider refused an acknowledgement bad_acks={}", self.tally.bad_acks);
            }
            Incoming::Unknown(why) => {
                self.tally.unknown += 1;
                log::debug!("ignored a payload why=\"{why}\" length={}", json.len());
            }
        }
    }

    /// Does not believe that most tokens are bad: the provider says so of every token to a sender that is not theirs.
    fn weigh(&mut self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Unregistered(mut answer) if &*answer.code == verdict::BAD_REGISTRATION => {
                if self.doubt.believes() {
                    return Verdict::Unregistered(answer);
                }
                if !std::mem::replace(&mut self.has_complained, true) {
                    log::error!(
                        "the provider calls most device tokens bad, so none is called dead (hint: are they of this sender_id?) code={}",
                        answer.code
                    );
                }
                answer.detail = "most tokens are called bad, so sender_id may be the wrong one".into();
                Verdict::Rejected(answer)
            }
            Verdict::Delivered { .. } | Verdict::Unregistered(_) => {
                self.doubt.known();
                verdict
            }
            other => other,
        }
    }

    fn acknowledge(&mut self, origin: &Origin<'_>, replies: &mut Vec<u8>) {
        encode::ack(replies, &origin.from, &origin.message_id);
        self.upstream += 1;
    }

    fn drain(&mut self, events: &mut Vec<SessionEvent>, reason: &str) {
        if !std::mem::replace(&mut self.draining, true) {
            events.push(SessionEvent::Draining { reason: reason.to_owned() });
        }
    }

    fn on_message(&mut self, message: &Element, events: &mut Vec<SessionEvent>) {
        if message.attr("type") != Some("error") {
            self.tally.other += 1;
            log::debug!("ignored a message without payload");
            return;
        }
        match fault::stanza_error(message) {
            Some((key, verdict)) => events.push(SessionEvent::Answered { key, verdict }),
            None => {
                self.tally.unmatched_errors += 1;
                log::debug!("ignored a stanza error that names no push");
            }
        }
    }

    /// Answers requests, as RFC 6120 section 8.2.3 demands; results and errors are only signs of life.
    fn on_iq(&mut self, element: Element, replies: &mut Vec<u8>) {
        let (from, id, payload) = match Iq::try_from(element) {
            Ok(Iq::Get { from, id, payload, .. } | Iq::Set { from, id, payload, .. }) => (from, id, payload),
            Ok(Iq::Result { .. } | Iq::Error { .. }) => return,
            Err(error) => {
                self.tally.other += 1;
                log::debug!("ignored a malformed iq error=\"{error}\"");
                return;
            }
        };
        let answer = if Ping::try_from(payload).is_ok() {
            Iq::Result { from: None, to: from, id, payload: None }
        } else {
            let text = "this client answers pings only";
            let error = StanzaError::new(ErrorType::Cancel, DefinedCondition::ServiceUnavailable, "en", text);
            Iq::Error { from: None, to: from, id, error, payload: None }
        };
        encode::element(replies, &answer.into());
    }
}

#[cfg(test)]
mod tests;
