//! What a push and its answer cost on the way through the XMPP codec, next to the same work by xmpp-parsers.
//!
//! `cargo bench -p pushweir --bench codec` prints nanoseconds per stanza, the best of many short rounds, so that other load on the machine
//! matters little. Nothing is sent.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use minidom::Element;
use pushweir::outcome::Verdict;
use pushweir::push::{Lane, Notification, PushKey, PushRequest, Target};
use pushweir::transport::SessionEvent;
use pushweir::transport::xmpp::dialog::Dialog;
use pushweir::transport::xmpp::document::Document;
use pushweir::transport::xmpp::frame::Framer;
use pushweir::transport::xmpp::{encode, request, verdict};
use serde_json::value::RawValue;
use xmpp_parsers::jid::Jid;
use xmpp_parsers::message::{Id, Message};

const ROUNDS: u32 = 1_000;
const PER_ROUND: u32 = 200;
const BATCH: usize = 50;
const HEADER: &str = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
const GCM_NS: &str = "google:mobile:data";
const TOKEN: &str = "bk3RNwTe3H0:CI2k_HHwgIpoDKCIZvvDMExUdFQ3P1_xAbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

fn main() {
    let data =
        RawValue::from_string(r#"{"channel":"room-17","kind":"mention"}"#.to_owned()).expect("it is JSON");
    let payload = render(&data);
    let stanza = stanza(&payload);
    let ack = ack(PushKey::from_u128(7));
    let escaped = ack
        .replacen("{\"", "{&quot;", 1)
        .replace("\":\"", "&quot;:&quot;")
        .replace("\",\"", "&quot;,&quot;")
        .replace("\"}", "&quot;}");
    println!(
        "push stanza {} bytes, ack stanza {} bytes ({} with references)",
        stanza.len(),
        ack.len(),
        escaped.len()
    );
    row("render a request at ingest", || {
        black_box(render(black_box(&data)));
    });
    let mut out = Vec::with_capacity(64 * 1024);
    row("encode a push", || {
        if out.len() > 60_000 {
            out.clear();
        }
        encode::push(
            &mut out,
            black_box(PushKey::from_u128(7)),
            Duration::from_secs(3600),
            black_box(&payload),
        );
    });
    row("encode a push with xmpp-parsers", || {
        black_box(encode_with_library(black_box(&payload)));
    });
    decode_rows(&ack, &escaped);
    row("decode an ack with xmpp-parsers", || {
        black_box(decode_with_library(black_box(&ack)));
    });
}

fn render(data: &RawValue) -> Vec<u8> {
    let request = PushRequest {
        id: None,
        route: None,
        to: Target::Token(TOKEN.into()),
        priority: Lane::High,
        ttl: None,
        collapse_key: None,
        notification: Some(Notification {
            title: Some("Anna".into()),
            body: Some("See you at 8?".into()),
            ..Notification::default()
        }),
        data: Some(data.into()),
        provider: None,
    };
    let mut payload = Vec::with_capacity(512);
    request::render(&request, &mut payload).expect("the request is valid");
    payload
}

fn stanza(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::push(&mut out, PushKey::from_u128(7), Duration::from_secs(3600), payload);
    out
}

fn ack(key: PushKey) -> String {
    format!(
        r#"<message id=""><gcm xmlns="{GCM_NS}">{{"from":"{TOKEN}","message_id":"{key}","message_type":"ack"}}</gcm></message>"#
    )
}

/// Measures decoding as the session does it: many stanzas per read.
fn decode_rows(ack: &str, escaped: &str) {
    let mut document = Document::default();
    document.next(&mut HEADER.as_bytes()).expect("the header is valid");
    let mut framer = Framer::new(document);
    let mut dialog = Dialog::default();
    let (mut events, mut replies) = (Vec::with_capacity(BATCH), Vec::new());
    for (name, text) in [("decode an ack", ack), ("decode an ack with references", escaped)] {
        let read = text.repeat(BATCH);
        rows(name, PER_ROUND / 50, BATCH, || {
            events.clear();
            let taken = framer.feed(black_box(read.as_bytes()), |frame| {
                let _ = dialog.on_frame(frame, &mut events, &mut replies);
                ControlFlow::Continue(())
            });
            assert_eq!((taken.ok(), events.len()), (Some(read.len()), BATCH));
        });
        assert!(matches!(events[0], SessionEvent::Answered { verdict: Verdict::Delivered { .. }, .. }));
    }
}

fn encode_with_library(payload: &[u8]) -> Vec<u8> {
    let key = PushKey::from_u128(7).to_string();
    let json = format!(
        "{{\"message_id\":\"{key}\",\"time_to_live\":3600,{}}}",
        std::str::from_utf8(payload).expect("it is text")
    );
    let mut message = Message::new(None::<Jid>);
    message.id = Some(Id(key));
    message.payloads.push(Element::builder("gcm", GCM_NS).append(json).build());
    let mut out = Vec::new();
    Element::from(message).write_to(&mut out).expect("a vector takes every write");
    out
}

fn decode_with_library(ack: &str) -> bool {
    let stanza = ack.replacen("<message", "<message xmlns='jabber:client'", 1);
    let element: Element = stanza.parse().expect("the stanza is valid");
    let message = Message::try_from(element).expect("the stanza is a message");
    let json = message.payloads[0].text();
    matches!(verdict::read(&json), verdict::Incoming::Answer { .. })
}

fn row(name: &str, work: impl FnMut()) {
    rows(name, PER_ROUND, 1, work);
}

fn rows(name: &str, calls: u32, per_call: usize, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..calls {
            work();
        }
        best = best.min(start.elapsed());
    }
    let nanos = best.as_secs_f64() * 1e9 / f64::from(calls) / per_call as f64;
    println!("{name:<36} {nanos:>9.1} ns");
}
