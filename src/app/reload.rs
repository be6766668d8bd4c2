//! SIGHUP: reads the configuration again and follows it in the running service; a bad one changes nothing.
//!
//! [`plan`] is pure: what will be in effect, what has to be done for it, and which keys keep their old value until a restart. What can be wrong
//! with the new configuration is found before the first step. No step loses a push: books and queue grow and never shrink, servers hand their
//! socket on, pushers are restarted one at a time, and a route that goes delivers what it holds first. A buffer that is made smaller sheds by its
//! policy, and counts it.

mod plan;
mod routes;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plan::{Plan, Step};
use pushweir_actors::StopMode;

use super::limits;
use super::parts::connector;
use super::service::Service;
use crate::config::Config;
use crate::flow::CommandError;
use crate::telemetry::log as logging;
use crate::transport::{Connector, SettingsError};

/// How long a server that is replaced may take for its last answers.
const SERVER_GRACE: Duration = Duration::from_secs(10);

/// What opens connections with the new settings, by route.
type Connectors = HashMap<String, Arc<dyn Connector>>;

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
    let old = Arc::clone(&service.parts.live.lock());
    let plan = Plan::of(&old, new);
    let connectors = match connectors(&plan) {
        Ok(connectors) => connectors,
        Err(error) => {
            service.reloads.lock().refused += 1;
            return log::error!("nothing is reloaded: the configuration is bad error={error}");
        }
    };
    plan.config.warnings().iter().for_each(|warning| log::warn!("{warning}"));
    limits::warn_if_short(&plan.config);
    follow_all(&service, &old, &plan, &connectors).await;
    // Also where the file has not changed: an operator's filter ends here.
    logging::set_filter(&plan.config.log);
    for key in &plan.restart {
        log::warn!("the change needs a restart, the old value stays key={key}");
    }
    service.reloads.lock().done += 1;
    let what: Vec<String> = plan.steps.iter().map(Step::to_string).collect();
    log::info!(
        "reloaded changes={} need_restart={} what={:?}",
        what.len(),
        plan.restart.len(),
        what.join(", ")
    );
}

fn connectors(plan: &Plan) -> Result<Connectors, SettingsError> {
    let names = plan.steps.iter().filter(|step| step.connects()).filter_map(Step::route);
    let wanted = names.filter_map(|name| plan.config.routes.iter().find(|route| route.name == name));
    wanted.map(|route| Ok((route.name.clone(), connector(&route.transport)?))).collect()
}

/// Takes all steps; the record of what is in effect leaves out those that failed.
async fn follow_all(service: &Arc<Service>, old: &Config, plan: &Plan, connectors: &Connectors) {
    *service.parts.live.lock() = Arc::new(plan.config.clone());
    let mut failed = Vec::new();
    for step in &plan.steps {
        let followed = match step.route() {
            Some(name) => routes::follow(service, &plan.config, step, connectors.get(name)).await,
            None => follow(service, &plan.config, step).await,
        };
        if let Err(error) = followed {
            log::error!(
                "a part of the reload failed what={:?} error={error} (hint: send SIGHUP again)",
                step.to_string()
            );
            failed.push(step);
        }
    }
    *service.parts.live.lock() = Arc::new(plan.without(&failed, old));
}

async fn follow(service: &Service, config: &Config, step: &Step) -> Result<(), CommandError> {
    let parts = &service.parts;
    match step {
        Step::Log => logging::set_filter(&config.log),
        Step::Traces => parts.tracer.follow(config.traces.clone()),
        Step::Feedback => {
            parts.intake.follow_breaker(&config.feedback.breaker);
            parts.feedback.follow(config.feedback.clone());
        }
        Step::Results => parts.results.follow(&config.results),
        Step::Webhook => parts.hook.follow(config.webhook.clone()),
        Step::Collector => {
            parts.coalesce.switch(config.collector.coalesce);
            parts.intake.follow(&config.collector);
        }
        Step::Server(id) => {
            let root = service.root().ok_or_else(|| CommandError::Conflict("the tree is starting".into()))?;
            let restarted = root.restart_child(id, StopMode::Graceful(SERVER_GRACE)).await;
            restarted.map_err(|error| CommandError::Conflict(error.to_string()))?;
        }
        _ => {}
    }
    Ok(())
}
