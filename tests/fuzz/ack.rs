//! What the provider sends, through the framer with its fast path and through the full parser alone: both must find the same, wherever reads
//! end, and judge the end alike. Whatever is found must be readable without a panic.
//!
//! The first byte of the input chooses where the bytes are cut; the rest is what comes after the stream header.

#![no_main]

use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use minidom::Element;
use pushweir::transport::xmpp::document::{Document, Item};
use pushweir::transport::xmpp::frame::{Frame, Framer, MAX_HELD};
use pushweir::transport::xmpp::verdict;

const HEADER: &str = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

/// A frame that owns its text.
#[derive(Debug, PartialEq)]
enum Found {
    Json(String),
    Element(Element),
    End,
}

/// What was found, and whether it ended between two stanzas; an error ends it anywhere.
type Outcome = (Vec<Found>, bool);

fuzz_target!(|input: &[u8]| {
    let Some((cuts, bytes)) = input.split_first() else { return };
    // Of a character that is cut in two by the end, one may notice and the other wait.
    let Ok(text) = std::str::from_utf8(bytes) else {
        let _ = framed(bytes, *cuts);
        return;
    };
    let fast = framed(bytes, *cuts);
    let full = parsed(text);
    assert_eq!(fast, full, "cuts {cuts}: {text:?}");
    for found in &fast.0 {
        if let Found::Json(json) = found {
            let _ = verdict::read(json);
        }
    }
});

fn opened() -> Document {
    let mut document = Document::default();
    let item = document.next(&mut HEADER.as_bytes()).expect("the header is right");
    assert_eq!(item, Some(Item::Opened));
    document
}

/// Feeds the framer as the session does: what is not taken is presented again, with the next piece behind it.
fn framed(bytes: &[u8], cuts: u8) -> Outcome {
    let size = if cuts == 0 { bytes.len().max(1) } else { usize::from(cuts) };
    let (mut framer, mut found, mut held) = (Framer::new(opened()), Vec::new(), Vec::new());
    for piece in bytes.chunks(size) {
        held.extend_from_slice(piece);
        let taken = framer.feed(&held, |frame| {
            found.push(match frame {
                Frame::Json(json) => Found::Json(json.to_owned()),
                Frame::Element(element) => Found::Element(element),
                Frame::End => Found::End,
            });
            ControlFlow::Continue(())
        });
        match taken {
            Ok(taken) => held.drain(..taken),
            Err(_) => return (found, false),
        };
        assert!(held.len() <= MAX_HELD);
    }
    (found, held.is_empty() && framer.is_between())
}

/// The same by the full parser, from a document that never saw the fast path.
fn parsed(text: &str) -> Outcome {
    let (mut document, mut found, mut rest) = (opened(), Vec::new(), text.as_bytes());
    loop {
        // XML's white space, which a form feed is not.
        while let [b' ' | b'\t' | b'\r' | b'\n', after @ ..] = rest {
            rest = after;
        }
        if rest.is_empty() {
            return (found, true);
        }
        match document.next(&mut rest) {
            Err(_) | Ok(None) => return (found, false),
            Ok(Some(Item::Opened)) => {}
            Ok(Some(Item::Closed)) => found.push(Found::End),
            Ok(Some(Item::Element(element))) => found.push(match payload(&element) {
                Some(json) => Found::Json(json),
                None => Found::Element(element),
            }),
        }
    }
}

/// The text of an answer's payload: a `gcm` element in a message that is no error.
fn payload(element: &Element) -> Option<String> {
    let is_answer = element.is("message", "jabber:client") && element.attr("type") != Some("error");
    element.get_child("gcm", "google:mobile:data").filter(|_| is_answer).map(Element::text)
}
