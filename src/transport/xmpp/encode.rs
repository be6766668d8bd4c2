//! Writes stanzas to the provider.
//!
//! The outbox and the dialog write with it. Pushes and acknowledgements are spliced by hand, since there is one of them per push; the rest
//! goes through xmpp-parsers.

use std::time::Duration;

use minidom::Element;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::ping::Ping;

use super::text;
use crate::push::PushKey;

/// The longest time to live the provider takes, in seconds (four weeks).
pub const MAX_TIME_TO_LIVE: u64 = 2_419_200;

/// The closing tag of our side of the stream.
pub const STREAM_END: &[u8] = b"</stream:stream>";

/// Appends a push whose `payload` was made by [`super::request::render`].
///
/// The stanza's id equals the `message_id`, so that even a stanza error can be matched. A fraction of a second left counts as a whole one,
/// because 0 means "now or never".
pub fn push(out: &mut Vec<u8>, key: PushKey, time_left: Duration, payload: &[u8]) {
    let id = key.to_text();
    let seconds = time_left.as_secs().saturating_add(u64::from(time_left.subsec_nanos() > 0));
    out.reserve(payload.len() + 192);
    out.extend_from_slice(b"<message id=\"");
    out.extend_from_slice(&id);
    out.extend_from_slice(b"\"><gcm xmlns=\"google:mobile:data\">{\"message_id\":\"");
    out.extend_from_slice(&id);
    out.extend_from_slice(b"\",\"time_to_live\":");
    text::number(out, seconds.min(MAX_TIME_TO_LIVE));
    out.push(b',');
    out.extend_from_slice(payload);
    out.extend_from_slice(b"}</gcm></message>");
}

/// Appends the acknowledgement of an upstream message or receipt.
pub fn ack(out: &mut Vec<u8>, to: &str, message_id: &str) {
    out.extend_from_slice(b"<message><gcm xmlns=\"google:mobile:data\">");
    let start = out.len();
    out.extend_from_slice(b"{\"to\":");
    text::json_string(out, to);
    out.extend_from_slice(b",\"message_id\":");
    text::json_string(out, message_id);
    out.extend_from_slice(b",\"message_type\":\"ack\"}");
    text::escape_json(out, start);
    out.extend_from_slice(b"</gcm></message>");
}

/// Appends a ping (XEP-0199).
pub fn ping(out: &mut Vec<u8>, number: u64) {
    element(out, &Iq::from_get(format!("ping-{number}"), Ping).into());
}

/// Appends any element.
pub fn element(out: &mut Vec<u8>, element: &Element) {
    element.write_to(out).expect("a vector takes every write, and the element was built from checked names");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_push_is_spliced_around_its_payload() {
        let key = PushKey::from_u128(42);
        assert_eq!(
            text(|out| push(out, key, Duration::from_secs(60), b"\"to\":\"t\"")),
            "<message id=\"00000000-0000-0000-0000-00000000002a\"><gcm xmlns=\"google:mobile:data\">\
             {\"message_id\":\"00000000-0000-0000-0000-00000000002a\",\"time_to_live\":60,\"to\":\"t\"}</gcm></message>"
        );
    }

    #[test]
    fn the_time_to_live_is_rounded_up_and_capped() {
        let ttl = |left| {
            let stanza = text(|out| push(out, PushKey::from_u128(1), left, b""));
            stanza.split("\"time_to_live\":").nth(1).unwrap().split(',').next().unwrap().to_owned()
        };
        assert_eq!(ttl(Duration::ZERO), "0");
        assert_eq!(ttl(Duration::from_millis(1)), "1");
        assert_eq!(ttl(Duration::from_millis(3_599_999)), "3600");
        assert_eq!(ttl(Duration::MAX), "2419200");
    }

    #[test]
    fn an_ack_echoes_odd_ids_safely() {
        let stanza = text(|out| ack(out, "a<b", "dr2:\"&"));
        let element: Element =
            stanza.replacen("<message", "<message xmlns='jabber:client'", 1).parse().unwrap();
        let json = element.children().next().unwrap().text();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value, serde_json::json!({"to": "a<b", "message_id": "dr2:\"&", "message_type": "ack"}));
    }

    #[test]
    fn a_ping_is_an_iq_get() {
        let element: Element = text(|out| ping(out, 7)).parse().unwrap();
        let Iq::Get { id, payload, .. } = Iq::try_from(element).unwrap() else { panic!("not a get") };
        assert_eq!(id, "ping-7");
        assert!(Ping::try_from(payload).is_ok());
    }
}
