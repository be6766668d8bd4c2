//! The library's own client against the library's server with the wrapper between them.

use std::future::{Future, poll_fn};

use h2::client::Connection;
use h2::{Ping, PingPong};
use tokio::io::DuplexStream;

use super::*;

/// The client's end.
struct Client {
    connection: Connection<DuplexStream>,
    pings: PingPong,
}

impl Client {
    /// Sends a ping and waits for its answer, which makes the server write; returns the limit that is known then.
    async fn ping(&mut self) -> Result<usize, h2::Error> {
        self.pings.send_ping(Ping::opaque())?;
        poll_fn(|cx| {
            if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(cx) {
                return Poll::Ready(ended);
            }
            self.pings.poll_pong(cx).map_ok(|_| ())
        })
        .await?;
        Ok(self.connection.max_concurrent_send_streams())
    }
}

#[tokio::test]
async fn a_client_follows_every_limit_and_the_library_never_notices() {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let wire = Wire::new(7);
    let frames = Frames::new(theirs, wire.clone());
    let server = tokio::spawn(async move {
        let mut server = h2::server::handshake(frames).await.unwrap();
        // The client breaks off at the end.
        while let Some(Ok(_)) = server.accept().await {}
    });
    let (requests, mut connection) = h2::client::handshake(ours).await.unwrap();
    let pings = connection.ping_pong().unwrap();
    let mut client = Client { connection, pings };
    assert_eq!(wire.allowed(1), u32::MAX, "nothing is acknowledged yet");
    assert_eq!(client.ping().await.unwrap(), 7);
    for limit in [3, 0, 9] {
        wire.limit(limit);
        // The limit goes out with the answer to the first ping, the second carries the acknowledgement back.
        client.ping().await.unwrap();
        assert_eq!(client.ping().await.unwrap(), limit as usize);
        assert_eq!(wire.allowed(1), limit);
    }
    wire.go_away(0, "{}");
    client.ping().await.unwrap();
    let refused = requests.ready().await.err().unwrap();
    assert!(refused.is_go_away() && refused.is_remote(), "{refused}");
    drop(client);
    server.await.unwrap();
}

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

#[test]
fn a_stream_is_measured_by_what_its_client_had_acknowledged_before_it() {
    let (ours, _) = tokio::io::duplex(64);
    let wire = Wire::new(100);
    let mut frames = Frames::new(ours, wire.clone());
    frames.incoming.payload = 0;
    let mut came = |kind: u8, flags: u8, stream: u32| {
        put_header(&mut frames.raw, 0, kind, flags);
        let at = frames.raw.len() - 4;
        frames.raw[at..].copy_from_slice(&stream.to_be_bytes());
        frames.sort();
    };
    came(SETTINGS, ACK, 0);
    wire.limit(1);
    // All in one read: two streams on their way, the acknowledgement, and a third.
    came(HEADERS, 4, 1);
    came(HEADERS, 4, 3);
    came(SETTINGS, ACK, 0);
    came(HEADERS, 4, 5);
    assert_eq!([wire.allowed(1), wire.allowed(3), wire.allowed(5)], [100, 100, 1]);
    wire.limit(50);
    assert_eq!(wire.allowed(7), 50, "announced since");
}
