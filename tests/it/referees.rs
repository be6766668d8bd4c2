//! Against HTTP/2 servers that nobody here wrote: Debian's nghttpd and PyPI's hypercorn judge windows and framing.
//!
//! `tests/it/referees/setup` installs what this needs. Neither knows Apple's rules: what is asserted is what they see of HTTP/2, their status for
//! a push, and that nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::gateway::Gateway;
use crate::support::peer::count;
use crate::support::process::Process;
use crate::support::sampler::Sampler;
use crate::support::{Config, http, server};

const HINT: &str = "hint: run tests/it/referees/setup";
const PORT: u16 = 15443;
const PLAIN_PORT: u16 = 15480;

/// A server, its directory and its address.
struct Referee {
    process: Process,
    directory: TempDir,
    address: String,
}

fn prepare() -> (TempDir, String) {
    let (directory, address) =
        (TempDir::new().expect("there is a temporary directory"), server::own_address());
    server::certify(directory.path(), &[&format!("IP:{address}")]);
    server::make_es256_key(&directory.path().join("key.p8"));
    (directory, address)
}

fn push(token: &str) -> Value {
    json!({"to": {"token": token}, "notification": {"title": "t"}})
}

/// Posts so many pushes, a hundred at a time; `token` makes the token of each.
#[track_caller]
fn post(gateway: &Gateway, total: usize, token: impl Fn(usize) -> String) {
    let numbers: Vec<usize> = (0..total).collect();
    for chunk in numbers.chunks(100) {
        let pushes: Vec<Value> = chunk.iter().map(|number| push(&token(*number))).collect();
        assert_eq!(gateway.post(&json!({"pushes": pushes})).expect(202).json()["accepted"], chunk.len());
    }
}

// === impl Referee ===

impl Referee {
    fn nghttpd(streams: u32, tokens: &[&str]) -> Self {
        let (directory, address) = prepare();
        let devices = directory.path().join("3/device");
        std::fs::create_dir_all(&devices).expect("the directory can be made");
        for token in tokens {
            std::fs::write(devices.join(token), "").expect("the directory takes a file");
        }
        let mut command = Command::new("nghttpd");
        command.args(["-v", "-m", &streams.to_string(), "-a", &address, "-d"]).arg(directory.path());
        command
            .arg(PORT.to_string())
            .arg(directory.path().join("key.pem"))
            .arg(directory.path().join("cert.pem"));
        let process = Process::spawn(&format!("nghttpd ({HINT})"), &mut command);
        process.wait_for_line("listen");
        Self { process, directory, address }
    }

    fn hypercorn(settings: &str) -> Self {
        let (directory, address) = prepare();
        let path = directory.path().display();
        let config = format!(
            "bind = [\"{address}:{PORT}\"]\ninsecure_bind = [\"{address}:{PLAIN_PORT}\"]\n\
             certfile = \"{path}/cert.pem\"\nkeyfile = \"{path}/key.pem\"\n{settings}\n"
        );
        let file = directory.path().join("hypercorn.toml");
        std::fs::write(&file, config).expect("the directory takes a file");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/referees-venv/bin/python");
        assert!(python.exists(), "{} is missing ({HINT})", python.display());
        let mut command = Command::new(python);
        command
            .args(["-m", "hypercorn", "-c"])
            .arg(file)
            .arg("app:app")
            .current_dir(root.join("tests/it/referees"));
        let process = Process::spawn("hypercorn", command.env("PYTHONDONTWRITEBYTECODE", "1"));
        process.wait_for_line(&format!("Running on https://{address}"));
        process.wait_for_line(&format!("Running on http://{address}"));
        Self { process, directory, address }
    }

    /// A route over APNs to it.
    fn config(&self) -> Config {
        let file = |name: &str| self.directory.path().join(name).display().to_string();
        Config::over_http2_to("ios", "apns", &format!("{}:{PORT}", self.address), &file("cert.pem"))
            .route_text("apns.topic", "com.example.app")
            .route_text("apns.team_id", "PWTEAM0001")
            .route_text("apns.key_id", "PWKEY00001")
            .route_text("apns.key", &format!("file:{}", file("key.p8")))
    }

    /// What the application behind hypercorn has counted.
    fn report(&self) -> Value {
        let address = format!("{}:{PLAIN_PORT}", self.address).parse().expect("it is an address");
        http::call(address, "GET", "/report", &[], b"").expect(200).json()
    }
}

/// Streams that nghttpd had open at most, by connection, as it wrote them down frame by frame.
fn peaks(lines: &[String]) -> BTreeMap<String, usize> {
    let (mut open, mut peaks) = (BTreeMap::<String, BTreeSet<String>>::new(), BTreeMap::new());
    for line in lines {
        let Some(id) = line.strip_prefix("[id=").and_then(|rest| rest.split(']').next()) else { continue };
        let stream = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
        let Some((before, after)) = line.split_once("stream_id=") else { continue };
        let streams = open.entry(id.to_owned()).or_default();
        if before.contains("recv HEADERS frame") {
            streams.insert(stream(after));
        } else if after.ends_with(" closed") {
            streams.remove(&stream(after));
        }
        let peak = peaks.entry(id.to_owned()).or_default();
        *peak = streams.len().max(*peak);
    }
    peaks
}

#[test]
fn nghttpd_never_sees_more_streams_than_it_allows_and_sees_that_many() {
    let referee = Referee::nghttpd(7, &["00ff"]);
    let gateway = Gateway::start_ready(&referee.config().route("window", 1000));
    let sampler = Sampler::start(&gateway);
    post(&gateway, 1_000, |_| "00ff".to_owned());
    let state = gateway.settled();
    sampler.finish();
    assert_eq!((state.ledger("delivered"), state.ledger("lost")), (1_000, 0), "{:#}", state.0);
    gateway.finish();
    let lines = referee.process.lines();
    let peaks = peaks(&lines);
    assert!(peaks.len() == 2 && peaks.values().all(|peak| *peak == 7), "{peaks:?}");
    let has = |word: &str| lines.iter().any(|line| line.contains(word));
    assert!(
        !has("PRIORITY") && !has("recv RST_STREAM") && !has("recv GOAWAY frame <length=0"),
        "unasked frames"
    );
    assert!(has("SETTINGS_ENABLE_PUSH(0x02):0"), "server push is turned off");
}

#[test]
fn a_window_smaller_than_nghttpd_allows_is_kept_too() {
    let referee = Referee::nghttpd(100, &["00ff"]);
    let gateway = Gateway::start_ready(&referee.config().route("window", 3));
    post(&gateway, 500, |_| "00ff".to_owned());
    assert_eq!(gateway.settled().ledger("delivered"), 500);
    gateway.finish();
    let peaks = peaks(&referee.process.lines());
    assert!(peaks.values().all(|peak| *peak <= 3) && peaks.values().any(|peak| *peak == 3), "{peaks:?}");
}

#[test]
fn a_status_without_a_reason_is_taken_as_it_is() {
    let referee = Referee::nghttpd(20, &["00ff"]);
    let gateway = Gateway::start_ready(&referee.config());
    // nghttpd has no file for the second device: 404 with a page.
    post(&gateway, 200, |number| if number % 2 == 0 { "00ff" } else { "00fe" }.to_owned());
    let state = gateway.settled();
    assert_eq!((state.ledger("delivered"), state.ledger("rejected")), (100, 100), "{:#}", state.0);
    gateway.finish();
}

#[test]
fn a_killed_nghttpd_costs_no_push_when_it_is_back() {
    let mut referee = Referee::nghttpd(20, &["00ff"]);
    let gateway = Gateway::start_ready(&referee.config());
    post(&gateway, 300, |_| "00ff".to_owned());
    referee.process.kill();
    gateway.wait_for("no pusher is ready", |state| state.pushers_in("ready") == 0);
    post(&gateway, 300, |_| "00ff".to_owned());
    let mut command = Command::new("nghttpd");
    let at = referee.directory.path();
    command.args(["-a", &referee.address, "-d"]).arg(at).arg(PORT.to_string());
    referee.process = Process::spawn("nghttpd", command.arg(at.join("key.pem")).arg(at.join("cert.pem")));
    let state = gateway.settled();
    assert_eq!((state.ledger("delivered"), state.ledger("lost")), (600, 0), "{:#}", state.0);
    gateway.finish();
}

#[test]
fn hypercorn_never_sees_more_streams_than_it_allows_and_sees_that_many() {
    let referee = Referee::hypercorn("h2_max_concurrent_streams = 20\nkeep_alive_max_requests = 100000");
    let gateway = Gateway::start_ready(&referee.config().route("connections", 1).route("window", 1000));
    let sampler = Sampler::start(&gateway);
    post(&gateway, 1_000, |number| format!("{number:08x}"));
    let state = gateway.settled();
    sampler.finish();
    assert_eq!((state.ledger("delivered"), state.ledger("lost")), (1_000, 0), "{:#}", state.0);
    let report = referee.report();
    assert_eq!((count(&report, "peak"), count(&report, "unique")), (20, 1_000), "{report:#}");
    gateway.finish();
}

#[test]
fn connections_that_hypercorn_closes_without_a_word_cost_no_push() {
    // After its hundredth request hypercorn closes a connection, whatever is open on it.
    let referee = Referee::hypercorn("h2_max_concurrent_streams = 20\nkeep_alive_max_requests = 100");
    let gateway = Gateway::start_ready(&referee.config());
    post(&gateway, 1_000, |number| format!("{number:08x}"));
    let state = gateway.settled();
    assert_eq!((state.ledger("delivered"), state.ledger("lost")), (1_000, 0), "{:#}", state.0);
    assert_eq!(count(&referee.report(), "unique"), 1_000);
    gateway.finish();
}
