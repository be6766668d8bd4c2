//! Whole runs of the generator against scripted gateways.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::load::response;

/// Answers each request with the next of `answers`, in turn, or never when the answer is empty.
async fn gateway(answers: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut input = Vec::new();
                for answer in answers.iter().cycle() {
                    while !take_request(&mut input) {
                        if !matches!(stream.read_buf(&mut input).await, Ok(count) if count > 0) {
                            return;
                        }
                    }
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    address
}

/// Removes the first whole request; a request's head only differs from a response's in its first line.
fn take_request(input: &mut Vec<u8>) -> bool {
    let line = b"POST /v1/pushes HTTP/1.1";
    if !input.starts_with(line) {
        return false;
    }
    let mut copy = b"HTTP/1.1 200 OK".to_vec();
    copy.extend_from_slice(&input[line.len()..]);
    let whole = response::take(&mut copy).unwrap().is_some();
    if whole {
        *input = copy;
    }
    whole
}

fn plan(target: String) -> Plan {
    let shape = Shape {
        route: "android".to_owned(),
        priority: String::new(),
        ttl: None,
        payload: 200,
        batch: 4,
        token_prefix: "device-".to_owned(),
        hex: false,
        to: None,
        devices: 10,
        id_prefix: None,
    };
    Plan {
        target,
        path: "/v1/pushes".to_owned(),
        bearer: None,
        profile: Profile::Steady,
        rate: 2000.0,
        length: Duration::from_millis(200),
        count: None,
        shape,
        connections: 2,
        backlog: 1000,
        patience: Duration::from_secs(5),
        flat_out: None,
    }
}

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 14\r\n\r\n{\"accepted\":4}";
const FULL: &str = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test]
async fn everything_offered_has_a_fate() {
    let report = run(&plan(gateway(&[ACCEPTED, FULL]).await), |_| {}).await;
    assert_eq!((report.counts.offered, report.counts.sent, report.unaccounted), (400, 400, 0));
    assert_eq!(report.counts.accepted + report.counts.shed, 400);
    assert_eq!(report.counts.statuses.keys().copied().collect::<Vec<_>>(), [202, 429]);
    assert_eq!(report.latency_ms.count, 100);
}

#[tokio::test]
async fn a_count_ends_the_run_with_a_smaller_last_batch() {
    let target = gateway(&[FULL]).await;
    let report = run(&Plan { count: Some(10), ..plan(target) }, |_| {}).await;
    assert_eq!((report.counts.offered, report.counts.requests, report.counts.shed), (10, 3, 10));
}

#[tokio::test]
async fn flat_out_pipelines_until_the_count_is_reached() {
    let target = gateway(&[ACCEPTED]).await;
    let plan = Plan { count: Some(4000), length: Duration::from_secs(30), flat_out: Some(8), ..plan(target) };
    let report = run(&plan, |_| {}).await;
    assert_eq!((report.mode, report.counts.accepted, report.unaccounted), ("max", 4000, 0));
}

#[tokio::test]
async fn a_gateway_that_is_not_there_costs_pushes_and_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().to_string();
    drop(listener);
    let report = run(&Plan { count: Some(8), ..plan(target) }, |_| {}).await;
    assert_eq!((report.counts.skipped, report.unaccounted), (8, 0));
    assert_eq!(report.counts.errors, BTreeMap::from([("connect", 2)]));
}

#[tokio::test]
async fn a_silent_gateway_makes_pushes_unanswered() {
    let target = gateway(&[""]).await;
    let plan = Plan { count: Some(8), patience: Duration::from_millis(300), ..plan(target) };
    let report = run(&plan, |_| {}).await;
    assert_eq!((report.counts.unanswered, report.unaccounted), (8, 0));
}

#[tokio::test]
async fn the_report_s_json_has_flat_counts_and_nested_figures() {
    let report = run(&Plan { count: Some(4), ..plan(gateway(&[ACCEPTED]).await) }, |_| {}).await;
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        (&json["accepted"], &json["statuses"]["202"], &json["unaccounted"]),
        (&4.into(), &1.into(), &0.into())
    );
    assert!(json["latency_ms"]["p99_9"].is_number() && json["series"].is_array());
    assert!(report.summary().contains("accepted 4 "));
}
