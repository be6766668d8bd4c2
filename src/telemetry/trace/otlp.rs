//! Spans as the body of an OTLP post, and the headers that go with it. Pure.
//!
//! `app` posts it. One pass writes everything into one buffer. The exporter of the OpenTelemetry crates copies each span into a second set of
//! types, and measures each message again at every level it is nested in: 8,000 instructions a span, where a fifth is enough; at 1 % of
//! the requests that was most of what traces cost. Tests hold the bytes against those crates' types.
//!
//! The messages are those of `opentelemetry/proto/trace/v1/trace.proto` and `common/v1/common.proto`, the encoding is that of
//! <https://protobuf.dev/programming-guides/encoding/>: fields that have their default value are left out.

use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};
use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

/// `Content-Type` of a body.
pub const CONTENT_TYPE: &str = "application/x-protobuf";

/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`.
const REMOTE_IS_KNOWN: u32 = 0x100;
/// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`.
const IS_REMOTE: u32 = 0x200;

/// Wire types.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

/// About what a span takes.
const USUAL_SPAN: usize = 512;

/// A message that is being written.
struct Out(Vec<u8>);

/// Returns an `ExportTraceServiceRequest` with these spans, which are all of one scope.
pub fn body(resource: &Resource, spans: &[SpanData]) -> Vec<u8> {
    let mut out = Out(Vec::with_capacity(USUAL_SPAN * (spans.len() + 1)));
    out.message(1, |out| {
        out.message(1, |out| {
            for (key, value) in resource {
                out.pair(1, key.as_str(), value);
            }
        });
        out.message(2, |out| {
            if let Some(span) = spans.first() {
                out.message(1, |out| out.scope(&span.instrumentation_scope));
            }
            for span in spans {
                out.message(2, |out| out.span(span));
            }
        });
        out.text(3, resource.schema_url().unwrap_or_default());
    });
    out.0
}

/// Returns the headers in a list such as `authorization=Bearer%20x,tenant=7` (`OTEL_EXPORTER_OTLP_HEADERS`); what is none is left out.
pub fn headers(list: &str) -> Vec<(HeaderName, HeaderValue)> {
    let header = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let mut value = HeaderValue::from_bytes(&decode(value.trim())?).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::try_from(name.trim()).ok()?, value))
    };
    list.split(',').filter_map(header).collect()
}

/// Undoes percent-encoding; `None` if it is broken.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut decoded = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        decoded.extend_from_slice(&part.as_bytes()[2..]);
    }
    Some(decoded)
}

// === impl Out ===

impl Out {
    fn scope(&mut self, scope: &InstrumentationScope) {
        self.text(1, scope.name());
        self.text(2, scope.version().unwrap_or_default());
        self.pairs(3, scope.attributes());
    }

    fn span(&mut self, span: &SpanData) {
        self.ids(&span.span_context);
        if span.parent_span_id != SpanId::INVALID {
            self.bytes(4, &span.parent_span_id.to_bytes());
        }
        self.text(5, &span.name);
        let kind = match span.span_kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
            SpanKind::Client => 3,
            SpanKind::Producer => 4,
            SpanKind::Consumer => 5,
        };
        self.number(6, kind);
        self.fixed64(7, nanos(span.start_time));
        self.fixed64(8, nanos(span.end_time));
        self.pairs(9, &span.attributes);
        self.number(10, u64::from(span.dropped_attributes_count));
        for event in &span.events.events {
            self.message(11, |out| out.event(event));
        }
        self.number(12, u64::from(span.events.dropped_count));
        for link in &span.links.links {
            self.message(13, |out| out.link(link));
        }
        self.number(14, u64::from(span.links.dropped_count));
        self.message(15, |out| match &span.status {
            Status::Unset => {}
            Status::Ok => out.number(3, 1),
            Status::Error { description } => {
                out.text(2, description);
                out.number(3, 2);
            }
        });
        self.fixed32(16, flags(&span.span_context, span.parent_span_is_remote));
    }

    fn event(&mut self, event: &Event) {
        self.fixed64(1, nanos(event.timestamp));
        self.text(2, &event.name);
        self.pairs(3, &event.attributes);
        self.number(4, u64::from(event.dropped_attributes_count));
    }

    fn link(&mut self, link: &Link) {
        self.ids(&link.span_context);
        self.pairs(4, &link.attributes);
        self.number(5, u64::from(link.dropped_attributes_count));
        self.fixed32(6, flags(&link.span_context, link.span_context.is_remote()));
    }

    /// Writes what spans and links begin with.
    fn ids(&mut self, context: &SpanContext) {
        self.bytes(1, &context.trace_id().to_bytes());
        self.bytes(2, &context.span_id().to_bytes());
        self.text(3, &context.trace_state().header());
    }

    fn pairs<'p>(&mut self, field: u32, pairs: impl IntoIterator<Item = &'p KeyValue>) {
        for KeyValue { key, value, .. } in pairs {
            self.pair(field, key.as_str(), value);
        }
    }

    fn pair(&mut self, field: u32, key: &str, value: &Value) {
        // Attributes are most of a span: their lengths are known before, so that nothing has to be moved.
        let inner = length(value);
        let outer = if key.is_empty() { 0 } else { framed(key.len()) };
        self.key(field, BYTES);
        self.varint((outer + framed(inner)) as u64);
        self.text(1, key);
        self.key(2, BYTES);
        self.varint(inner as u64);
        self.value(value);
    }

    /// Writes an `AnyValue`, in which a default is written too: it says which kind of value there is.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Bool(value) => {
                self.key(2, VARINT);
                self.varint(u64::from(*value));
            }
            Value::I64(value) => {
                self.key(3, VARINT);
                self.varint(value.cast_unsigned());
            }
            Value::F64(value) => {
                self.key(4, FIXED64);
                self.0.extend_from_slice(&value.to_le_bytes());
            }
            // Lists, of which there are none here, as text.
            other => {
                let text = other.as_str();
                self.key(1, BYTES);
                self.varint(text.len() as u64);
                self.0.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Writes a message whose length is known afterwards.
    fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.key(field, BYTES);
        let start = self.0.len() + 1;
        self.0.push(0);
        write(self);
        let end = self.0.len();
        // One byte is enough for most lengths; behind longer ones the message is moved.
        self.varint((end - start) as u64);
        let size = self.0.len() - end;
        let mut length = [0; 10];
        length[..size].copy_from_slice(&self.0[end..]);
        self.0.copy_within(start..end, start - 1 + size);
        self.0.truncate(end - 1 + size);
        self.0[start - 1..start - 1 + size].copy_from_slice(&length[..size]);
    }

    fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.key(field, BYTES);
            self.varint(bytes.len() as u64);
            self.0.extend_from_slice(bytes);
        }
    }

    fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.key(field, VARINT);
            self.varint(number);
        }
    }

    fn fixed64(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.key(field, FIXED64);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn fixed32(&mut self, field: u32, number: u32) {
        if number != 0 {
            self.key(field, FIXED32);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn key(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

/// Returns how long [`Out::value`] is.
fn length(value: &Value) -> usize {
    match value {
        Value::Bool(_) => 2,
        Value::I64(value) => 1 + varint_length(value.cast_unsigned()),
        Value::F64(_) => 9,
        other => framed(other.as_str().len()),
    }
}

/// Returns how long bytes are with their key and length.
const fn framed(length: usize) -> usize {
    1 + varint_length(length as u64) + length
}

const fn varint_length(number: u64) -> usize {
    (number | 1).ilog2() as usize / 7 + 1
}

fn flags(context: &SpanContext, is_remote: bool) -> u32 {
    u32::from(context.trace_flags().to_u8()) | REMOTE_IS_KNOWN | if is_remote { IS_REMOTE } else { 0 }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
