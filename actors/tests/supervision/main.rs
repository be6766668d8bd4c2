//! What the supervisor promises, seen from outside: on a paused clock, with probe children.

use std::time::Duration;

use pushweir_actors::{
    AutoShutdown, Backoff, ChildHandle, ChildSpec, Exit, Intensity, NodeState, Restart, Shutdown, SpecError,
    StartError, StopMode, Strategy, Supervisor, SupervisorError, SupervisorHandle, SupervisorSpec,
    testing::{End, OnStop, Probes, Start},
};

mod cases;
mod commands;
mod crowds;
mod endings;
mod escalation;
mod observation;
mod panics;
mod starting;
mod strategies;
mod threads;

/// Lets everything that is due now happen: the paused clock moves only when nobody has anything to do.
async fn settle() {
    pass(Duration::from_micros(1)).await;
}

/// Lets so much of the paused clock's time pass.
async fn pass(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// A supervisor without back-off, as OTP's are.
fn bare(children: impl IntoIterator<Item = ChildSpec>) -> SupervisorSpec {
    let spec = SupervisorSpec::new("root").backoff(Backoff::none()).intensity(Intensity::new(3, secs(5)));
    children.into_iter().fold(spec, SupervisorSpec::child)
}

/// Starts a root and waits until it is up.
async fn up(spec: SupervisorSpec) -> SupervisorHandle {
    let root = Supervisor::start(spec, None).expect("the specification is in order");
    root.ready().await.expect("all children come up");
    settle().await;
    root
}

/// What ended the last lives of the children, in start order.
fn last_exits(supervisor: &SupervisorHandle) -> Vec<Option<Exit>> {
    supervisor.which_children().into_iter().map(|child| child.last_exit).collect()
}

/// What the children are doing, in start order.
fn states(supervisor: &SupervisorHandle) -> Vec<(String, NodeState)> {
    supervisor.which_children().into_iter().map(|child| (child.id, child.state)).collect()
}

fn failed(why: &str) -> Exit {
    Exit::Failed(why.to_owned())
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
