//! The library's own client against the wrapped library's server.

use std::future::poll_fn;

use http::Request;

use super::*;

#[tokio::test]
async fn a_client_follows_every_limit_and_the_library_never_notices() {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let wire = Wire::new(7);
    let frames = Frames::new(theirs, wire.clone());
    let server = tokio::spawn(async move {
        let mut server = h2::server::handshake(frames).await.unwrap();
        while let Some(asked) = server.accept().await {
            let (_, mut answer) = asked.unwrap();
            answer.send_response(http::Response::new(()), true).unwrap();
        }
    });
    let (mut requests, mut connection) = h2::client::handshake(ours).await.unwrap();
    assert_eq!(wire.allowed(), u32::MAX, "nothing is acknowledged yet");
    for limit in [7, 3, 0, 9] {
        if limit != 7 {
            wire.limit(limit);
        }
        // A ping makes the server write, and with it what waits.
        let mut pings = connection.ping_pong();
        if let Some(pings) = &mut pings {
            pings.send_ping(h2::Ping::opaque()).unwrap();
        }
        poll_fn(|cx| {
            assert!(Pin::new(&mut connection).poll(cx).is_pending());
            let seen = connection.max_concurrent_send_streams() == limit as usize;
            if seen && wire.allowed() == limit {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        if limit == 7 {
            // The only ping handle there is; later limits travel with requests.
            let (response, _) = requests.send_request(Request::new(()), true).unwrap();
            tokio::select! {
                answer = response => assert!(answer.unwrap().status().is_success()),
                _ = &mut connection => panic!("the connection ended"),
            }
        }
        if limit == 3 || limit == 0 {
            let _ = requests.clone();
        }
    }
    wire.go_away(0, "{\"reason\":\"Shutdown\"}");
    drop(server);
}

use std::future::Future;

#[test]
fn a_boundary_is_found_in_any_pieces() {
    let mut stream = BytesMut::new();
    for length in [0, 5, 300] {
        put_header(&mut stream, length, SETTINGS, 0);
        stream.put_bytes(b'x', length);
    }
    for size in 1..20 {
        let mut boundary = Boundary::default();
        let mut at = 0;
        let mut between = Vec::new();
        for piece in stream.chunks(size) {
            boundary.pass(piece);
            at += piece.len();
            if boundary.is_between() {
                between.push(at);
            }
        }
        assert!(between.iter().all(|at| [9, 23, 332].contains(at)), "{between:?}");
        assert_eq!(between.last(), Some(&332));
    }
}
