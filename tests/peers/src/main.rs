//! The `pushweir-peers` binary: parses the command line, runs one program, and ends with a documented exit code.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use pushweir_peers::apns;
use pushweir_peers::cli::{
    ApnsArgs, Cli, Command, FcmArgs, LoadArgs, PlaceArgs, PumpArgs, WatchArgs, WebPushArgs, XmppArgs,
};
use pushweir_peers::double::admin::Steered;
use pushweir_peers::double::listener::{Handle, ServeError};
use pushweir_peers::fcm;
use pushweir_peers::limit::{Limit, channel, echo};
use pushweir_peers::load::body::Shape;
use pushweir_peers::load::{self, Plan};
use pushweir_peers::watch;
use pushweir_peers::webpush;
use pushweir_peers::xmpp::login::Account;
use pushweir_peers::xmpp::pump;
use pushweir_peers::xmpp::{self, Config};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// The gateway's too; what the doubles need is taken from the same two cores that are measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code when the watcher has something to complain about.
const WRONG: u8 = 1;

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
        Command::Xmpp(args) => {
            runtime(args.place.threads).and_then(|runtime| runtime.block_on(run_xmpp(*args)))
        }
        Command::Fcm(args) => {
            runtime(args.place.threads).and_then(|runtime| runtime.block_on(run_fcm(*args)))
        }
        Command::Apns(args) => {
            runtime(args.place.threads).and_then(|runtime| runtime.block_on(run_apns(*args)))
        }
        Command::Webpush(args) => {
            runtime(args.place.threads).and_then(|runtime| runtime.block_on(run_webpush(*args)))
        }
        Command::Pump(args) => runtime(1).and_then(|runtime| runtime.block_on(run_pump(args))),
        Command::Limit(limit) => runtime(1).and_then(|runtime| runtime.block_on(run_limit(limit))),
        Command::Load(args) => runtime(args.threads).and_then(|runtime| runtime.block_on(run_load(*args))),
        Command::Watch(args) => match runtime(1).and_then(|runtime| runtime.block_on(run_watch(args))) {
            Ok(complaints) if complaints.is_empty() => Ok(()),
            Ok(complaints) => {
                complaints.iter().for_each(|complaint| println!("WRONG: {complaint}"));
                return ExitCode::from(WRONG);
            }
            Err(error) => Err(error),
        },
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
    let account = Account { sender_id: args.sender_id, server_key: args.server_key };
    let config = Config { place: args.place.place(), account, seed: args.seed, knobs: args.knobs };
    run_double(&args.place, xmpp::serve(config)).await
}

async fn run_fcm(args: FcmArgs) -> anyhow::Result<()> {
    run_double(&args.place, fcm::serve(&args.place.place(), args.knobs)).await
}

async fn run_apns(args: ApnsArgs) -> anyhow::Result<()> {
    run_double(&args.place, apns::serve(&args.place.place(), args.knobs, &args.topic)).await
}

async fn run_webpush(args: WebPushArgs) -> anyhow::Result<()> {
    run_double(&args.place, webpush::serve(&args.place.place(), args.http1, args.knobs)).await
}

/// Runs a double until it is told to end.
async fn run_double<H: Steered>(
    place: &PlaceArgs,
    start: impl Future<Output = Result<Handle<H>, ServeError>>,
) -> anyhow::Result<()> {
    let stop = signals()?;
    let double = start.await?;
    announce(double.address, double.control)?;
    stop.await;
    finish(&double.report(), place.report.as_deref())
}

/// Returns what waits for SIGTERM or SIGINT.
fn signals() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Says where a double listens.
fn announce(address: SocketAddr, control: Option<SocketAddr>) -> anyhow::Result<()> {
    let mut lines = format!("listening on {address}\n");
    if let Some(control) = control {
        lines.push_str(&format!("control on {control}\n"));
    }
    say(&lines)
}

/// Writes and prints a double's report.
fn finish(report: &str, file: Option<&Path>) -> anyhow::Result<()> {
    if let Some(path) = file {
        std::fs::write(path, report).with_context(|| format!("write the report to {}", path.display()))?;
    }
    say(&format!("{report}\n"))
}

async fn run_pump(args: PumpArgs) -> anyhow::Result<()> {
    let plan = pump::Plan {
        target: args.to,
        tls_dir: args.tls_dir,
        account: Account { sender_id: args.sender_id, server_key: args.server_key },
        connections: args.connections,
        window: usize::from(args.window),
        length: args.length,
    };
    let outcome = pump::run(&plan).await.with_context(|| format!("pump into {}", plan.target))?;
    say(&format!("{}\n", serde_json::to_string(&outcome)?))
}

async fn run_limit(limit: Limit) -> anyhow::Result<()> {
    let outcome = match limit {
        Limit::Serve(args) => {
            let stop = signals()?;
            let server = echo::Server::open(&args).await?;
            announce(server.address()?, None)?;
            return tokio::select! {
                ended = server.run() => ended.context("accept connections"),
                () = stop => Ok(()),
            };
        }
        Limit::Ask(args) => {
            echo::ask(&args).await.with_context(|| format!("exchange bytes with {}", args.to))?
        }
        Limit::Channel(args) => channel::run(&args),
    };
    say(&format!("{}\n", serde_json::to_string(&outcome)?))
}

async fn run_load(args: LoadArgs) -> anyhow::Result<()> {
    let plan = Plan {
        target: args.to.host,
        path: args.to.path,
        bearer: args.token,
        profile: args.profile,
        rate: args.rate,
        length: args.length,
        count: args.count,
        shape: Shape {
            route: args.route,
            priority: args.priority.unwrap_or_default(),
            ttl: args.ttl,
            payload: args.payload,
            batch: args.batch,
            token_prefix: args.device_prefix,
            hex: args.device_hex,
            to: args.everybody.map(|to| to.to_string()),
            devices: args.devices,
            id_prefix: args.id_prefix,
        },
        connections: args.connections,
        backlog: args.backlog,
        patience: args.timeout,
        flat_out: args.max.then_some(usize::from(args.pipeline)),
    };
    let live = args.live;
    let report = load::run(&plan, move |sample| {
        if live && let Err(error) = say(&format!("{}\n", sample.line())) {
            log::debug!("live line not printed error={error}");
        }
    })
    .await;
    if let Some(path) = &args.report {
        let json = serde_json::to_string_pretty(&report).context("write the report as JSON")?;
        std::fs::write(path, json).with_context(|| format!("write the report to {}", path.display()))?;
    }
    say(&report.summary())
}

/// Prints to standard output at once, so that scripts reading a pipe see it.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("print")
}

async fn run_watch(args: WatchArgs) -> anyhow::Result<Vec<String>> {
    let stop = signals()?;
    let plan =
        watch::Plan { admin: args.admin, control: args.control, length: args.length, settle: args.settle };
    watch::run(&plan, stop).await
}
