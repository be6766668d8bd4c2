//! Against what nobody here wrote: Python's `http_ece` and `py-vapid`, npm's `web-push-testing`, Node's HTTP/2.
//!
//! `tests/it/webpush/setup` installs what this needs.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Audience, assert_each_once};
use crate::support::gateway::Gateway;
use crate::support::process::Process;
use crate::support::{Config, Peer, http};

const HINT: &str = "hint: run tests/it/webpush/setup";
const JSON: (&str, &str) = ("content-type", "application/json");

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/webpush")
}

#[test]
fn other_libraries_read_what_is_sent_and_verify_who_sent_it() {
    let peer = Peer::start_webpush(&[]);
    let gateway = Gateway::start(&Config::to_webpush(&[&peer]).route_text("webpush.pad_to", "128 B"));
    Audience::of(&peer).post(&gateway, 39);
    let longest = "x".repeat(3993 - "{\"data\":{\"k\":\"\"}}".len());
    gateway.post(&json!({"to": peer.subscription("longest"), "data": {"k": longest}})).expect(202);
    assert_each_once(&gateway, &[&peer]);
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/webpush-venv/bin/python");
    let mut judge = Command::new(python);
    judge.arg(sources().join("judge.py")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut judge = judge.spawn().unwrap_or_else(|error| panic!("python: {error} ({HINT})"));
    let kept = peer.command("kept").to_string();
    judge.stdin.take().expect("it is piped").write_all(kept.as_bytes()).expect("it reads");
    let judged = judge.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&judged.stdout);
    assert_eq!(said.trim(), "read 40", "{}", String::from_utf8_lossy(&judged.stderr));
    gateway.finish();
}

/// `web-push-testing` and where it listens.
struct Service {
    _process: Process,
    directory: TempDir,
    plain: SocketAddr,
    http1: u16,
    http2: u16,
}

impl Service {
    #[track_caller]
    fn start() -> Self {
        let directory = TempDir::new().expect("there is a temporary directory");
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-days", "2", "-subj", "/CN=web-push-testing", "-addext"]);
        openssl.args(["subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]);
        let made = openssl.current_dir(directory.path()).output();
        let made = made.unwrap_or_else(|error| panic!("openssl: {error} ({HINT})"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut node = Command::new("node");
        node.arg(sources().join("service.js")).args(["key.pem", "cert.pem"]).current_dir(directory.path());
        let process = Process::spawn("node", &mut node);
        let port = |name: &str| -> u16 {
            let line = process.wait_for_line(&format!("{name} "));
            line.rsplit(' ').next().and_then(|port| port.parse().ok()).expect("a port")
        };
        let plain = SocketAddr::from(([127, 0, 0, 1], port("plain")));
        let (http1, http2) = (port("http1"), port("http2"));
        Self { _process: process, directory, plain, http1, http2 }
    }

    #[track_caller]
    fn ask(&self, path: &str, body: &Value) -> Value {
        http::call(self.plain, "POST", path, &[JSON], body.to_string().as_bytes()).expect(200).json()
    }

    /// Returns a subscription made with this key, for pushes to this port, and its name at the service.
    #[track_caller]
    fn subscribe(&self, key: &str, port: u16) -> (Value, String) {
        let asked = json!({"userVisibleOnly": "true", "applicationServerKey": key});
        let data = self.ask("/subscribe", &asked)["data"].clone();
        let hash = data["clientHash"].as_str().expect("it is text").to_owned();
        let endpoint = format!("https://localhost:{port}/notify/{hash}");
        let keys = &data["keys"];
        (json!({"endpoint": endpoint, "p256dh": keys["p256dh"], "auth": keys["auth"]}), hash)
    }

    #[track_caller]
    fn messages(&self, hash: &str) -> usize {
        let answer = self.ask("/get-notifications", &json!({"clientHash": hash}));
        answer["data"]["messages"].as_array().unwrap_or_else(|| panic!("{answer:#}")).len()
    }
}

#[test]
fn a_foreign_service_accepts_pushes_by_either_http_and_says_when_a_subscription_is_gone() {
    let service = Service::start();
    let ours = Peer::start_webpush(&[]);
    let key = ours.report()["application_server_key"].as_str().expect("it is text").to_owned();
    let hosts = [service.http1, service.http2].map(|port| format!("localhost:{port}"));
    let config = Config::to_webpush(&[&ours])
        .route("webpush.hosts", format!("{hosts:?}"))
        .route_text("webpush.ca", &service.directory.path().join("cert.pem").display().to_string());
    let gateway = Gateway::start(&config);
    let mut delivered = 0;
    for port in [service.http1, service.http2] {
        let (to, hash) = service.subscribe(&key, port);
        let pushes: Vec<Value> =
            (0..100).map(|number| json!({"to": to, "data": {"number": number}})).collect();
        assert_eq!(gateway.post(&json!({ "pushes": pushes })).expect(202).json()["accepted"], 100);
        delivered += 100;
        gateway.delivered(delivered);
        assert_eq!(service.messages(&hash), 100, "each was decrypted by the service");
        http::call(service.plain, "POST", &format!("/expire-subscription/{hash}"), &[JSON], b"{}")
            .expect(200);
        gateway.post(&json!({"to": to, "data": {}})).expect(202);
        let state = gateway.settled();
        assert_eq!(state.ledger("unregistered"), delivered / 100, "{:#}", state.0);
    }
    assert_eq!(gateway.settled().ledger("delivered"), 200);
    gateway.finish();
}
