//! Frames between the HTTP/2 library and the wire: changes the stream limit of an open connection and announces its end, which the library
//! does not offer (RFC 9113 sections 6.5 and 6.8).
//!
//! The connection wraps its socket in [`Frames`] and steers it by a [`Wire`]. Invariants: frames of its own stand between frames of the
//! library; the library never sees the acknowledgements of settings that it did not send.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client sends first (RFC 9113 section 3.4).
const PREFACE: usize = 24;
const HEADER: usize = 9;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const MAX_CONCURRENT_STREAMS: u16 = 3;

/// Steers a connection's frames.
#[derive(Debug, Clone)]
pub struct Wire(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Frames of our own that wait for a boundary.
    injected: BytesMut,
    /// Limits announced, the oldest first; all before the last that is acknowledged are forgotten when streams show it.
    announced: VecDeque<Announced>,
    /// The last stream that the client has opened, as far as its bytes have come.
    opened: u32,
}

/// A limit that was announced.
#[derive(Debug, Clone, Copy)]
struct Announced {
    limit: u32,
    /// The last stream that the client had opened when it acknowledged it.
    acknowledged_behind: Option<u32>,
}

/// The wrapped connection.
#[derive(Debug)]
pub struct Frames<Io> {
    io: Io,
    wire: Wire,
    outgoing: Boundary,
    incoming: Boundary,
    raw: BytesMut,
    ready: BytesMut,
    has_begun: bool,
    acks: usize,
}

/// Where a direction is within its frames.
#[derive(Debug, Default)]
struct Boundary {
    header: Vec<u8>,
    payload: usize,
}

impl Wire {
    /// Returns a wire whose first settings allow so many streams.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        let announced = VecDeque::from([Announced { limit, acknowledged_behind: None }]);
        Self(Arc::new(Mutex::new(State { injected: BytesMut::new(), announced, opened: 0 })))
    }

    /// Announces another limit; it goes out when the connection is next written.
    pub fn limit(&self, limit: u32) {
        let mut state = self.0.lock();
        state.announced.push_back(Announced { limit, acknowledged_behind: None });
        put_header(&mut state.injected, 6, SETTINGS, 0);
        state.injected.put_u16(MAX_CONCURRENT_STREAMS);
        state.injected.put_u32(limit);
    }

    /// Announces the end: streams above `last` are not processed.
    pub fn go_away(&self, last: u32, debug: &str) {
        let mut state = self.0.lock();
        put_header(&mut state.injected, 8 + debug.len(), GOAWAY, 0);
        state.injected.put_u32(last);
        state.injected.put_u32(0);
        state.injected.put_slice(debug.as_bytes());
    }

    /// Returns the most streams that a client may have open that opens this one, and keeps to what it had acknowledged before or was announced
    /// since. Streams must be asked about in their order.
    #[must_use]
    pub fn allowed(&self, stream: u32) -> u32 {
        let mut state = self.0.lock();
        let is_known = |one: &Announced| one.acknowledged_behind.is_some_and(|behind| behind < stream);
        let Some(known) = state.announced.iter().rposition(is_known) else { return u32::MAX };
        state.announced.drain(..known);
        state.announced.iter().map(|one| one.limit).max().unwrap_or(u32::MAX)
    }
}

fn put_header(out: &mut BytesMut, length: usize, kind: u8, flags: u8) {
    out.put_uint(length as u64, 3);
    out.put_slice(&[kind, flags]);
    out.put_u32(0);
}

impl Boundary {
    fn is_between(&self) -> bool {
        self.header.is_empty() && self.payload == 0
    }

    /// Moves past bytes of frames.
    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let count = self.payload.min(bytes.len());
                self.payload -= count;
                bytes.advance(count);
                continue;
            }
            let count = (HEADER - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..count]);
            bytes.advance(count);
            if self.header.len() == HEADER {
                self.payload = length(&self.header);
                self.header.clear();
            }
        }
    }
}

fn length(header: &[u8]) -> usize {
    header[..3].iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
}

impl<Io> Frames<Io> {
    /// Wraps a secured connection.
    pub fn new(io: Io, wire: Wire) -> Self {
        let incoming = Boundary { payload: PREFACE, ..Boundary::default() };
        let (raw, ready) = (BytesMut::new(), BytesMut::new());
        Self { io, wire, outgoing: Boundary::default(), incoming, raw, ready, has_begun: false, acks: 0 }
    }

    /// Moves what was read on to the library, but for acknowledgements of our own settings.
    fn sort(&mut self) {
        loop {
            if self.incoming.payload > 0 {
                let count = self.incoming.payload.min(self.raw.len());
                self.ready.put(self.raw.split_to(count));
                self.incoming.payload -= count;
                if self.incoming.payload > 0 {
                    return;
                }
            }
            if self.raw.len() < HEADER {
                return;
            }
            let header: Bytes = self.raw.split_to(HEADER).freeze();
            let is_ack = header[3] == SETTINGS && header[4] & ACK != 0;
            if is_ack {
                let mut state = self.wire.0.lock();
                let opened = state.opened;
                let next = state.announced.iter_mut().find(|one| one.acknowledged_behind.is_none());
                if let Some(one) = next {
                    one.acknowledged_behind = Some(opened);
                }
                self.acks += 1;
            } else if header[3] == HEADERS {
                let stream = header[5..].iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
                self.wire.0.lock().opened = stream;
            }
            // The first one is for the library's own settings.
            if !is_ack || self.acks == 1 {
                self.incoming.payload = length(&header);
                self.ready.put(header);
            }
        }
    }

    /// Puts the limit into the library's settings, the first frame, which it sends in one piece.
    fn begin(&mut self, bytes: &[u8]) -> usize {
        self.has_begun = true;
        let end = (HEADER + length(bytes)).min(bytes.len());
        let mut state = self.wire.0.lock();
        let limit = state.announced.front().map_or(0, |one| one.limit);
        put_header(&mut state.injected, end - HEADER + 6, SETTINGS, 0);
        state.injected.put_slice(&bytes[HEADER..end]);
        state.injected.put_u16(MAX_CONCURRENT_STREAMS);
        state.injected.put_u32(limit);
        // What was announced before the connection began is in the queue in front of it; the first settings must be first.
        let first = state.injected.len() - (end + 6);
        if first > 0 {
            let earlier = state.injected.split_to(first);
            state.injected.put(earlier);
        }
        end
    }
}

impl<Io: AsyncWrite + Unpin> Frames<Io> {
    /// Writes frames of our own, if the library is between two of its own.
    fn inject(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.wire.0.lock();
        while self.outgoing.is_between() && self.has_begun && !state.injected.is_empty() {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, &state.injected))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            state.injected.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Frames<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.ready.is_empty() {
            let this = &mut *self;
            let mut chunk = [0; 4096];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.raw.put_slice(read.filled());
            this.sort();
        }
        let count = self.ready.len().min(room.remaining());
        room.put_slice(&self.ready.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Frames<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.has_begun && bytes.len() >= HEADER {
            return Poll::Ready(Ok(self.begin(bytes)));
        }
        ready!(self.inject(cx))?;
        let count = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.outgoing.pass(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.inject(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.inject(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
