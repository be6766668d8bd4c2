//! Requests that are wrong, too large, too slow or no HTTP, and who may make them.

use std::time::Duration;

use super::{JSON, assert_unharmed, start};
use crate::support::agreement::assert_agreed_without_repeats;
use crate::support::gateway::Gateway;
use crate::support::http::{Client, Reply, head};
use crate::support::{Config, Peer, batch, eventually, push};

#[test]
fn wrong_paths_methods_and_types_are_told_from_each_other() {
    let (peer, gateway) = start(|config| config);
    let body = push().to_string();
    let call = |method: &str, path: &str, headers: &[(&str, &str)]| -> Reply {
        crate::support::http::call(gateway.ingest, method, path, headers, body.as_bytes())
    };
    assert!(call("POST", "/v1/push", &JSON).expect(404).error().contains("/v1/pushes"));
    assert!(call("POST", "/", &JSON).expect(404).error().contains("/v1/pushes"));
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let reply = call(method, "/v1/pushes", &JSON).expect(405);
        assert_eq!(reply.header("allow"), Some("POST"), "{reply:?}");
        assert!(reply.error().contains("POST"), "{reply:?}");
    }
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"]
    {
        let reply = call("POST", "/v1/pushes", &[("content-type", content_type)]).expect(415);
        assert!(reply.error().contains("application/json"), "{reply:?}");
    }
    assert!(call("POST", "/v1/pushes", &[]).expect(415).error().contains("application/json"));
    call("POST", "/v1/pushes", &[JSON[0], ("content-encoding", "gzip")]).expect(415);
    assert_eq!(gateway.state().ledger("received"), 0);
    assert_unharmed(&peer, &gateway);
    gateway.finish();
}

#[test]
fn a_bearer_token_is_asked_for_where_one_is_configured() {
    let (peer, gateway) = start(|config| config.set("ingest.tokens", "[\"first-t0ken\", \"second-t0ken\"]"));
    let body = push().to_string();
    let with = |authorization: &str| {
        gateway.post_with(&[JSON[0], ("authorization", authorization)], body.as_bytes())
    };
    let missing = gateway.post_with(&JSON, body.as_bytes()).expect(401);
    assert!(missing.error().contains("Authorization"), "{missing:?}");
    assert!(
        missing.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")),
        "{missing:?}"
    );
    with("Basic Zmlyc3Q6eA==").expect(401);
    for wrong in ["Bearer wrong", "Bearer first-t0ke", "Bearer first-t0ken2", "Bearer "] {
        let status = with(wrong).status;
        assert!(status == 403 || status == 401, "{wrong}: {status}");
    }
    with("Bearer wrong").expect(403);
    with("Bearer first-t0ken").expect(202);
    with("bearer second-t0ken").expect(202);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!((state.ledger("received"), state.ledger("delivered")), (2, 2));
    let line = gateway.wait_for_log("reason=token_wrong");
    assert!(line.contains("status=403 count=1 sender=- from=127.0.0.1 "), "{line}");
    let metrics = gateway.get("/metrics").expect(200).body;
    let refused = "pushweir_ingest_refused_requests_total{reason=\"token_missing\"} ";
    assert!(metrics.contains(refused), "{metrics}");
    let log = gateway.finish().join("\n");
    assert!(!log.contains("t0ken"), "a token is in the log:\n{log}");
}

#[test]
fn a_body_over_the_limit_is_refused_and_the_limit_named() {
    let (peer, gateway) = start(|config| config.text("ingest.max_body", "64 KiB"));
    let ten_megabytes = vec![b' '; 10 << 20];
    let mut announced = Client::connect(gateway.ingest).expect("it listens");
    let mut bytes = head("POST", "/v1/pushes", &JSON, ten_megabytes.len());
    bytes.extend_from_slice(&ten_megabytes);
    announced.send_raw(bytes);
    let reply = announced.read().expect("there is an answer").expect(413);
    assert!(reply.error().contains("64 KiB") && reply.error().contains("max_body"), "{reply:?}");

    let mut chunked = Client::connect(gateway.ingest).expect("it listens");
    let mut bytes = b"POST /v1/pushes HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..100 {
        bytes.extend_from_slice(b"1000\r\n");
        bytes.extend_from_slice(&[b' '; 0x1000]);
        bytes.extend_from_slice(b"\r\n");
    }
    chunked.send_raw(bytes);
    let reply = chunked.read().expect("there is an answer").expect(413);
    assert!(reply.error().contains("64 KiB"), "{reply:?}");
    assert_unharmed(&peer, &gateway);
    gateway.finish();
}

#[test]
fn a_chunked_body_within_the_limit_is_taken() {
    let (peer, gateway) = start(|config| config);
    let body = push().to_string();
    let (first, second) = body.split_at(body.len() / 2);
    let mut client = Client::connect(gateway.ingest).expect("it listens");
    client.send_raw(
        format!(
            "POST /v1/pushes HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
             {:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
            first.len(),
            second.len()
        )
        .into_bytes(),
    );
    client.read().expect("there is an answer").expect(202);
    assert_unharmed(&peer, &gateway);
    gateway.finish();
}

#[test]
fn more_pushes_than_a_batch_may_have_are_refused_and_the_limit_named() {
    let (peer, gateway) = start(|config| config);
    let reply = gateway.post(&batch(1_001)).expect(413);
    assert!(reply.error().contains("1000") && reply.error().contains("1001"), "{reply:?}");
    assert_eq!(gateway.post(&batch(1_000)).expect(202).json()["accepted"], 1_000);
    assert_unharmed(&peer, &gateway);
    gateway.finish();
}

#[test]
fn a_sender_that_is_too_slow_is_told_so_and_others_are_not_held_up() {
    let (peer, gateway) = start(|config| config.text("ingest.read_timeout", "1s"));
    let mut slow_body = Client::connect(gateway.ingest).expect("it listens");
    let mut bytes = head("POST", "/v1/pushes", &JSON, 1_000);
    bytes.extend_from_slice(b"{\"to\":");
    slow_body.send_raw(bytes);
    let mut slow_head = Client::connect(gateway.ingest).expect("it listens");
    slow_head.send_raw(b"POST /v1/pushes HTTP/1.1\r\nhost:".to_vec());
    gateway.post(&push()).expect(202);
    let reply = slow_body.read().expect("there is an answer").expect(408);
    assert!(reply.error().contains("1s"), "{reply:?}");
    // A head that never ends gets an answer or the door.
    if let Ok(reply) = slow_head.read() {
        assert_eq!(reply.status, 408, "{reply:?}");
    }
    assert_unharmed(&peer, &gateway);
    gateway.finish();
}

#[test]
fn bytes_that_are_no_http_get_an_answer_or_the_door() {
    let (peer, gateway) = start(|config| config);
    let long_path = format!("POST /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(1 << 20));
    let many_headers = format!("POST /v1/pushes HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(10_000));
    let both = "POST /v1/pushes HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let negative =
        "POST /v1/pushes HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: -1\r\n\r\n";
    let bad_chunk = "POST /v1/pushes HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    for bytes in
        ["\x16\x03\x01\x02\x00", "\r\n\r\n", "GET", both, negative, bad_chunk, &long_path, &many_headers]
    {
        let mut client = Client::connect(gateway.ingest).expect("it listens");
        client.send_raw(bytes.as_bytes().to_vec());
        if bytes.len() < 10 {
            continue;
        }
        if let Ok(reply) = client.read() {
            assert!((400..500).contains(&reply.status), "{:?}: {reply:?}", &bytes[..bytes.len().min(80)]);
        }
    }
    assert_unharmed(&peer, &gateway);
    gateway.finish();
}

#[test]
fn a_body_that_breaks_off_is_not_taken() {
    let (peer, gateway) = start(|config| config);
    for _ in 0..20 {
        let mut client = Client::connect(gateway.ingest).expect("it listens");
        let body = push().to_string();
        let mut bytes = head("POST", "/v1/pushes", &JSON, body.len() + 1);
        bytes.extend_from_slice(body.as_bytes());
        client.send_raw(bytes);
    }
    assert_unharmed(&peer, &gateway);
    assert_eq!(gateway.state().ledger("received"), 3);
    gateway.finish();
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let (peer, gateway) = start(|config| config.set("ingest.max_connections", 4));
    let idle: Vec<Client> = (0..4).map(|_| Client::connect(gateway.ingest).expect("it listens")).collect();
    let ingest = gateway.ingest;
    let waiting = std::thread::spawn(move || {
        crate::support::http::call(ingest, "POST", "/v1/pushes", &JSON, push().to_string().as_bytes())
    });
    std::thread::park_timeout(Duration::from_millis(200));
    drop(idle);
    waiting.join().expect("the call does not panic").expect(202);
    assert_unharmed(&peer, &gateway);
    gateway.finish();
}

#[test]
fn running_out_of_file_descriptors_ends_nothing() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_with_files(&Config::to(&peer), 64);
    gateway.wait_for("both are ready", |state| state.pushers_in("ready") == 2);
    // The system takes more connections than the service can accept; they wait in its queue.
    let idle: Vec<Client> = (0..80).map(|_| Client::connect(gateway.ingest).expect("it listens")).collect();
    gateway.wait_for_log("Too many open files");
    drop(idle);
    eventually("pushes are taken again", || {
        match Client::connect(gateway.ingest)
            .and_then(|mut client| client.call("POST", "/v1/pushes", &JSON, push().to_string().as_bytes()))
        {
            Ok(reply) if reply.status == 202 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert_unharmed(&peer, &gateway);
    gateway.finish();
}
