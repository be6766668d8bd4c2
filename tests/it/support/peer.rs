//! The provider's double as a process, steered through its control interface.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::http;
use super::process::Process;
use super::wait::eventually;

/// The running double.
pub struct Peer {
    kind: &'static str,
    process: Process,
    directory: Rc<TempDir>,
    flags: Vec<String>,
    control: SocketAddr,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Returns the path of the peers' program.
pub fn program() -> PathBuf {
    let service = Path::new(env!("CARGO_BIN_EXE_pushweir"));
    let program = service.with_file_name("pushweir-peers");
    assert!(
        program.exists(),
        "{} is missing (hint: run `cargo build --workspace --bins`)",
        program.display()
    );
    program
}

fn spawn(
    kind: &'static str,
    directory: &Path,
    listen: SocketAddr,
    flags: &[String],
) -> (Process, SocketAddr, SocketAddr) {
    let mut command = Command::new(program());
    command.args([kind, "--listen", &listen.to_string(), "--control", "127.0.0.1:0", "--tls-dir"]);
    let process = Process::spawn("pushweir-peers", command.arg(directory).args(flags));
    let address = |pattern: &str| -> SocketAddr {
        let line = process.wait_for_line(pattern);
        let word = line.rsplit(' ').next().expect("a line has a last word");
        word.parse().unwrap_or_else(|error| panic!("{error} in {line:?}"))
    };
    let (address, control) = (address("listening on"), address("control on"));
    (process, address, control)
}

// === impl Peer ===

impl Peer {
    /// Starts a double of FCM's XMPP server with these flags, on a free port.
    #[track_caller]
    pub fn start(flags: &[&str]) -> Self {
        Self::start_kind("xmpp", flags)
    }

    /// Starts a double of FCM's HTTP v1 API with these flags, on a free port.
    #[track_caller]
    pub fn start_fcm(flags: &[&str]) -> Self {
        Self::start_kind("fcm", flags)
    }

    /// Starts a double of Apple's push service with these flags, on a free port.
    #[track_caller]
    pub fn start_apns(flags: &[&str]) -> Self {
        Self::start_kind("apns", flags)
    }

    #[track_caller]
    fn start_kind(kind: &'static str, flags: &[&str]) -> Self {
        Self::start_in(Rc::new(TempDir::new().expect("there is a temporary directory")), kind, flags)
    }

    /// Starts a double of a browser's push service with these flags, on a free port.
    #[track_caller]
    pub fn start_webpush(flags: &[&str]) -> Self {
        Self::start_kind("webpush", flags)
    }

    /// Starts another double of this kind, with the same authority and accounts.
    #[track_caller]
    pub fn start_beside(&self, flags: &[&str]) -> Self {
        Self::start_in(Rc::clone(&self.directory), self.kind, flags)
    }

    #[track_caller]
    fn start_in(directory: Rc<TempDir>, kind: &'static str, flags: &[&str]) -> Self {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (process, address, control) = spawn(kind, directory.path(), any, &flags);
        Self { kind, process, directory, flags, control, address }
    }

    /// Returns the path of the certificate that its clients must trust.
    pub fn ca(&self) -> String {
        self.file("ca.pem")
    }

    /// Returns the path of a file that it left for its clients, such as `service-account.json`.
    pub fn file(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Returns the path of the sender's key, if it is a double of a browser's push service.
    pub fn vapid_key(&self) -> String {
        self.directory.path().join("vapid.pem").display().to_string()
    }

    /// Returns a subscription of this name as a push's `to`, if it is a double of a browser's push service.
    #[track_caller]
    pub fn subscription(&self, name: &str) -> Value {
        let subscription = self.command(&format!("subscribe?name={name}"));
        let keys = &subscription["keys"];
        json!({"endpoint": subscription["endpoint"], "p256dh": keys["p256dh"], "auth": keys["auth"]})
    }

    /// Returns the report as it is now.
    #[track_caller]
    pub fn report(&self) -> Value {
        http::call(self.control, "GET", "/report", &[], b"").expect(200).json()
    }

    /// Returns a figure of the report by its JSON pointer without the first slash, such as `connections/opened`.
    #[track_caller]
    pub fn count(&self, pointer: &str) -> u64 {
        count(&self.report(), pointer)
    }

    /// Gives a command, such as `set?latency=5ms` or `close?style=rst`.
    #[track_caller]
    pub fn command(&self, path: &str) -> Value {
        http::call(self.control, "POST", &format!("/{path}"), &[], b"").expect(200).json()
    }

    /// As [`Self::command`], where what it names may be gone by now; returns whether it was not.
    #[track_caller]
    pub fn try_command(&self, path: &str) -> bool {
        let status = http::call(self.control, "POST", &format!("/{path}"), &[], b"").status;
        assert!(matches!(status, 200 | 404), "{path}: {status}");
        status == 200
    }

    /// Returns the numbers of the connections that are open now.
    #[track_caller]
    pub fn open_connections(&self) -> Vec<u64> {
        let report = self.report();
        let each = report["connections"]["each"].as_array().expect("it is a list").iter();
        each.filter(|connection| connection["open"] == true)
            .map(|connection| count(connection, "id"))
            .collect()
    }

    /// Waits until a figure of the report is at least `least`.
    #[track_caller]
    pub fn wait_for(&self, pointer: &str, least: u64) {
        eventually(&format!("{pointer} of the peer reaches {least}"), || {
            let report = self.report();
            if count(&report, pointer) >= least { Ok(()) } else { Err(format!("{report:#}")) }
        });
    }

    /// Kills it: every connection is cut.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again at the same address, with the same certificate; its report begins anew.
    #[track_caller]
    pub fn start_again(&mut self) {
        let (process, _, control) = spawn(self.kind, self.directory.path(), self.address, &self.flags);
        self.process = process;
        self.control = control;
    }

    /// Checks that the service kept to the protocol.
    #[track_caller]
    pub fn assert_no_violations(&self) {
        let report = self.report();
        assert_eq!(count(&report, "violations/total"), 0, "{:#}", report["violations"]);
        let most = if self.kind == "apns" { 1000 } else { 100 };
        assert!(count(&report, "highest_unacked") <= most, "{report:#}");
    }
}

/// Returns a figure of a report.
#[track_caller]
pub fn count(report: &Value, pointer: &str) -> u64 {
    let value = report.pointer(&format!("/{pointer}")).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("no {pointer} in {report:#}"))
}
