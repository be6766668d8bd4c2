//! What the dialog makes of stanzas: events, replies, and counts of what it ignores.

use super::*;
use crate::push::PushKey;
use crate::transport::xmpp::document::{Document, Item};
use crate::transport::xmpp::frame::Framer;

const KEY: &str = "00000000-0000-0000-0000-00000000002a";
const HEADER: &str = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

/// Everything that came of some stanzas.
struct Outcome {
    events: Vec<SessionEvent>,
    replies: Vec<Element>,
    over: Option<String>,
    dialog: Dialog,
}

fn tell(stanzas: &str) -> Outcome {
    let mut document = Document::default();
    assert_eq!(document.next(&mut HEADER.as_bytes()).unwrap(), Some(Item::Opened));
    let (mut dialog, mut events, mut replies, mut over) = (Dialog::default(), Vec::new(), Vec::new(), None);
    Framer::new(document)
        .feed(stanzas.as_bytes(), |frame| match dialog.on_frame(frame, &mut events, &mut replies) {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(reason) => {
                over = Some(reason);
                ControlFlow::Break(())
            }
        })
        .unwrap();
    let replies: Element =
        format!("<all xmlns='jabber:client'>{}</all>", String::from_utf8(replies).unwrap()).parse().unwrap();
    Outcome { events, replies: replies.children().cloned().collect(), over, dialog }
}

fn gcm(json: &str) -> String {
    format!("<message><gcm xmlns='google:mobile:data'>{json}</gcm></message>")
}

#[test]
fn an_upstream_message_and_a_receipt_are_acknowledged() {
    let upstream = gcm(r#"{"category":"p","data":{},"message_id":"m&lt;1","from":"tok"}"#);
    let receipt = gcm(r#"{"message_type":"receipt","message_id":"dr2:x","from":"gcm.googleapis.com"}"#);
    let mut outcome = tell(&format!("{upstream}{receipt}"));
    let acks: Vec<serde_json::Value> = outcome
        .replies
        .iter()
        .map(|reply| {
            serde_json::from_str(&reply.get_child("gcm", "google:mobile:data").unwrap().text()).unwrap()
        })
        .collect();
    assert_eq!(
        acks,
        [
            serde_json::json!({"to": "tok", "message_id": "m<1", "message_type": "ack"}),
            serde_json::json!({"to": "gcm.googleapis.com", "message_id": "dr2:x", "message_type": "ack"}),
        ]
    );
    assert_eq!(outcome.events, []);
    assert_eq!(outcome.dialog.take_upstream(), 2);
    assert_eq!(outcome.dialog.take_upstream(), 0);
}

#[test]
fn draining_is_told_once_in_either_form_and_reading_goes_on() {
    let nack =
        gcm(&format!(r#"{{"message_type":"nack","message_id":"{KEY}","error":"CONNECTION_DRAINING"}}"#));
    let control = gcm(r#"{"message_type":"control","control_type":"CONNECTION_DRAINING"}"#);
    let ack = gcm(&format!(r#"{{"message_type":"ack","message_id":"{KEY}"}}"#));
    let key = PushKey::from_u128(42);
    let delivered = SessionEvent::Answered { key, verdict: Verdict::Delivered { canonical: None } };
    let outcome = tell(&format!("{nack}{control}{ack}"));
    assert_eq!(outcome.events[0], SessionEvent::Answered { key, verdict: Verdict::CONNECTION_DRAINING });
    assert!(matches!(&outcome.events[1], SessionEvent::Draining { .. }));
    assert_eq!(outcome.events[2..], std::slice::from_ref(&delivered)[..]);
    let outcome = tell(&format!("{control}{control}{ack}"));
    assert!(matches!(&outcome.events[..], [SessionEvent::Draining { .. }, last] if *last == delivered));
}

#[test]
fn requests_are_answered_and_results_are_not() {
    let outcome = tell(
        "<iq type='get' id='1' from='gcm.googleapis.com'><ping xmlns='urn:xmpp:ping'/></iq>\
         <iq type='set' id='2'><query xmlns='jabber:iq:roster'/></iq>\
         <iq type='result' id='ping-1'/><iq type='error' id='ping-2'/><iq id='x'/>",
    );
    let [pong, refusal] = &outcome.replies[..] else { panic!("{:?}", outcome.replies) };
    assert_eq!(
        (pong.attr("type"), pong.attr("id"), pong.attr("to")),
        (Some("result"), Some("1"), Some("gcm.googleapis.com"))
    );
    assert_eq!((refusal.attr("type"), refusal.attr("id")), (Some("error"), Some("2")));
    let error = refusal.get_child("error", ns::DEFAULT_NS).unwrap();
    assert!(error.has_child("service-unavailable", ns::XMPP_STANZAS));
    assert_eq!(outcome.events, []);
}

#[test]
fn a_stanza_error_that_names_a_push_answers_it() {
    let error =
        "<error code='400' type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    let outcome = tell(&format!(
        "<message type='error' id='{KEY}'>{error}</message><message type='error'>{error}</message>"
    ));
    let [SessionEvent::Answered { key, verdict: Verdict::Rejected(answer) }] = &outcome.events[..] else {
        panic!("{:?}", outcome.events)
    };
    assert_eq!((*key, &*answer.code), (PushKey::from_u128(42), "bad-request"));
    assert_eq!(outcome.dialog.tally().unmatched_errors, 1);
}

#[test]
fn oddities_are_counted_and_harmless() {
    let stanzas = [
        "<presence/>".to_owned(),
        "<message><body>hi</body></message>".to_owned(),
        gcm("nonsense"),
        gcm(r#"{"message_type":"nack","message_id":"m-1","error":"BAD_ACK"}"#),
    ];
    let outcome = tell(&stanzas.concat());
    assert_eq!((outcome.events.len(), outcome.replies.len(), outcome.over), (0, 0, None));
    assert_eq!(outcome.dialog.tally(), Tally { unknown: 1, bad_acks: 1, unmatched_errors: 0, other: 2 });
}

#[test]
fn the_end_of_the_stream_is_the_end_of_the_talk() {
    assert_eq!(tell("</stream:stream>").over.as_deref(), Some("the peer ended the stream"));
    let error =
        "<stream:error><invalid-xml xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error><presence/>";
    let outcome = tell(error);
    assert_eq!(outcome.over.as_deref(), Some("stream error invalid-xml"));
    assert_eq!(outcome.dialog.tally(), Tally::default());
}

#[test]
fn a_few_bad_tokens_are_dead_and_a_flood_of_them_is_a_wrong_sender() {
    let nack = |code| gcm(&format!(r#"{{"message_type":"nack","message_id":"{KEY}","error":"{code}"}}"#));
    let outcome = tell(&(nack("BAD_REGISTRATION").repeat(100) + &nack("DEVICE_UNREGISTERED")));
    let verdicts: Vec<_> = outcome
        .events
        .iter()
        .map(|event| match event {
            SessionEvent::Answered { verdict, .. } => verdict,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(verdicts[..19].iter().all(|verdict| matches!(verdict, Verdict::Unregistered(_))));
    for verdict in &verdicts[19..100] {
        let Verdict::Rejected(answer) = verdict else { panic!("believed") };
        assert!(answer.detail.contains("sender_id"), "{answer:?}");
    }
    assert!(matches!(verdicts[100], Verdict::Unregistered(_)), "another code is nobody's mistake");
}

#[test]
fn a_request_with_any_id_is_answered_under_it() {
    for id in
        ["&#9;", "&#10;x", "&quot;&lt;&amp;'", "\u{7f}", "\u{85}", "\u{10ffff}", "\u{fffd}", "", "&#xd;"]
    {
        let stanza =
            format!("<iq type='get' from='a.example' id=\"{id}\"><ping xmlns='urn:xmpp:ping'/></iq>");
        let outcome = tell(&stanza);
        let asked: Element = format!("<all xmlns='jabber:client'>{stanza}</all>").parse().unwrap();
        let id = asked.children().next().unwrap().attr("id");
        assert_eq!(outcome.replies.first().and_then(|reply| reply.attr("id")), id, "{stanza}");
    }
}
