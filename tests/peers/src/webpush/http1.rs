//! Serves one connection in HTTP/1.1: one request after the other, just enough of RFC 9112 for senders of pushes.
//!
//! The double runs one per socket whose client takes no HTTP/2. What becomes of a request is decided as with HTTP/2; what a stream's reset is
//! there is the end of the connection here.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use http::request::Parts;
use http::{Request, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::service::WebPush;
use crate::double::ledger::Tally;
use crate::double::listener::Secured;
use crate::http2::call::{Fate, decide};
use crate::http2::hub::{Command, Hub, Line};
use crate::http2::provider::Reply;

/// The most bytes of a request.
const MOST: usize = 64 * 1024;

/// One connection at work.
struct Serving {
    stream: Secured,
    socket: TcpStream,
    hub: Arc<Hub<WebPush>>,
    line: Line<WebPush>,
    read: BytesMut,
    carried: u64,
    is_draining: bool,
    is_stalled: bool,
}

/// Serves a secured connection until it ends; `socket` is the same socket again, for ending it rudely.
pub async fn run(stream: Secured, socket: TcpStream, hub: Arc<Hub<WebPush>>, line: Line<WebPush>) {
    let read = BytesMut::new();
    let mut serving =
        Serving { stream, socket, hub, line, read, carried: 0, is_draining: false, is_stalled: false };
    if let Err(error) = serving.serve().await {
        log::debug!("connection ended connection={} error={error}", serving.line.connection);
    }
}

impl Serving {
    async fn serve(&mut self) -> io::Result<()> {
        loop {
            let Some((head, body)) = self.next().await? else { return Ok(()) };
            self.carried += 1;
            let connection = self.line.connection;
            self.hub.add(connection, Tally { highest_unacked: 1, ..Tally::default() });
            let knobs = self.line.knobs.borrow().clone();
            let is_reached = |count: u64| count > 0 && self.carried == count;
            if is_reached(knobs.close_after) {
                return Ok(());
            }
            self.is_stalled |= is_reached(knobs.stall_after);
            self.is_draining |= is_reached(knobs.drain_after);
            let hub = Arc::clone(&self.hub);
            let deciding = decide(&hub, connection, &head, &body);
            tokio::pin!(deciding);
            let fate = loop {
                tokio::select! {
                    fate = &mut deciding => break fate,
                    command = self.line.commands.recv() => {
                        if !follow(command, &self.socket, (&mut self.is_draining, &mut self.is_stalled)) {
                            return Ok(());
                        }
                    }
                }
            };
            match fate {
                Fate::Answered { reply, .. } if !self.is_stalled => self.answer(reply).await?,
                Fate::Reset { .. } => return Ok(()),
                // The client waits, and so do we for it to give up.
                Fate::Answered { .. } | Fate::Lost => self.is_stalled = true,
            }
            if self.is_draining {
                return self.stream.shutdown().await;
            }
        }
    }

    /// Reads a request; nothing if the connection ended or was ended.
    async fn next(&mut self) -> io::Result<Option<(Parts, Vec<u8>)>> {
        loop {
            if !self.is_stalled
                && let Some(request) = take(&mut self.read)?
            {
                return Ok(Some(request));
            }
            tokio::select! {
                count = self.stream.read_buf(&mut self.read) => {
                    if count? == 0 {
                        return Ok(None);
                    }
                }
                command = self.line.commands.recv() => {
                    let is_idle_drain = command == Some(Command::Drain);
                    if is_idle_drain || !follow(command, &self.socket, (&mut self.is_draining, &mut self.is_stalled)) {
                        return Ok(None);
                    }
                }
            }
            if self.read.len() > MOST {
                return Err(io::Error::other("the request is too long"));
            }
        }
    }

    async fn answer(&mut self, reply: Reply) -> io::Result<()> {
        let mut text =
            format!("HTTP/1.1 {} Answer\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.is_draining {
            text.push_str("connection: close\r\n");
        }
        text.push_str("\r\n");
        text.push_str(&reply.body);
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }
}

/// Follows a command; returns whether the connection goes on.
fn follow(command: Option<Command>, socket: &TcpStream, (drain, stall): (&mut bool, &mut bool)) -> bool {
    match command {
        Some(Command::Drain) => *drain = true,
        Some(Command::Stall) => *stall = true,
        Some(Command::Unstall) => *stall = false,
        Some(Command::Close { with_reset }) => {
            if with_reset && let Err(error) = socket.set_zero_linger() {
                log::debug!("no reset possible error={error}");
            }
            return false;
        }
        None => return false,
    }
    true
}

/// Takes a request out of what was read, if all of it is there.
fn take(read: &mut BytesMut) -> io::Result<Option<(Parts, Vec<u8>)>> {
    let Some(end) = memchr::memmem::find(read, b"\r\n\r\n") else { return Ok(None) };
    let fault = |what: &str| io::Error::other(what.to_owned());
    let text = std::str::from_utf8(&read[..end]).map_err(|_| fault("the head is no text"))?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1")) = (words.next(), words.next(), words.next()) else {
        return Err(fault("no HTTP/1.1 request"));
    };
    let mut head = Request::builder().method(method).uri(target).version(Version::HTTP_11);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| fault("a header without a colon"))?;
        head = head.header(name, value.trim());
    }
    let (head, ()) = head.body(()).map_err(|error| fault(&error.to_string()))?.into_parts();
    let length = head.headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    let length: usize = length.ok_or_else(|| fault("no content-length"))?;
    if read.len() < end + 4 + length {
        return Ok(None);
    }
    read.advance(end + 4);
    let body = read.split_to(length).to_vec();
    Ok(Some((head, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_taken_one_by_one_and_only_when_complete() {
        let whole = b"POST /push/a HTTP/1.1\r\nHost: localhost:1\r\nContent-Length: 3\r\n\r\nabcPOST";
        for cut in 0..whole.len() - 4 {
            assert!(take(&mut BytesMut::from(&whole[..cut])).unwrap().is_none(), "{cut}");
        }
        let mut read = BytesMut::from(&whole[..]);
        let (head, body) = take(&mut read).unwrap().unwrap();
        assert_eq!((head.uri.path(), &body[..], &read[..]), ("/push/a", &b"abc"[..], &b"POST"[..]));
        assert_eq!(head.headers["host"], "localhost:1");
        for wrong in ["GET /\r\n\r\n", "POST / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nx\r\n\r\n"] {
            assert!(take(&mut BytesMut::from(wrong)).is_err(), "{wrong:?}");
        }
    }
}
