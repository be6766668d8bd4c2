//! A gateway's front on a real socket, with doubles behind it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::feedback::Results;
use crate::feedback::results::{self, Bound, Report, Source};
use crate::flow::{Door, RouteCell, Search, Sighting, Wanted, Whereabouts};
use crate::ingest::http::server;
use crate::ingest::{Ingest, IngestRoute, Peers, Refusals, Seen, Settings, TEMPLATES};
use crate::outcome::Refusal;
use crate::push::{Addressee, Coalesce, KeyMint, Push, PushRequest, RouteId, SenderId, Target};
use crate::telemetry::HttpMeter;
use crate::telemetry::trace::{self, Tracer};
use crate::transport::{ConnectError, Connector, RenderError, Session};
use crate::units::{Clock, Slots};

/// A collector with `room` places.
#[derive(Default)]
pub(super) struct FakeDoor {
    pub(super) room: Mutex<usize>,
    pub(super) gates: Mutex<BTreeMap<RouteId, Refusal>>,
    pub(super) taken: Mutex<Vec<Push>>,
    pub(super) shed: Mutex<u64>,
    pub(super) refused: Mutex<Vec<(Option<RouteId>, u64)>>,
}

/// A provider that takes tokens of up to 100 bytes and nothing else.
#[derive(Debug)]
pub(super) struct FakeConnector;

// === impl FakeDoor ===

impl Door for FakeDoor {
    fn gate(&self, route: RouteId) -> Result<(), Refusal> {
        self.gates.lock().get(&route).map_or(Ok(()), |refusal| Err(*refusal))
    }

    fn admit(&self, route: RouteId, mut batch: Vec<Push>) -> Vec<(usize, Refusal)> {
        assert!(batch.iter().all(|push| push.route == route));
        let mut room = self.room.lock();
        let held = batch.len().min(*room);
        *room -= held;
        *self.shed.lock() += (batch.len() - held) as u64;
        let failed = (held..batch.len()).map(|index| (index, Refusal::ShedBufferFull)).collect();
        batch.truncate(held);
        self.taken.lock().extend(batch);
        failed
    }

    fn refuse(&self, route: Option<RouteId>, count: u64) {
        self.refused.lock().push((route, count));
    }

    fn repeat(&self, route: RouteId, count: u64) {
        self.refuse(Some(route), count);
    }

    fn buffered(&self) -> u64 {
        self.taken.lock().len() as u64
    }

    fn find(&self, wanted: &Wanted, search: &mut Search) -> Option<Sighting> {
        search.is_over = true;
        let taken = self.taken.lock();
        let push = taken.iter().find(|push| wanted.is(push.sender, push.key, push.name.as_deref()))?;
        Some(Sighting::of(push, Whereabouts::Buffered))
    }

    fn retry_after(&self, _: RouteId) -> Duration {
        Duration::from_millis(2_100)
    }
}

impl FakeDoor {
    pub(super) fn entered(&self) -> u64 {
        let refused: u64 = self.refused.lock().iter().map(|(_, count)| count).sum();
        refused + *self.shed.lock() + self.taken.lock().len() as u64
    }
}

// === impl FakeConnector ===

impl Connector for FakeConnector {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Session, ConnectError>> {
        unreachable!("ingest never connects")
    }

    fn render(&self, request: &PushRequest<'_>, payload: &mut Vec<u8>) -> Result<(), RenderError> {
        payload.extend_from_slice(b"half a payload");
        let failed =
            |refusal, field, message: &str| Err(RenderError { refusal, field, message: message.into() });
        match &request.to {
            Target::Token(token) if token.len() > 100 => {
                failed(Refusal::RefusedTooLarge, "to.token", "must be at most 100 bytes")
            }
            Target::Token(token) => {
                payload.truncate(payload.len() - b"half a payload".len());
                payload.extend_from_slice(token.as_bytes());
                Ok(())
            }
            _ => failed(Refusal::RefusedInvalid, "to", "must be a token"),
        }
    }

    fn addressee(&self, payload: &[u8]) -> Option<Addressee> {
        Some(Addressee::Token(String::from_utf8_lossy(payload).into()))
    }

    fn peer(&self) -> String {
        "fake".into()
    }

    fn peer_of(&self, payload: &[u8]) -> Option<String> {
        Some(String::from_utf8_lossy(payload.strip_prefix(b"at:")?).into())
    }
}

pub(super) fn settings() -> Settings {
    Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tokens: Vec::new(),
        threads: 1,
        max_connections: 64,
        max_body: 2_048,
        max_batch: 5,
        idempotency_window: Duration::from_secs(600),
        idempotency_ids: 10_000,
        read_timeout: Duration::from_millis(200),
        ttl: [60, 600, 3_600, 86_400].map(Duration::from_secs),
    }
}

/// The one peer there can be has partition 9.
struct FakePeers;

impl Peers for FakePeers {
    fn partition(&self, _route: RouteId, peer: &str) -> Result<RouteId, String> {
        if peer == "one" { Ok(RouteId(9)) } else { Err("there is room for one".into()) }
    }
}

fn results(routes: &[&str]) -> Results {
    let settings = results::Settings {
        report: Report::Failures,
        ring: Bound { records: 10, bytes: 1 << 20 },
        awaited: 4,
        history: 100,
    };
    let results = Results::new(&settings, Clock::start());
    for name in routes {
        results.open(Source { name: (*name).into(), connector: Arc::new(FakeConnector) }).unwrap();
    }
    results
}

/// Traces nothing.
fn tracer() -> Tracer {
    Tracer::new(trace::Settings {
        endpoint: None,
        sample: 1.0,
        pushes_per_request: 10.0,
        callers: 50,
        queue: 64,
        service_name: "test".to_owned(),
    })
}

pub(super) fn ingest(settings: Settings, routes: &[&str]) -> (Arc<Ingest>, Arc<FakeDoor>) {
    let door = Arc::new(FakeDoor { room: Mutex::new(1_000), ..FakeDoor::default() });
    let open = Slots::default();
    let route = |(index, name): (u16, &&str)| IngestRoute {
        name: (*name).to_owned(),
        id: RouteId(index),
        is_open: AtomicBool::new(true),
        cell: Arc::new(RouteCell::new(RouteId(index), (*name).to_owned(), "fake")),
        connector: RwLock::new(Arc::new(FakeConnector)),
    };
    assert!((0..).zip(routes).map(route).all(|route| open.push(route).is_ok()));
    let coalesce = Coalesce::default();
    coalesce.switch(true);
    let ingest = Ingest {
        routes: Arc::new(open),
        senders: (0..).step_by(2).take(settings.tokens.len()).map(SenderId).collect(),
        door: Arc::clone(&door) as Arc<dyn Door>,
        peers: Arc::new(FakePeers),
        results: Arc::new(results(routes)),
        look_ups: tokio::sync::Semaphore::new(1),
        meter: Arc::new(HttpMeter::new(&TEMPLATES, TEMPLATES.len())),
        refusals: Arc::default(),
        tracer: Arc::new(tracer()),
        mint: Arc::new(KeyMint::new(7)),
        clock: Clock::start(),
        coalesce: Arc::new(coalesce),
        seen: Some(Arc::new(Seen::new(settings.idempotency_window, settings.idempotency_ids))),
        settings,
    };
    (Arc::new(ingest), door)
}

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) json: Value,
}

/// A gateway's front and a connection to it.
pub(super) struct Rig {
    pub(super) address: SocketAddr,
    pub(super) door: Arc<FakeDoor>,
    pub(super) results: Arc<Results>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) handle: actix_web::dev::ServerHandle,
}

// === impl Rig ===

impl Rig {
    pub(super) fn start(settings: Settings, routes: &[&str]) -> Self {
        let (ingest, door) = ingest(settings, routes);
        let (results, refusals) = (Arc::clone(&ingest.results), Arc::clone(&ingest.refusals));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = server(listener, ingest).unwrap();
        let handle = server.handle();
        actix_rt::spawn(server);
        Self { address, door, results, refusals, handle }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(super) async fn send(&self, head: &str, body: &[u8]) -> Reply {
        let mut stream = self.connect().await;
        exchange(&mut stream, head, body).await
    }

    pub(super) async fn post(&self, body: &str) -> Reply {
        self.send("POST /v1/pushes HTTP/1.1\r\ncontent-type: application/json", body.as_bytes()).await
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.send(&format!("GET {path} HTTP/1.1"), b"").await
    }

    pub(super) async fn stop(self) {
        self.handle.stop(false).await;
    }
}

pub(super) async fn exchange(stream: &mut TcpStream, head: &str, body: &[u8]) -> Reply {
    let length = body.len();
    let head = format!("{head}\r\nhost: gateway\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(body).await;
    read_reply(stream).await
}

pub(super) async fn read_reply(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length =
                head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                let status = head[9..12].parse().unwrap();
                return Reply { status, head, json: serde_json::from_str(body).unwrap_or_default() };
            }
        }
        let read = stream.read_buf(&mut bytes).await.unwrap();
        assert!(read > 0, "closed after {text:?}");
    }
}
