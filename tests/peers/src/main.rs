//! The `pushweir-peers` binary: parses the command line, runs one program, and ends with a documented exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use pushweir_peers::cli::{Cli, Command, XmppArgs};
use pushweir_peers::tls::LOCAL_NAMES;
use pushweir_peers::xmpp::login::Account;
use pushweir_peers::xmpp::{self, Config};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// Exit code for wrong usage.
const USAGE: u8 = 64;

/// Exit code for a start that failed.
const FAILED: u8 = 70;

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            if error.print().is_err() {
                return ExitCode::from(FAILED);
            }
            return ExitCode::from(code);
        }
    };
    let outcome = match cli.command {
        Command::Xmpp(args) => runtime(args.threads).and_then(|runtime| runtime.block_on(run_xmpp(*args))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("failed to {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn runtime(threads: u16) -> anyhow::Result<Runtime> {
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.worker_threads(usize::from(threads)).enable_all().build().context("start the runtime")
}

async fn run_xmpp(args: XmppArgs) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let names =
        if args.cert_name.is_empty() { LOCAL_NAMES.map(str::to_owned).to_vec() } else { args.cert_name };
    let config = Config {
        listen: args.listen,
        control: args.control,
        account: Account { sender_id: args.sender_id, server_key: args.server_key },
        tls_dir: args.tls_dir,
        names,
        seed: args.seed,
        knobs: args.knobs,
    };
    let double = xmpp::serve(config).await?;
    let mut lines = format!("listening on {}\n", double.address);
    if let Some(control) = double.control {
        lines.push_str(&format!("control on {control}\n"));
    }
    say(&lines)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let report = double.report().json();
    if let Some(path) = &args.report {
        std::fs::write(path, &report).with_context(|| format!("write the report to {}", path.display()))?;
    }
    say(&format!("{report}\n"))
}

/// Prints to standard output at once, so that scripts reading a pipe see it.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("print")
}
