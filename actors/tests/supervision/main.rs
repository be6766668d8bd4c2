//! What the supervisor promises, seen from outside: on a paused clock, with probe children.

use std::time::Duration;

use pushweir_actors::{Backoff, ChildSpec, Intensity, Supervisor, SupervisorHandle, SupervisorSpec};

mod strategies;

/// Lets everything that is due now happen: the paused clock moves only when nobody has anything to do.
async fn settle() {
    let _ = tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
}

/// A supervisor without back-off, as OTP's are.
fn bare(children: impl IntoIterator<Item = ChildSpec>) -> SupervisorSpec {
    let spec = SupervisorSpec::new("root").backoff(Backoff::none()).intensity(Intensity::new(3, secs(5)));
    children.into_iter().fold(spec, SupervisorSpec::child)
}

/// Starts a root on a paused clock and waits until it is up.
async fn up(spec: SupervisorSpec) -> SupervisorHandle {
    let root = Supervisor::start(spec, None).expect("the specification is in order");
    root.ready().await.expect("all children come up");
    root
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
