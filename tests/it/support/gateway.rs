//! The service as a process, with its two interfaces.

use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::config::Config;
use super::http::{self, Reply};
use super::process::Process;
use super::snapshot::Snapshot;
use super::wait::eventually;

const JSON: (&str, &str) = ("content-type", "application/json");

/// The running service.
pub struct Gateway {
    process: Process,
    directory: TempDir,
    may_panic: bool,
    /// The senders' address.
    pub ingest: SocketAddr,
    /// The operators' address.
    pub admin: SocketAddr,
}

// === impl Gateway ===

impl Gateway {
    /// Starts the service and waits until it listens.
    #[track_caller]
    pub fn start(config: &Config) -> Self {
        Self::start_by(Self::command(), config)
    }

    /// As [`Self::start`], with variables in the environment.
    #[track_caller]
    pub fn start_in(environment: &[(&str, &str)], config: &Config) -> Self {
        let mut command = Self::command();
        command.envs(environment.iter().copied());
        Self::start_by(command, config)
    }

    /// As [`Self::start`], with a limit on open files.
    #[track_caller]
    pub fn start_with_files(config: &Config, files: u32) -> Self {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")])
            .arg(Self::command().get_program());
        Self::start_by(shell, config)
    }

    #[track_caller]
    fn start_by(mut command: Command, config: &Config) -> Self {
        let directory = TempDir::new().expect("there is a temporary directory");
        let file = directory.path().join("config.toml");
        std::fs::write(&file, config.render()).expect("the directory takes a file");
        let process = Process::spawn("pushweir", command.arg("serve").arg("--config").arg(file));
        let address = |what: &str| {
            let line = process.wait_for_line(&format!("listening {what}=http://"));
            let (_, address) = line.rsplit_once("http://").expect("the pattern has it");
            address.trim_end_matches('/').parse().unwrap_or_else(|error| panic!("{error} in {line:?}"))
        };
        Self { ingest: address("ingest"), admin: address("admin"), process, directory, may_panic: false }
    }

    /// Starts the service and waits until every pusher is ready.
    #[track_caller]
    pub fn start_ready(config: &Config) -> Self {
        let gateway = Self::start(config);
        gateway.wait_for("every pusher is ready", |state| state.pushers_in("ready") == state.pushers().len());
        gateway
    }

    /// The program, without environment variables of ours.
    pub fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushweir"));
        let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PUSHWEIR__"));
        ours.for_each(|(name, _)| {
            command.env_remove(name);
        });
        command
    }

    /// Lets log lines of panics pass at the end; for tests that inject them.
    pub fn allow_panics(mut self) -> Self {
        self.may_panic = true;
        self
    }

    /// Posts a push or a list of pushes.
    #[track_caller]
    pub fn post(&self, body: &Value) -> Reply {
        self.post_with(&[JSON], body.to_string().as_bytes())
    }

    /// Posts a body with headers of its own.
    #[track_caller]
    pub fn post_with(&self, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        http::call(self.ingest, "POST", "/v1/pushes", headers, body)
    }

    /// Returns the results that are kept.
    #[track_caller]
    pub fn results(&self) -> Value {
        http::call(self.ingest, "GET", "/v1/results", &[], b"").expect(200).json()
    }

    /// Gets something from the admin interface.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        http::call(self.admin, "GET", path, &[], b"")
    }

    /// Gives a command to the admin interface.
    #[track_caller]
    pub fn command_at(&self, path: &str) -> Reply {
        self.command_with(path, "")
    }

    /// Gives a command with a JSON body to the admin interface.
    #[track_caller]
    pub fn command_with(&self, path: &str, body: &str) -> Reply {
        http::call(self.admin, "POST", &format!("/admin/api/{path}"), &[JSON], body.as_bytes())
    }

    /// Returns the state as it is now.
    #[track_caller]
    pub fn state(&self) -> Snapshot {
        Snapshot(self.get("/admin/api/state").expect(200).json())
    }

    /// Returns the state if the interface answers.
    ///
    /// # Errors
    /// It does not, because the service has ended.
    pub fn try_state(admin: SocketAddr) -> io::Result<Snapshot> {
        let reply = http::Client::connect(admin)?.call("GET", "/admin/api/state", &[], b"")?;
        serde_json::from_str(&reply.body).map(Snapshot).map_err(io::Error::other)
    }

    /// Waits for a state that `is_it` likes; each one that is seen must balance.
    #[track_caller]
    pub fn wait_for(&self, what: &str, mut is_it: impl FnMut(&Snapshot) -> bool) -> Snapshot {
        eventually(what, || {
            let state = self.state();
            state.assert_balanced();
            if is_it(&state) { Ok(state) } else { Err(format!("{:#}", state.0)) }
        })
    }

    /// Waits until every accepted push has ended.
    #[track_caller]
    pub fn settled(&self) -> Snapshot {
        self.wait_for("every accepted push has ended", |state| state.held() == 0)
    }

    /// Waits until so many pushes have been delivered.
    #[track_caller]
    pub fn delivered(&self, least: u64) -> Snapshot {
        self.wait_for(&format!("{least} delivered"), |state| state.ledger("delivered") >= least)
    }

    /// Writes another configuration and has it read. The file's ports are not looked at again.
    pub fn reload(&self, config: &str) {
        std::fs::write(self.directory.path().join("config.toml"), config)
            .expect("the directory takes a file");
        self.signal("HUP");
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits for the end and returns the exit code.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> i32 {
        self.process.wait(limit)
    }

    /// Asks for an orderly end and checks that it is one.
    #[track_caller]
    pub fn finish(mut self) -> Vec<String> {
        self.signal("TERM");
        assert_eq!(self.wait(super::wait::LIMIT), 0, "exit code; the log:\n{}", self.log().join("\n"));
        self.log()
    }

    /// Returns the log so far.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }

    /// Waits for a log line that contains `pattern`.
    #[track_caller]
    pub fn wait_for_log(&self, pattern: &str) -> String {
        self.process.wait_for_line(pattern)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.process.kill();
        if self.may_panic || std::thread::panicking() {
            return;
        }
        let panics: Vec<String> = self.log().into_iter().filter(|line| line.contains("panicked")).collect();
        assert!(panics.is_empty(), "the service panicked:\n{}", panics.join("\n"));
    }
}
