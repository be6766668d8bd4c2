//! The bytes, read by OpenTelemetry's own types and held against what those make of the same spans.

use std::time::Duration;

use opentelemetry::trace::{TraceFlags, TraceId, TraceState};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
use proptest::prelude::*;
use prost::Message;

use super::*;

/// Reads our bytes with the library's types.
fn ours(resource: &Resource, spans: &[SpanData]) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(&body(resource, spans)[..]).expect("it is a request")
}

fn theirs(resource: &Resource, spans: Vec<SpanData>) -> ExportTraceServiceRequest {
    let resource = ResourceAttributesWithSchema::from(resource);
    ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(spans, &resource) }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        Just(Value::from(0_i64)),
        any::<bool>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        ".{0,200}".prop_map(Value::from),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    prop::collection::vec(("[a-z.]{0,20}", value()).prop_map(|(key, value)| KeyValue::new(key, value)), 0..6)
}

fn context() -> impl Strategy<Value = SpanContext> {
    (any::<u128>(), any::<u64>(), any::<bool>(), any::<bool>()).prop_map(
        |(trace, span, is_remote, has_state)| {
            let state =
                if has_state { TraceState::from_key_value([("a", "1")]) } else { Ok(TraceState::NONE) };
            let state = state.expect("it is well-formed");
            SpanContext::new(TraceId::from(trace), SpanId::from(span), TraceFlags::SAMPLED, is_remote, state)
        },
    )
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![Just(Status::Unset), Just(Status::Ok), ".{0,9}".prop_map(Status::error)]
}

fn kind() -> impl Strategy<Value = SpanKind> {
    use SpanKind::{Client, Consumer, Internal, Producer, Server};
    prop::sample::select(vec![Internal, Server, Client, Producer, Consumer])
}

prop_compose! {
    fn span()(
        context in context(),
        (parent, is_remote, kind) in (any::<u64>(), any::<bool>(), kind()),
        name in ".{0,20}",
        (from, length) in (any::<u32>(), any::<u32>()),
        (attributes, of_event) in (attributes(), attributes()),
        link in prop::option::of(context()),
        status in status(),
        dropped in 0..3_u32,
    ) -> SpanData {
        let start = UNIX_EPOCH + Duration::from_micros(u64::from(from));
        let mut events = SpanEvents::default();
        events.events.push(Event::new("requeued", start, of_event, dropped));
        events.dropped_count = dropped;
        let mut links = SpanLinks::default();
        links.links.extend(link.map(|link| Link::new(link, attributes.clone(), dropped)));
        SpanData {
            span_context: context,
            parent_span_id: SpanId::from(parent % 3),
            parent_span_is_remote: is_remote,
            span_kind: kind,
            name: name.into(),
            start_time: start,
            end_time: start + Duration::from_nanos(u64::from(length)),
            attributes,
            dropped_attributes_count: dropped,
            events,
            links,
            status,
            instrumentation_scope: InstrumentationScope::builder("pushweir").with_version("1").build(),
        }
    }
}

proptest! {
    #[test]
    fn the_library_reads_what_it_would_have_written(spans in prop::collection::vec(span(), 1..40)) {
        // Its attributes have no order, but keep the one they have.
        let resource = Resource::builder().with_service_name("gateway-7").build();
        prop_assert_eq!(ours(&resource, &spans), theirs(&resource, spans));
    }

    #[test]
    fn lengths_of_all_sizes_are_right(len in prop_oneof![120..135_usize, 16_370..16_390_usize, 0..40_000_usize]) {
        let mut out = Out(vec![7]);
        out.message(2, |out| out.0.extend(std::iter::repeat_n(1, len)));
        let mut rest = &out.0[2..];
        prop_assert_eq!(prost::decode_length_delimiter(&mut rest).ok(), Some(len));
        prop_assert_eq!((&out.0[..2], rest), (&[7, 2 << 3 | 2][..], &vec![1; len][..]));
    }

    #[test]
    fn no_list_of_headers_panics(list in ".{0,40}") {
        let _ = headers(&list);
    }
}

#[test]
fn headers_are_read_as_the_environment_variable_has_them() {
    let found = headers(" authorization = Bearer%20x%3D , tenant=7,=1,no,bad=%zz,b d=1,euro=%e2%82%ac");
    let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let euro = "€".as_bytes();
    assert_eq!(found, [("authorization", &b"Bearer x="[..]), ("tenant", b"7"), ("euro", euro)]);
    assert!(format!("{:?}", headers("a=secret")).contains("Sensitive"));
}
