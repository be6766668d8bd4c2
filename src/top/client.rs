//! One GET on a connection of its own, with credentials, within a time.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::TopError;
use crate::transport::tls;
use crate::units::Secret;

/// The most bytes of an answer: the state of 5,000 pushers has less.
const MAX_BODY: usize = 16 * 1_024 * 1_024;
const WITHIN: Duration = Duration::from_secs(5);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Proof {
    /// Whoever can connect.
    #[default]
    Nobody,
    /// A bearer token.
    Token(Secret),
    /// A name and a password.
    User(String, Secret),
}

/// Where the admin interface is, and who asks.
#[derive(Debug, Clone)]
pub struct Client {
    uri: Uri,
    host: String,
    port: u16,
    is_secure: bool,
    ca: Option<PathBuf>,
    authorization: Option<Secret>,
}

// === impl Client ===

impl Client {
    /// Takes an address apart: a URL, or host and port; `ca` holds the certificates to trust instead of the system's.
    ///
    /// # Errors
    /// It is no address.
    pub fn new(address: &str, proof: &Proof, ca: Option<PathBuf>) -> Result<Self, TopError> {
        let wrong = || TopError::Address(address.to_owned());
        let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let is_plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        if host.is_empty() || !is_plain || !matches!(uri.path(), "" | "/") {
            return Err(wrong());
        }
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let authorization = match proof {
            Proof::Nobody => None,
            Proof::Token(token) => Some(Secret::new(format!("Bearer {}", token.expose()))),
            Proof::User(name, password) => {
                let pair = STANDARD.encode(format!("{name}:{}", password.expose()));
                Some(Secret::new(format!("Basic {pair}")))
            }
        };
        Ok(Self { uri, host, port, is_secure, ca, authorization })
    }

    /// Returns host and port.
    pub fn peer(&self) -> String {
        self.uri.authority().map_or_else(|| self.host.clone(), ToString::to_string)
    }

    /// Gets a path; returns status and body.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn get(&self, path: &str) -> Result<(u16, Bytes), TopError> {
        let got = tokio::time::timeout(WITHIN, self.try_get(path)).await;
        got.unwrap_or_else(|_| Err(self.unreachable(&format!("no answer within {WITHIN:?}"))))
    }

    async fn try_get(&self, path: &str) -> Result<(u16, Bytes), TopError> {
        let connected = TcpStream::connect((self.host.as_str(), self.port)).await;
        let tcp = connected.map_err(|error| self.unreachable(&error))?;
        if !self.is_secure {
            return self.exchange(tcp, path).await;
        }
        let secured = tls::connect(tcp, &self.host, self.ca.clone()).await;
        self.exchange(secured.map_err(|error| self.unreachable(&error))?, path).await
    }

    async fn exchange(
        &self,
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        path: &str,
    ) -> Result<(u16, Bytes), TopError> {
        let opened = http1::handshake(TokioIo::new(io)).await;
        let (mut sender, connection) = opened.map_err(|error| self.unreachable(&error))?;
        let driver = tokio::spawn(connection);
        let mut request = Request::get(path)
            .header(header::HOST, self.peer())
            .header(header::USER_AGENT, concat!("pushweir/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.expose());
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| self.unreachable(&error))?;
        let answer = sender.send_request(request).await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_BODY).collect().await;
        driver.abort();
        Ok((status, body.map_err(|error| self.unreachable(&error))?.to_bytes()))
    }

    fn unreachable(&self, cause: &dyn std::fmt::Display) -> TopError {
        TopError::Unreachable { peer: self.peer(), cause: cause.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_url_or_host_and_port() {
        let parsed =
            |text: &str| Client::new(text, &Proof::Nobody, None).map(|client| (client.host, client.port));
        for (text, host, port) in [
            ("127.0.0.1:8651", "127.0.0.1", 8651),
            ("http://[::1]:8651/", "::1", 8651),
            ("https://push.internal", "push.internal", 443),
        ] {
            assert_eq!(parsed(text).unwrap(), (host.to_owned(), port), "{text}");
        }
        for text in ["", "ftp://a", "http://ops:secret@a", "http://a/admin", "a b"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
