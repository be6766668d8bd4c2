//! The session over an in-memory pipe, under a paused clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf};

use super::intake::READ_BUDGET;
use super::*;
use crate::push::{Lane, Push, PushKey, RouteId};
use crate::transport::Outbox;
use crate::transport::cork::Corked;
use crate::transport::xmpp::document::{Item, MAX_STANZA};
use crate::units::Moment;

const HEADER: &str = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
const PING_AFTER: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(15);
const PIPE: usize = 64 * 1024;

/// Counts writes on their way to the pipe.
#[derive(Debug)]
struct Counted {
    pipe: DuplexStream,
    writes: Arc<AtomicUsize>,
}

/// Counts wake-ups.
#[derive(Debug, Default)]
struct Bell(AtomicUsize);

struct Both {
    outbox: LinkOutbox,
    events: LinkEvents<Corked<Counted>>,
    writes: Arc<AtomicUsize>,
    peer: DuplexStream,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, room)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn both(pipe: usize, early: &str) -> Both {
    let (ours, peer) = tokio::io::duplex(pipe);
    let writes = Arc::new(AtomicUsize::new(0));
    let mut document = Document::default();
    assert_eq!(document.next(&mut HEADER.as_bytes()).unwrap(), Some(Item::Opened));
    let opening = Opening { document, read: early.as_bytes().to_vec(), write: Vec::new() };
    let mut io = Corked::new(Counted { pipe: ours, writes: Arc::clone(&writes) });
    io.cork();
    let (outbox, events) = open(io, opening, PING_AFTER, PING_TIMEOUT);
    Both { outbox, events, writes, peer }
}

fn push(number: u128) -> Push {
    Push {
        key: PushKey::from_u128(number),
        name: None,
        payload: Bytes::from_static(b"\"to\":\"tok\""),
        accepted_at: Moment::default(),
        deadline: Moment::NEVER,
        route: RouteId(0),
        sender: crate::push::SenderId::default(),
        lane: Lane::High,
        collapse: None,
        trace: None,
        attempts: 0,
        maybe_delivered: false,
    }
}

fn gcm(json: &str) -> String {
    format!("<message><gcm xmlns='google:mobile:data'>{json}</gcm></message>")
}

fn ack(number: u128) -> String {
    gcm(&format!(r#"{{"message_id":"{}","message_type":"ack"}}"#, PushKey::from_u128(number)))
}

impl Both {
    fn send(&mut self, pushes: std::ops::Range<u128>) {
        for number in pushes {
            self.outbox.send(&push(number), PING_AFTER);
        }
        self.outbox.flush();
    }

    /// Polls once; what came, if anything did.
    fn poll(&mut self) -> Option<Vec<SessionEvent>> {
        self.events.next().now_or_never().map(|events| events.expect("the session ended before"))
    }

    async fn tell(&mut self, text: &str) {
        self.peer.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads what the peer can read now.
    fn heard(&mut self) -> String {
        let mut text = vec![0; PIPE];
        let count = self.peer.read(&mut text).now_or_never().map_or(0, Result::unwrap);
        String::from_utf8(text[..count].to_vec()).unwrap()
    }

    /// Reads events to the end; the reason, and whether it was expected.
    async fn end(&mut self) -> (String, bool) {
        let mut last = None;
        while let Some(events) = self.events.next().await {
            last = events.into_iter().next_back();
        }
        match last {
            Some(SessionEvent::Closed { reason, expected }) => (reason, expected),
            other => panic!("the last event is {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_write() {
    let mut both = both(PIPE, "");
    both.send(0..100);
    assert_eq!(both.poll(), None);
    assert_eq!(both.writes.load(Ordering::Relaxed), 1);
    assert_eq!(both.heard().matches("<message id=").count(), 100);
    assert_eq!(both.poll(), None);
    assert_eq!(both.writes.load(Ordering::Relaxed), 1, "nothing to write is no write");
}

#[tokio::test(start_paused = true)]
async fn what_the_connection_held_back_leaves_when_it_can() {
    let mut both = both(1_000, "");
    both.send(0..100);
    let mut heard = String::new();
    for _ in 0..100 {
        assert_eq!(both.poll(), None);
        heard += &both.heard();
    }
    assert_eq!(heard.matches("</message>").count(), 100);
    assert!(both.events.is_flushed);
}

#[tokio::test(start_paused = true)]
async fn flushing_wakes_the_reader_of_events() {
    let mut both = both(PIPE, "");
    let bell = Arc::new(Bell::default());
    let waker = Arc::clone(&bell).into();
    assert!(both.events.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
    both.outbox.send(&push(1), PING_AFTER);
    assert_eq!(bell.0.load(Ordering::Relaxed), 0, "a push alone does not wake, the batch does");
    both.outbox.flush();
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn all_answers_of_a_read_are_one_batch() {
    let mut both = both(PIPE, "");
    both.tell(&(0..100).map(ack).collect::<String>()).await;
    assert_eq!(both.poll().unwrap().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_with_the_handshake_is_not_lost() {
    let text = ack(1);
    let (head, tail) = text.split_at(30);
    let mut both = both(PIPE, head);
    assert_eq!(both.poll(), None);
    both.tell(tail).await;
    assert_eq!(both.poll().unwrap().len(), 1);
    assert_eq!(super::tests::both(PIPE, &ack(1)).poll().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_are_read_while_writing_is_blocked() {
    let mut both = both(512, "");
    both.send(0..100);
    assert_eq!(both.poll(), None);
    both.tell(&ack(1)).await;
    assert_eq!(both.poll().unwrap().len(), 1);
    let mut text = String::new();
    loop {
        let heard = both.heard();
        if heard.is_empty() {
            break;
        }
        text.push_str(&heard);
        assert_eq!(both.poll(), None);
    }
    assert_eq!(text.matches("</message>").count(), 100);
}

#[tokio::test(start_paused = true)]
async fn upstream_messages_are_acknowledged_and_counted() {
    let mut both = both(PIPE, "");
    both.tell(&gcm(r#"{"message_id":"m-1","from":"tok"}"#).repeat(3)).await;
    assert_eq!(both.poll(), Some(vec![SessionEvent::Upstream(3)]));
    assert_eq!(both.heard().matches(r#"{"to":"tok","message_id":"m-1","message_type":"ack"}"#).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_floods_but_does_not_read_is_cut_off() {
    let mut both = both(PIPE, "");
    let (_, silent) = tokio::io::duplex(1);
    let mut peer = std::mem::replace(&mut both.peer, silent);
    let upstream = gcm(&format!(r#"{{"message_id":"{}","from":"tok"}}"#, "m".repeat(500)));
    tokio::spawn(async move { while peer.write_all(upstream.as_bytes()).await.is_ok() {} });
    let (reason, expected) = both.end().await;
    assert!(reason.contains("reads nothing") && !expected, "{reason}");
}

#[tokio::test(start_paused = true)]
async fn one_poll_reads_no_more_than_its_budget() {
    let mut both = both(1 << 20, "");
    let text = (0..5000).map(ack).collect::<String>();
    assert!(text.len() > 2 * READ_BUDGET);
    both.tell(&text).await;
    let first = both.poll().unwrap().len();
    assert!(first * ack(1).len() <= READ_BUDGET + 32 * 1024, "{first} events");
    let mut count = first;
    while count < 5000 {
        count += both.poll().unwrap().len();
    }
    assert_eq!(both.poll(), None);
    // Where there are no events to return, the rest is taken up by waking at once.
    both.tell(&" ".repeat(2 * READ_BUDGET)).await;
    let bell = Arc::new(Bell::default());
    let waker = Arc::clone(&bell).into();
    assert!(both.events.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn silence_is_pinged_and_then_the_end() {
    let mut both = both(PIPE, "");
    let start = Instant::now();
    let (reason, expected) = both.end().await;
    assert_eq!(start.elapsed(), PING_AFTER + PING_TIMEOUT);
    assert!(reason.contains("silent") && !expected, "{reason}");
    assert!(both.heard().contains("urn:xmpp:ping"));
}

#[tokio::test(start_paused = true)]
async fn a_lone_space_is_life() {
    let mut both = both(PIPE, "");
    for _ in 0..10 {
        tokio::time::advance(PING_AFTER - Duration::from_secs(1)).await;
        both.tell(" ").await;
        assert_eq!(both.poll(), None);
    }
    assert_eq!(both.heard(), "", "no ping was due");
    tokio::time::advance(PING_AFTER).await;
    assert_eq!(both.poll(), None);
    assert!(both.heard().contains("ping-1"));
    both.tell("<iq type='result' id='ping-1'/>").await;
    assert_eq!(both.poll(), None);
    tokio::time::advance(PING_TIMEOUT).await;
    assert_eq!(both.poll(), None);
}

#[tokio::test(start_paused = true)]
async fn every_end_says_why() {
    let cases = [
        ("", "ended between stanzas"),
        (" ", "ended between stanzas"),
        ("<message><gcm", "ended in the middle of a stanza"),
        ("<iq type='result'", "ended in the middle of a stanza"),
        ("</stream:stream>", "the peer ended the stream"),
        ("<a></b>", "invalid XML"),
        (
            "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
            "stream error conflict",
        ),
    ];
    for (text, expected) in cases {
        let mut both = both(PIPE, "");
        both.tell(text).await;
        both.peer.shutdown().await.unwrap();
        let (reason, asked) = both.end().await;
        assert!(reason.contains(expected) && !asked, "{text}: {reason}");
        both.outbox.send(&push(1), PING_AFTER);
        both.outbox.flush();
        assert_eq!(both.events.desk.borrow().outgoing.len(), 0, "nothing piles up behind the end");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_before_the_end_still_count() {
    let mut both = both(PIPE, "");
    both.tell(&format!("{}{}</stream:stream>{}", ack(1), ack(2), ack(3))).await;
    let events = both.poll().unwrap();
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(matches!(events[2], SessionEvent::Closed { .. }));
    assert_eq!(both.heard(), "</stream:stream>");
}

#[tokio::test(start_paused = true)]
async fn a_stanza_over_the_limit_is_the_end() {
    let mut both = both(1 << 20, "");
    both.tell(&format!("<message><gcm xmlns='google:mobile:data'>{}", "x".repeat(MAX_STANZA))).await;
    let (reason, _) = both.end().await;
    assert!(reason.contains("more than 262144 bytes"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn finishing_waits_briefly_for_the_peer() {
    let mut both = both(PIPE, "");
    both.send(0..1);
    both.outbox.finish();
    let start = Instant::now();
    let (reason, expected) = both.end().await;
    assert!(reason.contains("did not close") && expected, "{reason}");
    assert_eq!(start.elapsed(), CLOSE_WAIT);
    assert!(both.heard().ends_with("</gcm></message></stream:stream>"));
}

#[tokio::test(start_paused = true)]
async fn finishing_does_not_wait_for_ever_on_a_peer_that_reads_nothing() {
    let mut both = both(64, "");
    both.send(0..10);
    both.outbox.finish();
    let start = Instant::now();
    let (reason, expected) = both.end().await;
    assert!(reason.contains("did not take") && expected, "{reason}");
    assert_eq!(start.elapsed(), PING_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn nothing_piles_up_for_a_session_that_was_dropped() {
    let Both { mut outbox, events, peer: _peer, .. } = both(PIPE, "");
    let desk = Rc::clone(&events.desk);
    drop(events);
    outbox.send(&push(1), PING_AFTER);
    outbox.finish();
    assert_eq!(desk.borrow().outgoing.len(), 0);
}
