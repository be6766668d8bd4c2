//! config.toml → typed settings: all faults at once.
//!
//! Read at start, by `pushweir check` and again at each reload. The compiled-in `config.toml` is the only set of defaults; a file
//! and then the environment (`PUSHWEIR__SECTION__KEY`) are laid over it. Only [`Config::load`] and [`Loaded::read`] touch the outside.

mod connections;
mod effective;
mod fault;
mod layer;
mod read;
mod section;
#[cfg(test)]
mod tests;
mod tree;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use connections::Connections;
pub use fault::{Fault, Faults};

use self::fault::Collected;
use self::layer::Layers;
use self::section::{Outside, Section};
use crate::transport::SettingsError;
use crate::transport::probe::Probe;
use crate::units::format_duration;
use crate::{admin, collector, feedback, ingest, pusher, telemetry, transport};

/// The documented defaults.
pub const DEFAULTS: &str = include_str!("../config.toml");

/// The file that is read if none is named and it exists.
const DEFAULT_FILE: &str = "config.toml";

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[runtime]`.
    pub runtime: Runtime,
    /// `[ingest]`.
    pub ingest: ingest::Settings,
    /// `[collector]`.
    pub collector: collector::Settings,
    /// `[admin]`.
    pub admin: admin::Settings,
    /// `[feedback]`.
    pub feedback: feedback::Settings,
    /// `[feedback]`: what senders learn of pushes that have ended.
    pub results: feedback::results::Settings,
    /// `[feedback.webhook]`.
    pub webhook: feedback::webhook::Settings,
    /// `[telemetry] log`: a level or an env_logger filter.
    pub log: String,
    /// `[telemetry.traces]`.
    pub traces: telemetry::trace::Settings,
    /// `[[route]]`, at least one, names unique.
    pub routes: Vec<Route>,
    /// See [`Loaded::effective`].
    pub effective: String,
}

/// `[runtime]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Runtime {
    /// Threads that pushers are spread over; the collector lives on the first.
    pub delivery_threads: usize,
    /// How long SIGTERM may take.
    pub drain_deadline: Duration,
    /// Whether operators may make actors panic, to see supervision at work.
    pub fault_injection: bool,
}

/// One `[[route]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Unique name, `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// Pushers, each with a connection of its own.
    pub connections: Connections,
    /// Its weight when routes compete for the buffer.
    pub share: u32,
    /// Shortest delay before a pusher that failed is started again.
    pub restart_min: Duration,
    /// Longest such delay.
    pub restart_max: Duration,
    /// Restarts within `restart_period` after which the route's supervisor gives up; per connection.
    pub restart_limit: u32,
    /// See `restart_limit`.
    pub restart_period: Duration,
    /// What concerns the pushers.
    pub pusher: pusher::Settings,
    /// The table named after the transport.
    pub transport: Transport,
}

/// A route's transport and its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Transport {
    /// `transport = "xmpp"`, `[route.xmpp]`.
    Xmpp(transport::xmpp::Settings),
    /// `transport = "fcm"`, `[route.fcm]`.
    Fcm(Box<transport::fcm::Settings>),
    /// `transport = "apns"`, `[route.apns]`.
    Apns(Box<transport::apns::Settings>),
    /// `transport = "webpush"`, `[route.webpush]`.
    WebPush(Box<transport::webpush::Settings>),
}

/// How a route opens connections to the peers that its pushes name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnDemand {
    /// To how many at a time.
    pub most: usize,
    /// How long connections stay without pushes.
    pub idle: Duration,
}

/// A configuration and what `check` says about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What is in effect, as TOML with secrets masked and origins as comments.
    pub effective: String,
}

/// A configuration file: its name for messages and its text.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The name.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
}

// === impl Transport ===

impl Transport {
    /// Returns its name as in the configuration and the JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Xmpp(_) => "xmpp",
            Self::Fcm(_) => "fcm",
            Self::Apns(_) => "apns",
            Self::WebPush(_) => "webpush",
        }
    }

    /// Returns the CA certificate that its connections trust, unless it is the system's.
    pub fn ca(&self) -> Option<&Path> {
        match self {
            Self::Xmpp(settings) => settings.ca.as_deref(),
            Self::Fcm(_) | Self::Apns(_) | Self::WebPush(_) => self.http()?.ca.as_deref(),
        }
    }

    /// Returns the settings of its HTTP connections, if that is what it has.
    pub fn http(&self) -> Option<&transport::http2::Settings> {
        match self {
            Self::Xmpp(_) => None,
            Self::Fcm(settings) => Some(&settings.http),
            Self::Apns(settings) => Some(&settings.http),
            Self::WebPush(settings) => Some(&settings.http),
        }
    }

    /// Makes one connection and the cheapest trial of its settings that delivers nothing.
    ///
    /// # Errors
    /// The settings are impossible together.
    pub async fn probe(&self) -> Result<Probe, SettingsError> {
        Ok(match self {
            Self::Xmpp(settings) => transport::xmpp::Connector::new(settings.clone())?.probe().await,
            Self::Fcm(settings) => transport::fcm::Connector::new((**settings).clone())?.probe().await,
            Self::Apns(settings) => transport::apns::Connector::new((**settings).clone())?.probe().await,
            Self::WebPush(settings) => transport::webpush::Connector::new((**settings).clone()).probe().await,
        })
    }

    /// Returns how it opens connections, if it opens them when pushes come.
    pub fn on_demand(&self) -> Option<OnDemand> {
        match self {
            Self::Xmpp(_) | Self::Fcm(_) | Self::Apns(_) => None,
            Self::WebPush(settings) => {
                Some(OnDemand { most: settings.max_origins as usize, idle: settings.idle_shutdown })
            }
        }
    }
}

// === impl Config ===

impl Config {
    /// Reads the defaults, the file (`./config.toml` if none is named and it exists), and the environment.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load(path: Option<&Path>) -> Result<Self, Faults> {
        Loaded::read(path).map(|loaded| loaded.config)
    }

    /// Reads the defaults and a text, without the environment.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn parse(source: Source<'_>) -> Result<Self, Faults> {
        Loaded::assemble(Some(source), Vec::new(), OUTSIDE).map(|loaded| loaded.config)
    }

    /// Returns what is allowed but will probably not work, as lowercase sentences.
    pub fn warnings(&self) -> Vec<String> {
        let missing = |route: &Route| {
            let path = route.transport.ca().filter(|path| !path.exists())?.display();
            Some(format!(
                "the CA certificate of route {} does not exist yet path={path} (hint: it is read at each connection)",
                route.name
            ))
        };
        // The pusher would take a push back, count its place as taken, and send it again, while the connection still waits for the answer.
        let too_patient = |route: &Route| {
            let patience = route.transport.http()?.request_timeout;
            let limit = route.pusher.answer_timeout;
            let told = || {
                let (key, patience, limit) =
                    (route.transport.name(), format_duration(patience), format_duration(limit));
                format!(
                    "route {} never sees its request_timeout: {key}.request_timeout is {patience}, answer_timeout {limit} (hint: pushes \
                     are taken back first and their places stay taken; keep request_timeout below)",
                    route.name
                )
            };
            (patience >= limit).then(told)
        };
        let both = |route| missing(route).into_iter().chain(too_patient(route));
        self.routes.iter().flat_map(both).collect()
    }
}

const OUTSIDE: Outside<'static> =
    Outside { variable: &|name| std::env::var(name).ok(), read: &|path| std::fs::read(path) };

// === impl Loaded ===

impl Loaded {
    /// See [`Config::load`].
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(path: Option<&Path>) -> Result<Self, Faults> {
        let default = PathBuf::from(DEFAULT_FILE);
        let path = path.or_else(|| default.exists().then_some(default.as_path()));
        let Some(path) = path else { return Self::assemble(None, std::env::vars_os(), OUTSIDE) };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let faults = Collected::default();
            faults.push(Fault {
                place: name.clone(),
                key: String::new(),
                value: None,
                problem: format!("cannot be read: {error}"),
                allowed: "a readable TOML file".into(),
                hint: "check the path given with --config".into(),
            });
            faults.into_result().expect_err("a fault was just added")
        })?;
        Self::assemble(Some(Source { name: &name, text: &text }), std::env::vars_os(), OUTSIDE)
    }

    fn assemble(
        source: Option<Source<'_>>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        outside: Outside<'_>,
    ) -> Result<Self, Faults> {
        let faults = Collected::default();
        let defaults = tree::parse(DEFAULTS, None).expect("a test parses the compiled-in text");
        let mut layers = Layers::new(defaults, &faults);
        if let Some(Source { name, text }) = source {
            match tree::parse(text, Some(&Arc::from(name))) {
                Ok(file) => layers.file(file),
                Err(errors) => errors.into_iter().for_each(|error| faults.push(syntax(name, error))),
            }
        }
        layers.environment(environment);
        let root = layers.finish();
        let mut config = read::config(&Section::root(&root, &faults, outside));
        faults.into_result()?;
        let effective = effective::write(&root);
        config.effective.clone_from(&effective);
        Ok(Self { config, effective })
    }
}

fn syntax(name: &str, error: tree::SyntaxFault) -> Fault {
    Fault {
        place: format!("{name}:{}", error.line),
        key: String::new(),
        value: None,
        problem: error.message,
        allowed: "TOML 1.0".into(),
        hint: "text needs quotes, each key its own line".into(),
    }
}
