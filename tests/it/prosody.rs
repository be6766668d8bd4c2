//! Against a server that nobody here wrote: Debian's prosody over TLS, with a component behind it that plays the provider.
//!
//! `tests/it/prosody/setup` installs what this needs. Each test runs a server of its own on a loopback address of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::gateway::Gateway;
use crate::support::load::push_to;
use crate::support::process::Process;
use crate::support::sampler::Sampler;
use crate::support::wait::LIMIT;
use crate::support::{Config, batch, server};

const HINT: &str = "hint: run tests/it/prosody/setup";
const DOMAIN: &str = "gcm.googleapis.com";
const CLIENT_PORT: u16 = 15223;
const COMPONENT_PORT: u16 = 15347;

/// The server and its component.
struct Provider {
    server: Process,
    component: Process,
    directory: TempDir,
    address: String,
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/prosody")
}

/// Writes certificate, account and configuration.
fn prepare(directory: &Path, address: &str) {
    server::certify(directory, &[&format!("DNS:{DOMAIN}"), "DNS:localhost", &format!("IP:{address}")]);
    let accounts = directory.join("data/gcm%2egoogleapis%2ecom/accounts");
    std::fs::create_dir_all(&accounts).expect("the directory can be made");
    std::fs::write(accounts.join("1234567890.dat"), "return { [\"password\"] = \"demo-server-key\" };\n")
        .expect("written");
    let config = std::fs::read_to_string(sources().join("config.lua")).expect("it is in the tree");
    let config = config
        .replace("@DIRECTORY@", &directory.display().to_string())
        .replace("@PLUGINS@", &sources().display().to_string())
        .replace("@ADDRESS@", address);
    std::fs::write(directory.join("prosody.cfg.lua"), config).expect("the directory takes a file");
}

fn start_server(directory: &Path) -> Process {
    let mut command = Command::new("prosody");
    let command = command.arg("--config").arg(directory.join("prosody.cfg.lua")).arg("-F");
    let server = Process::spawn(&format!("prosody ({HINT})"), command);
    server.wait_for_line("Activated service 'c2s_direct_tls'");
    server.wait_for_line("Activated service 'component'");
    server
}

fn start_component(address: &str) -> Process {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/prosody-venv/bin/python");
    assert!(python.exists(), "{} is missing ({HINT})", python.display());
    let mut command = Command::new(python);
    let port = COMPONENT_PORT.to_string();
    let command = command.arg(sources().join("ccs.py")).args([
        address,
        &port,
        "ccs.gcm.googleapis.com",
        "component-secret",
    ]);
    let component = Process::spawn("ccs.py", command);
    component.wait_for_line("ready");
    component
}

// === impl Provider ===

impl Provider {
    fn start() -> Self {
        let directory = TempDir::new().expect("there is a temporary directory");
        let address = server::own_address();
        prepare(directory.path(), &address);
        let server = start_server(directory.path());
        let component = start_component(&address);
        Self { server, component, directory, address }
    }

    /// Starts a killed server again, and its component, whose report begins anew.
    fn restart(&mut self) {
        self.server = start_server(self.directory.path());
        self.component = start_component(&self.address);
    }

    fn config(&self) -> Config {
        Config::new()
            .and_route_to("android", &self.address, CLIENT_PORT)
            .route_text("xmpp.ca", &self.directory.path().join("cert.pem").display().to_string())
            .route_text("xmpp.domain", DOMAIN)
            .set("feedback.backoff_min", "\"50ms\"")
    }

    /// Ends the component and returns its report.
    fn report(&mut self) -> Value {
        self.component.signal("TERM");
        assert_eq!(self.component.wait(LIMIT), 0, "{:?}", self.component.lines());
        let lines = self.component.lines();
        let line = lines.iter().find(|line| line.starts_with('{')).expect("it prints its report");
        serde_json::from_str(line).expect("the report is JSON")
    }
}

#[test]
fn five_hundred_pushes_go_through_a_real_server_with_either_form_of_login() {
    for identity in ["node", "full"] {
        let mut provider = Provider::start();
        let gateway = Gateway::start_ready(&provider.config().route_text("xmpp.identity", identity));
        let sampler = Sampler::start(&gateway);
        for _ in 0..10 {
            assert_eq!(gateway.post(&batch(50)).expect(202).json()["accepted"], 50);
        }
        let state = gateway.settled();
        sampler.finish();
        assert_eq!((state.ledger("delivered"), state.ledger("lost")), (500, 0), "{:#}", state.0);
        gateway.finish();
        let report = provider.report();
        assert_eq!(
            (&report["messages"], &report["unique"], &report["bad"]),
            (&json!(500), &json!(500), &json!(0))
        );
        assert_eq!(report["connections"], 2, "{report:#}");
        assert!(report["highest_unacked"].as_u64() <= Some(100), "{report:#}");
    }
}

#[test]
fn every_character_of_a_push_survives_a_real_server() {
    let mut provider = Provider::start();
    let gateway = Gateway::start_ready(&provider.config());
    let odd = "<&>'\" ]]> \u{1}\u{7f}\u{85}\u{2028} ü😀 \\ \r\n\t";
    let push = json!({"to": {"token": odd.replace([' ', '\r', '\n', '\t'], "").replace(char::is_control, "")}, "data": {"odd": odd}, "notification": {"body": odd}});
    gateway.post(&push).expect(202);
    let state = gateway.settled();
    assert_eq!(state.ledger("delivered"), 1, "{:#}", state.0);
    gateway.finish();
    assert_eq!(provider.report()["bad"], 0);
}

#[test]
fn refusals_and_receipts_of_a_component_come_through_a_real_server() {
    let mut provider = Provider::start();
    let gateway = Gateway::start_ready(&provider.config());
    let mut wants_receipt = push_to("device-r");
    wants_receipt["provider"] = json!({"delivery_receipt_requested": true});
    let pushes: Vec<Value> = (0..20)
        .map(|number| match number % 4 {
            0 => push_to("bad-1"),
            1 => push_to("once-1"),
            2 => wants_receipt.clone(),
            _ => push_to("device-1"),
        })
        .collect();
    gateway.post(&json!({"pushes": pushes})).expect(202);
    let state = gateway.settled();
    assert_eq!((state.ledger("delivered"), state.ledger("unregistered")), (15, 5), "{:#}", state.0);
    gateway.finish();
    let report = provider.report();
    assert_eq!(
        (&report["receipts"], &report["receipts_acked"], &report["bad"]),
        (&json!(5), &json!(5), &json!(0)),
        "{report:#}"
    );
    assert_eq!((&report["messages"], &report["nacks"]), (&json!(25), &json!(10)), "{report:#}");
}

#[test]
fn a_real_server_that_is_killed_and_started_again_costs_no_push() {
    let mut provider = Provider::start();
    let gateway = Gateway::start_ready(&provider.config());
    gateway.post(&batch(200)).expect(202);
    provider.server.kill();
    gateway.wait_for("no pusher is ready", |state| state.pushers_in("ready") == 0);
    gateway.post(&batch(100)).expect(202);
    provider.restart();
    let state = gateway.settled();
    assert_eq!((state.ledger("delivered"), state.ledger("lost")), (300, 0), "{:#}", state.0);
    gateway.finish();
}

#[test]
fn a_wrong_password_is_refused_by_a_real_server_and_said() {
    let provider = Provider::start();
    let gateway = Gateway::start(&provider.config().route_text("xmpp.server_key", "wrong"));
    let state = gateway.wait_for("both have failed", |state| state.pushers_in("failed") == 2);
    let error = state.pusher("android/0")["last_error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("not-authorized"), "{error}");
    gateway.finish();
}
