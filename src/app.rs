//! The service's whole life: bind, start the tree, run, drain, exit code.

mod autosize;
mod control;
mod endpoint;
mod figures;
mod http;
mod limits;
mod measured;
mod notify;
mod partitions;
mod parts;
mod peers;
mod reload;
mod routes;
mod scale;
mod senders;
mod service;
mod shedding;
mod sizing;
mod snapshot;
mod test_push;
mod traces;
mod tree;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::ArbiterHandle;
use endpoint::Listener;
use notify::Manager;
use parts::Parts;
use pushweir_actors::{Runtime, Supervisor, SupervisorHandle, WorkerSpec};
use service::Service;
use tokio::net::TcpSocket;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::cli::Exit;
use crate::config::Config;
use crate::ledger::Ledger;

/// How often the drain looks whether everything has ended.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
const DRAIN_REPORT: Duration = Duration::from_secs(1);
/// The longest that the end waits for the webhook's receiver.
const LAST_RESULTS: Duration = Duration::from_secs(10);
/// Bytes that the system keeps for an admin connection that does not read.
const VIEWER_BUFFER: u32 = 8 * 1_024;
/// Connections that may wait to be accepted, as many as the standard library lets.
const BACKLOG: u32 = 128;
/// What the tree gets to stop in when the drain deadline has passed.
const LAST_RESORT: Duration = Duration::from_secs(2);

/// How the service ended; each has its exit code (`CONTRACT`: Exit codes).
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address could not be bound.
    #[error(
        "listen on {address} for {what}: {source} (hint: is another process there, or is the address not of this machine?)"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What it is for.
        what: &'static str,
        /// The system's word.
        source: std::io::Error,
    },
    /// Something else that is needed to run could not be had, or went away.
    #[error("{0}")]
    Broken(String),
    /// The drain deadline passed, or somebody did not wait for it.
    #[error(
        "the drain did not finish: {unfinished} pushes unfinished (hint: they are not stored; [runtime] drain_deadline is how long it may \
         take, and a second signal ends it at once)"
    )]
    Unfinished {
        /// Accepted pushes without an outcome.
        unfinished: u64,
    },
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

// === impl ServeError ===

impl ServeError {
    /// Returns how the process ends because of it.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Bind { .. } | Self::Broken(_) => Exit::StartFailed,
            Self::Unfinished { .. } => Exit::DrainDeadline,
        }
    }
}

// === impl Signals ===

impl Signals {
    fn listen() -> Result<Self, ServeError> {
        let listen =
            |kind| signal(kind).map_err(|error| ServeError::Broken(format!("listen for signals: {error}")));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Runs the service until it is told to stop; SIGHUP reads `file` again. Blocks the calling thread.
///
/// # Errors
/// It could not start, could not go on, or could not finish in time.
pub fn serve(config: Config, file: Option<PathBuf>) -> Result<(), ServeError> {
    actix::System::new().block_on(run(config, file))
}

async fn run(config: Config, file: Option<PathBuf>) -> Result<(), ServeError> {
    let mut signals = Signals::listen()?;
    let ingest = bind(config.ingest.listen, "ingest")?;
    let admin = bind_for_viewers(config.admin.listen, "admin")?;
    let broken = |error: &dyn std::fmt::Display| ServeError::Broken(error.to_string());
    limits::warn_if_short(&config);
    let workers =
        (0..config.runtime.delivery_threads).map(|number| WorkerSpec::new(format!("delivery-{number}")));
    let runtime = Runtime::start(workers.collect()).map_err(|error| broken(&error))?;
    let delivery: Vec<_> = runtime.names().filter_map(|name| runtime.worker(name)).collect();
    let threads = delivery.clone();
    let addresses = [("ingest", ingest.local_addr()), ("admin", admin.local_addr())];
    let service = Arc::new(Service::new(Parts::new(config).map_err(|error| broken(&error))?, delivery));
    let spec = tree::root(&service, Listener::new(ingest), Listener::new(admin));
    let root = Supervisor::start(spec, None).map_err(|error| broken(&error))?;
    service.set_root(root.clone());
    root.ready().await.map_err(|exit| ServeError::Broken(format!("start the tree: {exit}")))?;
    let manager = announce(addresses, threads)?;
    let reason = tokio::select! {
        reason = async { loop { tokio::select! {
            reason = signals.terminate.recv() => break reason.map(|()| "SIGTERM"),
            reason = signals.interrupt.recv() => break reason.map(|()| "SIGINT"),
            _ = signals.hang_up.recv() => drop(actix::spawn(reload::reload(Arc::clone(&service), file.clone()))),
        }}} => reason.unwrap_or("the end of signals"),
        exit = root.exited() => return Err(ServeError::Broken(format!("the supervision tree ended: {exit}"))),
        (worker, exit) = runtime.worker_ended() => {
            return Err(ServeError::Broken(format!("thread {worker} ended: {exit:?}")));
        }
    };
    let deadline = service.parts.live.lock().runtime.drain_deadline;
    manager.stopping(deadline, &format!("draining after {reason}"));
    log::info!("draining reason={reason} deadline={deadline:?} held={}", service.parts.ledger.total().held());
    let unfinished = drain(&service, &root, &mut signals, deadline).await;
    runtime.stop(LAST_RESORT).await;
    if unfinished > 0 {
        return Err(ServeError::Unfinished { unfinished });
    }
    log::info!("stopped; everything that was accepted has its outcome");
    Ok(())
}

/// Tells log and service manager where the service listens, and from then on that `threads` are alive.
fn announce(
    addresses: [(&str, std::io::Result<SocketAddr>); 2],
    threads: Vec<ArbiterHandle>,
) -> Result<Rc<Manager>, ServeError> {
    let mut listening = "listening".to_owned();
    for (what, address) in addresses {
        let address = address.map_err(|error| ServeError::Broken(error.to_string()))?;
        log::info!("listening {what}=http://{address}");
        listening.push_str(&format!(" {what}=http://{address}"));
    }
    let manager = Rc::new(Manager::from_environment());
    manager.ready(&listening);
    let teller = Rc::clone(&manager);
    actix::spawn(async move { teller.keep_alive(threads).await });
    Ok(manager)
}

/// Closes the intake, waits until everything has ended, stops the tree; returns how many pushes have not ended.
async fn drain(service: &Service, root: &SupervisorHandle, signals: &mut Signals, deadline: Duration) -> u64 {
    service.is_stopping.store(true, Ordering::Release);
    service.parts.intake.set_draining(true);
    let end = Instant::now() + deadline;
    let ledger = &service.parts.ledger;
    let emptied = async {
        empty(ledger, end).await;
        // A request that was past the gate when it closed may be accepted still; when ingest has stopped, none is left.
        if let Err(error) = root.terminate_child("ingest").await {
            log::warn!("ingest was not stopped error={error}");
        }
        empty(ledger, end).await;
    };
    let end = tokio::select! {
        () = emptied => end,
        () = tokio::time::sleep_until(end) => {
            log::error!("the drain deadline passed");
            end
        }
        reason = signals.stop() => {
            log::warn!("second signal: stopping at once reason={reason}");
            Instant::now()
        }
    };
    service.parts.results.close();
    last_results(service, end).await;
    let left = end.saturating_duration_since(Instant::now());
    let limit = if ledger.total().held() == 0 { left.max(LAST_RESORT) } else { LAST_RESORT };
    let exit = root.shutdown(limit).await;
    log::debug!("the tree has stopped exit={exit}");
    // Only now: nothing comes in any more, and what was answered at the last moment counts.
    ledger.total().held()
}

/// Waits until every accepted push has ended, and says how it goes.
async fn empty(ledger: &Ledger, end: Instant) {
    let mut next_report = Instant::now() + DRAIN_REPORT;
    while ledger.total().held() > 0 {
        tokio::time::sleep(DRAIN_LOOK).await;
        let now = Instant::now();
        if now >= next_report {
            let left = end.saturating_duration_since(now);
            log::info!("draining held={} left={left:.0?}", ledger.total().held());
            next_report += DRAIN_REPORT;
        }
    }
}

/// Gives the webhook the time that is left to post the last results, but no more than [`LAST_RESULTS`].
async fn last_results(service: &Service, end: Instant) {
    let hook = &service.parts.hook;
    let posted = async {
        while !hook.is_idle() {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    };
    if tokio::time::timeout_at(end.min(Instant::now() + LAST_RESULTS), posted).await.is_err() {
        log::error!("results the webhook's receiver did not take are lost count={}", hook.counts().pending);
    }
}

/// As [`bind`], but the system keeps little for connections that do not read: viewers get a state a second, and may be asleep.
fn bind_for_viewers(address: SocketAddr, what: &'static str) -> Result<TcpListener, ServeError> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        // Linux keeps room for twice as much (socket(7)); accepted connections inherit it.
        socket.set_send_buffer_size(VIEWER_BUFFER)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    bound().map_err(|source| ServeError::Bind { address, what, source })
}

fn bind(address: SocketAddr, what: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).map_err(|source| ServeError::Bind { address, what, source })
}
