//! Frames cut out of pieces of any size.

use proptest::prelude::*;

use super::*;

/// Feeds the pieces and returns a line per frame, ending with the error if there was one.
fn frames(pieces: &[&[u8]]) -> Vec<String> {
    let mut framer = Framer::default();
    let mut seen = Vec::new();
    for piece in pieces {
        framer.buffer().extend_from_slice(piece);
        loop {
            match framer.next_frame() {
                Ok(None) => break,
                Ok(Some(frame)) => seen.push(match frame {
                    Frame::Header(bytes) => format!("H {}", String::from_utf8_lossy(bytes)),
                    Frame::Message(plain) => {
                        format!("M {} {:?}", String::from_utf8_lossy(plain.stanza), (plain.id, plain.text))
                    }
                    Frame::Stanza(bytes) => format!("S {}", String::from_utf8_lossy(bytes)),
                    Frame::End => "E".to_owned(),
                }),
                Err(error) => {
                    seen.push(format!("! {error}"));
                    return seen;
                }
            }
        }
        framer.compact();
    }
    seen
}

const HEADER: &str = "<stream:stream to='a>b' xmlns:stream=\"x\">";

#[test]
fn stanzas_are_cut_at_their_own_end() {
    let text = format!(
        "<?xml version='1.0'?>{HEADER} <a/><b><b x='>'/>t</b>\n<c><![CDATA[</c>]]></c></stream:stream>"
    );
    assert_eq!(
        frames(&[text.as_bytes()]),
        [
            format!("H {HEADER}"),
            "S <a/>".into(),
            "S <b><b x='>'/>t</b>".into(),
            "S <c><![CDATA[</c>]]></c>".into(),
            "E".into()
        ]
    );
}

#[test]
fn a_self_closed_stream_header_ends_the_connection() {
    assert_eq!(frames(&[b"<stream:stream/>"]), ["! the stream is not XML"]);
}

#[test]
fn text_between_stanzas_is_not_xml() {
    assert_eq!(frames(&[HEADER.as_bytes(), b"x<a/>"])[1..], ["! the stream is not XML"]);
}

#[test]
fn comments_and_doctypes_are_forbidden() {
    for text in ["<!-- a -->", "<a><!-- a --></a>", "<!DOCTYPE a>", "<?php ?>", "<a><?x?></a>"] {
        let seen = frames(&[HEADER.as_bytes(), text.as_bytes()]);
        assert_eq!(seen[1..], ["! the stream uses XML that XMPP forbids"], "{text}");
    }
}

#[test]
fn an_endless_stanza_is_given_up() {
    let long = vec![b'x'; MAX_STANZA + 10];
    assert_eq!(frames(&[HEADER.as_bytes(), b"<a>", &long])[1..], ["! a stanza is larger than 65536 bytes"]);
    assert_eq!(
        frames(&[HEADER.as_bytes(), b"<a b='", &long])[1..],
        ["! a stanza is larger than 65536 bytes"]
    );
}

#[test]
fn a_usual_message_may_be_as_large_as_any_stanza_and_no_larger() {
    let message = |len: usize| {
        let (head, tail) = ("<message><gcm xmlns=\"google:mobile:data\">", "</gcm></message>");
        format!("{head}{}{tail}", "x".repeat(len - head.len() - tail.len()))
    };
    let cut = |len| frames(&[HEADER.as_bytes(), message(len).as_bytes()])[1].clone();
    assert!(cut(MAX_STANZA).starts_with("M <message>"));
    assert_eq!(cut(MAX_STANZA + 1), "! a stanza is larger than 65536 bytes");
}

#[test]
fn a_message_before_the_header_is_not_one() {
    let message = b"<message><gcm xmlns=\"google:mobile:data\"></gcm></message>";
    assert_eq!(frames(&[message])[0], "H <message>");
}

#[test]
fn after_a_restart_a_header_comes_again() {
    let mut framer = Framer::default();
    framer.buffer().extend_from_slice(HEADER.as_bytes());
    assert!(matches!(framer.next_frame(), Ok(Some(Frame::Header(_)))));
    framer.restart();
    framer.buffer().extend_from_slice(HEADER.as_bytes());
    assert!(matches!(framer.next_frame(), Ok(Some(Frame::Header(_)))));
    assert_eq!(framer.unread(), 0);
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(" ".to_owned()),
        Just("<a/>".to_owned()),
        Just("<m i='>\"'><g x=\"'>\">{\"k\":1}</g></m>".to_owned()),
        Just("<m><![CDATA[ </m> ]]]></m>".to_owned()),
        "<m>[a-z&;>é]{0,40}</m>",
        "<message( id=\"[a-c&;>']{0,3}\")?><gcm xmlns=\"google:mobile:data\">[a-z{}\"&;>é]{0,20}(<x/>)?</gcm></message>",
        Just("</stream:stream>".to_owned()),
        Just("oops".to_owned()),
        Just("<!-- c -->".to_owned()),
    ]
}

proptest! {
    #[test]
    fn the_frames_do_not_depend_on_the_reads(
        pieces in prop::collection::vec(piece(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let text = format!("{HEADER}{}", pieces.concat());
        let bytes = text.as_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        at.push(0);
        at.push(bytes.len());
        at.sort_unstable();
        let parts: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(frames(&parts), frames(&[bytes]));
    }
}
