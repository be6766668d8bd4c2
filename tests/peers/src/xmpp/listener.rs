//! Starts a double: binds, accepts, and gives every connection a session of its own.
//!
//! The command line and tests call [`serve`]; the [`Handle`] is how they reach the double afterwards.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use log::{debug, warn};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use crate::control;
use crate::double::report::Report;
use crate::tls::{self, TlsError};
use crate::xmpp::hub::{Hub, Line};
use crate::xmpp::knobs::Knobs;
use crate::xmpp::login::Account;
use crate::xmpp::session::{Session, Setup};
use crate::xmpp::{admin, connection};

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a double is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the control face listens, if it is wanted.
    pub control: Option<SocketAddr>,
    /// The accepted account.
    pub account: Account,
    /// The directory of the certificate authority.
    pub tls_dir: PathBuf,
    /// Names in the certificate.
    pub names: Vec<String>,
    /// Seed of everything random.
    pub seed: u64,
    /// The behaviour.
    pub knobs: Knobs,
}

/// Why a double did not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// An address cannot be bound.
    #[error("listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// There is no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A running double. It stops when the handle is dropped; connections that are open then end with the runtime.
#[derive(Debug)]
pub struct Handle {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its control face listens.
    pub control: Option<SocketAddr>,
    /// Steers it from inside the process.
    pub hub: Arc<Hub>,
    tasks: Vec<JoinHandle<()>>,
}

impl Handle {
    /// Returns the report as it stands now.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::of(&self.hub.books)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts a double on the current runtime.
///
/// # Errors
/// [`ServeError`] when an address cannot be bound or there is no certificate.
pub async fn serve(config: Config) -> Result<Handle, ServeError> {
    let server = tls::server_config(&config.tls_dir, &config.names, &[])?;
    let (listener, address) = bind(config.listen).await?;
    let hub = Arc::new(Hub::new(config.knobs.clone()));
    let mut tasks = Vec::new();
    let mut control = None;
    if let Some(wanted) = config.control {
        let (listener, bound) = bind(wanted).await?;
        control = Some(bound);
        let steered = Arc::clone(&hub);
        let handle = move |request| {
            let hub = Arc::clone(&steered);
            async move { admin::answer(&hub, &request) }
        };
        tasks.push(tokio::spawn(control::serve(listener, handle)));
    }
    let acceptor = TlsAcceptor::from(Arc::new(server));
    tasks.push(tokio::spawn(accept(listener, acceptor, Arc::clone(&hub), config)));
    Ok(Handle { address, control, hub, tasks })
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let fault = |source| ServeError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let bound = listener.local_addr().map_err(fault)?;
    Ok((listener, bound))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, hub: Arc<Hub>, config: Config) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (acceptor, hub, config) = (acceptor.clone(), Arc::clone(&hub), config.clone());
                tokio::spawn(welcome(stream, acceptor, hub, config));
            }
            Err(error) => {
                warn!("accept failed error={error}");
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn welcome(stream: TcpStream, acceptor: TlsAcceptor, hub: Arc<Hub>, config: Config) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!("nodelay failed error={error}");
    }
    let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        failed => {
            hub.books.ledger.lock().handshakes_failed += 1;
            debug!("handshake failed outcome={:?}", failed.map(|inner| inner.err()));
            return;
        }
    };
    let mut line = hub.open();
    let session = session(&line, &hub, config);
    connection::run(stream, session, &mut line).await;
    hub.close(line.connection);
}

fn session(line: &Line, hub: &Hub, config: Config) -> Session {
    let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let setup = Setup {
        connection: line.connection,
        account: config.account,
        books: Arc::clone(&hub.books),
        knobs: line.knobs.borrow().clone(),
        seed: config.seed.wrapping_add(line.connection),
        refusal: line.surplus.then_some("resource-constraint"),
        epoch_millis: epoch.as_millis(),
    };
    Session::new(setup, Instant::now().into_std())
}
