//! The session against a scripted HTTP/2 server over an in-memory pipe, under a paused clock.

mod ending;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use h2::Reason;
use h2::server::{self, SendResponse};
use http::{Request, Response};
use tokio::io::{AsyncWriteExt, DuplexStream};

use super::*;
use crate::outcome::Answer;
use crate::push::fixture::push;
use crate::push::{Lane, Push};
use crate::transport::Outbox;
use crate::transport::http2::{Reply, Stamp};

const LIMITS: Limits = Limits {
    cap: 100,
    request_timeout: Duration::from_secs(20),
    ping_after: Duration::from_secs(30),
    ping_timeout: Duration::from_secs(10),
};

/// A provider that takes 200, wants a pause at 429 and has a credential while it is told to.
#[derive(Default)]
struct Plain {
    has_no_credential: Cell<bool>,
    ending: RefCell<Option<String>>,
}

impl Protocol for Plain {
    fn write(&self, push: &Push, time_left: Duration) -> Letter {
        let head = Request::post("https://a.example/send").body(()).unwrap();
        Letter { key: push.key, head, body: Bytes::from(format!("{}", time_left.as_secs())) }
    }

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        if self.has_no_credential.get() {
            Poll::Ready(Err("no credential".into()))
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn authorize(&self, _: &mut Request<()>) -> Stamp {
        Stamp(7)
    }

    fn judge(&self, stamp: Stamp, reply: &Reply, _: SystemTime) -> Judgement {
        assert_eq!(stamp, Stamp(7));
        if reply.status.is_success() {
            return Judgement::of(Verdict::Delivered { canonical: None });
        }
        let answer = Box::new(Answer::new(reply.status.as_str(), &reply.body.len().to_string()));
        let pause = (reply.status == 429).then_some(Duration::from_secs(5));
        Judgement { verdict: Verdict::Rejected(answer), pause }
    }

    fn judge_reset(&self, reason: &str) -> Judgement {
        Judgement::of(Verdict::Rejected(Box::new(Answer::new(reason, ""))))
    }

    fn ending(&self) -> Option<String> {
        self.ending.borrow().clone()
    }
}

type Outgoing = SendResponse<Bytes>;

/// Both ends of a session.
struct Both {
    outbox: LinkOutbox<Plain>,
    events: LinkEvents<Plain, DuplexStream>,
    protocol: Rc<Plain>,
    server: server::Connection<DuplexStream, Bytes>,
    asked: Vec<(Request<h2::RecvStream>, Outgoing)>,
    told: Vec<SessionEvent>,
}

impl Both {
    async fn open(builder: &server::Builder) -> Self {
        let (ours, theirs) = tokio::io::duplex(256 * 1024);
        let protocol = Rc::new(Plain::default());
        let started = start(ours, LIMITS, Rc::clone(&protocol));
        let (started, server) = tokio::join!(started, builder.handshake::<_, Bytes>(theirs));
        let (outbox, events) = started.unwrap();
        Self { outbox, events, protocol, server: server.unwrap(), asked: Vec::new(), told: Vec::new() }
    }

    async fn allowing(streams: u32) -> Self {
        let mut both = Self::open(server::Builder::new().max_concurrent_streams(streams)).await;
        both.settle().await;
        both
    }

    fn send(&mut self, numbers: std::ops::Range<u128>) {
        for number in numbers {
            self.outbox.send(&push(number, Lane::Normal), Duration::from_secs(60));
        }
        self.outbox.flush();
    }

    /// Lets both ends work until nothing moves any more; time stands still.
    async fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 3 {
            let mut moved = false;
            while let Some(Some(events)) = self.events.next().now_or_never() {
                self.told.extend(events);
                moved = true;
            }
            while let Some(Some(asked)) = self.server.accept().now_or_never() {
                let Ok(asked) = asked else { break };
                self.asked.push(asked);
                moved = true;
            }
            quiet = if moved { 0 } else { quiet + 1 };
            tokio::task::yield_now().await;
        }
    }

    fn answer(&mut self, index: usize, status: u16) {
        let head = Response::builder().status(status).body(()).unwrap();
        self.asked[index].1.send_response(head, true).unwrap();
    }

    fn verdicts(&mut self) -> Vec<(u128, Verdict)> {
        let told = std::mem::take(&mut self.told).into_iter();
        told.filter_map(|event| match event {
            SessionEvent::Answered { key, verdict } => Some((key.as_u128(), verdict)),
            _ => None,
        })
        .collect()
    }
}

fn delivered(number: u128) -> (u128, Verdict) {
    (number, Verdict::Delivered { canonical: None })
}

#[tokio::test(start_paused = true)]
async fn the_window_is_one_until_the_peer_has_spoken_and_then_what_it_allows() {
    let mut both = Both::allowing(7).await;
    assert_eq!(both.told, [SessionEvent::Window(7)]);
    let mut generous = Both::allowing(1_000).await;
    assert_eq!(generous.told, [SessionEvent::Window(LIMITS.cap)]);
    both.send(0..20);
    both.settle().await;
    assert_eq!(both.asked.len(), 7, "the rest waits, whatever the pusher sends");
    generous.send(0..20);
    generous.settle().await;
    assert_eq!(generous.asked.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn answers_free_their_streams_and_keep_their_keys() {
    let mut both = Both::allowing(2).await;
    both.send(0..4);
    both.settle().await;
    both.answer(1, 200);
    both.settle().await;
    assert_eq!(both.verdicts(), [delivered(1)]);
    assert_eq!(both.asked.len(), 3);
    for index in [0, 2] {
        both.answer(index, 200);
    }
    both.settle().await;
    both.answer(3, 404);
    both.settle().await;
    let verdicts = both.verdicts();
    assert_eq!(verdicts[..2], [delivered(0), delivered(2)]);
    assert!(matches!(&verdicts[2], (3, Verdict::Rejected(answer)) if &*answer.code == "404"), "{verdicts:?}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_stream_can_be_recalled_and_is_not_sent_then() {
    let mut both = Both::allowing(1).await;
    both.send(0..3);
    both.settle().await;
    let recalled = [0, 1, 1].map(|number| both.outbox.recall(push(number, Lane::Normal).key));
    assert_eq!(recalled, [false, true, false], "the first is with the peer");
    both.answer(0, 200);
    both.settle().await;
    both.answer(1, 200);
    both.settle().await;
    assert_eq!((both.verdicts(), both.asked.len()), (vec![delivered(0), delivered(2)], 2));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_read_but_not_kept_beyond_the_limit() {
    let mut both = Both::allowing(2).await;
    both.send(0..1);
    both.settle().await;
    let head = Response::builder().status(400).body(()).unwrap();
    let mut stream = both.asked[0].1.send_response(head, false).unwrap();
    stream.send_data(Bytes::from(vec![b'x'; 3 * super::super::MAX_BODY]), true).unwrap();
    both.settle().await;
    let verdicts = both.verdicts();
    assert!(
        matches!(&verdicts[..], [(0, Verdict::Rejected(answer))] if *answer.detail == *super::super::MAX_BODY.to_string()),
        "{verdicts:?}"
    );
    both.send(1..2);
    both.settle().await;
    both.answer(1, 200);
    both.settle().await;
    assert_eq!(both.verdicts(), [delivered(1)], "the connection lives on");
}

#[tokio::test(start_paused = true)]
async fn a_refused_stream_goes_elsewhere_and_a_reset_one_is_judged() {
    let mut both = Both::allowing(3).await;
    both.send(0..2);
    both.settle().await;
    both.asked[0].1.send_reset(Reason::REFUSED_STREAM);
    both.asked[1].1.send_reset(Reason::INTERNAL_ERROR);
    both.settle().await;
    let mut verdicts = both.verdicts();
    verdicts.sort_by_key(|(key, _)| *key);
    assert_eq!(verdicts[0], (0, Verdict::REFUSED_STREAM));
    assert!(matches!(&verdicts[1], (1, Verdict::Rejected(answer)) if &*answer.code == "INTERNAL_ERROR"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_refuses_everything_is_not_asked_without_end() {
    let mut both = Both::allowing(100).await;
    both.told.clear();
    for round in 0..2 {
        both.send(round * 100..round * 100 + 100);
        both.settle().await;
        both.asked.drain(..).for_each(|(_, mut answer)| answer.send_reset(Reason::REFUSED_STREAM));
        both.settle().await;
    }
    assert!(both.told.contains(&SessionEvent::Window(0)), "it pauses");
    assert!(both.verdicts().iter().all(|(_, verdict)| matches!(verdict, Verdict::Elsewhere(_))));
    tokio::time::advance(watch::REFUSAL_PAUSE).await;
    both.settle().await;
    assert_eq!(both.told, [SessionEvent::Window(100)]);
}

#[tokio::test(start_paused = true)]
async fn a_graceful_going_away_drains_and_the_last_answer_closes() {
    let mut both = Both::allowing(2).await;
    both.told.clear();
    both.send(0..3);
    both.settle().await;
    both.server.graceful_shutdown();
    both.settle().await;
    assert!(matches!(both.told[0], SessionEvent::Draining { .. }), "{:?}", both.told);
    both.send(9..10);
    both.settle().await;
    assert_eq!(both.verdicts(), [(2, Verdict::NOT_SENT), (9, Verdict::NOT_SENT)]);
    both.answer(0, 200);
    both.answer(1, 200);
    both.settle().await;
    let closed = both.told.last().cloned();
    assert!(matches!(closed, Some(SessionEvent::Closed { expected: false, .. })), "{closed:?}");
    assert_eq!(both.verdicts(), [delivered(0), delivered(1)]);
}

/// The bytes of a SETTINGS frame that allows five streams, and of a GOAWAY that names a last stream (RFC 9113 sections 6.5 and 6.8).
const SETTINGS: [u8; 15] = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 5];
const fn going_away(last: u8, reason: u8) -> [u8; 17] {
    [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, last, 0, 0, 0, reason]
}

#[tokio::test(start_paused = true)]
async fn a_going_away_with_the_end_behind_it_tells_what_was_not_processed() {
    for reason in [0, 1, 11] {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let (mut outbox, mut events) = start(ours, LIMITS, Rc::new(Plain::default())).await.unwrap();
        theirs.write_all(&SETTINGS).await.unwrap();
        assert_eq!(events.next().await.unwrap(), [SessionEvent::Window(5)]);
        for number in 0..5 {
            outbox.send(&push(number, Lane::Normal), Duration::from_secs(60));
        }
        outbox.flush();
        assert!(events.next().now_or_never().is_none(), "all are out");
        theirs.write_all(&going_away(3, reason)).await.unwrap();
        drop(theirs);
        let mut told = Vec::new();
        while let Some(events) = events.next().await {
            told.extend(events);
        }
        assert!(matches!(told.last(), Some(SessionEvent::Closed { expected: false, .. })), "{told:?}");
        let mut keys: Vec<_> = told
            .iter()
            .filter_map(|event| match event {
                SessionEvent::Answered { key, verdict: Verdict::Elsewhere(_) } => Some(key.as_u128()),
                SessionEvent::Answered { .. } => panic!("nothing was answered: {told:?}"),
                _ => None,
            })
            .collect();
        keys.sort_unstable();
        assert_eq!(keys, [2, 3, 4], "streams 1 and 3 may have been processed, those above were not");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_leaves_its_streams_unanswered() {
    let mut both = Both::allowing(5).await;
    both.told.clear();
    both.send(0..7);
    both.settle().await;
    drop(std::mem::replace(&mut both.server, other_server().await));
    both.asked.clear();
    while let Some(events) = both.events.next().await {
        both.told.extend(events);
    }
    let closed = both.told.last().cloned();
    assert!(matches!(closed, Some(SessionEvent::Closed { expected: false, .. })), "{closed:?}");
    let verdicts = both.verdicts();
    assert_eq!(verdicts, [(5, Verdict::NOT_SENT), (6, Verdict::NOT_SENT)], "only what was never sent");
}

/// A server of another client, to put in the place of one that is dropped.
async fn other_server() -> server::Connection<DuplexStream, Bytes> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let client = h2::client::handshake(ours);
    let (client, server) = tokio::join!(client, server::handshake(theirs));
    drop(client);
    server.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_in_time_is_given_up_and_its_stream_freed() {
    let mut both = Both::allowing(1).await;
    tokio::time::advance(Duration::from_secs(300)).await;
    both.settle().await;
    assert_eq!(both.told, [], "one it is, and idle silence is fine");
    both.told.clear();
    both.send(0..2);
    both.settle().await;
    tokio::time::advance(LIMITS.request_timeout).await;
    both.settle().await;
    assert_eq!(both.verdicts(), [(0, Verdict::Unanswered)]);
    assert_eq!(both.asked.len(), 2, "the next one has its place");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_is_alive_and_a_dead_one_is_left() {
    let mut both = Both::allowing(5).await;
    both.told.clear();
    // A limit beyond the pings, so that only they decide.
    both.events.limits.request_timeout = Duration::from_secs(600);
    both.send(0..1);
    both.settle().await;
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(15)).await;
        both.settle().await;
    }
    assert_eq!(both.told, []);
    let silent = Instant::now();
    while let Some(events) = both.events.next().await {
        both.told.extend(events);
    }
    assert!(silent.elapsed() <= LIMITS.ping_after + LIMITS.ping_timeout);
    assert!(
        matches!(&both.told[..], [SessionEvent::Closed { reason, expected: false }] if reason.contains("silent")),
        "{:?}",
        both.told
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_pause_the_connection() {
    let mut both = Both::allowing(5).await;
    both.told.clear();
    both.send(0..2);
    both.settle().await;
    both.answer(0, 429);
    both.settle().await;
    assert!(both.told.contains(&SessionEvent::Window(0)), "{:?}", both.told);
    both.told.clear();
    both.send(2..3);
    both.settle().await;
    assert_eq!(both.verdicts(), [(2, Verdict::NOT_SENT)]);
    both.answer(1, 200);
    both.settle().await;
    assert_eq!(both.verdicts(), [delivered(1)]);
    tokio::time::advance(Duration::from_secs(5)).await;
    both.settle().await;
    assert_eq!(both.told, [SessionEvent::Window(5)]);
}
