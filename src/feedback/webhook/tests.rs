//! The webhook against a receiver on a real socket that answers by a script.

use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::feedback::results::{self, Bound, Report};
use crate::flow::Ended;
use crate::outcome::Outcome;
use crate::push::Lane;
use crate::push::fixture::push;
use crate::units::Clock;

const SECRET: &str = "whsec";

/// A request as it came.
struct Posted {
    head: String,
    body: Vec<u8>,
}

// === impl Posted ===

impl Posted {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn sequences(&self) -> Vec<u64> {
        let json = self.json();
        let results = json["results"].as_array().unwrap();
        results.iter().map(|result| result["sequence"].as_u64().unwrap()).collect()
    }

    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }
}

/// Answers one request after the other with these statuses, then with 200, and hands on what came.
async fn receiver(statuses: &'static [&'static str]) -> (String, mpsc::Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    let (sender, posted) = mpsc::channel(16);
    actix_rt::spawn(async move {
        let mut script = statuses.iter();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let (head, body) = loop {
                stream.read_buf(&mut bytes).await.unwrap();
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
                let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
                if bytes.len() >= end + 4 + length.parse::<usize>().unwrap() {
                    break (head, bytes[end + 4..].to_vec());
                }
            };
            let status = script.next().unwrap_or(&"200 OK");
            if sender.send(Posted { head, body }).await.is_err() {
                return;
            }
            if *status != "hang up" {
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (url, posted)
}

fn settings(url: &str) -> Settings {
    Settings {
        endpoint: Endpoint::parse(url, None),
        secret: Secret::new(SECRET),
        batch: 2,
        interval: Duration::from_millis(10),
        timeout: Duration::from_secs(10),
        max_pending: 1_000,
    }
}

fn hook(settings: Settings, ring: usize) -> (Arc<Hook>, Arc<Results>) {
    let kept = results::Settings {
        report: Report::Failures,
        ring: Bound { records: ring, bytes: 1 << 20 },
        awaited: 1,
        history: 100,
    };
    let results = Arc::new(Results::new(&kept, Clock::start()));
    (Arc::new(Hook::new(settings, Arc::clone(&results))), results)
}

fn end(results: &Results, numbers: std::ops::Range<u128>) {
    let pushes: Vec<_> = numbers.map(|number| push(number, Lane::Normal)).collect();
    results.ended(&pushes, Outcome::Expired);
}

async fn settled(hook: &Hook) -> Counts {
    while !hook.is_idle() {
        tokio::task::yield_now().await;
    }
    hook.counts()
}

#[actix_rt::test]
async fn batches_are_signed_and_come_in_order() {
    let (url, mut posted) = receiver(&[]).await;
    let (hook, results) = hook(settings(&url), 100);
    end(&results, 0..3);
    let running = actix_rt::spawn(Arc::clone(&hook).run());
    let (first, second) = (posted.recv().await.unwrap(), posted.recv().await.unwrap());
    assert_eq!((first.sequences().len(), second.sequences().len()), (2, 1));
    assert_eq!(first.sequences()[1] + 1, second.sequences()[0]);
    assert!(first.head.starts_with("post /in http/1.1"), "{}", first.head);
    for posted in [&first, &second] {
        let header = posted.header("pushweir-signature");
        let seconds = header.split_once("t=").unwrap().1.split_once(',').unwrap().0.parse().unwrap();
        assert_eq!(header, signature::sign(&Secret::new(SECRET), seconds, &posted.body));
        assert_eq!(posted.json()["lost"], 0);
    }
    let counts = settled(&hook).await;
    assert_eq!((counts.sent, counts.failures, counts.lost, counts.pending), (3, 0, 0, 0));
    running.abort();
}

#[actix_rt::test]
async fn a_batch_that_fails_comes_again_with_the_same_numbers() {
    let (url, mut posted) = receiver(&["500 No", "302 Found\r\nlocation: /other", "hang up"]).await;
    let (hook, results) = hook(settings(&url), 100);
    end(&results, 0..2);
    let running = actix_rt::spawn(Arc::clone(&hook).run());
    let first = posted.recv().await.unwrap().sequences();
    for _ in 0..3 {
        assert_eq!(posted.recv().await.unwrap().sequences(), first);
    }
    let counts = settled(&hook).await;
    assert_eq!((counts.sent, counts.failures, counts.last_error), (2, 3, None));
    running.abort();
}

#[actix_rt::test]
async fn what_falls_out_of_the_ring_before_it_is_taken_is_counted_and_told() {
    let (url, mut posted) = receiver(&[]).await;
    let (hook, results) = hook(settings(&url), 4);
    end(&results, 0..7);
    let running = actix_rt::spawn(Arc::clone(&hook).run());
    let first = posted.recv().await.unwrap();
    assert_eq!((&first.json()["lost"], first.sequences().len()), (&Value::from(3), 2));
    let counts = settled(&hook).await;
    assert_eq!((counts.sent, counts.lost), (4, 3));
    running.abort();
}

#[actix_rt::test]
async fn more_than_may_be_pending_is_given_up_oldest_first() {
    let (url, mut posted) = receiver(&[]).await;
    let (hook, results) = hook(Settings { max_pending: 2, ..settings(&url) }, 100);
    end(&results, 0..7);
    let running = actix_rt::spawn(Arc::clone(&hook).run());
    let first = posted.recv().await.unwrap();
    assert_eq!(first.json()["lost"], 5);
    assert_eq!(first.sequences().last(), Some(&results.last()));
    assert_eq!(settled(&hook).await.lost, 5);
    running.abort();
}

#[actix_rt::test]
async fn a_receiver_that_is_configured_later_gets_what_is_still_there() {
    let (url, mut posted) = receiver(&[]).await;
    let (hook, results) = hook(Settings { endpoint: None, ..settings(&url) }, 100);
    end(&results, 0..1);
    assert!(hook.is_idle(), "nobody to post to");
    let running = actix_rt::spawn(Arc::clone(&hook).run());
    hook.follow(settings(&url));
    assert_eq!(posted.recv().await.unwrap().sequences().len(), 1);
    running.abort();
}

#[actix_rt::test]
async fn at_the_process_end_the_last_results_go_out_and_the_arbiter_is_left_free() {
    let (url, mut posted) = receiver(&[]).await;
    let (hook, results) = hook(settings(&url), 100);
    let running = actix_rt::spawn(Arc::clone(&hook).run());
    results.close();
    end(&results, 0..1);
    assert_eq!(posted.recv().await.unwrap().sequences().len(), 1);
    running.abort();
}
