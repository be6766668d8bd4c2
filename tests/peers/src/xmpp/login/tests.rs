//! Logins, with the lengths of the texts seen on the wire.

use super::*;

const HEADER: &str = "<stream:stream to=\"fcm-xmpp.googleapis.com\" version=\"1.0\" xmlns=\"jabber:client\" \
                      xmlns:stream=\"http://etherx.jabber.org/streams\">";

fn account() -> Account {
    Account { sender_id: "123456789012".to_owned(), server_key: "key".to_owned() }
}

fn auth(message: &str) -> Element {
    let text = format!("<auth mechanism=\"PLAIN\" xmlns=\"{SASL}\">{}</auth>", STANDARD.encode(message));
    Element::parse(text.as_bytes(), "jabber:client").unwrap()
}

/// Returns the next write.
fn written(out: &mut Output) -> String {
    let text = String::from_utf8(out.chunk().to_vec()).unwrap();
    out.advance(text.len());
    text
}

#[test]
fn every_text_has_the_length_seen_on_the_wire() {
    let (mut login, mut out) = (Login::new(None), Output::default());
    assert_eq!(HEADER.len() + 1, 129);
    assert_eq!(login.header(HEADER.as_bytes(), 7, &mut out), LoginOutcome::Continue);
    assert_eq!(written(&mut out).len(), 152);
    assert_eq!(written(&mut out).len(), 197);
    let full = auth("\x00123456789012@gcm.googleapis.com\0key");
    assert_eq!(login.stanza(&full, Some(&account()), 0, &mut out), LoginOutcome::Restart);
    assert_eq!(written(&mut out).len(), 51);
    assert_eq!(login.header(HEADER.as_bytes(), 8, &mut out), LoginOutcome::Continue);
    assert_eq!((written(&mut out).len(), written(&mut out).len()), (152, 137));

    let ask = |id: &str| {
        format!(
            "<iq to=\"fcm-xmpp.googleapis.com\" type=\"set\" id=\"{id}\"><bind xmlns=\"{BIND}\">\
             <resource>test</resource></bind></iq>"
        )
    };
    // The client of that log ends every write with a line feed.
    let id = "x".repeat(173 - 1 - ask("").len());
    let bind = Element::parse(ask(&id).as_bytes(), "jabber:client").unwrap();
    let bound = login.stanza(&bind, Some(&account()), 0x0FAD_177A, &mut out);
    assert_eq!(bound, LoginOutcome::Bound("123456789012@gcm.googleapis.com/test0FAD177A".to_owned()));
    assert_eq!((written(&mut out).len(), written(&mut out)), (207, " ".to_owned()));
}

#[test]
fn every_identity_form_of_a_working_client_is_accepted() {
    let sender = "123456789012";
    for message in [
        format!("\0{sender}@gcm.googleapis.com\0key"),
        format!("{sender}@projects.gcm.android.com\0{sender}@projects.gcm.android.com\0key"),
        format!("\0{sender}\0key"),
        format!("{sender}\0{sender}\0key"),
        format!("\0{sender}@fcm.googleapis.com\0key"),
    ] {
        let mut login = Login { step: Step::Auth, ..Login::new(None) };
        let outcome = login.stanza(&auth(&message), Some(&account()), 0, &mut Output::default());
        assert_eq!(outcome, LoginOutcome::Restart, "{message:?}");
    }
}

#[test]
fn wrong_credentials_are_not_authorized() {
    for message in [
        "\x00123456789012\0kez",
        "\x00999\0key",
        "other\x00123456789012\0key",
        "\x00123456789012@example.org\0key",
    ] {
        let (mut login, mut out) = (Login { step: Step::Auth, ..Login::new(None) }, Output::default());
        let outcome = login.stanza(&auth(message), Some(&account()), 0, &mut out);
        assert_eq!(outcome, LoginOutcome::Refused, "{message:?}");
        assert!(written(&mut out).contains("<not-authorized/></failure>"));
    }
    let mut login = Login { step: Step::Auth, ..Login::new(None) };
    let right = auth("\x00123456789012\0key");
    assert_eq!(login.stanza(&right, None, 0, &mut Output::default()), LoginOutcome::Refused);
}

#[test]
fn a_header_in_the_wrong_namespace_ends_the_stream() {
    for header in
        ["<stream xmlns='jabber:client'>", "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>"]
    {
        let outcome = Login::new(None).header(header.as_bytes(), 1, &mut Output::default());
        assert_eq!(outcome, LoginOutcome::StreamError("invalid-namespace"), "{header}");
    }
}

#[test]
fn stanzas_out_of_turn_are_noticed() {
    let mut login = Login::new(None);
    let early = Element::parse(b"<iq type='set' id='1'/>", "jabber:client").unwrap();
    let outcome = login.stanza(&early, Some(&account()), 0, &mut Output::default());
    assert_eq!(outcome, LoginOutcome::OutOfTurn);
}
