//! Starts a double: binds, accepts, secures, and hands every connection on.
//!
//! The doubles' `serve` functions begin with [`Listening::open`]; the [`Handle`] is how tests and the command line reach a double afterwards.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use log::{debug, warn};
use thiserror::Error;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::admin::{self, Steered};
use crate::control;
use crate::tls::{self, TlsError};

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How many bytes are taken from a socket at once; the TLS library by itself asks for a few thousand.
const READ: usize = 64 * 1024;

/// A connection behind its handshake.
pub type Secured = TlsStream<BufReader<TcpStream>>;

/// Where a double listens, and as whom.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the control face listens, if it is wanted.
    pub control: Option<SocketAddr>,
    /// The directory of the certificate authority, and of what else clients need.
    pub tls_dir: PathBuf,
    /// Names in the certificate.
    pub names: Vec<String>,
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
    /// What clients log in with cannot be made.
    #[error("prepare the accounts")]
    Accounts(#[source] Box<dyn Error + Send + Sync>),
}

/// A running double. It stops when the handle is dropped; connections that are open then end with the runtime.
#[derive(Debug)]
pub struct Handle<H> {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its control face listens.
    pub control: Option<SocketAddr>,
    /// Steers it from inside the process.
    pub hub: Arc<H>,
    tasks: Vec<JoinHandle<()>>,
}

/// Bound sockets that nobody is accepted from yet.
pub struct Listening {
    /// Where connections are taken.
    pub address: SocketAddr,
    listener: TcpListener,
    control: Option<TcpListener>,
    acceptor: TlsAcceptor,
}

impl<H: Steered> Handle<H> {
    /// Returns the report as it stands now, as indented JSON.
    #[must_use]
    pub fn report(&self) -> String {
        self.hub.report()
    }
}

impl<H> Drop for Handle<H> {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Listening {
    /// Binds both addresses and prepares TLS with these protocols (RFC 7301).
    ///
    /// # Errors
    /// [`ServeError`] when an address cannot be bound or there is no certificate.
    pub async fn open(place: &Place, alpn: &[&[u8]], clients: tls::Clients) -> Result<Self, ServeError> {
        let server = tls::server_config(&place.tls_dir, &place.names, alpn, clients)?;
        let listener = bind(place.listen).await?;
        let address =
            listener.local_addr().map_err(|source| ServeError::Bind { address: place.listen, source })?;
        let control = match place.control {
            Some(wanted) => Some(bind(wanted).await?),
            None => None,
        };
        Ok(Self { address, listener, control, acceptor: TlsAcceptor::from(Arc::new(server)) })
    }

    /// Accepts; `welcome` gets each secured connection with a second handle to its socket, for ending it rudely, or a failure.
    #[must_use]
    pub fn serve<H, W, F>(self, hub: Arc<H>, welcome: W) -> Handle<H>
    where
        H: Steered,
        W: Fn(Arc<H>, Option<(Secured, TcpStream)>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut tasks = Vec::new();
        let mut control = None;
        if let Some(listener) = self.control {
            control = listener.local_addr().ok();
            let steered = Arc::clone(&hub);
            let handle = move |request| {
                let hub = Arc::clone(&steered);
                async move { admin::answer(&*hub, &request) }
            };
            tasks.push(tokio::spawn(control::serve(listener, handle)));
        }
        tasks.push(tokio::spawn(accept(self.listener, self.acceptor, Arc::clone(&hub), welcome)));
        Handle { address: self.address, control, hub, tasks }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, source })
}

async fn accept<H, W, F>(listener: TcpListener, acceptor: TlsAcceptor, hub: Arc<H>, welcome: W)
where
    H: Send + Sync + 'static,
    W: Fn(Arc<H>, Option<(Secured, TcpStream)>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (acceptor, hub, welcome) = (acceptor.clone(), Arc::clone(&hub), welcome.clone());
                tokio::spawn(async move {
                    let secured = secure(stream, acceptor).await;
                    welcome(hub, secured).await;
                });
            }
            Err(error) => {
                warn!("accept failed error={error}");
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn secure(stream: TcpStream, acceptor: TlsAcceptor) -> Option<(Secured, TcpStream)> {
    let (stream, socket) = twice(stream).inspect_err(|error| debug!("socket unusable error={error}")).ok()?;
    let stream = BufReader::with_capacity(READ, stream);
    match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some((stream, socket)),
        failed => {
            debug!("handshake failed outcome={:?}", failed.map(|inner| inner.err()));
            None
        }
    }
}

/// Returns the socket and a second handle to it.
fn twice(stream: TcpStream) -> io::Result<(TcpStream, TcpStream)> {
    stream.set_nodelay(true)?;
    let first = stream.into_std()?;
    let second = first.try_clone()?;
    Ok((TcpStream::from_std(first)?, TcpStream::from_std(second)?))
}
