//! Notes that the peer sent something, which the HTTP/2 library does not tell.
//!
//! The session's connection reads through it.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that sets a flag at each read.
#[derive(Debug)]
pub struct Tap<Io> {
    io: Io,
    heard: Rc<Cell<bool>>,
}

// === impl Tap ===

impl<Io> Tap<Io> {
    /// Returns the connection with its flag.
    pub fn new(io: Io) -> (Self, Rc<Cell<bool>>) {
        let heard = Rc::new(Cell::new(false));
        (Self { io, heard: Rc::clone(&heard) }, heard)
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Tap<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = room.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, room);
        if room.filled().len() > before {
            self.heard.set(true);
        }
        read
    }
}

/// `is_write_vectored` stays false, so that small bodies share a buffer, and a write, with their heads (`reference/performance.md` 5).
impl<Io: AsyncWrite + Unpin> AsyncWrite for Tap<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
