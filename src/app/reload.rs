//! SIGHUP: reads the configuration again and follows what can change in a running service; a bad one changes nothing.
//!
//! The plan is pure: what will be in effect, what has to be done for it, and which keys keep their old value until a restart. No step loses a
//! push: queue, ledger and in-flight tables are not touched, servers hand their socket on, pushers are restarted one at a time.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pushweir_actors::StopMode;

use super::control;
use super::parts::connector;
use super::scale;
use super::service::Service;
use crate::config::{Config, Route};
use crate::flow::{Command, CommandError, RestartMode};
use crate::telemetry::log as logging;

/// How long a server that is replaced may take for its last answers.
const SERVER_GRACE: Duration = Duration::from_secs(10);

/// What a new configuration leads to.
#[derive(Debug)]
struct Plan {
    /// What will be in effect.
    config: Config,
    /// What has to be done.
    steps: Vec<Step>,
    /// Keys that keep their old value until a restart.
    restart: Vec<String>,
}

/// Something that has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Change the log's filter.
    Log,
    /// Retries follow other settings.
    Feedback,
    /// Results do.
    Results,
    /// The webhook does.
    Webhook,
    /// Replace an HTTP server, by its name in the tree.
    Server(&'static str),
    /// Change a route's connections.
    Scale(usize),
    /// Give a route's pushers another account or peer, one at a time.
    Rotate(usize),
}

/// Follows the configuration as it is now.
pub async fn reload(service: Arc<Service>, file: Option<PathBuf>) {
    let _turn = service.reloading.lock().await;
    let new = match Config::load(file.as_deref()) {
        Ok(new) => new,
        Err(faults) => {
            service.reloads.lock().refused += 1;
            log::error!("nothing is reloaded: the configuration is bad faults={}", faults.as_slice().len());
            return faults.as_slice().iter().for_each(|fault| log::error!("{fault}"));
        }
    };
    let plan = Plan::of(&service.parts.live.lock(), new);
    let rotated = plan.steps.iter().filter_map(|step| match step {
        Step::Rotate(index) => {
            Some(connector(&plan.config.routes[*index].transport).map(|made| (*index, made)))
        }
        _ => None,
    });
    let rotated: Vec<_> = match rotated.collect::<Result<_, _>>() {
        Ok(rotated) => rotated,
        Err(error) => {
            service.reloads.lock().refused += 1;
            return log::error!("nothing is reloaded: the configuration is bad error={error}");
        }
    };
    for (index, connector) in rotated {
        if let Some(route) = service.parts.route(&plan.config.routes[index].name) {
            *route.current().wiring.connector.write() = connector;
        }
    }
    *service.parts.live.lock() = Arc::new(plan.config.clone());
    for step in &plan.steps {
        if let Err(error) = follow(&service, &plan.config, step).await {
            log::error!("a part of the reload failed step={step:?} error={error} (hint: send SIGHUP again)");
        }
    }
    for key in &plan.restart {
        log::warn!("the change needs a restart, the old value stays key={key}");
    }
    service.reloads.lock().done += 1;
    log::info!("reloaded changes={} need_restart={}", plan.steps.len(), plan.restart.len());
}

async fn follow(service: &Arc<Service>, config: &Config, step: &Step) -> Result<(), CommandError> {
    let parts = &service.parts;
    let name = |index: &usize| config.routes[*index].name.clone();
    match step {
        Step::Log => logging::set_filter(&config.log),
        Step::Feedback => {
            parts.intake.follow_breaker(&config.feedback.breaker);
            parts.feedback.follow(config.feedback.clone());
        }
        Step::Results => parts.results.follow(&config.results),
        Step::Webhook => parts.hook.follow(config.webhook.clone()),
        Step::Server(id) => {
            let root = service.root().ok_or_else(|| CommandError::Conflict("the tree is starting".into()))?;
            let restarted = root.restart_child(id, StopMode::Graceful(SERVER_GRACE)).await;
            restarted.map_err(|error| CommandError::Conflict(error.to_string()))?;
        }
        Step::Scale(index) => {
            scale::follow(service, &config.routes[*index]).await?;
        }
        Step::Rotate(index) => {
            let mode = RestartMode::Graceful;
            control::carry_out(service, Command::RestartRoute { route: name(index), mode }).await?;
        }
    }
    Ok(())
}

// === impl Plan ===

impl Plan {
    fn of(old: &Config, new: Config) -> Self {
        let mut plan = Self { config: old.clone(), steps: Vec::new(), restart: Vec::new() };
        plan.step(old.log != new.log, Step::Log);
        plan.step(old.feedback != new.feedback, Step::Feedback);
        plan.step(old.results != new.results, Step::Results);
        plan.step(old.webhook != new.webhook, Step::Webhook);
        plan.keep(old.ingest.listen != new.ingest.listen, "ingest.listen");
        let ids =
            |settings: &crate::ingest::Settings| (settings.idempotency_window, settings.idempotency_ids);
        plan.keep(ids(&old.ingest) != ids(&new.ingest), "ingest.idempotency_window, ingest.idempotency_ids");
        plan.keep(old.admin.listen != new.admin.listen, "admin.listen");
        plan.keep(old.runtime.delivery_threads != new.runtime.delivery_threads, "runtime.delivery_threads");
        plan.keep(old.collector != new.collector, "collector");
        let routes = new.routes;
        plan.config.log = new.log;
        plan.config.feedback = new.feedback;
        plan.config.results = new.results;
        plan.config.webhook = new.webhook;
        plan.config.runtime.drain_deadline = new.runtime.drain_deadline;
        plan.config.runtime.fault_injection = new.runtime.fault_injection;
        plan.config.ingest = crate::ingest::Settings {
            listen: old.ingest.listen,
            idempotency_window: old.ingest.idempotency_window,
            idempotency_ids: old.ingest.idempotency_ids,
            ..new.ingest
        };
        plan.config.admin = crate::admin::Settings { listen: old.admin.listen, ..new.admin };
        plan.step(plan.config.ingest != old.ingest, Step::Server("ingest"));
        plan.step(plan.config.admin != old.admin, Step::Server("admin"));
        plan.routes(&old.routes, routes);
        let kept = plan.restart.iter().map(|key| format!("# needs a restart, the old value stays: {key}\n"));
        plan.config.effective = kept.chain([new.effective]).collect();
        plan
    }

    fn routes(&mut self, old: &[Route], new: Vec<Route>) {
        for (index, route) in old.iter().enumerate() {
            let Some(wanted) = new.iter().find(|wanted| wanted.name == route.name) else {
                self.restart.push(format!("route {} (removed)", route.name));
                continue;
            };
            // What waits was rendered for the protocol that the route has.
            let is_same_kind = route.transport.name() == wanted.transport.name();
            let transport = if is_same_kind { &wanted.transport } else { &route.transport }.clone();
            let kept = Route { connections: wanted.connections, transport, ..route.clone() };
            self.step(route.connections != wanted.connections, Step::Scale(index));
            self.step(route.transport != kept.transport, Step::Rotate(index));
            let name = format!(
                "route {} (transport, share, restart_*, answer_timeout, drain_timeout, login_retry)",
                route.name
            );
            self.keep(kept != *wanted, &name);
            self.config.routes[index] = kept;
        }
        for added in new.iter().filter(|added| old.iter().all(|route| route.name != added.name)) {
            self.restart.push(format!("route {} (added)", added.name));
        }
    }

    fn step(&mut self, is_changed: bool, step: Step) {
        if is_changed {
            self.steps.push(step);
        }
    }

    fn keep(&mut self, is_changed: bool, key: &str) {
        if is_changed {
            self.restart.push(key.to_owned());
        }
    }
}
