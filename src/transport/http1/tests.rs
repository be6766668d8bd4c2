//! The session against a scripted HTTP/1.1 server over an in-memory pipe, under a paused clock.

use futures_util::{FutureExt, StreamExt};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::super::http2::{Letter, Reach, Reply, Stamp};
use super::*;
use crate::outcome::Answer;
use crate::push::fixture::push;
use crate::push::{Lane, Push, PushKey};

const LIMIT: Duration = Duration::from_secs(20);

const LIMITS: Limits = Limits {
    cap: 100,
    request_timeout: LIMIT,
    ping_after: Duration::from_secs(30),
    ping_timeout: Duration::from_secs(10),
};

/// A provider that takes 200 and wants a pause at 429.
struct Plain;

impl Protocol for Plain {
    fn write(&self, push: &Push, _time_left: Duration) -> Letter {
        let head = Request::post("https://a.example:8443/send?x=1").body(()).unwrap();
        Letter { key: push.key, head, body: Bytes::from(format!("body-{}", push.key.as_u128())) }
    }

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        Poll::Ready(Ok(()))
    }

    fn authorize(&self, _: &mut Request<()>) -> Stamp {
        Stamp(7)
    }

    fn judge(&self, stamp: Stamp, reply: &Reply, _: SystemTime) -> Judgement {
        assert_eq!(stamp, Stamp(7));
        if reply.status.is_success() {
            return Judgement::of(Verdict::Delivered { canonical: None });
        }
        let pause = (reply.status == 429).then_some(Duration::from_secs(5));
        let detail = reply.body.len().to_string();
        Judgement { verdict: Verdict::Rejected(Box::new(Answer::new(reply.status.as_str(), &detail))), pause }
    }

    fn judge_reset(&self, _: &str) -> Judgement {
        unreachable!("HTTP/1.1 has no streams")
    }
}

/// Both ends of a session.
struct Both {
    session: Session,
    server: DuplexStream,
    heard: String,
}

impl Both {
    async fn open() -> Self {
        let (ours, server) = tokio::io::duplex(1 << 20);
        let endpoint = Endpoint {
            origin: "https://a.example".parse().unwrap(),
            ca: None,
            identity: None,
            proxy: None,
            connect_timeout: LIMIT,
            reach: Reach::Anywhere,
        };
        let session = start(ours, &endpoint, LIMITS, Rc::new(Plain), &Cell::new("")).await.unwrap();
        assert_eq!(session.window, 1);
        Self { session, server, heard: String::new() }
    }

    fn send(&mut self, numbers: std::ops::Range<u128>) {
        for number in numbers {
            self.session.outbox.send(&push(number, Lane::Normal), LIMIT);
        }
        self.session.outbox.flush();
    }

    /// Lets both ends work until nothing moves any more, and returns what the session told.
    async fn settle(&mut self) -> Vec<SessionEvent> {
        let mut told = Vec::new();
        let mut quiet = 0;
        while quiet < 3 {
            let mut moved = false;
            while let Some(Some(events)) = self.session.events.next().now_or_never() {
                told.extend(events);
                moved = true;
            }
            let mut bytes = [0; 4096];
            while let Some(Ok(count @ 1..)) = self.server.read(&mut bytes).now_or_never() {
                self.heard.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
                moved = true;
            }
            quiet = if moved { 0 } else { quiet + 1 };
            tokio::task::yield_now().await;
        }
        told
    }

    async fn answer(&mut self, text: &str) -> Vec<SessionEvent> {
        self.server.write_all(text.as_bytes()).await.unwrap();
        self.settle().await
    }

    fn requests(&self) -> usize {
        self.heard.matches("POST ").count()
    }
}

fn delivered(number: u128) -> SessionEvent {
    let verdict = Verdict::Delivered { canonical: None };
    SessionEvent::Answered { key: PushKey::from_u128(number), verdict }
}

fn elsewhere(number: u128) -> SessionEvent {
    SessionEvent::Answered { key: PushKey::from_u128(number), verdict: Verdict::NOT_SENT }
}

const TAKEN: &str = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test(start_paused = true)]
async fn requests_go_one_after_the_other_on_one_connection() {
    let mut both = Both::open().await;
    both.send(1..3);
    assert_eq!(both.settle().await, []);
    assert!(both.heard.starts_with("POST /send?x=1 HTTP/1.1\r\n"), "{}", both.heard);
    assert!(both.heard.to_lowercase().contains("\r\nhost: a.example:8443\r\n"), "{}", both.heard);
    assert!(both.heard.ends_with("\r\n\r\nbody-1"), "{}", both.heard);
    assert_eq!(both.requests(), 1, "the second waits for the first one's answer");
    assert_eq!(both.answer(TAKEN).await, [delivered(1)]);
    assert_eq!(both.requests(), 2);
    assert_eq!(both.answer(TAKEN).await, [delivered(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_between_requests_is_replaced_without_an_error() {
    let mut both = Both::open().await;
    both.send(1..2);
    both.settle().await;
    both.answer(TAKEN).await;
    let Both { mut session, server, .. } = both;
    drop(server);
    let told = session.events.next().await.unwrap();
    assert!(
        matches!(&told[..], [SessionEvent::Draining { .. }, SessionEvent::Closed { expected: false, .. }]),
        "{told:?}"
    );
    assert!(session.events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_close_is_the_connection_s_last_and_what_waits_goes_elsewhere() {
    let mut both = Both::open().await;
    both.send(1..3);
    both.settle().await;
    let told = both.answer("HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(told[0], delivered(1));
    assert!(matches!(told[1], SessionEvent::Draining { .. }), "{told:?}");
    assert_eq!(told[2], elsewhere(2));
    assert!(matches!(told[3], SessionEvent::Closed { .. }), "{told:?}");
    assert_eq!(both.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_cut_off_stays_unanswered_and_what_waits_goes_elsewhere() {
    let mut both = Both::open().await;
    both.send(1..3);
    both.settle().await;
    let Both { mut session, server, .. } = both;
    drop(server);
    let told = session.events.next().await.unwrap();
    assert!(
        matches!(&told[..], [first, SessionEvent::Closed { expected: false, .. }] if *first == elsewhere(2)),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_ends_the_connection() {
    let mut both = Both::open().await;
    both.send(1..2);
    both.settle().await;
    let before = Instant::now();
    let told = both.session.events.next().await.unwrap();
    assert_eq!(before.elapsed().as_secs(), LIMIT.as_secs());
    assert!(
        matches!(&told[..], [SessionEvent::Closed { reason, expected: false }] if reason.contains("no answer")),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_closes_the_window_and_opens_it_again() {
    let mut both = Both::open().await;
    both.send(1..3);
    both.settle().await;
    let told = both.answer("HTTP/1.1 429 Slow\r\nContent-Length: 3\r\n\r\nabc").await;
    assert!(
        matches!(&told[0], SessionEvent::Answered { verdict: Verdict::Rejected(answer), .. } if &*answer.detail == "3")
    );
    assert_eq!(told[1..], [elsewhere(2), SessionEvent::Window(0)]);
    let before = Instant::now();
    assert_eq!(both.session.events.next().await.unwrap(), [SessionEvent::Window(1)]);
    assert_eq!(before.elapsed().as_secs(), 5);
    both.send(3..4);
    both.settle().await;
    assert_eq!(both.answer(TAKEN).await, [delivered(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_good_bye_waits_for_the_answer_that_is_owed() {
    let mut both = Both::open().await;
    both.send(1..2);
    both.settle().await;
    both.session.outbox.finish();
    assert_eq!(both.settle().await, []);
    let told = both.answer(TAKEN).await;
    assert_eq!(told[0], delivered(1));
    assert!(matches!(told[1], SessionEvent::Closed { expected: true, .. }), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_without_end_ends_the_connection_and_is_cut() {
    let mut both = Both::open().await;
    both.send(1..2);
    both.settle().await;
    let endless = format!("HTTP/1.1 400 Bad\r\nContent-Length: 1000000\r\n\r\n{}", "x".repeat(100_000));
    both.server.write_all(endless.as_bytes()).await.unwrap();
    let mut told = both.session.events.next().await.unwrap();
    assert!(
        matches!(&told[0], SessionEvent::Answered { verdict: Verdict::Rejected(answer), .. } if &*answer.detail == "65536"),
        "{told:?}"
    );
    told.extend(both.session.events.next().await.into_iter().flatten());
    assert!(told.iter().any(|event| matches!(event, SessionEvent::Closed { .. })), "{told:?}");
}
