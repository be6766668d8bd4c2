//! The settings that all transports over HTTP/2 have, and what follows from them.
//!
//! The transports' own settings hold them; their connectors take endpoints and limits from them.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use http::uri::Authority;

use super::{Endpoint, Limits, Reach};
use crate::transport::probe::{Setting, Suspects};

/// How to connect and how long to wait.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// A CA certificate (PEM) to trust instead of the system's; read at each connection.
    pub ca: Option<PathBuf>,
    /// An HTTP proxy (`host:port`) for everything that is sent.
    pub proxy: Option<String>,
    /// Streams to have open at most on a connection, whatever the provider allows.
    pub window: u32,
    /// Limit for TCP and TLS together.
    pub connect_timeout: Duration,
    /// How long an answer may take before its stream is given up.
    pub request_timeout: Duration,
    /// The least delay before a push is sent again that the provider did not take.
    pub retry_min: Duration,
    /// Silence, with pushes out, after which a ping is sent.
    pub ping_after: Duration,
    /// Silence after a ping after which the connection counts as dead.
    pub ping_timeout: Duration,
}

/// Settings with which no session can ever open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The endpoint is of no use.
    #[error("endpoint {0} is not https with a host and without a path")]
    Endpoint(Uri),
    /// The window is zero.
    #[error("window must be at least 1")]
    Window,
}

// === impl Settings ===

impl Settings {
    /// Returns the host and port of `origin`, if sessions to it can open with these settings.
    ///
    /// # Errors
    /// They never can.
    pub fn check(&self, origin: &Uri) -> Result<Authority, SettingsError> {
        if self.window == 0 {
            return Err(SettingsError::Window);
        }
        let has_no_path = matches!(origin.path_and_query().map(|path| path.as_str()), None | Some("/"));
        let is_https = origin.scheme_str() == Some("https") && origin.host().is_some();
        let authority = origin.authority().filter(|_| is_https && has_no_path);
        authority.cloned().ok_or_else(|| SettingsError::Endpoint(origin.clone()))
    }

    /// Returns how to connect to `origin`, without a certificate.
    pub fn endpoint(&self, origin: Uri, reach: Reach) -> Endpoint {
        Endpoint {
            origin,
            ca: self.ca.clone(),
            identity: None,
            proxy: self.proxy.clone(),
            connect_timeout: self.connect_timeout,
            reach,
        }
    }

    /// Returns the settings that a connection depends on; `keys` are those of `proxy` and `ca`.
    pub fn suspects(&self, address: Setting, login: Setting, keys: [&'static str; 2]) -> Suspects {
        let [proxy, ca] = keys;
        Suspects {
            address,
            proxy: self.proxy.as_ref().map(|value| Setting::new(proxy, value)),
            ca: Setting::ca(ca, self.ca.as_deref()),
            login,
        }
    }

    /// Returns the limits of a session.
    pub const fn limits(&self) -> Limits {
        Limits {
            cap: self.window,
            request_timeout: self.request_timeout,
            ping_after: self.ping_after,
            ping_timeout: self.ping_timeout,
        }
    }
}

/// Settings for tests.
#[cfg(test)]
pub mod fixture {
    use super::*;

    /// The transports' defaults, but for a window of 100.
    pub fn settings() -> Settings {
        Settings {
            ca: None,
            proxy: None,
            window: 100,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(20),
            retry_min: Duration::from_secs(10),
            ping_after: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(15),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_can_never_work_are_refused() {
        let settings = fixture::settings();
        let refused = |text: &str| settings.check(&text.parse().unwrap()).unwrap_err();
        for text in ["http://a.example", "https://a.example/v1", "a.example", "/v1"] {
            assert_eq!(refused(text), SettingsError::Endpoint(text.parse().unwrap()), "{text}");
        }
        assert_eq!(settings.check(&Uri::from_static("https://[::1]:8443/")).unwrap(), "[::1]:8443");
        let none = Settings { window: 0, ..settings };
        assert_eq!(none.check(&Uri::from_static("https://a.example")), Err(SettingsError::Window));
    }
}
