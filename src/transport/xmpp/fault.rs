//! XMPP's own errors: on one stanza, and on the whole stream.
//!
//! The dialog and the handshake ask it what an `<error>` means.

use minidom::Element;
use xmpp_parsers::ns;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};
use xmpp_parsers::stream_error::StreamError;

use super::scan::GCM_NS;
use super::verdict::{self, Incoming};
use crate::outcome::{Answer, Verdict, bounded};
use crate::push::PushKey;

const MAX_TEXT: usize = 256;

/// Returns the push that a message of type `error` is about, and the verdict, if it can be told which push that is.
///
/// The provider sends one when it could not read our JSON. It is matched by the stanza's id, which is the push's key, or by the echoed payload.
pub fn stanza_error(message: &Element) -> Option<(PushKey, Verdict)> {
    let by_id = message.attr("id").and_then(|id| PushKey::parse(id.as_bytes()));
    let key = by_id.or_else(|| echoed_key(message))?;
    let Some(error) = message.get_child("error", ns::DEFAULT_NS) else {
        let answer = Answer::new("error", "");
        return Some((key, Verdict::Rejected(Box::new(answer))));
    };
    let Ok(error) = StanzaError::try_from(error.clone()) else {
        let code = error.children().next().map_or("error", Element::name);
        let answer = Answer::new(code, &error.text());
        return Some((key, Verdict::Rejected(Box::new(answer))));
    };
    let condition = Element::from(error.defined_condition.clone());
    let text = error.texts.values().next().map(String::as_str).unwrap_or_default();
    let answer = Box::new(Answer::new(condition.name(), text));
    if is_temporary(&error) {
        return Some((key, Verdict::Retry { answer, after: None }));
    }
    Some((key, Verdict::Rejected(answer)))
}

/// Describes a stream error for the log, such as `stream error policy-violation: too many`.
pub fn stream_error(element: &Element) -> String {
    let Ok(error) = StreamError::try_from(element.clone()) else {
        let name = element.children().next().map_or("without a condition", Element::name);
        return format!("stream error {}", bounded(name, MAX_TEXT));
    };
    let text = error.texts.values().next().map(|text| format!(": {}", bounded(text, MAX_TEXT)));
    format!("stream error {}{}", error.condition, text.unwrap_or_default())
}

/// Returns whether an element is a stream error.
pub fn is_stream_error(element: &Element) -> bool {
    element.is("error", ns::STREAM)
}

fn is_temporary(error: &StanzaError) -> bool {
    let condition = matches!(
        error.defined_condition,
        DefinedCondition::InternalServerError
            | DefinedCondition::ResourceConstraint
            | DefinedCondition::ServiceUnavailable
            | DefinedCondition::RemoteServerTimeout
    );
    condition || error.type_ == ErrorType::Wait
}

fn echoed_key(message: &Element) -> Option<PushKey> {
    let json = message.get_child("gcm", GCM_NS)?.text();
    // The echo is our own push: an object with `message_id` and no `message_type`.
    #[derive(serde::Deserialize)]
    struct Echo {
        message_id: String,
    }
    let id = match verdict::read(&json) {
        Incoming::Upstream(origin) => origin.message_id.into_owned(),
        _ => serde_json::from_str::<Echo>(&json).ok()?.message_id,
    };
    PushKey::parse(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "00000000-0000-0000-0000-00000000002a";

    fn message(attributes: &str, inner: &str) -> Element {
        format!("<message xmlns='jabber:client' type='error' {attributes}>{inner}</message>").parse().unwrap()
    }

    fn error(kind: &str, condition: &str) -> String {
        format!(
            "<error code='400' type='{kind}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>InvalidJson: JSON_PARSING_ERROR</text></error>"
        )
    }

    #[test]
    fn a_stanza_error_is_matched_by_its_id() {
        let (key, verdict) =
            stanza_error(&message(&format!("id='{KEY}'"), &error("modify", "bad-request"))).unwrap();
        assert_eq!(key, PushKey::from_u128(42));
        let answer = Answer::new("bad-request", "InvalidJson: JSON_PARSING_ERROR");
        assert_eq!(verdict, Verdict::Rejected(Box::new(answer)));
    }

    #[test]
    fn a_stanza_error_without_id_is_matched_by_the_echo() {
        let echo = format!(r#"<gcm xmlns='google:mobile:data'>{{"to":"t","message_id":"{KEY}"}}</gcm>"#);
        let inner = format!("{echo}{}", error("modify", "bad-request"));
        assert_eq!(stanza_error(&message("id=''", &inner)).unwrap().0, PushKey::from_u128(42));
        assert_eq!(stanza_error(&message("id=''", &error("modify", "bad-request"))), None);
    }

    #[test]
    fn temporary_conditions_are_retried() {
        for (kind, condition) in [("wait", "bad-request"), ("cancel", "service-unavailable")] {
            let (_, verdict) =
                stanza_error(&message(&format!("id='{KEY}'"), &error(kind, condition))).unwrap();
            assert!(matches!(verdict, Verdict::Retry { .. }), "{condition}");
        }
    }

    #[test]
    fn odd_stanza_errors_still_answer_the_push() {
        for inner in ["", "<error/>", "<error type='modify'><strange xmlns='x'/></error>"] {
            let (_, verdict) = stanza_error(&message(&format!("id='{KEY}'"), inner)).unwrap();
            assert!(matches!(verdict, Verdict::Rejected(_)), "{inner}");
        }
    }

    #[test]
    fn stream_errors_are_named() {
        let parse = |inner: &str| -> String {
            let text = format!("<s:error xmlns:s='http://etherx.jabber.org/streams'>{inner}</s:error>");
            stream_error(&text.parse().unwrap())
        };
        let text = "<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
                    <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>too many</text>";
        assert_eq!(parse(text), "stream error policy-violation: too many");
        assert_eq!(
            parse("<new-thing xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"),
            "stream error new-thing"
        );
        assert_eq!(parse(""), "stream error without a condition");
    }
}
