//! Forms of the page: their encoding, their tokens, and what they ask for. Pure.
//!
//! A browser sends forms of other sites with the user's credentials, so a form counts only with a token that no other site can read.

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use serde_json::json;
use subtle::ConstantTimeEq;

use super::actions::{Call, Misfit, Wanted};
use crate::flow::Command;

/// A keyed hash whose key comes from the system's randomness and dies with the process.
#[derive(Debug, Default)]
pub(super) struct Tokens(RandomState);

/// The fields of a form or query that the page uses; those that were not sent are empty.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Fields {
    /// The token.
    pub(super) token: String,
    /// What to do: `restart`, `pause`, `resume`, `scale`, `test`, `trace`, `log`, `drain`.
    pub(super) verb: String,
    /// `route/number`, a route, or empty for the service.
    pub(super) target: String,
    /// Of a restart.
    pub(super) mode: String,
    /// Of a scaling.
    pub(super) connections: String,
    /// Of a change of the log.
    pub(super) filter: String,
    /// Of pushes to trace.
    pub(super) count: String,
    /// Of a test push: a device's token, or what a sender would write in `to`.
    pub(super) to: String,
    /// Order of the pushers.
    pub(super) sort: String,
    /// `not_ready`, or empty for all pushers.
    pub(super) show: String,
    /// Page of the pushers, from 1.
    pub(super) page: String,
    /// Number of the action whose result is to be shown.
    pub(super) note: String,
    /// Of a login.
    pub(super) name: String,
    /// Of a login.
    pub(super) password: String,
    /// Where a login leads.
    pub(super) next: String,
}

// === impl Tokens ===

impl Tokens {
    /// Returns the token for a seal: a user's name, or what stands for a session.
    pub(super) fn of(&self, seal: &str) -> String {
        format!("{:016x}{:016x}", self.0.hash_one((0_u8, seal)), self.0.hash_one((1_u8, seal)))
    }

    /// Returns whether a token is that of a seal.
    pub(super) fn is_of(&self, seal: &str, token: &str) -> bool {
        self.of(seal).as_bytes().ct_eq(token.as_bytes()).into()
    }
}

// === impl Fields ===

impl Fields {
    /// Reads `application/x-www-form-urlencoded` text; fields that are not known are passed over.
    pub(super) fn read(text: &[u8]) -> Self {
        let mut fields = Self::default();
        for pair in text.split(|byte| *byte == b'&') {
            let (name, value) = pair.split_at(memchr::memchr(b'=', pair).unwrap_or(pair.len()));
            let field = match name {
                b"token" => &mut fields.token,
                b"do" => &mut fields.verb,
                b"target" => &mut fields.target,
                b"mode" => &mut fields.mode,
                b"connections" => &mut fields.connections,
                b"filter" => &mut fields.filter,
                b"count" => &mut fields.count,
                b"to" => &mut fields.to,
                b"sort" => &mut fields.sort,
                b"show" => &mut fields.show,
                b"page" => &mut fields.page,
                b"note" => &mut fields.note,
                b"name" => &mut fields.name,
                b"password" => &mut fields.password,
                b"next" => &mut fields.next,
                _ => continue,
            };
            *field = decode(value.strip_prefix(b"=").unwrap_or(value));
        }
        fields
    }

    /// Returns where to go after a login: a place of ours, never another site.
    pub(super) fn destination(&self) -> &str {
        let next = self.next.as_str();
        let is_ours = next.starts_with('/')
            && !next.starts_with("//")
            && !next.contains('\\')
            && next.bytes().all(|byte| byte.is_ascii_graphic());
        if is_ours { next } else { "/" }
    }

    /// Finds the command that is meant, by the rules of the API.
    ///
    /// # Errors
    /// Why none is.
    pub(super) fn command(&self) -> Result<Command, Misfit> {
        let scope = match self.target.as_str() {
            "" => String::new(),
            target if target.contains('/') => format!("pushers/{target}/"),
            target => format!("routes/{target}/"),
        };
        let path = format!("/admin/api/{scope}{}", self.verb);
        let query = match self.verb.as_str() {
            "log" => format!("filter={}", encode(&self.filter)),
            "trace" => format!("next={}", encode(&self.count)),
            _ if self.mode.is_empty() => String::new(),
            _ => format!("mode={}", self.mode),
        };
        let body = if self.verb == "test" { self.test() } else { self.scale() };
        match (Wanted { method: "POST", path: &path, query: &query, body: body.as_bytes() }).call()? {
            Call::Run(command) => Ok(command),
            _ => Err(Misfit::Invalid("this is not an action".to_owned())),
        }
    }
}

// === impl Fields ===

impl Fields {
    fn scale(&self) -> String {
        let connections: Option<u32> = self.connections.parse().ok();
        connections.map_or_else(String::new, |connections| format!("{{\"connections\":{connections}}}"))
    }

    fn test(&self) -> String {
        let to = self.to.trim();
        let token = || json!({ "token": to }).to_string();
        let to = if to.starts_with('{') { to.to_owned() } else { token() };
        format!("{{\"to\":{to}}}")
    }
}

/// Returns the text that a part of a query stands for.
pub(super) fn decode(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let (byte, tail) = match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => ((high * 16 + low) as u8, after),
                _ => (b'%', tail),
            },
            (b'+', _) => (b' ', tail),
            (other, _) => (*other, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns text as it may stand in a query.
pub(super) fn encode(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let byte = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    Cow::Owned(text.bytes().map(byte).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::RestartMode;
    use crate::units::Secret;

    fn command(text: &str) -> Result<Command, Misfit> {
        Fields::read(text.as_bytes()).command()
    }

    #[test]
    fn forms_ask_for_what_the_api_offers() {
        let route = || "android".to_owned();
        let table = [
            (
                "do=restart&target=android%2F3&mode=force",
                Command::RestartPusher { route: route(), number: 3, mode: RestartMode::Force },
            ),
            (
                "do=restart&target=android&mode=",
                Command::RestartRoute { route: route(), mode: RestartMode::Graceful },
            ),
            (
                "target=android&do=scale&connections=12",
                Command::ScaleRoute { route: route(), connections: 12 },
            ),
            ("do=pause&target=android", Command::PauseRoute { route: route() }),
            ("do=resume&target=android%2f0&x=y", Command::ResumePusher { route: route(), number: 0 }),
            ("do=drain", Command::Drain),
            ("do=trace&target=&count=10", Command::TraceNext { count: 10 }),
            (
                "do=log&filter=info%2Cpushweir%3A%3Apusher%3Ddebug",
                Command::SetLog { filter: "info,pushweir::pusher=debug".into() },
            ),
            (
                "do=test&target=android&to=a%22b",
                Command::TestPush { route: route(), to: Secret::new("{\"token\":\"a\\\"b\"}") },
            ),
            (
                "do=test&target=android&to=+%7B%22topic%22%3A%22t%22%7D",
                Command::TestPush { route: route(), to: Secret::new("{\"topic\":\"t\"}") },
            ),
            ("do=resume&target=", Command::Resume),
        ];
        for (text, expected) in table {
            assert_eq!(command(text), Ok(expected), "{text}");
        }
        for text in ["", "do=state", "do=scale&target=android", "do=restart&target=a%2Fb", "do=../drain"] {
            assert!(command(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_is_of_one_user_and_one_process() {
        let tokens = Tokens::default();
        let token = tokens.of("ops");
        assert!(tokens.is_of("ops", &token) && token.len() == 32);
        assert!(
            !tokens.is_of("dev", &token) && !tokens.is_of("ops", "") && !tokens.is_of("ops", &token[1..])
        );
        assert!(!Tokens::default().is_of("ops", &token));
    }

    #[test]
    fn a_login_leads_to_no_other_site() {
        let next = |text: &str| Fields { next: text.into(), ..Fields::default() }.destination().to_owned();
        assert_eq!(next("/?sort=p99&page=2#pushers"), "/?sort=p99&page=2#pushers");
        for foreign in
            ["", "evil.example", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nx: y"]
        {
            assert_eq!(next(foreign), "/", "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in ".{0,20}") {
            prop_assert_eq!(decode(encode(&text).as_bytes()), text);
        }

        #[test]
        fn no_form_panics(text: Vec<u8>) {
            let _ = Fields::read(&text).command();
        }
    }
}
