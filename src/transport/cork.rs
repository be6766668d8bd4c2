//! A connection that sends nothing before it is flushed, or has much to send.
//!
//! `tls` puts it under each TLS stream: TLS writes record by record, which is three system calls for a window of pushes and wakes the peer three
//! times; in one piece, 8 % more pushes went out a second. Invariants: bytes leave in order; what is held is bounded as long as single writes
//! are, and a TLS record has 16 KiB; a flush that is done has handed over everything; nothing is kept while nothing is held.
//!
//! A TLS handshake goes past it: OpenSSL gathers its messages itself, and takes a flush that has to wait for a failure.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::spares;

/// How many bytes are held before they are sent without a flush: about a window of 100 pushes.
const LIMIT: usize = 64 * 1024;

/// A connection and the bytes that wait to be sent on it.
#[derive(Debug)]
pub struct Corked<Io> {
    io: Io,
    held: Vec<u8>,
    /// How many of those were sent.
    sent: usize,
    is_corked: bool,
}

// === impl Corked ===

impl<Io> Corked<Io> {
    /// Takes a connection; nothing is held yet.
    pub const fn new(io: Io) -> Self {
        Self { io, held: Vec::new(), sent: 0, is_corked: false }
    }

    /// Holds from now on what is written.
    pub const fn cork(&mut self) {
        self.is_corked = true;
    }
}

impl<Io: AsyncWrite + Unpin> Corked<Io> {
    /// Hands over what is held.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.held.len() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.held[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        self.sent = 0;
        spares::give_back(&mut self.held);
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Corked<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, room)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Corked<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.is_corked {
            return Pin::new(&mut self.io).poll_write(cx, bytes);
        }
        if self.held.len() + bytes.len() > LIMIT {
            ready!(self.poll_send(cx))?;
        }
        if self.held.capacity() == 0 {
            self.held = spares::borrow();
            self.held.reserve(LIMIT);
        }
        self.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Takes everything, and remembers in what pieces it came.
    #[derive(Default)]
    struct Pieces(Vec<usize>);

    impl AsyncWrite for Pieces {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.push(bytes.len());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn corked<Io>(io: Io) -> Corked<Io> {
        let mut corked = Corked::new(io);
        corked.cork();
        corked
    }

    #[tokio::test]
    async fn what_was_written_leaves_with_the_flush_in_one_piece() {
        let mut corked = corked(Pieces::default());
        for _ in 0..3 {
            corked.write_all(&[0; 16_000]).await.unwrap();
        }
        assert_eq!(corked.io.0, [0; 0]);
        corked.flush().await.unwrap();
        assert_eq!((&corked.io.0[..], corked.held.capacity()), (&[48_000][..], 0));
        corked.flush().await.unwrap();
        assert_eq!(corked.io.0.len(), 1, "there was nothing to send");
    }

    #[tokio::test]
    async fn what_is_held_is_bounded() {
        let mut corked = corked(Pieces::default());
        for _ in 0..100 {
            corked.write_all(&[0; 16_384]).await.unwrap();
        }
        corked.shutdown().await.unwrap();
        assert_eq!(corked.io.0, [4 * 16_384; 25]);
    }

    #[tokio::test]
    async fn a_slow_peer_gets_everything_in_order() {
        let (ours, mut theirs) = tokio::io::duplex(1_000);
        let mut corked = corked(ours);
        let bytes: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let mut rest = &bytes[..];
        let writing = poll_fn(|cx| {
            while !rest.is_empty() {
                let count = ready!(Pin::new(&mut corked).poll_write(cx, &rest[..rest.len().min(7_000)]))?;
                rest = &rest[count..];
            }
            Pin::new(&mut corked).poll_flush(cx)
        });
        let mut got = vec![0; bytes.len()];
        let (wrote, _) = tokio::join!(writing, theirs.read_exact(&mut got));
        wrote.unwrap();
        assert!(got == bytes);
        assert!(theirs.read_u8().now_or_never().is_none(), "nothing came twice");
    }

    #[tokio::test]
    async fn a_connection_that_is_gone_is_told_of_at_the_flush() {
        let (ours, theirs) = tokio::io::duplex(1_000);
        drop(theirs);
        let mut corked = corked(ours);
        corked.write_all(b"x").await.unwrap();
        assert_eq!(corked.flush().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
