//! A child as a program describes it: what to call to start it, and what to keep of it once it is up.

use std::{fmt, sync::Arc, time::Duration};

use actix::{Actor, Addr, Handler, Recipient, dev::ToEnvelope};
use thiserror::Error;

use super::{
    SupervisorSpec,
    link::Link,
    shell::Supervisor,
    spec::{ChildKind, ChildPolicy, Restart, Shutdown, SpecError, Startup},
    stop::Stop,
};

pub(crate) type StartFn = Arc<dyn Fn(Link) -> Result<ChildHandle, StartError> + Send + Sync>;
pub(crate) type TellFn = Arc<dyn Fn(&Setback<'_>) + Send + Sync>;

/// How to start one child, and how to treat it.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) policy: ChildPolicy,
    pub(crate) start: StartFn,
    /// Who tells the operator of its failures, if not the supervisor's log.
    pub(crate) tell: Option<TellFn>,
}

/// A child that has failed in order ([`Exit::Failed`](super::Exit::Failed)) and is started again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Setback<'a> {
    /// The reason that it gave.
    pub reason: &'a str,
    /// How often it has failed in a row, this time included; 0 after a healthy life.
    pub failures: u32,
    /// How long it waits before it is started again.
    pub after: Duration,
}

/// What a supervisor keeps of a child that is up: the means to ask it to end.
///
/// Keep no other owner of the child in it: a child ends by dropping its [`Link`].
pub struct ChildHandle(Means);

enum Means {
    Actor(Recipient<Stop>),
    Call(Box<dyn Fn(Stop) + Send>),
}

/// Why a child was not started.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum StartError {
    /// It has nothing to do in this configuration; it counts as started, and is down.
    #[error("there is nothing to do")]
    Ignore,
    /// It cannot do its work.
    #[error("{0}")]
    Failed(String),
}

// === impl ChildSpec ===

impl ChildSpec {
    /// Describes a worker: permanent, 5 s to end, up when `start` has returned.
    ///
    /// `start` runs on the supervisor's thread, so it must not block. It moves the link into the child; to place the
    /// child on another thread it uses [`Actor::start_in_arbiter`]. A panic in it is a failure to start.
    pub fn worker<F>(id: impl Into<Arc<str>>, start: F) -> Self
    where
        F: Fn(Link) -> Result<ChildHandle, StartError> + Send + Sync + 'static,
    {
        let policy = ChildPolicy {
            id: id.into(),
            restart: Restart::default(),
            shutdown: Shutdown::default(),
            significant: false,
            kind: ChildKind::Worker,
            startup: Startup::Returned,
        };
        Self { policy, start: Arc::new(start), tell: None }
    }

    /// Describes a supervisor on the thread of its parent: permanent, all the time its parent has to end, up when its
    /// own children are.
    ///
    /// `spec` is called for each start. The id of the child is the one given here, not the one in `spec`.
    pub fn supervisor<F>(id: impl Into<Arc<str>>, spec: F) -> Self
    where
        F: Fn() -> SupervisorSpec + Send + Sync + 'static,
    {
        Self::nested(id.into(), move |link| Ok(Supervisor::start(spec(), Some(link))?.into_child()))
    }

    /// Like [`supervisor`](Self::supervisor), on a thread of its own choice.
    pub fn supervisor_in<F>(id: impl Into<Arc<str>>, arbiter: actix::ArbiterHandle, spec: F) -> Self
    where
        F: Fn() -> SupervisorSpec + Send + Sync + 'static,
    {
        Self::nested(id.into(), move |link| {
            Ok(Supervisor::start_in(&arbiter, spec(), Some(link))?.into_child())
        })
    }

    fn nested<F>(id: Arc<str>, start: F) -> Self
    where
        F: Fn(Link) -> Result<ChildHandle, StartError> + Send + Sync + 'static,
    {
        let mut spec = Self::worker(id, start).shutdown(Shutdown::Infinite);
        spec.policy.kind = ChildKind::Supervisor;
        spec.policy.startup = Startup::Announced(None);
        spec
    }

    /// Sets when it is started again; always unless set.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.policy.restart = restart;
        self
    }

    /// Sets how much time it has to end in order.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.policy.shutdown = shutdown;
        self
    }

    /// Makes its end count for the supervisor's [`AutoShutdown`](super::AutoShutdown).
    pub fn significant(mut self) -> Self {
        self.policy.significant = true;
        self
    }

    /// Makes it count as up only when it calls [`Link::started`], which it must within `limit` if there is one.
    pub fn announced(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.policy.startup = Startup::Announced(limit.into());
        self
    }

    /// Has its failures in order told by `tell`, which knows more of them than a supervisor, and not by a line of the supervisor's log.
    ///
    /// `tell` runs on the supervisor's thread, so it must not block. Panics, and failures for good, are in the log all the same.
    pub fn on_failure(mut self, tell: impl Fn(&Setback<'_>) + Send + Sync + 'static) -> Self {
        self.tell = Some(Arc::new(tell));
        self
    }

    /// The id, unique among its siblings.
    pub fn id(&self) -> &str {
        &self.policy.id
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec").field("policy", &self.policy).finish_non_exhaustive()
    }
}

// === impl ChildHandle ===

impl ChildHandle {
    /// Wraps whatever takes [`Stop`] messages.
    pub fn new(stop: Recipient<Stop>) -> Self {
        Self(Means::Actor(stop))
    }

    /// Wraps a function that asks the child to end, for children that are no actors. It must not block.
    pub fn from_fn(stop: impl Fn(Stop) + Send + 'static) -> Self {
        Self(Means::Call(Box::new(stop)))
    }

    /// Asks the child to end; a child that is gone does not hear it.
    #[expect(
        clippy::disallowed_methods,
        reason = "a stop must reach a child whose mailbox is full; there are at most two per run"
    )]
    pub(crate) fn stop(&self, stop: Stop) {
        match &self.0 {
            Means::Actor(recipient) => recipient.do_send(stop),
            Means::Call(call) => call(stop),
        }
    }
}

impl<A> From<Addr<A>> for ChildHandle
where
    A: Actor + Handler<Stop>,
    A::Context: ToEnvelope<A, Stop>,
{
    fn from(addr: Addr<A>) -> Self {
        Self::new(addr.recipient())
    }
}

impl fmt::Debug for ChildHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChildHandle")
    }
}

// === impl StartError ===

impl StartError {
    /// Wraps any reason.
    pub fn failed(reason: impl fmt::Display) -> Self {
        Self::Failed(reason.to_string())
    }
}

impl From<SpecError> for StartError {
    fn from(error: SpecError) -> Self {
        Self::failed(error)
    }
}
