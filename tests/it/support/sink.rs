//! A receiver of traces: takes OTLP over HTTP and keeps the spans.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message;

use super::wait::eventually;

/// The receiver; it ends with the test's process.
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
    services: Arc<Mutex<Vec<String>>>,
}

// === impl Sink ===

impl Sink {
    /// Starts a receiver that takes everything.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let sink = Self { address, spans: Arc::default(), services: Arc::default() };
        let (spans, services) = (Arc::clone(&sink.spans), Arc::clone(&sink.services));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(request) = receive(stream) {
                    for resource in request.resource_spans {
                        services.lock().extend(resource.resource.iter().flat_map(|resource| {
                            resource
                                .attributes
                                .iter()
                                .filter(|pair| pair.key == "service.name")
                                .map(|pair| text(pair.value.as_ref()))
                        }));
                        spans.lock().extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
                    }
                }
            }
        });
        sink
    }

    /// The URL for `[telemetry.traces] endpoint`.
    pub fn url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// Returns the spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().clone()
    }

    /// Returns the services that spans came from.
    pub fn services(&self) -> Vec<String> {
        self.services.lock().clone()
    }

    /// Waits for spans that `are_they` likes, all of them.
    #[track_caller]
    pub fn wait_for(&self, what: &str, mut are_they: impl FnMut(&[Span]) -> bool) -> Vec<Span> {
        eventually(what, || {
            let spans = self.spans();
            if are_they(&spans) { Ok(spans) } else { Err(format!("{:?}", names(&spans))) }
        })
    }
}

/// Reads one request and answers it.
fn receive(mut stream: TcpStream) -> Option<ExportTraceServiceRequest> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
        .ok()?;
    Some(ExportTraceServiceRequest::decode(&body[..]).expect("what is posted is OTLP"))
}

fn text(value: Option<&opentelemetry_proto::tonic::common::v1::AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// Returns an attribute as text; empty if it is not there.
pub fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|pair| pair.key == key);
    found.map_or_else(String::new, |pair| text(pair.value.as_ref()))
}

/// Returns the names of spans.
pub fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// Returns an id in hexadecimal digits.
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
