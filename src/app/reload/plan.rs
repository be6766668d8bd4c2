//! What a new configuration leads to, compared with the one in effect. Pure.

use crate::config::{Config, Route};

/// What a new configuration leads to.
#[derive(Debug)]
pub(super) struct Plan {
    /// What will be in effect.
    pub(super) config: Config,
    /// What has to be done, in this order.
    pub(super) steps: Vec<Step>,
    /// Keys that keep their old value until a restart.
    pub(super) restart: Vec<&'static str>,
}

/// Something that has to be done; routes by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Change the log's filter.
    Log,
    /// Trace other requests, or export spans elsewhere.
    Traces,
    /// Retries follow other settings.
    Feedback,
    /// Results do.
    Results,
    /// The webhook does.
    Webhook,
    /// The buffer does.
    Collector,
    /// Replace an HTTP server, by its name in the tree.
    Server(&'static str),
    /// Let a route deliver what it holds, and take nothing new.
    Remove(String),
    /// Add a route, or take up one that was removed.
    Add(String),
    /// Send a route's new pushes by another transport.
    Transport(String),
    /// A route follows its settings; those of running pushers count at once.
    Settings(String),
    /// Change a route's connections.
    Scale(String),
    /// Give a route's pushers another account or peer, one at a time.
    Rotate(String),
}

// === impl Step ===

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Log => f.write_str("log"),
            Self::Traces => f.write_str("traces"),
            Self::Feedback => f.write_str("feedback"),
            Self::Results => f.write_str("results"),
            Self::Webhook => f.write_str("webhook"),
            Self::Collector => f.write_str("collector"),
            Self::Server(id) => write!(f, "the server of {id}"),
            Self::Remove(route) => write!(f, "route {route} removed"),
            Self::Add(route) => write!(f, "route {route} added"),
            Self::Transport(route) => write!(f, "transport of {route}"),
            Self::Settings(route) => write!(f, "settings of {route}"),
            Self::Scale(route) => write!(f, "connections of {route}"),
            Self::Rotate(route) => write!(f, "account or peer of {route}"),
        }
    }
}

impl Step {
    /// Returns the route that it concerns.
    pub(super) fn route(&self) -> Option<&str> {
        match self {
            Self::Remove(name)
            | Self::Add(name)
            | Self::Transport(name)
            | Self::Settings(name)
            | Self::Scale(name)
            | Self::Rotate(name) => Some(name),
            Self::Log
            | Self::Traces
            | Self::Feedback
            | Self::Results
            | Self::Webhook
            | Self::Collector
            | Self::Server(_) => None,
        }
    }

    /// Returns whether it needs what opens connections with the new settings.
    pub(super) const fn connects(&self) -> bool {
        matches!(self, Self::Add(_) | Self::Transport(_) | Self::Rotate(_))
    }
}

// === impl Plan ===

impl Plan {
    /// Compares the configuration in effect with a new one.
    pub(super) fn of(old: &Config, new: Config) -> Self {
        let mut config = new;
        let mut restart = Vec::new();
        let mut keep = |is_changed: bool, key| {
            if is_changed {
                restart.push(key);
            }
        };
        keep(old.ingest.listen != config.ingest.listen, "ingest.listen");
        let ids =
            |settings: &crate::ingest::Settings| (settings.idempotency_window, settings.idempotency_ids);
        keep(ids(&old.ingest) != ids(&config.ingest), "ingest.idempotency_window, ingest.idempotency_ids");
        keep(old.admin.listen != config.admin.listen, "admin.listen");
        keep(old.runtime.delivery_threads != config.runtime.delivery_threads, "runtime.delivery_threads");
        keep(old.collector.intake != config.collector.intake, "collector.intake");
        config.ingest.listen = old.ingest.listen;
        config.ingest.idempotency_window = old.ingest.idempotency_window;
        config.ingest.idempotency_ids = old.ingest.idempotency_ids;
        config.admin.listen = old.admin.listen;
        config.runtime.delivery_threads = old.runtime.delivery_threads;
        config.collector.intake = old.collector.intake;
        let kept = restart.iter().map(|key| format!("# needs a restart, the old value stays: {key}\n"));
        config.effective = kept.chain([std::mem::take(&mut config.effective)]).collect();
        let steps = steps(old, &config);
        Self { config, steps, restart }
    }

    /// Returns what is in effect when these of its steps have failed: for them the old settings, so that the next reload tries again.
    pub(super) fn without(&self, failed: &[&Step], old: &Config) -> Config {
        let mut config = self.config.clone();
        for step in failed {
            match step {
                Step::Server("ingest") => config.ingest = old.ingest.clone(),
                Step::Server(_) => config.admin = old.admin.clone(),
                _ => {}
            }
            if let Some(name) = step.route() {
                config.routes.retain(|route| route.name != name);
                config.routes.extend(old.routes.iter().find(|route| route.name == name).cloned());
            }
        }
        config
    }
}

fn steps(old: &Config, new: &Config) -> Vec<Step> {
    let parts = [
        (old.log != new.log, Step::Log),
        (old.traces != new.traces, Step::Traces),
        (old.feedback != new.feedback, Step::Feedback),
        (old.results != new.results, Step::Results),
        (old.webhook != new.webhook, Step::Webhook),
        (old.collector != new.collector, Step::Collector),
    ];
    // Routes before servers: whoever comes with a new token finds the new routes.
    let servers =
        [(old.ingest != new.ingest, Step::Server("ingest")), (old.admin != new.admin, Step::Server("admin"))];
    let mut steps: Vec<Step> = needed(parts);
    steps.extend(routes(&old.routes, &new.routes));
    steps.extend(needed(servers));
    steps
}

fn routes(old: &[Route], new: &[Route]) -> Vec<Step> {
    let has = |routes: &[Route], name: &str| routes.iter().any(|route| route.name == name);
    let gone = old.iter().filter(|route| !has(new, &route.name));
    let mut steps: Vec<Step> = gone.map(|route| Step::Remove(route.name.clone())).collect();
    for wanted in new {
        let name = || wanted.name.clone();
        match old.iter().find(|route| route.name == wanted.name) {
            None => steps.push(Step::Add(name())),
            Some(route) if route.transport.name() != wanted.transport.name() => {
                steps.push(Step::Transport(name()));
            }
            Some(route) => {
                let rest = Route {
                    connections: wanted.connections,
                    transport: wanted.transport.clone(),
                    ..route.clone()
                };
                steps.extend(needed([
                    (rest != *wanted, Step::Settings(name())),
                    (route.connections != wanted.connections, Step::Scale(name())),
                    (route.transport != wanted.transport, Step::Rotate(name())),
                ]));
            }
        }
    }
    steps
}

fn needed<const COUNT: usize>(steps: [(bool, Step); COUNT]) -> Vec<Step> {
    steps.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, step)| step).collect()
}

#[cfg(test)]
mod tests;
