//! Where a request comes from and who makes it: host names, origins, roles. Pure.
//!
//! Anybody on the machine can open a loopback address, and so can any web page in a browser there. So a request must be addressed to a
//! name that is ours (against DNS rebinding), and a change must come from our own page (against cross-site requests).

use std::net::IpAddr;
use std::time::Duration;

use super::sessions::Key;
use super::{Role, Settings};

/// What a request says about where it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Claims<'a> {
    pub(super) host: Option<&'a str>,
    pub(super) origin: Option<&'a str>,
    pub(super) fetch_site: Option<&'a str>,
    pub(super) authorization: Option<&'a str>,
    pub(super) cookies: Option<&'a str>,
}

/// Why a request is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denial {
    /// 401.
    #[error(
        "credentials are needed (hint: log in at /login, or HTTP Basic with a user of [admin] users, or one of [admin] tokens)"
    )]
    Unknown,
    /// 401.
    #[error("the session has ended, or is none of ours (hint: log in again at /login)")]
    Session,
    /// 403.
    #[error("the host name {0:?} is not one of ours (hint: [admin] hosts)")]
    Host(String),
    /// 403.
    #[error("changes are taken from the admin page itself only, not from {0:?}")]
    CrossSite(String),
    /// 403.
    #[error("{0:?} is a viewer and may look but not act (hint: role = \"operator\" in [admin])")]
    Viewer(String),
    /// 403.
    #[error(
        "the form has no valid token: it is older than this process, or not ours (hint: reload the page)"
    )]
    Token,
    /// 405.
    #[error("{0:?} asked for a change by GET, which changes nothing")]
    Get(String),
    /// 429, and when to come back.
    #[error("too many failed logins from this address (hint: wait {} s)", .0.as_secs().max(1))]
    TooMany(Duration),
    /// 503.
    #[error("too many logins are being checked at this moment (hint: try again in a second)")]
    Busy,
}

/// Whom actions are entered for where no users are configured.
const ANYBODY: &str = "anybody";

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Actor {
    /// The user's name, `token NAME`, or `anybody`.
    pub(super) name: String,
    /// The session; none for credentials that come with each request.
    pub(super) session: Option<Key>,
    role: Role,
}

// === impl Denial ===

impl Denial {
    /// Returns whether somebody tried to prove who they are, and failed.
    pub(super) const fn is_login(&self) -> bool {
        matches!(self, Self::Unknown | Self::Session | Self::TooMany(_) | Self::Busy)
    }

    /// Returns it for the list of actions: without what an attacker can vary, so that equal attempts stay one entry.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::TooMany(_) => "too many failed logins from this address".to_owned(),
            Self::Host(_) => "the host name is not one of ours".to_owned(),
            Self::CrossSite(_) => "a change from another site".to_owned(),
            other => other.to_string(),
        }
    }
}

// === impl Actor ===

impl Actor {
    /// Returns whoever can connect, where no users are configured.
    pub(super) fn anybody() -> Self {
        Self::new(ANYBODY.to_owned(), Role::Operator)
    }

    /// Returns whether it is whoever can connect.
    pub(super) fn is_anybody(&self) -> bool {
        self.name == ANYBODY
    }

    /// Returns somebody whose credentials come with each request.
    pub(super) const fn new(name: String, role: Role) -> Self {
        Self { name, session: None, role }
    }

    /// Returns somebody who is logged in.
    pub(super) const fn logged_in(name: String, role: Role, session: Key) -> Self {
        Self { name, session: Some(session), role }
    }

    /// Returns what they may do.
    pub(super) const fn role(&self) -> Role {
        self.role
    }

    /// Returns whether they may act.
    pub(super) const fn is_operator(&self) -> bool {
        matches!(self.role, Role::Operator)
    }

    /// Returns what their forms' tokens are made for: the session if there is one.
    pub(super) fn seal(&self) -> String {
        self.session.map_or_else(|| self.name.clone(), |key| format!("session {}", key.text()))
    }
}

/// Checks that a request is addressed to us.
pub(super) fn check_host(settings: &Settings, claims: &Claims<'_>) -> Result<(), Denial> {
    // Beyond loopback browsers must send credentials, which they keep per name; there the check is on demand.
    if !settings.listen.ip().to_canonical().is_loopback() && settings.hosts.is_empty() {
        return Ok(());
    }
    let Some(host) = claims.host else { return Ok(()) };
    let name = without_port(host);
    // Rebinding needs a name: an address literal says truly where the request went.
    let literal = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let local = name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost");
    let listed = settings.hosts.iter().any(|known| known.eq_ignore_ascii_case(name));
    if literal || local || listed { Ok(()) } else { Err(Denial::Host(cut(host))) }
}

/// Checks that a change is the wish of somebody who may have it.
pub(super) fn check_change(claims: &Claims<'_>, actor: &Actor) -> Result<(), Denial> {
    // A browser adds the cookie by itself, so there the request must show that the page it came from is ours.
    check_origin(claims, actor.session.is_some())?;
    if actor.is_operator() { Ok(()) } else { Err(Denial::Viewer(actor.name.clone())) }
}

/// Checks that a request does not come from a page of another site; `strict` takes silence about it for another site.
pub(super) fn check_origin(claims: &Claims<'_>, strict: bool) -> Result<(), Denial> {
    let denied = |from: &str| Err(Denial::CrossSite(cut(from)));
    if let Some(site) = claims.fetch_site.filter(|site| !matches!(*site, "same-origin" | "none")) {
        return denied(site);
    }
    let Some(origin) = claims.origin else {
        return if strict && claims.fetch_site.is_none() { denied("nowhere") } else { Ok(()) };
    };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    match (authority, claims.host) {
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => Ok(()),
        _ => denied(origin),
    }
}

/// Returns whether the browser reached us over TLS, by what it says itself; a lie harms only the liar's own cookie.
pub(super) fn is_secure(claims: &Claims<'_>) -> bool {
    claims.origin.is_some_and(|origin| origin.starts_with("https://"))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::password::Proof;
    use super::super::{Token, User};
    use super::*;
    use crate::units::Secret;

    /// Settings with these users, of whom `look` is a viewer, and two tokens where there are users.
    pub(in crate::admin) fn settings(listen: &str, hosts: &[&str], users: &[(&str, &str)]) -> Settings {
        let role = |name: &str| if matches!(name, "look" | "scrape") { Role::Viewer } else { Role::Operator };
        let user = |(name, password): &(&str, &str)| User {
            name: (*name).into(),
            proof: Proof::Plain(Secret::new(*password)),
            role: role(name),
        };
        let token = |(name, text): (&str, &str)| Token {
            name: name.into(),
            secret: Secret::new(text),
            role: role(name),
        };
        let tokens = [("deploy", "first"), ("scrape", "second")].into_iter().filter(|_| !users.is_empty());
        Settings {
            listen: listen.parse().unwrap(),
            users: users.iter().map(user).collect(),
            tokens: tokens.map(token).collect(),
            hosts: hosts.iter().map(|host| (*host).into()).collect(),
            session_idle: Duration::from_secs(1_800),
            session_longest: Duration::from_secs(43_200),
        }
    }

    #[test]
    fn only_our_own_names_reach_a_loopback_address() {
        let settings = settings("127.0.0.1:8651", &["push.internal"], &[]);
        let table = [
            (Some("localhost:8651"), true),
            (Some("admin.LOCALHOST"), true),
            (Some("127.0.0.1:8651"), true),
            (Some("[::1]:8651"), true),
            (Some("10.0.0.1"), true),
            (Some("Push.Internal:80"), true),
            (None, true),
            (Some("evil.example:8651"), false),
            (Some("127.0.0.1.evil.example"), false),
            (Some("localhost.evil.example"), false),
            (Some(""), false),
        ];
        for (host, allowed) in table {
            let claims = Claims { host, ..Claims::default() };
            assert_eq!(check_host(&settings, &claims).is_ok(), allowed, "{host:?}");
        }
    }

    #[test]
    fn a_change_from_another_site_is_refused() {
        let table = [
            (None, None, true),
            (Some("http://localhost:8651"), Some("same-origin"), true),
            (None, Some("none"), true),
            (Some("http://localhost:9"), None, false),
            (Some("http://evil.example"), None, false),
            (Some("null"), None, false),
            (None, Some("cross-site"), false),
            (None, Some("same-site"), false),
        ];
        let key = super::super::sessions::Sessions::new(Duration::ZERO, Duration::ZERO)
            .key(super::super::sessions::Given::Cookie("id"));
        let session = Actor::logged_in("ops".into(), Role::Operator, key);
        for (origin, fetch_site, allowed) in table {
            let claims = Claims { host: Some("localhost:8651"), origin, fetch_site, ..Claims::default() };
            let found = check_change(&claims, &Actor::anybody()).is_ok();
            assert_eq!(found, allowed, "{origin:?} {fetch_site:?}");
            let shown = origin.is_some() || fetch_site.is_some();
            assert_eq!(
                check_change(&claims, &session).is_ok(),
                allowed && shown,
                "{origin:?} {fetch_site:?}"
            );
        }
    }

    #[test]
    fn a_viewer_may_not_change_anything() {
        let claims = Claims::default();
        let viewer = Actor::new("look".into(), Role::Viewer);
        assert_eq!(check_change(&claims, &viewer), Err(Denial::Viewer("look".into())));
        assert_eq!(check_change(&claims, &Actor::new("ops".into(), Role::Operator)), Ok(()));
    }

    #[test]
    fn what_an_attacker_varies_is_not_in_the_list() {
        for denial in
            [Denial::Host("x1".into()), Denial::CrossSite("x1".into()), Denial::TooMany(Duration::MAX)]
        {
            assert!(!denial.summary().contains("x1") && !denial.summary().contains("hint"), "{denial:?}");
        }
    }
}
