//! What a traced push carries: who it belongs to, and when each step of the present attempt happened. Pure.
//!
//! Ingest makes a [`Trace`], for nearly no push; the stages note moments in it; whoever ends an attempt or the push hands a [`Piece`] to the
//! [`Sink`], which must not block. Nothing here allocates for a push that is not traced, and no piece holds a device's token.

use std::fmt;
use std::sync::Arc;

use super::PushKey;
use crate::units::Moment;

/// W3C: the sampled bit of `trace-flags`.
pub const SAMPLED: u8 = 1;

/// Where finished pieces go. Implemented by `telemetry`.
pub trait Sink: Send + Sync + fmt::Debug {
    /// Takes a piece, or counts it as dropped; returns at once.
    fn take(&self, piece: Piece);
}

/// The name of a span: its trace and itself. Neither number is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanName {
    /// The trace's id.
    pub trace: u128,
    /// The span's id.
    pub span: u64,
}

/// What all pushes of one traced request share.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Where pieces go.
    pub sink: Arc<dyn Sink>,
    /// The request's own span.
    pub call: SpanName,
    /// `tracestate` as it came, if the trace is the sender's.
    pub state: Option<Arc<str>>,
    /// Pushes in the request.
    pub fanout: usize,
    /// The share of them that is traced.
    pub keep: f64,
    /// Pushes in the buffer when the request came.
    pub depth: u64,
}

/// The context of a push.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The request that it came with.
    pub origin: Arc<Origin>,
    /// The push's own span, the parent of everything that happens to it.
    pub span: u64,
    /// Its route's name.
    pub route: Arc<str>,
    /// Attempts that were begun, this one included; 0 before the first.
    pub attempt: u32,
    /// When the present wait in the buffer began.
    pub queued: Moment,
    /// When the collector gave it to a pusher.
    pub dispatched: Option<Moment>,
    /// Who sent it, and when.
    pub sent: Option<Sent>,
}

/// An attempt's way through a pusher.
#[derive(Debug, Clone)]
pub struct Sent {
    /// When encoding began.
    pub begun: Moment,
    /// When it had been handed to the connection.
    pub flushed: Moment,
    /// Who did it.
    pub carrier: Carrier,
}

/// A pusher and its connection.
#[derive(Debug, Clone)]
pub struct Carrier {
    /// The peer, such as `127.0.0.1:5236`.
    pub peer: Arc<str>,
    /// The transport's name.
    pub transport: &'static str,
    /// The pusher's number in its route.
    pub pusher: u32,
    /// Pushes without an answer on it, this one included.
    pub in_flight: u32,
}

/// How an attempt or a push ended, in words of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// When.
    pub at: Moment,
    /// A word such as `delivered`, `retry` or `unanswered`.
    pub word: &'static str,
    /// The provider's code, if it gave one.
    pub code: Option<Box<str>>,
    /// Whether all is well.
    pub is_good: bool,
}

/// Something that can become spans.
#[derive(Debug, Clone)]
pub enum Piece {
    /// A request was answered.
    Call(Box<Call>),
    /// An attempt ended.
    Attempt {
        /// The push.
        key: PushKey,
        /// Its context.
        trace: Box<Trace>,
        /// How the attempt ended.
        ending: Ending,
        /// Whether the push goes back to the collector.
        is_requeued: bool,
    },
    /// A push ended.
    Push {
        /// The push.
        key: PushKey,
        /// Its context.
        trace: Box<Trace>,
        /// When it was admitted.
        accepted: Moment,
        /// How it ended.
        ending: Ending,
        /// When the books had it.
        settled: Moment,
    },
}

/// A traced request.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its span.
    pub name: SpanName,
    /// The sender's span, if the trace is the sender's.
    pub parent: Option<u64>,
    /// The sender's span, if the trace is ours and only refers to it.
    pub link: Option<SpanName>,
    /// `tracestate`, if the trace is the sender's.
    pub state: Option<Arc<str>>,
    /// When it came.
    pub begun: Moment,
    /// When it was answered.
    pub ended: Moment,
    /// The status of the answer.
    pub status: u16,
    /// Pushes in it.
    pub pushes: usize,
    /// Pushes of it that were accepted.
    pub accepted: usize,
}

// === impl Trace ===

impl Trace {
    /// Returns the push's span.
    pub fn name(&self) -> SpanName {
        SpanName { trace: self.origin.call.trace, span: self.span }
    }

    /// Returns whether the push is, at a moment, in a wait that no attempt has ended.
    pub fn is_waiting(&self, at: Moment) -> bool {
        self.sent.is_none() && self.queued < at
    }

    /// Notes that the collector gave the push to a pusher.
    pub fn dispatched(&mut self, now: Moment) {
        self.dispatched = Some(now);
        self.sent = None;
    }

    /// Notes that a pusher began to encode the push.
    pub fn begun(&mut self, now: Moment, carrier: Carrier) {
        self.attempt = self.attempt.saturating_add(1);
        self.sent = Some(Sent { begun: now, flushed: now, carrier });
    }

    /// Notes that the push has been handed to the connection.
    pub const fn flushed(&mut self, now: Moment) {
        if let Some(sent) = &mut self.sent {
            sent.flushed = now;
        }
    }

    /// Tells the sink of the end of an attempt. A push that is requeued begins to wait again.
    pub fn attempt_ended(&mut self, key: PushKey, ending: Ending, is_requeued: bool) {
        if self.sent.is_some() {
            let (trace, queued) = (Box::new(self.clone()), ending.at);
            self.origin.sink.take(Piece::Attempt { key, trace, ending, is_requeued });
            (self.queued, self.dispatched, self.sent) = (queued, None, None);
        }
    }

    /// Tells the sink of the push's end.
    pub fn ended(&self, key: PushKey, accepted: Moment, ending: Ending, settled: Moment) {
        let trace = Box::new(self.clone());
        self.origin.sink.take(Piece::Push { key, trace, accepted, ending, settled });
    }
}

// === impl Piece ===

impl Piece {
    /// Returns how many spans it becomes.
    pub fn spans(&self) -> usize {
        match self {
            Self::Call(_) => 1,
            Self::Attempt { .. } => 4,
            Self::Push { trace, ending, .. } => 2 + usize::from(trace.is_waiting(ending.at)),
        }
    }
}

impl fmt::Display for SpanName {
    /// Writes the ids as in `traceparent`, without version and flags.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}-{:016x}", self.trace, self.span)
    }
}
