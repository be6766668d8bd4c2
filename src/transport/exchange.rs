//! One HTTP/1.1 request on a connection of its own, for the webhook, for traces and for who asks a running service: no redirects, one limit for
//! all of it, of the answer's body no more than was asked for.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::request::Builder;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::{peer_name, tls};

/// The most bytes of an answer's head.
const MAX_HEAD: usize = 16 * 1_024;
/// The longest delay that a receiver can ask for.
const LONGEST_DELAY: Duration = Duration::from_secs(300);

/// Where to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    uri: Uri,
    host: String,
    port: u16,
    is_secure: bool,
    ca: Option<PathBuf>,
}

/// What the receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// When it wants to be tried again.
    pub retry_after: Option<Duration>,
    /// The body, as far as it was asked for.
    pub body: Bytes,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// Name look-up or TCP failed.
    #[error("connect to {peer}: {cause} (hint: is the receiver up, and the url right?)")]
    Network {
        /// Which receiver.
        peer: String,
        /// The system's words.
        cause: String,
    },
    /// TLS failed: certificate, name or protocol.
    #[error("secure the connection to {peer}: {cause}")]
    Tls {
        /// Which receiver.
        peer: String,
        /// The library's words.
        cause: String,
    },
    /// HTTP did.
    #[error("ask {peer}: {cause}")]
    Http {
        /// Which receiver.
        peer: String,
        /// The library's words.
        cause: String,
    },
    /// It took too long.
    #[error("ask {peer}: no answer within {limit:?} (hint: is the receiver overloaded?)")]
    Timeout {
        /// Which receiver.
        peer: String,
        /// The limit.
        limit: Duration,
    },
}

/// Reads the connection until dropped.
struct Driver(AbortHandle);

// === impl Endpoint ===

impl Endpoint {
    /// Takes a URL apart; `None` unless it is `http://` or `https://` with a host and without user name.
    pub fn parse(url: &str, ca: Option<PathBuf>) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let is_secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = uri.host()?.trim_matches(['[', ']']).to_owned();
        if host.is_empty() || authority.as_str().contains('@') {
            return None;
        }
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        Some(Self { uri, host, port, is_secure, ca })
    }

    /// Names the receiver for logs, without the path, which may hold a secret.
    pub fn peer(&self) -> String {
        peer_name(&self.host, self.port)
    }

    /// Returns whether it is a host alone.
    pub fn has_no_path(&self) -> bool {
        matches!(self.uri.path_and_query().map(|path| path.as_str()), None | Some("/"))
    }

    /// Posts a body with these headers; nothing of the answer's body is read.
    ///
    /// # Errors
    /// There was no answer within `limit`.
    pub async fn post(
        &self,
        headers: HeaderMap,
        body: Bytes,
        limit: Duration,
    ) -> Result<Reply, ExchangeError> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        self.ask(Request::post(path), (headers, body), (limit, 0)).await
    }

    /// Gets `path`, whatever the endpoint's own, and an answer of at most so many bytes.
    ///
    /// # Errors
    /// There was no answer within `limit`, or it is longer.
    pub async fn get(
        &self,
        path: &str,
        headers: HeaderMap,
        (limit, most): (Duration, usize),
    ) -> Result<Reply, ExchangeError> {
        self.ask(Request::get(path), (headers, Bytes::new()), (limit, most)).await
    }

    /// Asks, with `Host` and `User-Agent` added.
    async fn ask(
        &self,
        request: Builder,
        (headers, body): (HeaderMap, Bytes),
        (limit, most): (Duration, usize),
    ) -> Result<Reply, ExchangeError> {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let mut request = request
            .header(header::HOST, authority)
            .header(header::USER_AGENT, concat!("pushweir/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|error| self.http(&error))?;
        request.headers_mut().extend(headers);
        let asked = tokio::time::timeout(limit, self.connect_and_send(request, most)).await;
        asked.unwrap_or_else(|_| Err(ExchangeError::Timeout { peer: self.peer(), limit }))
    }

    async fn connect_and_send(
        &self,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<Reply, ExchangeError> {
        let network =
            |error: std::io::Error| ExchangeError::Network { peer: self.peer(), cause: error.to_string() };
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(network)?;
        tcp.set_nodelay(true).map_err(network)?;
        if !self.is_secure {
            return self.send(tcp, request, most).await;
        }
        let secured = tls::connect(tcp, &self.host, self.ca.clone()).await;
        let io =
            secured.map_err(|error| ExchangeError::Tls { peer: self.peer(), cause: error.to_string() })?;
        self.send(io, request, most).await
    }

    async fn send(
        &self,
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<Reply, ExchangeError> {
        let opened = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(io)).await;
        let (mut sender, connection) = opened.map_err(|error| self.http(&error))?;
        let _driver = Driver(tokio::spawn(connection).abort_handle());
        let answer = sender.send_request(request).await.map_err(|error| self.http(&error))?;
        let seconds =
            answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_DELAY));
        let status = answer.status().as_u16();
        let body = match most {
            0 => Bytes::new(),
            _ => {
                let read = Limited::new(answer.into_body(), most).collect().await;
                read.map_err(|error| self.http(&*error))?.to_bytes()
            }
        };
        Ok(Reply { status, retry_after, body })
    }

    fn http(&self, error: &dyn std::fmt::Display) -> ExchangeError {
        ExchangeError::Http { peer: self.peer(), cause: error.to_string() }
    }
}

// === impl Driver ===

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_http_urls_are_endpoints() {
        let secure = Endpoint::parse("https://hooks.example/in?key=s", None).unwrap();
        assert_eq!((secure.peer().as_str(), secure.is_secure), ("hooks.example:443", true));
        let plain = Endpoint::parse("http://[::1]:8080", None).unwrap();
        assert_eq!((plain.peer().as_str(), plain.is_secure), ("[::1]:8080", false));
        for url in ["", "hooks.example", "ftp://a/b", "https:///in", "https://me:pw@a/", "/in"] {
            assert_eq!(Endpoint::parse(url, None), None, "{url}");
        }
    }
}
