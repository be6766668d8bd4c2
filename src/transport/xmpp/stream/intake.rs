//! Reading: from the connection through the framer to the dialog.
//!
//! The stream calls it at each poll. Invariants: at most [`READ_BUDGET`] is read per call; only the bytes of an incomplete stanza are kept
//! between calls.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::super::dialog::{Dialog, Tally};
use super::super::document::Document;
use super::super::frame::Framer;
use super::buffer::{Outgoing, with_scratch};
use crate::transport::SessionEvent;

/// The most bytes one poll reads before it gives the arbiter back.
pub const READ_BUDGET: usize = 256 * 1024;

/// The most bytes that may wait to be written when the peer makes us reply; a window of pushes stays below.
pub const MAX_OUTGOING: usize = 4 * 1024 * 1024;

/// The reading side of a session.
#[derive(Debug)]
pub struct Intake {
    framer: Framer,
    dialog: Dialog,
    /// Bytes of an incomplete stanza.
    held: Vec<u8>,
    /// Whether `held` came with the handshake and was not looked at yet.
    early: bool,
}

/// What reading came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing is left to read.
    Drained,
    /// The budget is used up.
    More,
    /// The connection is over; why.
    Over(String),
}

// === impl Intake ===

impl Intake {
    /// Returns the intake of a stream that `document` has read up to the bytes `early`.
    pub fn new(document: Document, early: Vec<u8>) -> Self {
        let is_early = !early.is_empty();
        Self { framer: Framer::new(document), dialog: Dialog::default(), held: early, early: is_early }
    }

    /// Returns how many messages of the provider's own were acknowledged since the last call.
    pub fn take_upstream(&mut self) -> u32 {
        self.dialog.take_upstream()
    }

    /// Gives back memory that only traffic needs.
    pub fn relax(&mut self) {
        self.framer.relax();
    }

    /// Returns what was ignored so far.
    pub const fn tally(&self) -> Tally {
        self.dialog.tally()
    }

    /// Reads until nothing is left or the budget is used up; replies go to `outgoing`. Returns how many bytes came, too.
    pub fn drain<Io: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
        outgoing: &mut Outgoing,
        events: &mut Vec<SessionEvent>,
    ) -> (Reading, usize) {
        with_scratch(|scratch| {
            let mut filled = self.held.len();
            scratch[..filled].copy_from_slice(&self.held);
            let mut count = 0;
            let mut fresh = std::mem::take(&mut self.early);
            let reading = loop {
                if fresh {
                    match self.take_frames(&scratch[..filled], outgoing, events) {
                        Ok(taken) => {
                            scratch.copy_within(taken..filled, 0);
                            filled -= taken;
                        }
                        Err(reason) => break Reading::Over(reason),
                    }
                }
                if count >= READ_BUDGET {
                    break Reading::More;
                }
                match self.receive(cx, io, scratch, filled) {
                    Poll::Pending => break Reading::Drained,
                    Poll::Ready(Err(reason)) => break Reading::Over(reason),
                    Poll::Ready(Ok(read)) => {
                        filled += read;
                        count += read;
                        fresh = true;
                    }
                }
            };
            self.held = scratch[..filled].to_vec();
            (reading, count)
        })
    }

    /// Reads once behind the `filled` bytes; returns how much, or why the connection is over.
    fn receive<Io: AsyncRead + Unpin>(
        &self,
        cx: &mut Context<'_>,
        io: &mut Io,
        scratch: &mut [u8],
        filled: usize,
    ) -> Poll<Result<usize, String>> {
        let mut room = ReadBuf::new(&mut scratch[filled..]);
        let read = ready!(Pin::new(io).poll_read(cx, &mut room));
        let cause = match (read, room.filled().len()) {
            (Ok(()), 0) => "the peer closed it".to_owned(),
            (Ok(()), count) => return Poll::Ready(Ok(count)),
            (Err(error), _) => error.to_string(),
        };
        let whole = filled == 0 && self.framer.is_between();
        let place = if whole { "between stanzas" } else { "in the middle of a stanza" };
        Poll::Ready(Err(format!("the connection ended {place}: {cause}")))
    }

    /// Hands what was read to the dialog; returns how much of it is done with, or why the connection is over.
    fn take_frames(
        &mut self,
        bytes: &[u8],
        outgoing: &mut Outgoing,
        events: &mut Vec<SessionEvent>,
    ) -> Result<usize, String> {
        let Self { framer, dialog, .. } = self;
        let mut over = None;
        let taken = framer.feed(bytes, |frame| {
            if let ControlFlow::Break(reason) = dialog.on_frame(frame, events, outgoing.tail()) {
                over = Some(reason);
                return ControlFlow::Break(());
            }
            if outgoing.len() > MAX_OUTGOING {
                over = Some(format!(
                    "the peer makes us reply but reads nothing: over {MAX_OUTGOING} bytes wait"
                ));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        match (taken, over) {
            (_, Some(reason)) => Err(reason),
            (Err(error), None) => Err(error.to_string()),
            (Ok(taken), None) => Ok(taken),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker;

    use super::super::super::document::Item;
    use super::*;

    const HEADER: &str =
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

    #[test]
    fn only_an_incomplete_stanza_is_kept() {
        let mut document = Document::default();
        assert_eq!(document.next(&mut HEADER.as_bytes()).unwrap(), Some(Item::Opened));
        let mut intake = Intake::new(document, b" ".repeat(100));
        let waker = noop_waker();
        let mut drain = |text: &str| {
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            let mut io = Box::pin(ours);
            let mut cx = Context::from_waker(&waker);
            let mut theirs = theirs;
            assert!(
                tokio::io::AsyncWrite::poll_write(Pin::new(&mut theirs), &mut cx, text.as_bytes()).is_ready()
            );
            intake.drain(&mut cx, &mut io, &mut Outgoing::default(), &mut Vec::new());
            (intake.held.len(), intake.held.capacity())
        };
        assert_eq!(drain("<message><gcm xmlns='google:mobile:data'>{}</gcm></message>"), (0, 0));
        assert_eq!(drain(" <message>"), (9, 9));
        assert_eq!(drain("<gcm xmlns='google:mobile:data'>{}</gcm></message> "), (0, 0));
    }
}
