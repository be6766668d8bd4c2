//! Who may use the interface: host names, origins and credentials. Pure.
//!
//! Anybody on the machine can open a loopback address, and so can any web page in a browser there. So a request must be addressed to a
//! name that is ours (against DNS rebinding), and a change must come from our own page (against cross-site requests).

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::{Role, Settings, User};

/// What a request says about where it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Claims<'a> {
    pub(super) host: Option<&'a str>,
    pub(super) origin: Option<&'a str>,
    pub(super) fetch_site: Option<&'a str>,
    pub(super) authorization: Option<&'a str>,
}

/// Why a request is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denial {
    /// 401.
    #[error("credentials are needed (hint: HTTP Basic with a user of [admin] users)")]
    Unknown,
    /// 403.
    #[error("the host name {0:?} is not one of ours (hint: [admin] hosts)")]
    Host(String),
    /// 403.
    #[error("changes are taken from the admin page itself only, not from {0:?}")]
    CrossSite(String),
    /// 403.
    #[error("{0:?} is a viewer and may look but not act (hint: role = \"operator\" in [admin] users)")]
    Viewer(String),
    /// 403.
    #[error(
        "the form has no valid token: it is older than this process, or not ours (hint: reload the page)"
    )]
    Token,
    /// 429, and when to come back.
    #[error("too many failed logins from this address (hint: wait {} s)", .0.as_secs().max(1))]
    TooMany(Duration),
}

/// Who makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Actor<'s> {
    /// The user's name, or `anybody`.
    pub(super) name: &'s str,
    role: Role,
}

// === impl Actor ===

impl<'s> Actor<'s> {
    /// Whoever can connect, where no users are configured.
    pub(super) const ANYBODY: Self = Self { name: "anybody", role: Role::Operator };

    /// Returns a user.
    pub(super) const fn of(user: &'s User) -> Self {
        Self { name: user.name.as_str(), role: user.role }
    }

    /// Returns whether they may act.
    pub(super) const fn is_operator(self) -> bool {
        matches!(self.role, Role::Operator)
    }
}

/// Checks a request and returns who makes it.
pub(super) fn admit<'s>(
    settings: &'s Settings,
    claims: &Claims<'_>,
    change: bool,
) -> Result<Actor<'s>, Denial> {
    check_host(settings, claims)?;
    let actor = authenticate(&settings.users, claims.authorization)?;
    if change {
        check_origin(claims)?;
        if !actor.is_operator() {
            return Err(Denial::Viewer(actor.name.to_owned()));
        }
    }
    Ok(actor)
}

fn check_host(settings: &Settings, claims: &Claims<'_>) -> Result<(), Denial> {
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
    if literal || local || listed { Ok(()) } else { Err(Denial::Host(host.chars().take(100).collect())) }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn check_origin(claims: &Claims<'_>) -> Result<(), Denial> {
    let denied = |from: &str| Err(Denial::CrossSite(from.chars().take(100).collect()));
    if let Some(site) = claims.fetch_site.filter(|site| !matches!(*site, "same-origin" | "none")) {
        return denied(site);
    }
    let Some(origin) = claims.origin else { return Ok(()) };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    match (authority, claims.host) {
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => Ok(()),
        _ => denied(origin),
    }
}

/// RFC 7617 section 2.
fn authenticate<'s>(users: &'s [User], authorization: Option<&str>) -> Result<Actor<'s>, Denial> {
    if users.is_empty() {
        return Ok(Actor::ANYBODY);
    }
    let given = authorization.and_then(|text| text.split_at_checked(6));
    let encoded = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Basic "));
    let decoded =
        encoded.and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok()).ok_or(Denial::Unknown)?;
    let colon = memchr::memchr(b':', &decoded).ok_or(Denial::Unknown)?;
    let (name, password) = (&decoded[..colon], &decoded[colon + 1..]);
    // All users are compared in full, so that the time does not tell how near a guess was.
    let matches = users
        .iter()
        .map(|user| user.name.as_bytes().ct_eq(name) & user.password.expose().as_bytes().ct_eq(password));
    let matches: Vec<bool> = matches.map(bool::from).collect();
    users.iter().zip(matches).find(|(_, same)| *same).map(|(user, _)| Actor::of(user)).ok_or(Denial::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Secret;

    fn settings(listen: &str, hosts: &[&str], users: &[(&str, &str)]) -> Settings {
        let user = |(name, password): &(&str, &str)| User {
            name: (*name).into(),
            password: Secret::new(*password),
            role: if *name == "look" { Role::Viewer } else { Role::Operator },
        };
        Settings {
            listen: listen.parse().unwrap(),
            users: users.iter().map(user).collect(),
            hosts: hosts.iter().map(|host| (*host).into()).collect(),
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
            assert_eq!(admit(&settings, &claims, false).is_ok(), allowed, "{host:?}");
        }
    }

    #[test]
    fn a_change_from_another_site_is_refused() {
        let settings = settings("127.0.0.1:8651", &[], &[]);
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
        for (origin, fetch_site, allowed) in table {
            let claims = Claims { host: Some("localhost:8651"), origin, fetch_site, ..Claims::default() };
            assert_eq!(admit(&settings, &claims, true).is_ok(), allowed, "{origin:?} {fetch_site:?}");
            assert!(admit(&settings, &claims, false).is_ok(), "reading is allowed");
        }
    }

    #[test]
    fn credentials_must_be_those_of_a_user() {
        let settings = settings("0.0.0.0:8651", &[], &[("ops", "pa:ss"), ("dev", "word"), ("look", "only")]);
        let basic = |text: &str| format!("basic {}", STANDARD.encode(text));
        for (text, actor) in [
            ("ops:pa:ss", Some("ops")),
            ("dev:word", Some("dev")),
            ("ops:word", None),
            ("ops", None),
            ("", None),
        ] {
            let authorization = basic(text);
            let claims = Claims { authorization: Some(&authorization), ..Claims::default() };
            assert_eq!(admit(&settings, &claims, false).ok().map(|actor| actor.name), actor, "{text}");
        }
        let authorization = basic("look:only");
        let claims = Claims { authorization: Some(&authorization), ..Claims::default() };
        assert!(admit(&settings, &claims, false).is_ok_and(|actor| !actor.is_operator()));
        assert_eq!(admit(&settings, &claims, true), Err(Denial::Viewer("look".into())));
        for authorization in [None, Some("Bearer x"), Some("Basic %%%"), Some("Bas")] {
            let claims = Claims { authorization, ..Claims::default() };
            assert_eq!(admit(&settings, &claims, false), Err(Denial::Unknown));
        }
    }
}
