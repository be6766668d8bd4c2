//! The bare TLS echo: one end sends pushes' worth of bytes within its windows, the other answers each with an answer's worth.
//!
//! Both ends read until the socket would block before they write, as the gateway and the doubles do. The asking end is native-tls, as the
//! gateway is.

use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use anyhow::Context as _;
use log::debug;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_native_tls::native_tls;

use super::{AskArgs, Flow, Library, Outcome, ServeArgs, Sizes};
use crate::tls::{self, Clients, LOCAL_NAMES};

/// The most bytes of one read; a TLS record has 16 KiB.
const READ: usize = 32 * 1024;

/// What bytes can be exchanged over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Secures accepted connections.
#[derive(Clone)]
enum Acceptor {
    Native(tokio_native_tls::TlsAcceptor),
    Rustls(tokio_rustls::TlsAcceptor),
}

impl Acceptor {
    fn new(library: Library, directory: &Path) -> anyhow::Result<Self> {
        let names = LOCAL_NAMES.map(str::to_owned);
        Ok(match library {
            Library::Native => {
                let (certificate, key) = tls::server_certificate(directory, &names)?;
                let identity = native_tls::Identity::from_pkcs8(certificate.as_bytes(), key.as_bytes())?;
                Self::Native(native_tls::TlsAcceptor::new(identity)?.into())
            }
            Library::Rustls => {
                let config = tls::server_config(directory, &names, &[], Clients::Anonymous)?;
                Self::Rustls(Arc::new(config).into())
            }
        })
    }

    async fn accept(&self, tcp: TcpStream) -> io::Result<Box<dyn Stream>> {
        tcp.set_nodelay(true)?;
        Ok(match self {
            Self::Native(acceptor) => Box::new(acceptor.accept(tcp).await.map_err(io::Error::other)?),
            Self::Rustls(acceptor) => Box::new(acceptor.accept(tcp).await?),
        })
    }
}

/// A bound answering end.
pub struct Server {
    listener: TcpListener,
    acceptor: Acceptor,
    sizes: Sizes,
}

impl Server {
    /// Binds the address and makes the certificate.
    ///
    /// # Errors
    /// When either fails.
    pub async fn open(args: &ServeArgs) -> anyhow::Result<Self> {
        let acceptor = Acceptor::new(args.tls, &args.tls_dir)?;
        let listener =
            TcpListener::bind(args.listen).await.with_context(|| format!("listen on {}", args.listen))?;
        Ok(Self { listener, acceptor, sizes: args.sizes })
    }

    /// Returns where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers for ever.
    ///
    /// # Errors
    /// When nothing can be accepted any more.
    pub async fn run(self) -> io::Result<()> {
        loop {
            let (tcp, _) = self.listener.accept().await?;
            let (acceptor, sizes) = (self.acceptor.clone(), self.sizes);
            tokio::spawn(async move {
                let ended = async { answer(acceptor.accept(tcp).await?, sizes).await }.await;
                debug!("connection ended outcome={ended:?}");
            });
        }
    }
}

/// Answers until the other end closes.
async fn answer(mut stream: impl Stream, sizes: Sizes) -> io::Result<()> {
    let (mut scratch, mut out, mut bytes) = (vec![0; READ], Vec::new(), 0);
    loop {
        let count = read_available(&mut stream, &mut scratch).await?;
        if count == 0 {
            return Ok(());
        }
        bytes += count;
        out.resize(bytes / sizes.request * sizes.reply, b'a');
        bytes %= sizes.request;
        stream.write_all(&out).await?;
        stream.flush().await?;
    }
}

/// Sends until the time is over and every answer is in.
///
/// # Errors
/// When a connection fails.
pub async fn ask(args: &AskArgs) -> anyhow::Result<Outcome> {
    let path = args.tls_dir.join("ca.pem");
    let authority = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let mut builder = native_tls::TlsConnector::builder();
    builder.add_root_certificate(native_tls::Certificate::from_pem(&authority)?);
    let connector = tokio_native_tls::TlsConnector::from(builder.build()?);
    let mut streams = Vec::new();
    for _ in 0..args.flow.connections {
        let tcp = TcpStream::connect(args.to).await.with_context(|| format!("connect to {}", args.to))?;
        tcp.set_nodelay(true)?;
        streams.push(connector.connect(LOCAL_NAMES[0], tcp).await?);
    }
    let start = Instant::now();
    let mut asking = JoinSet::new();
    for stream in streams {
        asking.spawn(send(stream, args.sizes, args.flow, start + args.flow.length));
    }
    let mut answered = 0;
    while let Some(sent) = asking.join_next().await {
        answered += sent??;
    }
    Ok(Outcome::of(answered, start.elapsed()))
}

async fn send(mut stream: impl Stream, sizes: Sizes, flow: Flow, until: Instant) -> io::Result<u64> {
    let batch = flow.batch.min(flow.window);
    let out = vec![b'a'; batch * sizes.request];
    let (mut scratch, mut bytes) = (vec![0; READ], 0);
    let (mut under_way, mut answered) = (0, 0);
    loop {
        if Instant::now() < until {
            while under_way + batch <= flow.window {
                stream.write_all(&out).await?;
                stream.flush().await?;
                under_way += batch;
            }
        } else if under_way == 0 {
            stream.shutdown().await?;
            return Ok(answered);
        }
        let count = read_available(&mut stream, &mut scratch).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes += count;
        let answers = bytes / sizes.reply;
        bytes %= sizes.reply;
        under_way -= answers;
        answered += answers as u64;
    }
}

/// Reads and forgets what is there, at least one byte; returns how many bytes that were, 0 at the end.
async fn read_available(stream: &mut impl Stream, scratch: &mut [u8]) -> io::Result<usize> {
    let mut total = 0;
    poll_fn(|cx| {
        loop {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Poll::Ready(Ok(total)),
                Poll::Ready(Ok(())) => total += buffer.filled().len(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if total > 0 => return Poll::Ready(Ok(total)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn every_push_is_answered_whatever_the_sizes_and_the_library() {
        for (library, request, reply, batch) in [
            (Library::Native, 425, 286, 100),
            (Library::Rustls, 7, 20_000, 3),
            (Library::Rustls, 40_000, 1, 1),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let sizes = Sizes { request, reply };
            let listen = "127.0.0.1:0".parse().unwrap();
            let tls_dir = directory.path().to_owned();
            let server = Server::open(&ServeArgs { listen, tls_dir: tls_dir.clone(), tls: library, sizes })
                .await
                .unwrap();
            let to = server.address().unwrap();
            let serving = tokio::spawn(server.run());
            let flow = Flow { window: 100, batch, connections: 2, length: Duration::from_millis(20) };
            let outcome = ask(&AskArgs { to, tls_dir, sizes, flow }).await.unwrap();
            assert!(outcome.answered >= 2 * 99, "a window each at least: {outcome:?}");
            serving.abort();
        }
    }
}
