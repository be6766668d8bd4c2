//! Traces: which requests and pushes are traced, and the bounded queue of what has been finished (`reference/observability.md` part 1).
//!
//! Ingest asks the [`Tracer`] for a [`Call`] and that for the pushes' contexts; nobody else begins a trace. `app` takes the pieces and exports
//! them. Invariant: a request that is not traced costs a draw and a look at one header, its pushes nothing; the queue never blocks and never
//! grows past its bound, and what it has no room for is counted.

mod keep;
pub mod otlp;
pub mod spans;
#[cfg(test)]
mod tests;
pub mod w3c;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use self::keep::{Bucket, keep};
use self::w3c::Parent;
use crate::push::trace::{self, Origin, Piece, Sink, SpanName, Trace};
use crate::units::Moment;

/// Spans that wait before the exporter is woken ahead of its time.
const WORTH_A_POST: usize = 512;

/// `[telemetry.traces]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where spans are posted (OTLP over HTTP, protobuf); none switches tracing off.
    pub endpoint: Option<String>,
    /// The share of requests that a trace is begun for.
    pub sample: f64,
    /// About how many pushes of a traced request are traced.
    pub pushes_per_request: f64,
    /// Requests a second whose sender's own decision to record is followed.
    pub callers: u32,
    /// Spans that wait for the exporter at most.
    pub queue: usize,
    /// `service.name` of the spans.
    pub service_name: String,
}

/// What senders said about their traces, as it stands in the request's head.
pub trait Head {
    /// Returns `traceparent`, if it is there exactly once.
    fn parent(&self) -> Option<&[u8]>;

    /// Returns `tracestate`, joined.
    fn state(&self) -> Option<String>;
}

/// Counts for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Spans that the receiver took.
    pub exported: u64,
    /// Spans that were dropped, because the queue was full or the receiver did not take them.
    pub dropped: u64,
    /// Spans that wait.
    pub queued: u64,
    /// Pushes that the operator wants to have traced still.
    pub wanted: u32,
}

#[derive(Debug, Default)]
struct Queue {
    pieces: Vec<Piece>,
    spans: usize,
}

/// The shared handle.
#[derive(Debug)]
pub struct Tracer {
    is_on: AtomicBool,
    /// A request is traced if a random number is below.
    threshold: AtomicU64,
    /// Pushes that the operator wants to have traced.
    wanted: AtomicU32,
    settings: Mutex<Settings>,
    changed: Notify,
    callers: Mutex<Bucket>,
    limit: AtomicUsize,
    queue: Mutex<Queue>,
    news: Notify,
    exported: AtomicU64,
    dropped: AtomicU64,
}

/// A request that is traced, until it is answered.
#[derive(Debug)]
pub struct Call {
    tracer: Arc<Tracer>,
    name: SpanName,
    parent: Option<u64>,
    link: Option<SpanName>,
    state: Option<Arc<str>>,
    begun: Moment,
    /// Whether it is traced only because the operator wants pushes.
    is_wanted: bool,
    pushes_per_request: f64,
}

/// Makes the contexts of a request's pushes.
#[derive(Debug)]
pub struct Roots<'c> {
    call: &'c Call,
    origin: Arc<Origin>,
}

// === impl Tracer ===

impl Tracer {
    /// Returns a tracer that follows these settings.
    pub fn new(settings: Settings) -> Self {
        let tracer = Self {
            is_on: AtomicBool::new(false),
            threshold: AtomicU64::new(0),
            wanted: AtomicU32::new(0),
            settings: Mutex::new(settings.clone()),
            changed: Notify::new(),
            callers: Mutex::default(),
            limit: AtomicUsize::new(0),
            queue: Mutex::default(),
            news: Notify::new(),
            exported: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        };
        tracer.follow(settings);
        tracer
    }

    /// Follows new settings from the next request on.
    pub fn follow(&self, settings: Settings) {
        // A share of 1 is above every number but the greatest, which is near enough.
        let threshold = (settings.sample.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
        self.threshold.store(threshold, Ordering::Relaxed);
        self.is_on.store(settings.endpoint.is_some(), Ordering::Relaxed);
        self.limit.store(settings.queue, Ordering::Relaxed);
        *self.settings.lock() = settings;
        self.changed.notify_one();
    }

    /// Returns the settings.
    pub fn settings(&self) -> Settings {
        self.settings.lock().clone()
    }

    /// Returns whether there is a receiver.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Begins a trace for an operator's own request; `None` if there is no receiver.
    pub fn begin_own(self: &Arc<Self>, now: Moment) -> Option<Call> {
        self.is_on().then(|| Call {
            tracer: Arc::clone(self),
            name: SpanName { trace: fastrand::u128(1..), span: fastrand::u64(1..) },
            parent: None,
            link: None,
            state: None,
            begun: now,
            is_wanted: false,
            pushes_per_request: 1.0,
        })
    }

    /// Waits until there are other settings.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Has the next `count` pushes traced, whatever the shares; replaces what was wanted before. Returns whether anything is traced at all.
    pub fn want(&self, count: u32) -> bool {
        let is_on = self.is_on.load(Ordering::Relaxed);
        if is_on {
            self.wanted.store(count, Ordering::Relaxed);
        }
        is_on
    }

    /// Decides about a request that came `now`; `None` if it is not traced.
    pub fn begin(self: &Arc<Self>, head: &impl Head, now: Moment) -> Option<Call> {
        if !self.is_on.load(Ordering::Relaxed) {
            return None;
        }
        let header = head.parent();
        let is_drawn = fastrand::u64(..) < self.threshold.load(Ordering::Relaxed);
        let is_wanted = self.wanted.load(Ordering::Relaxed) > 0;
        // All that a request costs whose sender records nothing and that is not drawn either.
        if !(is_drawn || is_wanted || header.is_some_and(w3c::peek)) {
            return None;
        }
        let parent = header.and_then(w3c::parse);
        let settings = self.settings.lock();
        let follows =
            parent.is_some_and(|parent| parent.is_sampled) && self.callers.lock().take(now, settings.callers);
        // A sender that records nothing is not overruled by chance.
        let is_chosen = is_drawn && parent.is_none_or(|parent| parent.is_sampled);
        if !(follows || is_chosen || is_wanted) {
            return None;
        }
        let of_sender = parent.filter(|_| follows);
        let trace = of_sender.map_or_else(|| fastrand::u128(1..), |parent| parent.name.trace);
        Some(Call {
            tracer: Arc::clone(self),
            name: SpanName { trace, span: fastrand::u64(1..) },
            parent: of_sender.map(|parent| parent.name.span),
            link: parent.filter(|_| !follows).map(|Parent { name, .. }| name),
            state: of_sender.and_then(|_| head.state()).map(Arc::from),
            begun: now,
            is_wanted: !(follows || is_chosen),
            pushes_per_request: settings.pushes_per_request,
        })
    }

    /// Takes everything that is finished.
    pub fn take_all(&self) -> Vec<Piece> {
        let mut queue = self.queue.lock();
        queue.spans = 0;
        std::mem::take(&mut queue.pieces)
    }

    /// Waits until there is a batch that is worth a post.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Counts spans that the receiver took, and such that it did not.
    pub fn count(&self, exported: usize, dropped: usize) {
        self.exported.fetch_add(exported as u64, Ordering::Relaxed);
        self.dropped.fetch_add(dropped as u64, Ordering::Relaxed);
    }

    /// Returns the counts.
    pub fn counts(&self) -> Counts {
        Counts {
            exported: self.exported.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            queued: self.queue.lock().spans as u64,
            wanted: self.wanted.load(Ordering::Relaxed),
        }
    }

    /// Uses up one of the operator's wishes.
    fn grant(&self) -> bool {
        let less = |wanted: u32| wanted.checked_sub(1);
        self.wanted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

impl Sink for Tracer {
    fn take(&self, piece: Piece) {
        let spans = piece.spans();
        let limit = self.limit.load(Ordering::Relaxed);
        let mut queue = self.queue.lock();
        if queue.spans + spans > limit {
            self.dropped.fetch_add(spans as u64, Ordering::Relaxed);
            return;
        }
        let was_small = queue.spans < WORTH_A_POST;
        queue.spans += spans;
        queue.pieces.push(piece);
        if was_small && queue.spans >= WORTH_A_POST {
            self.news.notify_one();
        }
    }
}

// === impl Call ===

impl Call {
    /// Returns what makes the contexts of this request's `fanout` pushes; `depth` pushes are in the buffer.
    pub fn roots(&self, fanout: usize, depth: u64) -> Roots<'_> {
        let sink = Arc::<Tracer>::clone(&self.tracer);
        let keep = keep(self.pushes_per_request, fanout);
        let state = self.state.clone();
        let origin = Origin { sink, call: self.name, state, fanout, keep, depth };
        Roots { call: self, origin: Arc::new(origin) }
    }

    /// Returns the trace's id.
    pub const fn trace(&self) -> u128 {
        self.name.trace
    }

    /// Returns the `traceresponse` header: where the sender finds the request again.
    pub fn response(&self) -> String {
        w3c::write(self.name)
    }

    /// Ends the request's own span: it was answered `now` with `status`, and `accepted` of its `pushes` were.
    pub fn end(self, now: Moment, status: u16, (pushes, accepted): (usize, usize)) {
        let Self { tracer, name, parent, link, state, begun, .. } = self;
        let call = trace::Call { name, parent, link, state, begun, ended: now, status, pushes, accepted };
        tracer.take(Piece::Call(Box::new(call)));
    }
}

// === impl Roots ===

impl Roots<'_> {
    /// Decides about one push of a route; `None` if it is not traced.
    pub fn draw(&self, route: &str, now: Moment) -> Option<Box<Trace>> {
        let is_drawn = !self.call.is_wanted && fastrand::f64() < self.origin.keep;
        (self.call.tracer.grant() || is_drawn).then(|| {
            Box::new(Trace {
                origin: Arc::clone(&self.origin),
                span: fastrand::u64(1..),
                route: route.into(),
                attempt: 0,
                queued: now,
                dispatched: None,
                sent: None,
            })
        })
    }
}
