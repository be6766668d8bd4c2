//! Finished pieces as OpenTelemetry spans. Pure but for the anchor, which a shell takes from the clocks.
//!
//! ```text
//! POST /v1/pushes            SERVER    one per traced request
//! └─ push {route}            PRODUCER  one per traced push: its creation context
//!    ├─ queue wait           INTERNAL  ┐
//!    ├─ window wait          INTERNAL  ├ per attempt
//!    ├─ send {peer}          CLIENT    │
//!    ├─ await ack            INTERNAL  ┘
//!    └─ settle push          CONSUMER  the end
//! ```
//! Names and attributes are those of OpenTelemetry's messaging conventions (`reference/observability.md` 3.2). No attribute holds a token, an
//! id of the sender's, or a provider's free text.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::push::PushKey;
use crate::push::trace::{Call, Ending, Piece, Sent, SpanName, Trace};
use crate::units::{Clock, Moment};

/// How far the wall clock may drift before the anchor follows it: children must not begin before their parents.
const DRIFT: Duration = Duration::from_millis(1);
/// The most of a provider's code that is shown.
const LONGEST_CODE: usize = 64;

/// The wall clock's time of the epoch of moments.
#[derive(Debug, Clone, Copy)]
pub struct Anchor(SystemTime);

/// Makes spans of pieces.
#[derive(Debug)]
pub struct Writer {
    anchor: Anchor,
    scope: InstrumentationScope,
    spans: Vec<SpanData>,
}

/// One span, before it has what all spans have.
struct Draft<'s> {
    name: Cow<'static, str>,
    kind: SpanKind,
    of: SpanName,
    parent: u64,
    state: Option<&'s str>,
    times: (Moment, Moment),
    attributes: Vec<KeyValue>,
}

// === impl Anchor ===

impl Anchor {
    /// Returns the anchor as the clocks are now.
    pub fn now(clock: Clock) -> Self {
        Self(SystemTime::now() - clock.now().since(Moment::default()))
    }

    /// Follows the clocks if they have drifted apart.
    pub fn follow(&mut self, now: Self) {
        let drift = now.0.duration_since(self.0).unwrap_or_else(|error| error.duration());
        if drift > DRIFT {
            *self = now;
        }
    }

    fn wall(self, moment: Moment) -> SystemTime {
        self.0 + moment.since(Moment::default())
    }
}

// === impl Writer ===

impl Writer {
    /// Returns a writer without spans.
    pub fn new(anchor: Anchor) -> Self {
        let scope = InstrumentationScope::builder("pushweir").with_version(env!("CARGO_PKG_VERSION")).build();
        Self { anchor, scope, spans: Vec::new() }
    }

    /// Adds the spans of several pieces.
    pub fn add_all(&mut self, pieces: &[Piece]) {
        self.spans.reserve(pieces.iter().map(Piece::spans).sum());
        pieces.iter().for_each(|piece| self.add(piece));
    }

    /// Adds a piece's spans.
    pub fn add(&mut self, piece: &Piece) {
        match piece {
            Piece::Call(call) => self.call(call),
            Piece::Attempt { key, trace, ending, is_requeued } => {
                if let Some(sent) = &trace.sent {
                    self.attempt(*key, trace, sent, ending, *is_requeued);
                }
            }
            Piece::Push { key, trace, accepted, ending, settled } => {
                self.push(*key, trace, (*accepted, *settled), ending);
            }
        }
    }

    /// Returns the spans.
    pub fn finish(self) -> Vec<SpanData> {
        self.spans
    }

    fn call(&mut self, call: &Call) {
        let attributes = vec![
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("http.route", "/v1/pushes"),
            KeyValue::new("http.response.status_code", i64::from(call.status)),
            KeyValue::new("messaging.batch.message_count", whole(call.pushes)),
            KeyValue::new("pushweir.accepted", whole(call.accepted)),
        ];
        let draft = Draft {
            name: "POST /v1/pushes".into(),
            kind: SpanKind::Server,
            of: call.name,
            parent: call.parent.unwrap_or(0),
            state: call.state.as_deref(),
            times: (call.begun, call.ended),
            attributes,
        };
        let span = self.draw(draft);
        span.parent_span_is_remote = call.parent.is_some();
        // Of a server's span only what is its own fault is an error.
        if call.status >= 500 {
            span.status = Status::error("");
            span.attributes.push(KeyValue::new("error.type", call.status.to_string()));
        }
        if let Some(link) = call.link {
            let context = context(link, None, true);
            span.links.links.push(Link::with_context(context));
        }
    }

    fn attempt(&mut self, key: PushKey, trace: &Trace, sent: &Sent, ending: &Ending, is_requeued: bool) {
        let dispatched = trace.dispatched.unwrap_or(sent.begun);
        let number = || KeyValue::new("pushweir.attempt", i64::from(trace.attempt));
        let carrier = &sent.carrier;
        let wait = vec![number(), KeyValue::new("pushweir.buffer_depth", whole(trace.origin.depth))];
        self.step(trace, "queue wait", (trace.queued, dispatched), wait);
        self.step(trace, "window wait", (dispatched, sent.begun), vec![number()]);
        let attributes = vec![
            number(),
            KeyValue::new("messaging.system", "pushweir"),
            KeyValue::new("messaging.operation.name", "send"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("messaging.destination.name", trace.route.to_string()),
            KeyValue::new("messaging.message.id", key.to_string()),
            KeyValue::new("network.protocol.name", carrier.transport),
            KeyValue::new("server.address", carrier.peer.to_string()),
        ];
        let name = format!("send {}", carrier.peer);
        self.step(trace, name, (sent.begun, sent.flushed), attributes).span_kind = SpanKind::Client;
        let attributes = vec![
            number(),
            KeyValue::new("pushweir.pusher", i64::from(carrier.pusher)),
            KeyValue::new("pushweir.window_inflight", i64::from(carrier.in_flight)),
        ];
        let wall = self.anchor.wall(ending.at);
        let span = self.step(trace, "await ack", (sent.flushed, ending.at), attributes);
        judge(span, ending);
        if is_requeued {
            span.events.events.push(Event::new("requeued", wall, Vec::new(), 0));
        }
    }

    fn push(&mut self, key: PushKey, trace: &Trace, (accepted, settled): (Moment, Moment), ending: &Ending) {
        if trace.is_waiting(ending.at) {
            let attributes = vec![KeyValue::new("pushweir.attempt", i64::from(trace.attempt) + 1)];
            self.step(trace, "queue wait", (trace.queued, ending.at), attributes);
        }
        let outcome = || KeyValue::new("pushweir.outcome", ending.word);
        let span = self.step(trace, "settle push", (ending.at, settled), vec![outcome()]);
        span.span_kind = SpanKind::Consumer;
        judge(span, ending);
        let origin = &trace.origin;
        let attributes = vec![
            KeyValue::new("messaging.system", "pushweir"),
            KeyValue::new("messaging.operation.name", "push"),
            KeyValue::new("messaging.operation.type", "create"),
            KeyValue::new("messaging.destination.name", trace.route.to_string()),
            KeyValue::new("messaging.message.id", key.to_string()),
            KeyValue::new("pushweir.fanout", whole(origin.fanout)),
            KeyValue::new("pushweir.keep_rate", origin.keep),
            KeyValue::new("pushweir.attempts", i64::from(trace.attempt)),
            outcome(),
        ];
        let draft = Draft {
            name: format!("push {}", trace.route).into(),
            kind: SpanKind::Producer,
            of: trace.name(),
            parent: origin.call.span,
            state: origin.state.as_deref(),
            times: (accepted, settled),
            attributes,
        };
        judge(self.draw(draft), ending);
    }

    /// Draws a step of a push's way.
    fn step(
        &mut self,
        trace: &Trace,
        name: impl Into<Cow<'static, str>>,
        times: (Moment, Moment),
        attributes: Vec<KeyValue>,
    ) -> &mut SpanData {
        self.draw(Draft {
            name: name.into(),
            kind: SpanKind::Internal,
            of: SpanName { trace: trace.origin.call.trace, span: fastrand::u64(1..) },
            parent: trace.span,
            state: trace.origin.state.as_deref(),
            times,
            attributes,
        })
    }

    fn draw(&mut self, draft: Draft<'_>) -> &mut SpanData {
        let Draft { name, kind, of, parent, state, times: (from, to), attributes } = draft;
        self.spans.push(SpanData {
            span_context: context(of, state, false),
            parent_span_id: SpanId::from(parent),
            parent_span_is_remote: false,
            span_kind: kind,
            name,
            start_time: self.anchor.wall(from),
            end_time: self.anchor.wall(to.max(from)),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        });
        self.spans.last_mut().expect("a span was just added")
    }
}

fn context(name: SpanName, state: Option<&str>, is_remote: bool) -> SpanContext {
    // A state that OpenTelemetry does not take is not passed on.
    let state = state.and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
    let (trace, span) = (TraceId::from(name.trace), SpanId::from(name.span));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, is_remote, state)
}

/// Says in a span that something went wrong, and what.
fn judge(span: &mut SpanData, ending: &Ending) {
    if ending.is_good {
        return;
    }
    span.status = Status::error("");
    span.attributes.push(KeyValue::new("error.type", ending.word));
    let is_code = |code: &&str| {
        code.len() <= LONGEST_CODE
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    if let Some(code) = ending.code.as_deref().filter(is_code) {
        span.attributes.push(KeyValue::new("pushweir.answer.code", code.to_owned()));
    }
}

fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
