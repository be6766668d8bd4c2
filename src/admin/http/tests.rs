//! What operators, scrapers and hostile pages are told, over real sockets, by a fake backend.

use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::admin::User;
use crate::admin::state::{Snapshot, State, tests::fresh};
use crate::flow::RestartMode;
use crate::units::Secret;

/// A service that notes commands and refuses some.
#[derive(Default)]
struct FakeBackend {
    draining: Mutex<bool>,
    commands: Mutex<Vec<Command>>,
}

// === impl FakeBackend ===

impl Backend for FakeBackend {
    fn snapshot(&self) -> Snapshot {
        let snapshot = fresh(1);
        if *self.draining.lock() { Snapshot { state: State::Draining, ..snapshot } } else { snapshot }
    }

    fn command(&self, command: Command) -> BoxFuture<'static, Result<Value, CommandError>> {
        let result = match &command {
            Command::PauseRoute { route } if route != "android" => {
                Err(CommandError::NotFound { what: format!("route {route}"), exists: "android".into() })
            }
            Command::Resume => Err(CommandError::Conflict("nothing is draining".into())),
            Command::ScaleRoute { connections: 7, .. } => Err(CommandError::Invalid("7 is unlucky".into())),
            Command::Drain => Ok(json!({ "state": "draining" })),
            _ => Ok(json!({ "id": "android/0" })),
        };
        *self.draining.lock() |= command == Command::Drain;
        self.commands.lock().push(command);
        Box::pin(std::future::ready(result))
    }
}

struct Rig {
    address: SocketAddr,
    backend: Arc<FakeBackend>,
    handle: actix_web::dev::ServerHandle,
}

// === impl Rig ===

impl Rig {
    fn start(users: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let user =
            |(name, password): &(&str, &str)| User { name: (*name).into(), password: Secret::new(*password) };
        let settings =
            Settings { listen: address, users: users.iter().map(user).collect(), hosts: Vec::new() };
        let backend = Arc::new(FakeBackend::default());
        let server = server(listener, settings, Arc::clone(&backend) as Arc<dyn Backend>).unwrap();
        let handle = server.handle();
        actix_rt::spawn(server);
        Self { address, backend, handle }
    }

    /// Sends a request with a length and returns status, head and body.
    async fn send(&self, head: &str, body: &str) -> (u16, String, String) {
        let host = if head.contains("host:") { String::new() } else { format!("\r\nhost: {}", self.address) };
        let length = body.len();
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let headers = if headers.is_empty() { String::new() } else { format!("\r\n{headers}") };
        let request = format!(
            "{line} HTTP/1.1{host}{headers}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
    }

    async fn json(&self, head: &str, body: &str) -> (u16, Value) {
        let (status, _, body) = self.send(head, body).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn stop(self) {
        self.handle.stop(false).await;
    }
}

#[actix_rt::test]
async fn state_page_metrics_and_probes_answer() {
    let rig = Rig::start(&[]);
    let (status, state) = rig.json("GET /admin/api/state", "").await;
    assert_eq!((status, &state["state"], &state["ledger"]["unaccounted"]), (200, &json!("ok"), &json!(0)));
    let (status, head, page) = rig.send("GET /", "").await;
    assert!(status == 200 && head.contains("text/html") && head.contains("default-src 'none'"), "{head}");
    assert!(page.contains("android/0") && page.contains("POST /admin/api/drain"));
    let (status, head, text) = rig.send("GET /metrics", "").await;
    assert!(status == 200 && head.contains("application/openmetrics-text"), "{head}");
    assert!(text.contains("pushweir_pushes_received_total 0") && text.ends_with("# EOF\n"));
    assert_eq!(rig.send("GET /healthz", "").await.0, 200);
    assert_eq!(rig.send("GET /readyz", "").await.0, 200);
    assert_eq!(rig.send("HEAD /healthz", "").await.2, "");
    assert_eq!(rig.json("POST /admin/api/drain", "").await, (200, json!({ "state": "draining" })));
    let (status, _, reason) = rig.send("GET /readyz", "").await;
    assert_eq!((status, reason.as_str()), (503, "not ready: draining: no new pushes are taken\n"));
    assert_eq!(rig.send("GET /healthz", "").await.0, 200);
    rig.stop().await;
}

#[actix_rt::test]
async fn commands_reach_the_service_and_refusals_have_their_status() {
    let rig = Rig::start(&[]);
    assert_eq!(
        rig.json("POST /admin/api/pushers/android/0/restart?mode=force", "").await,
        (200, json!({ "id": "android/0" }))
    );
    let (status, error) = rig.json("POST /admin/api/routes/ios/pause", "").await;
    assert_eq!(
        (status, &error["error"]["message"]),
        (404, &json!("there is no route ios (hint: there is android)"))
    );
    assert_eq!(rig.json("POST /admin/api/resume", "").await.0, 409);
    assert_eq!(rig.json("POST /admin/api/routes/android/scale", "{\"connections\":7}").await.0, 400);
    assert_eq!(rig.json("POST /admin/api/routes/android/scale", "{\"connections\":0}").await.0, 400);
    assert_eq!(rig.json("POST /admin/api/routes/android/scale", &" ".repeat(5_000)).await.0, 413);
    let route = || "android".to_owned();
    let seen = [
        Command::RestartPusher { route: route(), number: 0, mode: RestartMode::Force },
        Command::PauseRoute { route: "ios".into() },
        Command::Resume,
        Command::ScaleRoute { route: route(), connections: 7 },
    ];
    assert_eq!(*rig.backend.commands.lock(), seen);
    rig.stop().await;
}

#[actix_rt::test]
async fn nothing_changes_by_get_or_from_another_site() {
    let rig = Rig::start(&[]);
    let (status, head, _) = rig.send("GET /admin/api/drain", "").await;
    assert!(status == 405 && head.contains("allow: post"), "{head}");
    let (status, error) = rig.json("GET /nothing", "").await;
    assert!(status == 404 && error["error"]["message"].as_str().unwrap().contains("GET /admin/api/state"));
    let table = [
        "POST /admin/api/drain\r\norigin: http://evil.example",
        "POST /admin/api/drain\r\norigin: null",
        "POST /admin/api/drain\r\nsec-fetch-site: cross-site",
        "POST /admin/api/drain\r\nhost: evil.example",
        "GET /admin/api/state\r\nhost: evil.example",
        "GET /metrics\r\nhost: evil.example",
    ];
    for head in table {
        assert_eq!(rig.json(head, "").await.0, 403, "{head}");
    }
    assert!(rig.backend.commands.lock().is_empty());
    assert_eq!(rig.send("GET /healthz\r\nhost: probe.example", "").await.0, 200);
    rig.stop().await;
}

#[actix_rt::test]
async fn users_are_asked_for_everywhere_but_at_the_probes() {
    let rig = Rig::start(&[("ops", "secret")]);
    for path in [
        "GET /",
        "GET /admin/api/state",
        "GET /admin/api/events",
        "GET /metrics",
        "GET /nothing",
        "POST /admin/api/drain",
    ] {
        let (status, head, _) = rig.send(path, "").await;
        assert!(status == 401 && head.contains("www-authenticate: basic"), "{path}: {head}");
        let wrong = format!("{path}\r\nauthorization: Basic b3BzOndyb25n");
        assert_eq!(rig.send(&wrong, "").await.0, 401);
    }
    assert!(rig.backend.commands.lock().is_empty());
    let right = "POST /admin/api/drain\r\nauthorization: Basic b3BzOnNlY3JldA==";
    assert_eq!(rig.send(right, "").await.0, 200);
    assert_eq!(rig.send("GET /healthz", "").await.0, 200);
    assert_eq!(rig.send("GET /readyz", "").await.0, 503);
    rig.stop().await;
}

#[actix_rt::test]
async fn a_viewer_gets_one_state_after_the_other() {
    let rig = Rig::start(&[]);
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let request = format!("GET /admin/api/events HTTP/1.1\r\nhost: {}\r\n\r\n", rig.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while seen.matches("event: state\ndata: {\"state\":\"ok\"").count() < 2 {
        let mut bytes = Vec::new();
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "{seen}");
        seen.push_str(&String::from_utf8(bytes).unwrap());
    }
    assert!(seen.to_lowercase().contains("content-type: text/event-stream"));
    rig.stop().await;
}
