//! One GET on a connection of its own, with credentials, within a time.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use super::TopError;
use crate::transport::exchange::Endpoint;
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
    endpoint: Endpoint,
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
        let endpoint = Endpoint::parse(&url, ca).filter(Endpoint::has_no_path).ok_or_else(wrong)?;
        let authorization = match proof {
            Proof::Nobody => None,
            Proof::Token(token) => Some(Secret::new(format!("Bearer {}", token.expose()))),
            Proof::User(name, password) => {
                let pair = STANDARD.encode(format!("{name}:{}", password.expose()));
                Some(Secret::new(format!("Basic {pair}")))
            }
        };
        Ok(Self { endpoint, authorization })
    }

    /// Returns host and port.
    pub fn peer(&self) -> String {
        self.endpoint.peer()
    }

    /// Gets a path; returns status and body.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn get(&self, path: &str) -> Result<(u16, Bytes), TopError> {
        let mut headers = HeaderMap::new();
        if let Some(authorization) = &self.authorization {
            let value = HeaderValue::from_str(authorization.expose());
            headers.insert(AUTHORIZATION, value.map_err(|error| self.unreachable(&error))?);
        }
        let got = self.endpoint.get(path, headers, (WITHIN, MAX_BODY)).await;
        let reply = got.map_err(|error| self.unreachable(&error))?;
        Ok((reply.status, reply.body))
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
        let parsed = |text: &str| Client::new(text, &Proof::Nobody, None).map(|client| client.peer());
        for (text, peer) in [
            ("127.0.0.1:8651", "127.0.0.1:8651"),
            ("http://[::1]:8651/", "[::1]:8651"),
            ("https://push.internal", "push.internal:443"),
        ] {
            assert_eq!(parsed(text).unwrap(), peer, "{text}");
        }
        for text in ["", "ftp://a", "http://ops:secret@a", "http://a/admin", "a b"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
