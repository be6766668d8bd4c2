//! Writes the stanzas the double sends once a stream is open.
//!
//! Pure text: the session decides, this file knows the shapes of `reference/fcm.md` 1.4, 1.6 and 1.7.

use std::io::Write;

use serde_json::json;

use crate::xmpp::escape::{escape_attribute_into, escape_into};
use crate::xmpp::knobs::Prefix;

const OPEN: &[u8] = b"<gcm xmlns=\"google:mobile:data\">";
const OPEN_DATA: &[u8] = b"<data:gcm xmlns:data=\"google:mobile:data\">";

/// Chooses between the two forms of the `gcm` element.
#[derive(Debug, Default)]
pub struct GcmForm {
    last_was_data: bool,
}

impl GcmForm {
    /// Returns whether the next element carries the `data` prefix.
    pub fn next_is_data(&mut self, prefix: Prefix) -> bool {
        self.last_was_data = match prefix {
            Prefix::Gcm => false,
            Prefix::Data => true,
            Prefix::Alternate => !self.last_was_data,
        };
        self.last_was_data
    }
}

/// Appends one `<gcm>` element; `json` is the unescaped text.
pub fn gcm_into(out: &mut Vec<u8>, json: &[u8], prefixed: bool) {
    out.extend_from_slice(if prefixed { OPEN_DATA } else { OPEN });
    escape_into(out, json);
    out.extend_from_slice(if prefixed { b"</data:gcm>" } else { b"</gcm>" });
}

/// Appends a message without type, the form of acks, nacks and controls.
pub fn message_into(out: &mut Vec<u8>, json: &[u8], prefixed: bool) {
    out.extend_from_slice(b"<message id=\"\">");
    gcm_into(out, json, prefixed);
    out.extend_from_slice(b"</message>");
}

/// Does the same for JSON that has no character that XML escapes.
pub fn plain_message_into(out: &mut Vec<u8>, json: &[u8], prefixed: bool) {
    let (before, after): (&[u8], &[u8]) = if prefixed {
        (b"<message id=\"\"><data:gcm xmlns:data=\"google:mobile:data\">", b"</data:gcm></message>")
    } else {
        (b"<message id=\"\"><gcm xmlns=\"google:mobile:data\">", b"</gcm></message>")
    };
    out.reserve(before.len() + json.len() + after.len());
    out.extend_from_slice(before);
    out.extend_from_slice(json);
    out.extend_from_slice(after);
}

/// Appends the JSON of an ack; `from` and `id` are JSON already, `registration` is not.
pub fn ack_json(out: &mut Vec<u8>, from: &str, id: &str, registration: Option<&str>) {
    out.extend_from_slice(b"{\"from\":");
    out.extend_from_slice(from.as_bytes());
    out.extend_from_slice(b",\"message_id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"message_type\":\"ack\"");
    if let Some(registration) = registration {
        write_text(out, ",\"registration_id\":", &json!(registration).to_string());
    }
    out.push(b'}');
}

/// Appends the JSON of a nack; `from` and `id` are JSON already.
pub fn nack_json(out: &mut Vec<u8>, from: &str, id: &str, code: &str, description: Option<&str>) {
    out.extend_from_slice(b"{\"message_type\":\"nack\",\"message_id\":");
    out.extend_from_slice(id.as_bytes());
    write_text(out, ",\"from\":", from);
    write_text(out, ",\"error\":\"", code);
    out.push(b'"');
    if let Some(description) = description {
        write_text(out, ",\"error_description\":", &json!(description).to_string());
    }
    out.push(b'}');
}

/// The control message that announces the end of a connection.
pub const DRAINING: &[u8] = b"{\"message_type\":\"control\",\"control_type\":\"CONNECTION_DRAINING\"}";

/// The nack for a client's malformed acknowledgement.
pub const BAD_ACK: &[u8] =
    b"{\"message_type\":\"nack\",\"error\":\"BAD_ACK\",\"error_description\":\"the ack needs to and message_id\"}";

/// Appends a stanza error for a message that cannot be answered: the offending JSON comes back with it.
pub fn stanza_error_into(out: &mut Vec<u8>, stanza: &Addressed<'_>, json: &[u8], text: &str) {
    out.extend_from_slice(b"<message id=\"");
    escape_attribute_into(out, stanza.id);
    out.extend_from_slice(b"\" type=\"error\" to=\"");
    escape_attribute_into(out, stanza.jid);
    out.extend_from_slice(b"\">");
    gcm_into(out, json, false);
    out.extend_from_slice(
        b"<error code=\"400\" type=\"modify\"><bad-request xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/>\
          <text xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\">",
    );
    escape_into(out, text.as_bytes());
    out.extend_from_slice(b"</text></error></message>");
}

/// Appends an upstream message or receipt.
pub fn upstream_into(out: &mut Vec<u8>, stanza: &Addressed<'_>, json: &str, prefixed: bool) {
    out.extend_from_slice(b"<message id=\"");
    escape_attribute_into(out, stanza.id);
    out.extend_from_slice(b"\" type=\"normal\" to=\"");
    escape_attribute_into(out, stanza.jid);
    out.extend_from_slice(b"\" from=\"devices@gcm.googleapis.com\">");
    gcm_into(out, json.as_bytes(), prefixed);
    out.extend_from_slice(b"</message>");
}

/// A stanza's id and the client's full JID.
#[derive(Debug, Clone, Copy)]
pub struct Addressed<'a> {
    /// The stanza id.
    pub id: &'a str,
    /// The client's JID.
    pub jid: &'a str,
}

/// Returns the JSON of a delivery receipt for a push to `token`.
#[must_use]
pub fn receipt_json(id: &str, token: &str, sent_at_millis: u128) -> String {
    json!({
        "message_type": "receipt",
        "from": "gcm.googleapis.com",
        "message_id": format!("dr2:{id}"),
        "category": "com.example.app",
        "data": {
            "message_status": "MESSAGE_SENT_TO_DEVICE",
            "original_message_id": id,
            "device_registration_id": token,
            "message_sent_timestamp": sent_at_millis.to_string(),
        },
        "time_to_live": 0,
    })
    .to_string()
}

/// Returns the JSON of the upstream message with this number.
#[must_use]
pub fn upstream_json(id: &str, from: &str) -> String {
    json!({
        "category": "com.example.app",
        "data": {"text": "<hello> & \"welcome\""},
        "message_id": id,
        "from": from,
        "time_to_live": 86400,
    })
    .to_string()
}

/// Appends a stream error with this condition and the end of the stream.
pub fn stream_error_into(out: &mut Vec<u8>, condition: &str) {
    write!(
        out,
        "<stream:error><{condition} xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\"/></stream:error></stream:stream>"
    )
    .expect("writing to a Vec cannot fail");
}

fn write_text(out: &mut Vec<u8>, before: &str, text: &str) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::element::Element;

    #[test]
    fn an_ack_echoes_ids_and_escapes_markup_only() {
        let (mut json, mut out) = (Vec::new(), Vec::new());
        ack_json(&mut json, "\"<t>\"", "\"m&1\"", Some("new\""));
        message_into(&mut out, &json, false);
        let text = "<message id=\"\"><gcm xmlns=\"google:mobile:data\">{\"from\":\"&lt;t&gt;\",\"message_id\":\"m&amp;1\",\
                    \"message_type\":\"ack\",\"registration_id\":\"new\\\"\"}</gcm></message>";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn plain_json_is_framed_like_any_other() {
        for prefixed in [false, true] {
            let (mut plain, mut any) = (Vec::new(), Vec::new());
            plain_message_into(&mut plain, DRAINING, prefixed);
            message_into(&mut any, DRAINING, prefixed);
            assert_eq!(plain, any);
        }
    }

    #[test]
    fn both_forms_of_the_gcm_element_mean_the_same() {
        let mut form = GcmForm::default();
        let mut texts = Vec::new();
        for _ in 0..2 {
            let mut out = Vec::new();
            message_into(&mut out, DRAINING, form.next_is_data(Prefix::Alternate));
            let message = Element::parse(&out, "jabber:client").unwrap();
            texts.push(message.child("gcm", "google:mobile:data").unwrap().text.clone());
        }
        assert_eq!(texts[0], texts[1]);
    }

    #[test]
    fn a_stanza_error_carries_the_offending_json() {
        let mut out = Vec::new();
        stanza_error_into(&mut out, &Addressed { id: "7\"", jid: "a@b/c" }, b"{<", "no id");
        let message = Element::parse(&out, "jabber:client").unwrap();
        assert_eq!((message.attribute("type"), message.attribute("id")), (Some("error"), Some("7\"")));
        assert_eq!(message.child("gcm", "google:mobile:data").unwrap().text, "{<");
        assert_eq!(message.child("error", "jabber:client").unwrap().attribute("code"), Some("400"));
    }
}
