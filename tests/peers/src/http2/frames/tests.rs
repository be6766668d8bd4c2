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
    assert_eq!(wire.allowed(), u32::MAX, "nothing is acknowledged yet");
    assert_eq!(client.ping().await.unwrap(), 7);
    for limit in [3, 0, 9] {
        wire.limit(limit);
        // The limit goes out with the answer to the first ping, the second carries the acknowledgement back.
        client.ping().await.unwrap();
        assert_eq!(client.ping().await.unwrap(), limit as usize);
        assert_eq!(wire.allowed(), limit);
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
