//! The exporter: finished pieces → OTLP over HTTP, a batch at a time.
//!
//! A supervised actor beside the pipeline: what its receiver does not take is dropped and counted, and nothing ever waits for it.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use pushweir_actors::{Exit, Link, Stop};

use crate::telemetry::trace::spans::{Anchor, Writer};
use crate::telemetry::trace::{Settings, Tracer};
use crate::transport::exchange::Endpoint;
use crate::units::Clock;

/// How long a finished span waits at most before it is posted.
const EVERY: Duration = Duration::from_secs(1);
/// Spans in a post.
const BATCH: usize = 2_048;
/// Limit for one post.
const POST_LIMIT: Duration = Duration::from_secs(5);
/// What the last posts may take when the service stops.
const LAST_LIMIT: Duration = Duration::from_secs(1);

/// The actor.
#[derive(Debug)]
pub struct Traces {
    tracer: Arc<Tracer>,
    clock: Clock,
    link: Link,
}

/// Posts with what the service has for that already.
#[derive(Debug)]
struct Client(Endpoint);

/// What posts to one receiver.
struct Exporter {
    tracer: Arc<Tracer>,
    clock: Clock,
    anchor: Anchor,
    exporter: Option<SpanExporter>,
    is_failing: bool,
}

// === impl Client ===

impl HttpClient for Client {
    fn send_bytes<'life, 'future>(
        &'life self,
        request: http::Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let reply = self.0.post(head.headers, body, POST_LIMIT).await?;
            let mut response = http::Response::new(Bytes::new());
            *response.status_mut() = http::StatusCode::from_u16(reply.status)?;
            Ok(response)
        })
    }
}

// === impl Exporter ===

impl Exporter {
    fn new(tracer: Arc<Tracer>, clock: Clock) -> Self {
        let settings = tracer.settings();
        let exporter = match exporter(&settings) {
            Ok(exporter) => exporter,
            Err(error) => {
                log::error!("traces cannot be exported error={error}");
                None
            }
        };
        Self { anchor: Anchor::now(clock), tracer, clock, exporter, is_failing: false }
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
            let mut writer = Writer::new(self.anchor);
            let mut spans = 0;
            let count = rest.iter().take_while(|piece| {
                let is_first = spans == 0;
                spans += piece.spans();
                is_first || spans <= BATCH
            });
            let (now, later) = rest.split_at(count.count());
            now.iter().for_each(|piece| writer.add(piece));
            self.post_batch(writer.finish()).await;
            rest = later;
        }
    }

    async fn post_batch(&mut self, spans: Vec<SpanData>) {
        let count = spans.len();
        let Some(exporter) = &self.exporter else { return self.tracer.count(0, count) };
        match exporter.export(spans).await {
            Ok(()) => {
                self.tracer.count(count, 0);
                if std::mem::take(&mut self.is_failing) {
                    log::info!("traces are taken again");
                }
            }
            Err(error) => {
                self.tracer.count(0, count);
                if !std::mem::replace(&mut self.is_failing, true) {
                    log::warn!(
                        "traces are not taken, and dropped until they are error={:?}",
                        error.to_string()
                    );
                }
            }
        }
    }
}

/// Returns what posts to the receiver of these settings, if there is one.
fn exporter(settings: &Settings) -> Result<Option<SpanExporter>, ExporterBuildError> {
    let Some(url) = &settings.endpoint else { return Ok(None) };
    let Some(endpoint) = Endpoint::parse(url, None) else { return Ok(None) };
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client(endpoint))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(url)
        .with_timeout(POST_LIMIT)
        .with_retry_policy(RetryPolicy::disabled())
        .with_headers(HashMap::new())
        .build()?;
    exporter.set_resource(&Resource::builder().with_service_name(settings.service_name.clone()).build());
    Ok(Some(exporter))
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
