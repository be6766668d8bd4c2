//! Stanzas cut out of reads of any size, and what is not XML refused.

use proptest::prelude::*;

use super::*;
use crate::transport::xmpp::document::{MAX_DEPTH, MAX_STANZA};

const HEADER: &str = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

/// A frame that owns its text.
#[derive(Debug, PartialEq)]
enum Found {
    Json(String),
    Element(Element),
    End,
}

fn own(frame: Frame<'_>) -> Found {
    match frame {
        Frame::Json(json) => Found::Json(json.to_owned()),
        Frame::Element(element) => Found::Element(element),
        Frame::End => Found::End,
    }
}

fn framer() -> Framer {
    let mut document = Document::default();
    assert_eq!(document.next(&mut HEADER.as_bytes()).unwrap(), Some(Item::Opened));
    Framer::new(document)
}

/// A framer whose every stanza goes through the full parser.
fn slow_framer() -> Framer {
    let mut document = Document::default();
    let header = "<stream:stream xmlns='jabber:x' xmlns:stream='http://etherx.jabber.org/streams'>";
    assert_eq!(document.next(&mut header.as_bytes()).unwrap(), Some(Item::Opened));
    Framer::new(document)
}

/// Feeds as the session does: what is not taken is presented again, before the next piece.
fn run(mut framer: Framer, pieces: &[&[u8]]) -> (Vec<Found>, Result<bool, String>) {
    let mut found = Vec::new();
    let mut held = Vec::new();
    for piece in pieces {
        held.extend_from_slice(piece);
        let taken = framer.feed(&held, |frame| {
            found.push(own(frame));
            ControlFlow::Continue(())
        });
        match taken {
            Ok(taken) => held.drain(..taken),
            Err(error) => return (found, Err(error.to_string())),
        };
        assert!(held.len() <= MAX_HELD);
    }
    let whole = held.is_empty() && framer.is_between();
    (found, Ok(whole))
}

fn whole(text: &str) -> (Vec<Found>, Result<bool, String>) {
    run(framer(), &[text.as_bytes()])
}

#[test]
fn several_stanzas_in_one_read_are_told_in_order() {
    let text = "<message><gcm xmlns='google:mobile:data'>{1}</gcm></message> \n\
                <message type='normal'><g:gcm xmlns:g='google:mobile:data'>{&quot;&amp;lt;}</g:gcm></message>\
                <iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>\
                <message><gcm xmlns='google:mobile:data'><![CDATA[{<3>}]]></gcm></message></stream:stream>";
    let (found, end) = whole(text);
    assert_eq!(end, Ok(true));
    let iq = "<iq xmlns='jabber:client' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>";
    assert_eq!(
        found,
        [
            Found::Json("{1}".to_owned()),
            Found::Json("{\"&lt;}".to_owned()),
            Found::Element(iq.parse().unwrap()),
            Found::Json("{<3>}".to_owned()),
            Found::End,
        ]
    );
}

#[test]
fn what_looks_like_an_end_inside_text_is_not_one() {
    let text = "<message><gcm xmlns='google:mobile:data'><![CDATA[</gcm></message>]]></gcm></message>\
                <message><x><message><gcm xmlns='google:mobile:data'>{}</gcm></message></x></message>";
    let (found, end) = whole(text);
    assert_eq!(end, Ok(true));
    assert_eq!(found[0], Found::Json("</gcm></message>".to_owned()));
    assert!(matches!(found[1], Found::Element(_)));
}

#[test]
fn errors_are_never_taken_for_answers() {
    let (found, _) =
        whole("<message type='error'><gcm xmlns='google:mobile:data'>{}</gcm><error/></message>");
    assert!(matches!(&found[..], [Found::Element(_)]));
}

#[test]
fn broken_xml_is_an_error() {
    for text in [
        "<message><gcm xmlns='google:mobile:data'>a & b</gcm></message>",
        "<message",
        "<a></b>",
        "x",
        "<!-- -->",
    ] {
        let (found, end) = run(framer(), &[text.as_bytes(), b"<<<<"]);
        assert!(end.is_err(), "{text}: {found:?}");
    }
}

#[test]
fn a_cut_in_a_stanza_is_noticed() {
    for text in ["<mess", "<message><gcm xmlns='google:mobile:data'>{", "<iq type='result' id='"] {
        assert_eq!(whole(text).1, Ok(false), "{text}");
    }
    assert_eq!(whole("  \n").1, Ok(true));
}

#[test]
fn size_and_depth_are_bounded_in_small_pieces_too() {
    let huge = format!("<message><gcm xmlns='google:mobile:data'>{}", "x".repeat(MAX_STANZA));
    let pieces: Vec<_> = huge.as_bytes().chunks(1000).collect();
    assert!(run(framer(), &pieces).1.unwrap_err().contains("more than"));
    let deep = "<a>".repeat(MAX_DEPTH + 1);
    assert!(run(framer(), &[deep.as_bytes()]).1.unwrap_err().contains("nested"));
}

#[test]
fn a_break_stops_at_the_stanza() {
    let text = b"<message><gcm xmlns='google:mobile:data'>1</gcm></message><x/>";
    let mut framer = framer();
    let taken = framer.feed(text, |_| ControlFlow::Break(())).unwrap();
    assert_eq!(&text[taken..], b"<x/>");
}

/// XML text for a string, by one of three spellings per character.
fn spelled(text: &str, style: u8) -> String {
    text.chars()
        .map(|character| match (character, style % 3) {
            ('&', _) => "&amp;".to_owned(),
            ('<', _) => "&lt;".to_owned(),
            ('>', _) => "&gt;".to_owned(),
            ('"', 1) => "&quot;".to_owned(),
            ('\'', 1) => "&apos;".to_owned(),
            (_, 2) if !character.is_ascii_alphanumeric() => format!("&#{};", u32::from(character)),
            _ => character.to_string(),
        })
        .collect()
}

fn message() -> impl Strategy<Value = String> {
    (any::<u8>(), any::<u8>(), "[ -~]{0,40}|[ -~\u{e9}\u{20ac}\u{1f600}]{0,10}").prop_map(
        |(shape, style, text)| {
            let text = spelled(&text, style);
            let (open, close) = match shape % 5 {
                0 => ("<gcm xmlns=\"google:mobile:data\">", "</gcm>"),
                1 => ("<gcm xmlns='google:mobile:data'>", "</gcm>"),
                2 => ("<data:gcm xmlns:data=\"google:mobile:data\">", "</data:gcm>"),
                3 => ("<gcm xmlns='other'>", "</gcm>"),
                _ => ("<g:gcm a='1' xmlns:g='google:mobile:data' >", "</g:gcm >"),
            };
            let attributes =
                ["", " id=\"\"", " type='normal' to='a@b/c'", " type='error'", "  xml:lang='en' "]
                    [usize::from(shape / 5 % 5)];
            format!("<message{attributes}>{open}{text}{close}</message>")
        },
    )
}

fn stanza() -> impl Strategy<Value = String> {
    let other = prop_oneof![
        Just("<iq type='result' id='p'/>".to_owned()),
        Just("<presence/>".to_owned()),
        Just(" ".to_owned()),
        Just("<message><gcm xmlns='google:mobile:data'><![CDATA[{\"<\"}]]></gcm></message>".to_owned()),
        Just("<message><body>hi</body></message>".to_owned()),
    ];
    prop_oneof![4 => message(), 1 => other]
}

/// Cuts a text into pieces at the given places.
fn cut<'a>(text: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn fast_path_and_full_parser_agree(stanzas in proptest::collection::vec(stanza(), 0..6)) {
        let text = stanzas.concat();
        let inherited = text.replace("<message", "<message xmlns='jabber:client'")
            .replace("<iq", "<iq xmlns='jabber:client'").replace("<presence", "<presence xmlns='jabber:client'");
        prop_assert_eq!(whole(&text), run(slow_framer(), &[inherited.as_bytes()]));
    }

    #[test]
    fn pieces_do_not_matter(stanzas in proptest::collection::vec(stanza(), 0..6), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let text = stanzas.concat();
        prop_assert_eq!(run(framer(), &cut(text.as_bytes(), &cuts)), whole(&text));
    }

    #[test]
    fn single_bytes_do_not_matter(stanzas in proptest::collection::vec(stanza(), 0..4)) {
        let text = stanzas.concat();
        let pieces: Vec<_> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(run(framer(), &pieces), whole(&text));
    }

    #[test]
    fn damaged_messages_are_judged_alike(text in message(), at: prop::sample::Index, byte in 0_u8..0x80) {
        const HEAD: usize = "<message ".len();
        let mut bytes = text.into_bytes();
        let at = HEAD + at.index(bytes.len() - HEAD);
        bytes[at] = byte;
        // A multi-byte character cut in two is for the garbage test, where nothing is compared.
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        let (fast, fast_end) = whole(&text);
        let declared = text.replacen("<message", "<message xmlns='jabber:client'", 1);
        let (slow, slow_end) = run(slow_framer(), &[declared.as_bytes()]);
        prop_assert_eq!(fast, slow);
        // The fast path may still wait for a quote or tag to end where the parser has already seen that it never can.
        prop_assert_eq!(fast_end == Ok(true), slow_end == Ok(true), "{:?} {:?} {:?}", text, fast_end, slow_end);
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>, cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..4)) {
        let _ = run(framer(), &cut(&bytes, &cuts));
    }

    #[test]
    fn near_xml_garbage_never_panics(text in "[<>/=\"'& :a-gmx!\\[\\]-]{0,80}", start in prop_oneof![Just(""), Just("<message"), Just("<message><gcm xmlns='google:mobile:data'>")]) {
        let _ = whole(&format!("{start}{text}"));
    }
}
