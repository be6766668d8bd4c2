//! Which addresses of subscriptions are push services. Pure.
//!
//! Subscriptions come from browsers, so an address in one is whatever somebody wrote there: the door admits only `https` to hosts on the
//! list ([`Hosts`]), and the dialer looks at what a name resolves to (`transport::guard`). Invariant: an [`Origin`] is in one spelling, so that
//! equal origins are equal.

use std::fmt;

use http::Uri;

const HTTPS_PORT: u16 = 443;

/// A push service: `https`, a host in lower case, a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    host: Box<str>,
    port: u16,
}

/// The hosts that may be connected to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hosts(Vec<Pattern>);

/// A host, or all names below a domain; with a port other than 443 only if it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The host, or the domain with its leading dot.
    text: Box<str>,
    is_domain: bool,
    port: u16,
}

/// Why an endpoint is not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It cannot be read.
    #[error("must be an https URL (hint: PushSubscription.endpoint)")]
    NotHttps,
    /// It carries a login.
    #[error("must not have a user name or a password")]
    Login,
    /// Its host is no plain name.
    #[error("must name a host in ASCII letters, digits, - and single dots")]
    Host,
    /// It is not on the list.
    #[error("is at {0}, which is no push service that this route knows (hint: the route's hosts)")]
    Unlisted(Origin),
}

// === impl Origin ===

impl Origin {
    /// Reads the origin of an endpoint.
    ///
    /// # Errors
    /// [`EndpointError`], except for [`EndpointError::Unlisted`].
    pub fn of(endpoint: &Uri) -> Result<Self, EndpointError> {
        if endpoint.scheme_str() != Some("https") {
            return Err(EndpointError::NotHttps);
        }
        let authority = endpoint.authority().ok_or(EndpointError::NotHttps)?;
        if authority.as_str().contains('@') {
            return Err(EndpointError::Login);
        }
        let host = authority.host().to_ascii_lowercase();
        // `a.example:x` has a port that is none, and `a.example:` an empty one, which would be another spelling.
        let rest = &authority.as_str()[host.len()..];
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => HTTPS_PORT,
            Some(digits) => digits.parse().map_err(|_| EndpointError::NotHttps)?,
            None => return Err(EndpointError::Host),
        };
        if !is_host(&host) {
            return Err(EndpointError::Host);
        }
        Ok(Self { host: host.into(), port })
    }

    /// Returns its address without a path.
    pub fn uri(&self) -> Uri {
        self.to_string().parse().expect("a checked host and a port make an address")
    }

    /// Returns its host, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns an origin that is nobody's (RFC 2606 section 3).
    pub fn example() -> Self {
        Self { host: "push.example.com".into(), port: HTTPS_PORT }
    }

    /// Returns the origin of an endpoint that a test knows to be one.
    #[cfg(test)]
    pub fn fixture(endpoint: &str) -> Self {
        Self::of(&endpoint.parse().expect("an address")).expect("an origin")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            HTTPS_PORT => write!(f, "https://{}", self.host),
            port => write!(f, "https://{}:{port}", self.host),
        }
    }
}

// === impl Hosts ===

impl Hosts {
    /// Returns a list of these.
    pub const fn new(patterns: Vec<Pattern>) -> Self {
        Self(patterns)
    }

    /// Returns the origins that are listed by their full names, and how many patterns are not.
    pub fn named(&self) -> (Vec<Origin>, usize) {
        let named = self.0.iter().filter(|pattern| !pattern.is_domain);
        let named: Vec<_> =
            named.map(|pattern| Origin { host: pattern.text.clone(), port: pattern.port }).collect();
        let patterns = self.0.len() - named.len();
        (named, patterns)
    }

    /// Reads an endpoint whose origin is on the list.
    ///
    /// # Errors
    /// [`EndpointError`] for what is wrong with it.
    pub fn admit(&self, endpoint: &str) -> Result<Origin, EndpointError> {
        let uri: Uri = endpoint.parse().map_err(|_| EndpointError::NotHttps)?;
        let origin = Origin::of(&uri)?;
        if self.0.iter().any(|pattern| pattern.matches(&origin)) {
            Ok(origin)
        } else {
            Err(EndpointError::Unlisted(origin))
        }
    }
}

// === impl Pattern ===

impl Pattern {
    /// Reads `push.example`, `*.push.example` or either with a port.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (host, port) = match text.rsplit_once(':') {
            // The colons inside brackets are an IPv6 address's own.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (text.as_str(), HTTPS_PORT),
        };
        let (is_domain, domain) =
            host.strip_prefix('*').map_or((false, host), |domain| (domain.starts_with('.'), domain));
        let name = if is_domain { &domain[1..] } else { domain };
        // A star for a whole top-level domain would be no list at all.
        let is_fine = is_host(name) && (!is_domain || name.contains('.')) && (is_domain || domain == host);
        is_fine.then(|| Self { text: domain.into(), is_domain, port })
    }

    fn matches(&self, origin: &Origin) -> bool {
        let name = if self.is_domain {
            origin.host.len() > self.text.len() && origin.host.ends_with(&*self.text)
        } else {
            origin.host == self.text
        };
        name && self.port == origin.port
    }
}

fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hosts(patterns: &[&str]) -> Hosts {
        Hosts::new(patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect())
    }

    fn admitted(hosts: &Hosts, endpoint: &str) -> Result<String, EndpointError> {
        hosts.admit(endpoint).map(|origin| origin.to_string())
    }

    #[test]
    fn an_origin_has_one_spelling() {
        let hosts = hosts(&["fcm.googleapis.com", "localhost:8443", "[::1]:9"]);
        for endpoint in [
            "https://fcm.googleapis.com/fcm/send/a:b",
            "https://FCM.googleapis.com:443/x?token=%2f#fragment",
            "HTTPS://fcm.googleapis.com",
        ] {
            assert_eq!(admitted(&hosts, endpoint).unwrap(), "https://fcm.googleapis.com", "{endpoint}");
        }
        assert_eq!(admitted(&hosts, "https://localhost:8443/p").unwrap(), "https://localhost:8443");
        assert_eq!(admitted(&hosts, "https://[::1]:9/p").unwrap(), "https://[::1]:9");
        assert_eq!(Origin::fixture("https://[::1]:9/p").uri().to_string(), "https://[::1]:9/");
    }

    #[test]
    fn only_hosts_without_a_star_are_origins_by_themselves() {
        let (named, patterns) = hosts(&["a.example", "*.b.example", "[::1]:9"]).named();
        let named: Vec<String> = named.iter().map(ToString::to_string).collect();
        assert_eq!((named, patterns), (vec!["https://a.example".into(), "https://[::1]:9".into()], 1));
    }

    #[test]
    fn a_star_stands_for_the_names_below_a_domain_and_not_for_the_domain() {
        let hosts = hosts(&["*.push.apple.com"]);
        assert!(admitted(&hosts, "https://web.push.apple.com/x").is_ok());
        assert!(admitted(&hosts, "https://a.b.push.apple.com/x").is_ok());
        for other in ["push.apple.com", "evilpush.apple.com", "web.push.apple.com.evil.example"] {
            let error = admitted(&hosts, &format!("https://{other}/x")).unwrap_err();
            assert!(matches!(error, EndpointError::Unlisted(_)), "{other}: {error}");
        }
        for wrong in
            ["*", "*.", "*.com", "*a.example", "a.*.example", "", "a..b", "a.example:x", "a b", "*:443"]
        {
            assert_eq!(Pattern::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_plain_address_of_a_listed_host_is_refused() {
        let hosts = hosts(&["push.example"]);
        for (endpoint, error) in [
            ("http://push.example/x", EndpointError::NotHttps),
            ("/x", EndpointError::NotHttps),
            ("push.example", EndpointError::NotHttps),
            ("https://push.example:/x", EndpointError::NotHttps),
            ("https://push.example:70000/x", EndpointError::NotHttps),
            ("https://a@push.example/x", EndpointError::Login),
            ("https://push.example@evil.example/x", EndpointError::Login),
            ("https://push.example./x", EndpointError::Host),
        ] {
            assert_eq!(admitted(&hosts, endpoint), Err(error), "{endpoint}");
        }
        for other in
            ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "push.example:8443", "xn--psh-hoa.example"]
        {
            let error = admitted(&hosts, &format!("https://{other}/x")).unwrap_err();
            assert!(matches!(error, EndpointError::Unlisted(_)), "{other}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_admitted_whose_host_is_not_listed(text in "https://[a-z0-9.@:/\\[\\]#?%\\\\-]{0,40}") {
            let hosts = hosts(&["push.example", "*.svc.example"]);
            if let Ok(origin) = hosts.admit(&text) {
                let uri: Uri = text.parse().unwrap();
                let host = uri.host().unwrap();
                prop_assert!(host == "push.example" || host.ends_with(".svc.example"));
                prop_assert_eq!(origin.host(), host);
            }
        }
    }
}
