//! The command line: what `main` runs.
//!
//! It reads the configuration, installs the log and hands over to the function that serves. Exit codes are the contract with scripts
//! and service managers.

mod online;
mod terminal;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::admin::password;
use crate::config::{Config, Loaded};
use crate::telemetry::log as logging;

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Fine.
    Fine = 0,
    /// Wrong usage (`EX_USAGE` of sysexits.h).
    Usage = 64,
    /// A start failed (`EX_SOFTWARE`).
    StartFailed = 70,
    /// The drain deadline passed with pushes unfinished (`EX_TEMPFAIL`).
    DrainDeadline = 75,
    /// The configuration is bad (`EX_CONFIG`).
    Configuration = 78,
}

const AFTER_HELP: &str = "\
Exit codes:
  0   fine
  64  wrong usage
  70  a start failed
  75  the drain deadline passed; says how many pushes were unfinished
  78  bad configuration, all faults are on standard error; or a route that check --online could not reach or log in to

Signals (serve):
  TERM, INT  orderly drain within [runtime] drain_deadline
  HUP        reload the configuration

Every configuration key is documented in config.toml, and can be set as PUSHWEIR__SECTION__KEY.";

const CHECK_HELP: &str = "\
Without --online nothing is connected to. With it, each route makes one connection as it would in service, through its proxy and with
its CA, and asks what delivers nothing to anybody:
  xmpp     connects, logs in and binds
  fcm      gets an access token, and has a message to a device that does not exist validated (validate_only)
  apns     sends to a device that does not exist: Apple looks at the credentials first
  webpush  signs, and connects to the hosts that are named in full; there is no dry run, so only a push to a subscription shows whether
           a service accepts the key

A line for each route: ok or failed, route, transport, time, what was tried, and what that shows; or the setting that it points at, its
value (secrets are masked) and what to do.

Exit codes:
  0   the configuration is good, and with --online every route is well
  64  wrong usage
  78  bad configuration, all faults are on standard error; or a route failed";

const LONGEST_INPUT: u64 = 64 * 1_024;

const HASH_HELP: &str = "\
Keeps the password out of the shell's history:
  read -rs PASSWORD && printf %s \"$PASSWORD\" | pushweir hash-password

Then, in the configuration:
  [admin]
  users = [{ name = \"ops\", password_hash = \"$argon2id$…\" }]

A newline at the end is not part of the password.";

/// A push-notification gateway that carries back-pressure from the provider to the sender.
#[derive(Debug, Parser)]
#[command(name = "pushweir", version, after_help = AFTER_HELP, subcommand_required = true)]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs the service until a signal ends it
    #[command(after_help = AFTER_HELP)]
    Serve(Source),
    /// Prints all faults of the configuration, or the configuration that is in effect with secrets masked
    #[command(after_help = CHECK_HELP)]
    Check(Check),
    /// Reads a password from standard input and prints its hash for [admin] users
    #[command(after_help = HASH_HELP)]
    HashPassword,
    /// Shows the running service in the terminal, live, until Ctrl-C
    Top(Top),
    /// Asks the running service whether it is alive; exits with 70 if it is not
    Health(Health),
}

#[derive(Debug, Args)]
struct Source {
    /// Configuration file; without it ./config.toml if that exists, else the defaults that are compiled in
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Check {
    #[command(flatten)]
    source: Source,
    /// Tries every route with its provider too, and prints a line for each instead of the configuration
    #[arg(long)]
    online: bool,
    /// Seconds that a route may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30, requires = "online", value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

#[derive(Debug, Args)]
struct Admin {
    /// Address of the admin interface, as a URL or host:port
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8651")]
    admin: String,
    /// Bearer token of [admin] tokens: env:NAME, file:PATH, or the token itself, which others on the machine may see
    #[arg(long, value_name = "SECRET", conflicts_with = "user")]
    token: Option<String>,
    /// User of [admin] users
    #[arg(long, value_name = "NAME", requires = "password")]
    user: Option<String>,
    /// The user's password, in the same forms as the token
    #[arg(long, value_name = "SECRET", requires = "user")]
    password: Option<String>,
    /// Certificates to trust for https instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Top {
    #[command(flatten)]
    admin: Admin,
    /// Prints one picture and ends
    #[arg(long)]
    once: bool,
    /// Seconds between two pictures
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
}

#[derive(Debug, Args)]
struct Health {
    #[command(flatten)]
    admin: Admin,
    /// Asks whether pushes can be taken and delivered now, instead of whether the process is alive
    #[arg(long)]
    ready: bool,
}

// === impl Exit ===

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs the program with its arguments; `serve` runs the service with its configuration and the file that it came from, for reloads.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    serve: impl FnOnce(Config, Option<&Path>) -> Exit,
) -> Exit {
    match CommandLine::try_parse_from(arguments) {
        Ok(CommandLine { task: Task::Serve(source) }) => start(source.config.as_deref(), serve),
        Ok(CommandLine { task: Task::Check(task) }) => check(&task),
        Ok(CommandLine { task: Task::HashPassword }) => hash_password(std::io::stdin().lock()),
        Ok(CommandLine { task: Task::Top(task) }) => terminal::top(&task),
        Ok(CommandLine { task: Task::Health(task) }) => terminal::health(&task),
        Err(error) => {
            // A closed pipe is no reason to fail differently.
            let _ = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Fine,
                _ => Exit::Usage,
            }
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the log's level is part of the configuration that could not be read"
)]
fn start(path: Option<&Path>, serve: impl FnOnce(Config, Option<&Path>) -> Exit) -> Exit {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(faults) => {
            eprintln!("{faults}");
            return Exit::Configuration;
        }
    };
    if let Err(error) = logging::start(&config.log) {
        eprintln!("the log cannot be installed: {error}");
        return Exit::StartFailed;
    }
    let file = path.map_or_else(|| "compiled in".into(), |path| path.display().to_string());
    log::info!("pushweir starts version={} config={file:?}", env!("CARGO_PKG_VERSION"));
    config.warnings().iter().for_each(|warning| log::warn!("{warning}"));
    serve(config, path)
}

fn check(task: &Check) -> Exit {
    use std::io::Write;
    let (mut out, mut errors) = (std::io::stdout().lock(), std::io::stderr().lock());
    // Nothing can be said about a standard stream that is closed.
    match Loaded::read(task.source.config.as_deref()) {
        Ok(loaded) => {
            loaded.config.warnings().iter().for_each(|warning| drop(writeln!(errors, "warning: {warning}")));
            if task.online {
                drop((out, errors));
                return online::check(&loaded.config, Duration::from_secs(task.timeout));
            }
            let _ = out.write_all(loaded.effective.as_bytes());
            Exit::Fine
        }
        Err(faults) => {
            let _ = writeln!(errors, "{faults}");
            Exit::Configuration
        }
    }
}

fn hash_password(input: impl std::io::Read) -> Exit {
    use std::io::{Read, Write};
    let mut password = Vec::new();
    // More than any password has, and no more than memory has.
    let read = input.take(LONGEST_INPUT).read_to_end(&mut password);
    let end = password.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    let hashed = read.map_err(|error| format!("read the password: {error}"));
    match hashed.and_then(|_| password::hash(&password[..end])) {
        Ok(hash) => {
            let _ = writeln!(std::io::stdout(), "{hash}");
            Exit::Fine
        }
        Err(error) => {
            let _ =
                writeln!(std::io::stderr(), "{error} (hint: pipe it in, see pushweir hash-password --help)");
            Exit::Usage
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn run_with(arguments: &[&str]) -> Exit {
        run(arguments.iter().map(OsString::from), |_, _| Exit::StartFailed)
    }

    #[test]
    fn wrong_usage_is_64_and_help_is_fine() {
        assert_eq!(run_with(&["pushweir"]), Exit::Usage);
        assert_eq!(run_with(&["pushweir", "server"]), Exit::Usage);
        assert_eq!(run_with(&["pushweir", "check", "--colour"]), Exit::Usage);
        assert_eq!(run_with(&["pushweir", "check", "--timeout", "5"]), Exit::Usage);
        assert_eq!(run_with(&["pushweir", "check", "--online", "--timeout", "0"]), Exit::Usage);
        assert_eq!(run_with(&["pushweir", "--help"]), Exit::Fine);
        assert_eq!(run_with(&["pushweir", "check", "--help"]), Exit::Fine);
        assert_eq!(run_with(&["pushweir", "--version"]), Exit::Fine);
    }

    #[test]
    fn check_tells_a_good_configuration_from_a_bad_one() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        assert_eq!(run_with(&["pushweir", "check", "--config", &path]), Exit::Fine);
        file.write_all(b"[collector]\nbuffer = 0\n").unwrap();
        assert_eq!(run_with(&["pushweir", "check", "--config", &path]), Exit::Configuration);
        assert_eq!(run_with(&["pushweir", "serve", "--config", &path]), Exit::Configuration);
        assert_eq!(run_with(&["pushweir", "check", "--config", "/does/not/exist"]), Exit::Configuration);
    }

    #[test]
    fn a_password_is_hashed_without_its_newline_and_none_is_wrong_usage() {
        assert_eq!(hash_password(&b"s3same\n"[..]), Exit::Fine);
        for none in [&b""[..], b"\r\n", &[b'x'; 2_000]] {
            assert_eq!(hash_password(none), Exit::Usage);
        }
    }

    #[test]
    fn serve_hands_over_the_configuration_and_returns_its_exit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let mut seen = None;
        let arguments = ["pushweir", "serve", "--config", path].map(OsString::from);
        let exit = run(arguments, |config, source| {
            seen = Some((config.routes[0].name.clone(), source.map(Path::to_path_buf)));
            Exit::DrainDeadline
        });
        assert_eq!(exit, Exit::DrainDeadline);
        assert_eq!(seen, Some(("android".into(), Some(PathBuf::from(path)))));
    }

    #[test]
    fn help_documents_every_flag_and_exit_code() {
        use clap::CommandFactory;
        let help = CommandLine::command().render_long_help().to_string();
        for word in ["serve", "check", "hash-password", "64", "70", "75", "78", "HUP"] {
            assert!(help.contains(word), "{word}");
        }
        for task in CommandLine::command().get_subcommands() {
            assert!(task.get_about().is_some());
            assert!(task.get_arguments().all(|argument| argument.get_help().is_some()));
        }
    }
}
