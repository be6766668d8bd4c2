//! One POST on a connection of its own, for the webhook and for traces: no redirects, nothing of the answer's body is read, one limit for all
//! of it.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
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

/// Where to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    uri: Uri,
    host: String,
    port: u16,
    is_secure: bool,
    ca: Option<PathBuf>,
}

/// What the receiver answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// When it wants to be tried again.
    pub retry_after: Option<Duration>,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
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
    #[error("post to {peer}: {cause}")]
    Http {
        /// Which receiver.
        peer: String,
        /// The library's words.
        cause: String,
    },
    /// It took too long.
    #[error("post to {peer}: no answer within {limit:?} (hint: is the receiver overloaded?)")]
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

    /// Posts a body with these headers; `Host` and `User-Agent` are added.
    ///
    /// # Errors
    /// There was no answer within `limit`.
    pub async fn post(&self, headers: HeaderMap, body: Bytes, limit: Duration) -> Result<Reply, PostError> {
        let posted = tokio::time::timeout(limit, self.try_post(headers, body)).await;
        posted.unwrap_or_else(|_| Err(PostError::Timeout { peer: self.peer(), limit }))
    }

    async fn try_post(&self, headers: HeaderMap, body: Bytes) -> Result<Reply, PostError> {
        let network =
            |error: std::io::Error| PostError::Network { peer: self.peer(), cause: error.to_string() };
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(network)?;
        tcp.set_nodelay(true).map_err(network)?;
        if !self.is_secure {
            return self.exchange(tcp, headers, body).await;
        }
        let secured = tls::connect(tcp, &self.host, self.ca.clone()).await;
        let io = secured.map_err(|error| PostError::Tls { peer: self.peer(), cause: error.to_string() })?;
        self.exchange(io, headers, body).await
    }

    async fn exchange(
        &self,
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, PostError> {
        let http = |error: hyper::Error| PostError::Http { peer: self.peer(), cause: error.to_string() };
        let opened = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(io)).await;
        let (mut sender, connection) = opened.map_err(http)?;
        let _driver = Driver(tokio::spawn(connection).abort_handle());
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::post(path)
            .header(header::HOST, authority)
            .header(header::USER_AGENT, concat!("pushweir/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|error| PostError::Http { peer: self.peer(), cause: error.to_string() })?;
        request.headers_mut().extend(headers);
        let answer = sender.send_request(request).await.map_err(http)?;
        let seconds =
            answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_DELAY));
        Ok(Reply { status: answer.status().as_u16(), retry_after })
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
