//! What a request proves who it is by: a session's cookie, HTTP Basic, or a bearer token. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::password::Proof;
use super::{Settings, Token, User};

/// Before the name of a cookie that a browser takes over TLS from this very host only (RFC 6265bis section 4.1.3.2).
const HOST_ONLY: &str = "__Host-";

/// A proof, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credentials<'a> {
    /// None.
    Absent,
    /// A session's id.
    Session(&'a str),
    /// RFC 7617; the header as it is, name and password.
    Basic(&'a str, String, Vec<u8>),
    /// RFC 6750 section 2.1.
    Bearer(&'a str),
    /// A header that says nothing we know.
    Unreadable,
}

// === impl Credentials ===

impl<'a> Credentials<'a> {
    /// Reads the headers `Authorization`, which counts first, and `Cookie`; `port` is in the cookie's name, because cookies of one host
    /// are the same for all of its ports.
    pub(super) fn read(authorization: Option<&'a str>, cookies: Option<&'a str>, port: u16) -> Self {
        match (authorization, cookies.and_then(|cookies| session(cookies, port))) {
            (Some(header), _) => authorized(header),
            (None, Some(id)) => Self::Session(id),
            (None, None) => Self::Absent,
        }
    }
}

fn authorized(header: &str) -> Credentials<'_> {
    let Some((scheme, rest)) = header.split_once(' ') else { return Credentials::Unreadable };
    if scheme.eq_ignore_ascii_case("Bearer") {
        return Credentials::Bearer(rest.trim());
    }
    let basic = Some(rest.trim()).filter(|_| scheme.eq_ignore_ascii_case("Basic"));
    let decoded = basic.and_then(|encoded| STANDARD.decode(encoded).ok());
    let Some(decoded) = decoded else { return Credentials::Unreadable };
    let Some(colon) = memchr::memchr(b':', &decoded) else { return Credentials::Unreadable };
    let Ok(name) = std::str::from_utf8(&decoded[..colon]) else { return Credentials::Unreadable };
    Credentials::Basic(header, name.to_owned(), decoded[colon + 1..].to_vec())
}

/// Returns the id in a cookie header; the one that only this host can have set counts first.
fn session(cookies: &str, port: u16) -> Option<&str> {
    let (strict, plain) = (cookie_name(port, true), cookie_name(port, false));
    let pairs = || cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    let find = |wanted: &str| pairs().find(|(name, _)| *name == wanted).map(|(_, id)| id);
    find(&strict).or_else(|| find(&plain))
}

fn cookie_name(port: u16, is_secure: bool) -> String {
    format!("{}pushweir_{port}", if is_secure { HOST_ONLY } else { "" })
}

/// Returns the header that gives a browser its session, or takes it away when `id` is empty.
pub(super) fn cookie(port: u16, is_secure: bool, id: &str) -> String {
    let name = cookie_name(port, is_secure);
    let secure = if is_secure { "; Secure" } else { "" };
    let age = if id.is_empty() { "; Max-Age=0" } else { "" };
    format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict{secure}{age}")
}

/// Returns the user of a name, and what the password is to be compared with. A stand-in of the same cost takes the place of a user who
/// does not exist, so that the time does not tell.
pub(super) fn user<'s>(settings: &'s Settings, name: &str) -> (Option<&'s User>, Option<&'s Proof>) {
    let known = settings.users.iter().find(|user| user.name == name);
    let costly = settings.users.iter().find(|user| user.proof.is_slow());
    let stand_in = costly.or(settings.users.first());
    (known, known.or(stand_in).map(|user| &user.proof))
}

/// Returns whose token it is. All are compared in full.
pub(super) fn token<'s>(settings: &'s Settings, given: &str) -> Option<&'s Token> {
    let is_same = |token: &Token| bool::from(token.secret.expose().as_bytes().ct_eq(given.as_bytes()));
    let same: Vec<bool> = settings.tokens.iter().map(is_same).collect();
    settings.tokens.iter().zip(same).find(|(_, same)| *same).map(|(token, _)| token)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::guard::tests::settings;
    use super::*;

    #[test]
    fn a_request_proves_itself_by_header_or_cookie() {
        let basic = |text: &str| format!("basic {}", STANDARD.encode(text));
        let header = basic("ops:pa:ss");
        let expected = Credentials::Basic(&header, "ops".into(), b"pa:ss".to_vec());
        assert_eq!(Credentials::read(Some(&header), Some("pushweir_80=id"), 80), expected);
        assert_eq!(Credentials::read(Some("BEARER tok "), None, 80), Credentials::Bearer("tok"));
        for unreadable in ["", "Basic", "Basic %%%", "Digest x", "Bas", &basic("ops")] {
            assert_eq!(
                Credentials::read(Some(unreadable), None, 80),
                Credentials::Unreadable,
                "{unreadable}"
            );
        }
        let cookies = [
            ("pushweir_80=id", Credentials::Session("id")),
            ("a=b; pushweir_80=id ;c", Credentials::Session("id")),
            ("pushweir_80=planted; __Host-pushweir_80=id", Credentials::Session("id")),
            ("pushweir_81=id", Credentials::Absent),
            ("xpushweir_80=id", Credentials::Absent),
            ("", Credentials::Absent),
        ];
        for (text, expected) in cookies {
            assert_eq!(Credentials::read(None, Some(text), 80), expected, "{text}");
        }
    }

    #[test]
    fn a_cookie_is_for_this_host_only_and_no_script_reads_it() {
        assert_eq!(cookie(80, false, "id"), "pushweir_80=id; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(
            cookie(80, true, "id"),
            "__Host-pushweir_80=id; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        assert!(cookie(80, true, "").ends_with("Secure; Max-Age=0"));
    }

    #[test]
    fn users_and_tokens_are_found_by_what_they_are() {
        let settings = settings("127.0.0.1:80", &[], &[("ops", "one"), ("look", "two")]);
        let (known, proof) = user(&settings, "look");
        assert!(known.is_some_and(|user| user.name == "look") && proof.is_some_and(|proof| proof.is(b"two")));
        let (unknown, proof) = user(&settings, "nobody");
        assert!(unknown.is_none() && proof.is_some(), "somebody's proof is compared all the same");
        let names = ["first", "second"].map(|given| token(&settings, given).map(|token| token.name.as_str()));
        assert_eq!(names, [Some("deploy"), Some("scrape")]);
        assert!(token(&settings, "").is_none() && token(&settings, "firs").is_none());
    }

    proptest! {
        #[test]
        fn no_header_panics(authorization in prop::option::of(".{0,40}"), cookies in prop::option::of("[a-z_0-9=; ]{0,60}")) {
            let _ = Credentials::read(authorization.as_deref(), cookies.as_deref(), 80);
        }
    }
}
