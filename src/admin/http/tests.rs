//! What operators, scrapers and hostile pages are told, over real sockets, by a fake backend.

mod hostile;
mod login;

use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::admin::Record;
use crate::admin::guard::tests::settings;
use crate::admin::state::{Snapshot, State, tests::fresh};
use crate::flow::{Command, CommandError, RestartMode};

/// A service that notes commands and refuses some.
#[derive(Default)]
struct FakeBackend {
    draining: Mutex<bool>,
    record: Record,
    commands: Mutex<Vec<Command>>,
}

// === impl FakeBackend ===

impl Backend for FakeBackend {
    fn snapshot(&self) -> Snapshot {
        let snapshot = fresh(1);
        if *self.draining.lock() { Snapshot { state: State::Draining, ..snapshot } } else { snapshot }
    }

    fn record(&self) -> &Record {
        &self.record
    }

    fn configuration(&self) -> String {
        "server_key = \"***\"".to_owned()
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
        Self::start_with(settings("127.0.0.1:0", &[], users))
    }

    fn start_with(settings: Settings) -> Self {
        let listener = TcpListener::bind(settings.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let backend = Arc::new(FakeBackend::default());
        let server = server(listener, settings, Arc::clone(&backend) as Arc<dyn Backend>).unwrap();
        let handle = server.handle();
        actix_rt::spawn(server);
        Self { address, backend, handle }
    }

    /// Sends a request with a length and returns status, head in lower case, and body.
    async fn send(&self, head: &str, body: &str) -> (u16, String, String) {
        let (status, head, body) = self.exchange(head, body).await;
        (status, head.to_lowercase(), body)
    }

    async fn exchange(&self, head: &str, body: &str) -> (u16, String, String) {
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
        (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
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
    assert!(status == 200 && head.contains("text/html") && head.contains("default-src 'self'"), "{head}");
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

/// What the page's form for an action holds.
async fn token(rig: &Rig, credentials: &str) -> String {
    let (status, _, page) = rig.send(&format!("GET /confirm?do=drain&target={credentials}"), "").await;
    assert_eq!(status, 200, "{page}");
    let (_, rest) = page.split_once("name=\"token\" value=\"").unwrap();
    rest[..32].to_owned()
}

#[actix_rt::test]
async fn a_form_acts_with_its_token_only_and_leads_back_to_the_page() {
    let rig = Rig::start(&[]);
    for body in ["do=drain&target=", "do=drain&target=&token=0123456789abcdef0123456789abcdef"] {
        let (status, error) = rig.json("POST /admin/actions", body).await;
        assert_eq!((status, &error["error"]["code"]), (403, &json!("token")), "{body}");
    }
    assert!(rig.backend.commands.lock().is_empty());
    let token = token(&rig, "").await;
    let (status, head, _) = rig.send("POST /admin/actions", &format!("do=drain&target=&token={token}")).await;
    assert!(status == 303 && head.contains("location: /?note=2#notice"), "{head}");
    let (_, _, page) = rig.send("GET /?note=2", "").await;
    assert!(page.contains("Done: drain intake"), "{page}");
    let body = format!("do=pause&target=ios&token={token}");
    let (status, answer) = rig.json("POST /admin/actions\r\naccept: application/json", &body).await;
    assert_eq!((status, &answer["done"]), (200, &json!(false)));
    assert!(answer["message"].as_str().unwrap().contains("there is no route ios"), "{answer}");
    let cross = "POST /admin/actions\r\norigin: http://evil.example";
    assert_eq!(rig.json(cross, &format!("do=drain&token={token}")).await.0, 403);
    assert_eq!(rig.send("GET /admin/actions", "").await.0, 405);
    rig.stop().await;
}

#[actix_rt::test]
async fn who_did_what_is_listed_with_the_result() {
    let rig = Rig::start(&[("ops", "secret"), ("look", "only")]);
    let (ops, look) = ("authorization: Basic b3BzOnNlY3JldA==", "authorization: Basic bG9vazpvbmx5");
    rig.send(&format!("POST /admin/api/drain\r\n{ops}"), "").await;
    rig.send(&format!("POST /admin/api/resume\r\n{ops}"), "").await;
    let (status, error) = rig.json(&format!("POST /admin/api/drain\r\n{look}"), "").await;
    assert_eq!((status, &error["error"]["code"]), (403, &json!("viewer")));
    assert!(error["error"]["message"].as_str().unwrap().contains("may look but not act"), "{error}");
    for _ in 0..3 {
        rig.send("POST /admin/api/drain\r\nauthorization: Basic b3BzOndyb25n", "").await;
    }
    assert_eq!(rig.backend.commands.lock().len(), 2);
    let (status, list) = rig.json(&format!("GET /admin/api/audit\r\n{look}"), "").await;
    let entry = |index: usize| {
        let entry = &list["entries"][index];
        let text = |key: &str| entry[key].as_str().unwrap().to_owned();
        (text("actor"), text("action"), text("target"), entry["is_done"] == true, entry["times"].as_u64())
    };
    let expected = [
        ("unknown", "attempt", "to log in", false, 3),
        ("look", "attempt", "to act", false, 1),
        ("ops", "resume", "intake", false, 1),
        ("ops", "drain", "intake", true, 1),
    ];
    assert_eq!((status, list["entries"].as_array().unwrap().len()), (200, 4), "{list}");
    for (index, (actor, action, target, is_done, times)) in expected.into_iter().enumerate() {
        let expected = (actor.to_owned(), action.to_owned(), target.to_owned(), is_done, Some(times));
        assert_eq!(entry(index), expected, "{list}");
    }
    assert!(!list.to_string().contains("secret"));
    rig.stop().await;
}

#[actix_rt::test]
async fn who_guesses_has_to_wait() {
    let rig = Rig::start(&[("ops", "secret")]);
    for _ in 0..10 {
        assert_eq!(rig.send("GET /\r\nauthorization: Basic b3BzOndyb25n", "").await.0, 401);
    }
    let (status, head, _) = rig.send("GET /\r\nauthorization: Basic b3BzOnNlY3JldA==", "").await;
    assert!(status == 429 && head.contains("retry-after: "), "{head}");
    assert_eq!(rig.send("GET /", "").await.0, 401);
    assert_eq!(rig.send("GET /healthz", "").await.0, 200);
    rig.stop().await;
}

#[actix_rt::test]
async fn the_files_of_the_page_are_kept_by_browsers_until_they_change() {
    let rig = Rig::start(&[]);
    let (_, _, page) = rig.send("GET /", "").await;
    let (_, rest) = page.split_once("<link rel=\"stylesheet\" href=\"").unwrap();
    let address = rest.split('"').next().unwrap();
    let (status, head, style) = rig.send(&format!("GET {address}"), "").await;
    assert!(status == 200 && head.contains("text/css") && head.contains("immutable"), "{head}");
    assert!(head.contains("nosniff") && !style.is_empty());
    let tag = head.split("etag: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let (status, _, body) = rig.send(&format!("GET {address}\r\nif-none-match: {tag}"), "").await;
    assert_eq!((status, body.as_str()), (304, ""));
    let (status, head, _) = rig.send("GET /admin/assets/page.js?v=old", "").await;
    assert!(status == 200 && head.contains("cache-control: no-cache"), "{head}");
    assert_eq!(rig.send("GET /admin/assets/nothing.js", "").await.0, 404);
    rig.stop().await;
}

#[actix_rt::test]
async fn history_and_configuration_are_read_without_secrets() {
    let rig = Rig::start(&[]);
    rig.backend.record.sample(crate::units::Stamp::from_millis(1_000), &fresh(1));
    let (status, history) = rig.json("GET /admin/api/history", "").await;
    assert_eq!((status, &history["at"], &history["period_seconds"]), (200, &json!([1_000]), &json!(1)));
    let (status, head, text) = rig.send("GET /admin/api/config", "").await;
    assert!(status == 200 && head.contains("text/plain") && text == "server_key = \"***\"", "{text}");
    let (_, state) = rig.json("GET /admin/api/state", "").await;
    assert_eq!(state["advice"], "Nothing to do.");
    assert_eq!(state["recent"]["samples"][0]["number"], 1);
    assert_eq!(rig.send("GET /confirm?do=explode&target=", "").await.0, 404);
    rig.stop().await;
}
