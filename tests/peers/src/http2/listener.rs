//! Starts a double: binds, makes the service account, accepts.
//!
//! The command line and tests call [`serve`]; the [`Handle`] is how they reach the double afterwards.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use log::{debug, warn};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::hub::Hub;
use super::knobs::Knobs;
use super::report::FcmReport;
use super::{admin, connection};
use crate::control;
use crate::fcm::account::{Account, AccountError};
use crate::tls::{self, TlsError};

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a double is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the control face listens, if it is wanted.
    pub control: Option<SocketAddr>,
    /// The directory of the certificate authority and of the service account.
    pub tls_dir: PathBuf,
    /// Names in the certificate.
    pub names: Vec<String>,
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
        source: std::io::Error,
    },
    /// There is no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no service account.
    #[error(transparent)]
    Account(#[from] AccountError),
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
    pub fn report(&self) -> FcmReport {
        FcmReport::of(&self.hub)
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
/// [`ServeError`] when an address cannot be bound, or certificate or account cannot be made.
pub async fn serve(config: Config) -> Result<Handle, ServeError> {
    let server = tls::server_config(&config.tls_dir, &config.names, &[b"h2"])?;
    let (listener, address) = bind(config.listen).await?;
    let account = Account::prepare(&config.tls_dir, address)?;
    let hub = Arc::new(Hub::new(account, config.knobs));
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
    tasks.push(tokio::spawn(accept(listener, acceptor, Arc::clone(&hub))));
    Ok(Handle { address, control, hub, tasks })
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let fault = |source| ServeError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let bound = listener.local_addr().map_err(fault)?;
    Ok((listener, bound))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, hub: Arc<Hub>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(welcome(stream, acceptor.clone(), Arc::clone(&hub)));
            }
            Err(error) => {
                warn!("accept failed error={error}");
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn welcome(stream: TcpStream, acceptor: TlsAcceptor, hub: Arc<Hub>) {
    let (stream, socket) = match twice(stream) {
        Ok(both) => both,
        Err(error) => return debug!("socket unusable error={error}"),
    };
    let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        failed => {
            hub.books.ledger.lock().handshakes_failed += 1;
            return debug!("handshake failed outcome={:?}", failed.map(|inner| inner.err()));
        }
    };
    let line = hub.open();
    let number = line.connection;
    connection::run(stream, socket, Arc::clone(&hub), line).await;
    hub.close(number);
}

/// Returns the socket and a second handle to it.
fn twice(stream: TcpStream) -> std::io::Result<(TcpStream, TcpStream)> {
    stream.set_nodelay(true)?;
    let first = stream.into_std()?;
    let second = first.try_clone()?;
    Ok((TcpStream::from_std(first)?, TcpStream::from_std(second)?))
}
