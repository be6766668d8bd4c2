//! What the operator may ask for: method and path → a call. Pure; `http` carries it out on a [`Backend`].

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::forms::decode;
use super::measured::Measured;
use super::record::Record;
use super::state::{self, Snapshot};
use crate::flow::{Command, CommandError, RestartMode};
use crate::telemetry::log as logging;
use crate::units::Secret;

/// The service behind the interface. Implemented by `app`.
pub trait Backend: Send + Sync {
    /// Returns the service as it is at this instant; balanced.
    fn snapshot(&self) -> Snapshot;

    /// Returns what the page remembers.
    fn record(&self) -> &Record;

    /// Returns the configuration that is in effect, secrets masked.
    fn configuration(&self) -> String;

    /// Carries a command out and returns the new state of the thing.
    ///
    /// # Errors
    /// Why it was not carried out.
    fn command(&self, command: Command) -> BoxFuture<'static, Result<serde_json::Value, CommandError>>;

    /// Returns what is measured for scrapers alone.
    fn measured(&self) -> Measured {
        Measured::default()
    }

    /// Returns whether pushes can be taken and delivered now.
    ///
    /// # Errors
    /// Why not.
    fn readiness(&self) -> Result<(), &'static str> {
        state::readiness(&self.snapshot())
    }
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    Page,
    State,
    Events,
    Health,
    Ready,
    Metrics,
    History,
    Audit,
    Configuration,
    /// The question before an action.
    Confirm,
    /// A file of the page.
    Asset(String),
    /// A form of the page, to be read yet.
    Form,
    /// The end of a session.
    Logout,
    Run(Command),
}

/// A request that was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misfit {
    /// No such path (404).
    NotFound(String),
    /// Another method (405), and the one that is allowed.
    Method(&'static str),
    /// A value that is not allowed (400).
    Invalid(String),
}

/// The most connections a route may have: above what any provider allows a sender.
pub const MAX_CONNECTIONS: u32 = 5_000;

/// The most pushes that an operator may have traced at a time.
pub(super) const MAX_TRACED: u32 = 10_000;

/// Every path, for people who took a wrong one.
pub(super) const PATHS: [&str; 20] = [
    "GET /",
    "GET /admin/api/state",
    "GET /admin/api/events",
    "GET /admin/api/history",
    "GET /admin/api/audit",
    "GET /admin/api/config",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "POST /admin/api/pushers/{route}/{n}/restart?mode=graceful|force",
    "POST /admin/api/pushers/{route}/{n}/pause|resume",
    "POST /admin/api/routes/{route}/restart?mode=graceful|force",
    "POST /admin/api/routes/{route}/scale {\"connections\":n}",
    "POST /admin/api/routes/{route}/pause|resume",
    "POST /admin/api/faults/panic?target=collector|{route}/{n}",
    "POST /admin/api/routes/{route}/test {\"to\":{\"token\":\"…\"}}",
    "POST /admin/api/trace?next=n",
    "POST /admin/api/log?filter=info,pushweir::pusher=debug",
    "POST /admin/api/drain",
    "POST /admin/api/resume",
];

/// A request, as far as it decides what is meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scale {
    connections: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test<'a> {
    #[serde(borrow)]
    to: &'a RawValue,
}

// === impl Wanted ===

impl Wanted<'_> {
    /// Finds out what is meant.
    pub(super) fn call(self) -> Result<Call, Misfit> {
        let parts: Vec<&str> = self.path.trim_matches('/').split('/').collect();
        match parts[..] {
            [""] => self.read(Call::Page),
            ["healthz"] => self.read(Call::Health),
            ["readyz"] => self.read(Call::Ready),
            ["metrics"] => self.read(Call::Metrics),
            ["admin", "api", "state"] => self.read(Call::State),
            ["admin", "api", "events"] => self.read(Call::Events),
            ["admin", "api", "history"] => self.read(Call::History),
            ["admin", "api", "audit"] => self.read(Call::Audit),
            ["admin", "api", "config"] => self.read(Call::Configuration),
            ["confirm"] => self.read(Call::Confirm),
            ["admin", "assets", name] => self.read(Call::Asset(name.to_owned())),
            ["admin", "actions"] => self.form(Call::Form),
            ["logout"] => self.form(Call::Logout),
            ["admin", "api", "faults", "panic"] => self.change(|| self.target()),
            ["admin", "api", "log"] => self.change(|| self.filter()),
            ["admin", "api", "trace"] => self.change(|| self.next()),
            ["admin", "api", "drain"] => self.change(|| Ok(Command::Drain)),
            ["admin", "api", "resume"] => self.change(|| Ok(Command::Resume)),
            ["admin", "api", "pushers", route, number, verb @ ("restart" | "pause" | "resume")] => {
                self.change(|| self.pusher(route, number, verb))
            }
            ["admin", "api", "routes", route, verb @ ("restart" | "scale" | "pause" | "resume" | "test")] => {
                self.change(|| self.route(route.into(), verb))
            }
            _ => Err(self.not_found()),
        }
    }

    fn not_found(self) -> Misfit {
        let path: String = self.path.chars().take(100).collect();
        Misfit::NotFound(format!("there is no {path} (hint: there is {})", PATHS.join(", ")))
    }

    fn read(self, call: Call) -> Result<Call, Misfit> {
        if matches!(self.method, "GET" | "HEAD") { Ok(call) } else { Err(Misfit::Method("GET, HEAD")) }
    }

    fn change(self, command: impl FnOnce() -> Result<Command, Misfit>) -> Result<Call, Misfit> {
        if self.method == "POST" { command().map(Call::Run) } else { Err(Misfit::Method("POST")) }
    }

    fn form(self, call: Call) -> Result<Call, Misfit> {
        if self.method == "POST" { Ok(call) } else { Err(Misfit::Method("POST")) }
    }

    fn pusher(self, route: &str, number: &str, verb: &str) -> Result<Command, Misfit> {
        let Ok(number) = number.parse() else {
            let message = format!("there is no pusher {route}/{number} (hint: pushers are numbered from 0)");
            return Err(Misfit::NotFound(message));
        };
        let route = route.to_owned();
        Ok(match verb {
            "pause" => Command::PausePusher { route, number },
            "resume" => Command::ResumePusher { route, number },
            _ => Command::RestartPusher { route, number, mode: self.mode()? },
        })
    }

    fn route(self, route: String, verb: &str) -> Result<Command, Misfit> {
        Ok(match verb {
            "pause" => Command::PauseRoute { route },
            "resume" => Command::ResumeRoute { route },
            "test" => Command::TestPush { route, to: self.to()? },
            "scale" => Command::ScaleRoute { route, connections: self.connections()? },
            _ => Command::RestartRoute { route, mode: self.mode()? },
        })
    }

    /// Returns a value of the query, decoded.
    fn value(self, key: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(name, _)| *name == key).map(|(_, value)| decode(value.as_bytes()))
    }

    fn filter(self) -> Result<Command, Misfit> {
        match self.value("filter").filter(|filter| logging::is_filter(filter)) {
            Some(filter) => Ok(Command::SetLog { filter }),
            None => Err(Misfit::Invalid(format!("filter must be {}", logging::FILTERS))),
        }
    }

    fn next(self) -> Result<Command, Misfit> {
        let read = self.value("next").and_then(|next| next.parse().ok());
        match read.filter(|count| (1..=MAX_TRACED).contains(count)) {
            Some(count) => Ok(Command::TraceNext { count }),
            None => Err(Misfit::Invalid(format!("next must be a number from 1 to {MAX_TRACED}"))),
        }
    }

    fn to(self) -> Result<Secret, Misfit> {
        // The library's error would quote the token.
        let test: Test<'_> = serde_json::from_slice(self.body).map_err(|_| {
            Misfit::Invalid("the body must be {\"to\":{\"token\":\"…\"}}, or another `to` of a push".into())
        })?;
        Ok(Secret::new(test.to.get()))
    }

    fn target(self) -> Result<Command, Misfit> {
        let given = self.query.split('&').find_map(|pair| pair.strip_prefix("target="));
        match given {
            Some(target) => Ok(Command::Panic { target: target.to_owned() }),
            None => Err(Misfit::Invalid(
                "target is missing (hint: ?target=collector or ?target=android/0)".into(),
            )),
        }
    }

    fn mode(self) -> Result<RestartMode, Misfit> {
        let given = self.query.split('&').find_map(|pair| pair.strip_prefix("mode="));
        match given {
            None | Some("graceful") => Ok(RestartMode::Graceful),
            Some("force") => Ok(RestartMode::Force),
            Some(_) => Err(Misfit::Invalid("mode must be graceful or force".into())),
        }
    }

    fn connections(self) -> Result<u32, Misfit> {
        let invalid = |cause: String| {
            let message =
                format!("the body must be {{\"connections\":n}} with n from 1 to {MAX_CONNECTIONS}: {cause}");
            Misfit::Invalid(message)
        };
        let scale: Scale = serde_json::from_slice(self.body).map_err(|error| invalid(error.to_string()))?;
        match scale.connections {
            connections @ 1..=MAX_CONNECTIONS => Ok(connections),
            other => Err(invalid(format!("{other} is out of range"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(method: &str, target: &str, body: &str) -> Result<Call, Misfit> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Wanted { method, path, query, body: body.as_bytes() }.call()
    }

    #[test]
    fn every_path_of_the_contract_is_understood() {
        let route = || "android".to_owned();
        let mode = RestartMode::Graceful;
        let table = [
            (
                "/admin/api/pushers/android/3/restart",
                Command::RestartPusher { route: route(), number: 3, mode },
            ),
            (
                "/admin/api/pushers/android/3/restart?mode=force",
                Command::RestartPusher { route: route(), number: 3, mode: RestartMode::Force },
            ),
            ("/admin/api/pushers/android/0/pause", Command::PausePusher { route: route(), number: 0 }),
            ("/admin/api/pushers/android/0/resume", Command::ResumePusher { route: route(), number: 0 }),
            ("/admin/api/routes/android/restart", Command::RestartRoute { route: route(), mode }),
            ("/admin/api/routes/android/pause", Command::PauseRoute { route: route() }),
            ("/admin/api/routes/android/resume", Command::ResumeRoute { route: route() }),
            ("/admin/api/drain", Command::Drain),
            ("/admin/api/resume", Command::Resume),
        ];
        for (target, command) in table {
            assert_eq!(call("POST", target, ""), Ok(Call::Run(command)), "{target}");
            assert_eq!(call("GET", target, ""), Err(Misfit::Method("POST")), "{target}");
        }
        let table = [
            ("/admin/api/trace?next=25", Command::TraceNext { count: 25 }),
            (
                "/admin/api/log?filter=info,pushweir::pusher%3Ddebug",
                Command::SetLog { filter: "info,pushweir::pusher=debug".into() },
            ),
        ];
        for (target, command) in table {
            assert_eq!(call("POST", target, ""), Ok(Call::Run(command)), "{target}");
            assert_eq!(call("GET", target, ""), Err(Misfit::Method("POST")), "{target}");
        }
        let test = call("POST", "/admin/api/routes/android/test", "{\"to\":{\"token\":\"t\"}}");
        let to = Secret::new("{\"token\":\"t\"}");
        assert_eq!(test, Ok(Call::Run(Command::TestPush { route: route(), to })));
        let scale = call("POST", "/admin/api/routes/android/scale", "{\"connections\":12}");
        assert_eq!(scale, Ok(Call::Run(Command::ScaleRoute { route: route(), connections: 12 })));
        for (path, wanted) in [
            ("/", Call::Page),
            ("/admin/api/state", Call::State),
            ("/admin/api/events", Call::Events),
            ("/healthz", Call::Health),
            ("/readyz", Call::Ready),
            ("/metrics", Call::Metrics),
        ] {
            assert_eq!(call("GET", path, ""), Ok(wanted));
            assert_eq!(call("POST", path, ""), Err(Misfit::Method("GET, HEAD")));
        }
    }

    #[test]
    fn wrong_values_say_what_is_allowed() {
        let invalid = |target: &str, body: &str| match call("POST", target, body) {
            Err(Misfit::Invalid(message) | Misfit::NotFound(message)) => message,
            other => panic!("{other:?}"),
        };
        assert!(invalid("/admin/api/routes/a/restart?mode=now", "").contains("graceful or force"));
        assert!(invalid("/admin/api/pushers/a/x/pause", "").contains("no pusher a/x"));
        assert!(invalid("/admin/api/pushers/a/-1/pause", "").contains("numbered from 0"));
        assert!(invalid("/admin/api/nothing", "").contains("GET /admin/api/state"));
        for query in ["", "?next=0", "?next=10001", "?next=x", "?count=3"] {
            assert!(invalid(&format!("/admin/api/trace{query}"), "").contains("1 to 10000"), "{query}");
        }
        for query in ["", "?filter=", "?filter=loud", "?filter=info,a b=warn"] {
            assert!(invalid(&format!("/admin/api/log{query}"), "").contains("info"), "{query}");
        }
        let refused = invalid("/admin/api/routes/a/test", "{\"to\":pr1vate}");
        assert!(refused.contains("token") && !refused.contains("pr1vate"), "{refused}");
        for body in [
            "",
            "{}",
            "{\"connections\":0}",
            "{\"connections\":5001}",
            "{\"connections\":\"1\"}",
            "{\"connections\":1,\"x\":1}",
        ] {
            assert!(invalid("/admin/api/routes/a/scale", body).contains("1 to 5000"), "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_request_panics_and_only_a_post_commands(method in "GET|HEAD|POST|PUT", path in "(/[a-z0-9.]{0,8}){0,6}", query in ".{0,12}", body: Vec<u8>) {
            let call = Wanted { method: &method, path: &path, query: &query, body: &body }.call();
            prop_assert!(!matches!(call, Ok(Call::Run(_))) || method == "POST");
        }
    }
}
