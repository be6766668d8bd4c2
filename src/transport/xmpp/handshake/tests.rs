//! Whole logins against recorded transcripts, and every way in which one fails.

use proptest::prelude::*;

use super::*;
use crate::transport::xmpp::document::Document;

/// The provider's own words (`reference/fcm.md` 1.3), by turn.
const CCS: [&str; 5] = [
    r#"<stream:stream from="gcm.googleapis.com" id="0123456789ABCDEF" version="1.0" xmlns:stream="http://etherx.jabber.org/streams" xmlns="jabber:client"><stream:features><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>X-OAUTH2</mechanism><mechanism>X-GOOGLE-TOKEN</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>"#,
    r#"<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>"#,
    r#"<stream:stream from="gcm.googleapis.com" id="FEDCBA9876543210" version="1.0" xmlns:stream="http://etherx.jabber.org/streams" xmlns="jabber:client"><stream:features><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/><session xmlns="urn:ietf:params:xml:ns:xmpp-session"/></stream:features>"#,
    r#"<iq from="gcm.googleapis.com" id="bind" type="result"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>123@gcm.googleapis.com/pushweir-10FAD177A</jid></bind></iq>"#,
    " ",
];

/// An ordinary server's (`reference/fcm.md` 3.3): other quotes, an XML declaration, another prefix, more features, an iq without `from`.
const PROSODY: [&str; 4] = [
    "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xml:lang='en' id='a-b' from='gcm.googleapis.com' version='1.0' xmlns='jabber:client'><stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>",
    "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<?xml version='1.0'?><str:stream xmlns:str='http://etherx.jabber.org/streams' xmlns='jabber:client' version='1.0'><str:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><required/></bind><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><c ver='x' node='http://prosody.im' hash='sha-1' xmlns='http://jabber.org/protocol/caps'/><sm xmlns='urn:xmpp:sm:2'><optional/></sm><sm xmlns='urn:xmpp:sm:3'><optional/></sm><sub xmlns='urn:xmpp:features:pre-approval'/></str:features>",
    "<iq id='bind' type='result' xml:lang='en'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>123@gcm.googleapis.com/pushweir-1</jid></bind></iq>",
];

fn login() -> Login {
    Login {
        domain: Jid::new("gcm.googleapis.com").unwrap(),
        plain: b"\x00123@gcm.googleapis.com\x00key".to_vec(),
        resource: "pushweir-1".to_owned(),
    }
}

/// Plays a server's turns, each cut at `cut`; returns what was sent and how it ended.
fn play(turns: &[&str], cut: usize) -> (Vec<String>, Result<Option<String>, Failure>) {
    let (mut handshake, first) = Handshake::start(login());
    let mut sent = vec![String::from_utf8(first).unwrap()];
    let mut document = Document::default();
    for turn in turns {
        let (head, tail) = turn.as_bytes().split_at(cut % (turn.len() + 1));
        for mut bytes in [head, tail] {
            while let Some(item) = document.next(&mut bytes).unwrap() {
                match handshake.on_item(item) {
                    Ok(Step::Wait) => {}
                    Ok(Step::Send(bytes)) => sent.push(String::from_utf8(bytes).unwrap()),
                    Ok(Step::Restart(bytes)) => {
                        document = Document::default();
                        sent.push(String::from_utf8(bytes).unwrap());
                    }
                    Ok(Step::Open { send, jid }) => {
                        sent.push(String::from_utf8(send).unwrap());
                        return (sent, Ok(Some(jid)));
                    }
                    Err(failure) => return (sent, Err(failure)),
                }
            }
        }
    }
    (sent, Ok(None))
}

fn failure(turns: &[&str]) -> Failure {
    play(turns, 0).1.unwrap_err()
}

fn sasl_failure(inner: &str) -> Failure {
    failure(&[CCS[0], &format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{inner}</failure>")])
}

#[test]
fn the_providers_transcript_opens_a_session() {
    let (sent, end) = play(&CCS, 0);
    assert_eq!(end, Ok(Some("123@gcm.googleapis.com/pushweir-10FAD177A".to_owned())));
    let header = r#"<stream:stream to="gcm.googleapis.com" version="1.0" xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams">"#;
    assert_eq!((sent[0].as_str(), sent[2].as_str()), (header, header));
    let auth: Element = sent[1].parse().unwrap();
    let auth = Auth::try_from(auth).unwrap();
    assert_eq!((auth.mechanism, auth.data), (Mechanism::Plain, login().plain));
    let Ok(Iq::Set { to, id, payload, .. }) = Iq::try_from(sent[3].parse::<Element>().unwrap()) else {
        panic!("{}", sent[3])
    };
    assert_eq!((to, id.as_str()), (Some(login().domain), BIND_ID));
    assert_eq!(BindQuery::try_from(payload).unwrap().resource.as_deref(), Some("pushweir-1"));
    let session: Element = sent[4].parse().unwrap();
    assert!(session.has_child("session", SESSION_NS), "{}", sent[4]);
}

#[test]
fn an_ordinary_servers_transcript_opens_a_session_without_the_optional_step() {
    let (sent, end) = play(&PROSODY, 0);
    assert_eq!(end, Ok(Some("123@gcm.googleapis.com/pushweir-1".to_owned())));
    assert_eq!(sent[4], "");
}

#[test]
fn refused_credentials_are_a_login_failure() {
    assert_eq!(sasl_failure("<not-authorized/>"), Failure::Login("not-authorized".to_owned()));
    let explained = sasl_failure("<account-disabled/><text>unpaid</text>");
    assert_eq!(explained, Failure::Login("account-disabled: unpaid".to_owned()));
    assert_eq!(sasl_failure("<brand-new/>"), Failure::Login("brand-new".to_owned()));
    assert_eq!(sasl_failure(""), Failure::Login("no reason given".to_owned()));
}

#[test]
fn a_malformed_identity_hints_at_the_other_form() {
    let Failure::Login(cause) = sasl_failure("<malformed-request/>") else { panic!("not a login failure") };
    assert!(cause.contains("identity = \"node\""), "{cause}");
}

#[test]
fn a_passing_failure_is_no_reason_to_give_up() {
    assert!(matches!(sasl_failure("<temporary-auth-failure/>"), Failure::Protocol(_)));
}

#[test]
fn a_peer_that_breaks_the_protocol_is_told_by_what() {
    let error = "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    let header = PROSODY[0].split("<stream:features").next().unwrap();
    let no_plain = CCS[0].replace("<mechanism>PLAIN</mechanism>", "");
    let no_bind = "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client'><s:features/>";
    let bind_error = "<iq type='error' id='bind'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    let cases: [(&[&str], &str); 8] = [
        (&[header, error], "stream error host-unknown"),
        (&[header, "</stream:stream>"], "ended the stream while waiting for the stream features"),
        (&[header, "<message/>"], "unexpected <message>"),
        (&[&no_plain], "no login by PLAIN, but [X-GOOGLE-TOKEN, X-OAUTH2]"),
        (&[CCS[0], "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"], "unexpected <challenge>"),
        (&[CCS[0], CCS[1], no_bind], "no resource binding"),
        (&[CCS[0], CCS[1], CCS[2], bind_error], "refused to bind a resource: conflict"),
        (&[CCS[0], CCS[1], CCS[2], "<iq type='result' id='bind'/>"], "unreadable answer to the binding"),
    ];
    for (turns, expected) in cases {
        let Failure::Protocol(cause) = failure(turns) else { panic!("{expected}") };
        assert!(cause.contains(expected), "{cause}");
    }
}

#[test]
fn stanzas_of_no_concern_do_not_disturb_binding() {
    let (_, end) = play(
        &[
            CCS[0],
            CCS[1],
            CCS[2],
            "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
            "<message/>",
            CCS[3],
        ],
        0,
    );
    assert!(matches!(end, Ok(Some(_))), "{end:?}");
}

proptest! {
    #[test]
    fn where_reads_end_does_not_matter(cut: usize, ordinary: bool) {
        let turns: &[&str] = if ordinary { &PROSODY } else { &CCS };
        prop_assert_eq!(play(turns, cut), play(turns, 0));
    }
}
