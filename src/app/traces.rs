//! The exporter: finished pieces → OTLP over HTTP, a batch at a time.
//!
//! A supervised actor beside the pipeline: what its receiver does not take is dropped and counted, and nothing ever waits for it.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use http::{HeaderMap, HeaderValue, header};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use pushweir_actors::{Exit, Link, Stop};

use crate::telemetry::trace::spans::{Anchor, Writer};
use crate::telemetry::trace::{Settings, Tracer, otlp};
use crate::transport::exchange::Endpoint;
use crate::units::Clock;

/// How long a finished span waits at most before it is posted.
const EVERY: Duration = Duration::from_secs(1);
/// Spans in a post.
const BATCH: usize = 2_048;
/// Limit for one post.
const POST_LIMIT: Duration = Duration::from_secs(5);
/// Where headers for the receiver are taken from, as OpenTelemetry's specification names it; the first that is there counts.
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
/// What the last posts may take when the service stops.
const LAST_LIMIT: Duration = Duration::from_secs(1);

/// The actor.
#[derive(Debug)]
pub struct Traces {
    tracer: Arc<Tracer>,
    clock: Clock,
    link: Link,
}

/// Who takes the spans.
struct Receiver {
    endpoint: Endpoint,
    headers: HeaderMap,
    resource: Resource,
}

/// What posts to one receiver.
struct Exporter {
    tracer: Arc<Tracer>,
    clock: Clock,
    anchor: Anchor,
    receiver: Option<Receiver>,
    is_failing: bool,
}

// === impl Receiver ===

impl Receiver {
    /// Returns the receiver of these settings, if there is one.
    fn of(settings: &Settings) -> Option<Self> {
        let endpoint = Endpoint::parse(settings.endpoint.as_deref()?, None)?;
        let list = HEADERS.iter().find_map(|name| env::var(name).ok()).unwrap_or_default();
        let mut headers: HeaderMap = otlp::headers(&list).into_iter().collect();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(otlp::CONTENT_TYPE));
        let resource = Resource::builder().with_service_name(settings.service_name.clone()).build();
        Some(Self { endpoint, headers, resource })
    }

    /// Posts spans; the error says why they were not taken.
    async fn post(&self, spans: &[SpanData]) -> Result<(), String> {
        let body = otlp::body(&self.resource, spans);
        let posted = self.endpoint.post(self.headers.clone(), body.into(), POST_LIMIT).await;
        match posted.map_err(|error| error.to_string())?.status {
            200..=299 => Ok(()),
            status => Err(format!("{} answered {status}", self.endpoint.peer())),
        }
    }
}

// === impl Exporter ===

impl Exporter {
    fn new(tracer: Arc<Tracer>, clock: Clock) -> Self {
        let receiver = Receiver::of(&tracer.settings());
        Self { anchor: Anchor::now(clock), tracer, clock, receiver, is_failing: false }
    }

    /// Posts what is finished.
    async fn post(&mut self) {
        let pieces = self.tracer.take_all();
        if pieces.is_empty() {
            return;
        }
        self.anchor.follow(Anchor::now(self.clock));
        let mut rest = &pieces[..];
        while !rest.is_empty() {
            let mut spans = 0;
            let count = rest.iter().take_while(|piece| {
                let is_first = spans == 0;
                spans += piece.spans();
                is_first || spans <= BATCH
            });
            let (now, later) = rest.split_at(count.count());
            let mut writer = Writer::new(self.anchor);
            writer.add_all(now);
            self.post_batch(&writer.finish()).await;
            rest = later;
        }
    }

    async fn post_batch(&mut self, spans: &[SpanData]) {
        let count = spans.len();
        let Some(receiver) = &self.receiver else { return self.tracer.count(0, count) };
        match receiver.post(spans).await {
            Ok(()) => {
                self.tracer.count(count, 0);
                if std::mem::take(&mut self.is_failing) {
                    log::info!("traces are taken again");
                }
            }
            Err(error) => {
                self.tracer.count(0, count);
                if !std::mem::replace(&mut self.is_failing, true) {
                    log::warn!("traces are not taken, and dropped until they are error={error:?}");
                }
            }
        }
    }
}

// === impl Traces ===

impl Traces {
    /// Returns an actor that exports what the tracer has.
    pub const fn new(tracer: Arc<Tracer>, clock: Clock, link: Link) -> Self {
        Self { tracer, clock, link }
    }
}

/// Exports for ever; new settings make a new exporter.
async fn run(tracer: Arc<Tracer>, clock: Clock) {
    loop {
        let mut exporter = Exporter::new(Arc::clone(&tracer), clock);
        loop {
            tokio::select! {
                () = tracer.changed() => break,
                () = tracer.news() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
            exporter.post().await;
        }
    }
}

impl Actor for Traces {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(run(Arc::clone(&self.tracer), self.clock).into_actor(self));
    }
}

impl Handler<Stop> for Traces {
    type Result = ();

    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) {
        let (tracer, clock) = (Arc::clone(&self.tracer), self.clock);
        let last = async move { tokio::time::timeout(LAST_LIMIT, Exporter::new(tracer, clock).post()).await };
        ctx.spawn(last.into_actor(self).map(|posted, actor, ctx| {
            if posted.is_err() {
                log::warn!("the last traces were not taken in time limit={LAST_LIMIT:?}");
            }
            actor.link.exit(Exit::Shutdown);
            ctx.stop();
        }));
    }
}
