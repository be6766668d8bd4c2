//! Supervision as in OTP, on actix: what fails is started again by its supervisor, and too much failure is passed on.
//!
//! The program describes children ([`ChildSpec`]) and supervisors ([`SupervisorSpec`]), starts the root and keeps its
//! [`SupervisorHandle`]. What to do is decided in `plan`, done in `shell`; a child reports its end by dropping its
//! [`Link`]. The rules are those of `reference/genstage.md` 1.14; what differs: a back-off delays restarts, slow starts
//! and stops block nobody who does not depend on them, and a supervisor that gives up ends with [`Exit::Escalated`].

use std::{sync::Arc, time::Duration};

use self::spec::Rules;
pub use self::{
    child::{ChildHandle, ChildSpec, StartError},
    error::SupervisorError,
    exit::Exit,
    handle::SupervisorHandle,
    intensity::Intensity,
    link::Link,
    shell::Supervisor,
    spec::{AutoShutdown, ChildKind, Restart, Shutdown, SpecError, Strategy},
    stop::{Stop, StopMode},
};
use crate::backoff::Backoff;

mod child;
mod error;
mod exit;
mod handle;
mod intensity;
mod link;
mod node;
mod panics;
mod plan;
mod shell;
mod spec;
mod stop;
mod timers;

/// What a supervisor is made of.
#[derive(Clone, Debug)]
pub struct SupervisorSpec {
    /// Its id; a nested supervisor has the id of its [`ChildSpec`] instead.
    pub id: Arc<str>,
    /// Which siblings a failed child takes with it.
    pub strategy: Strategy,
    /// How many restarts in which time are too many.
    pub intensity: Intensity,
    /// How long a failed child waits before it is started again.
    pub backoff: Backoff,
    /// Whether it ends with its significant children.
    pub auto_shutdown: AutoShutdown,
    /// The first children, in start order.
    pub children: Vec<ChildSpec>,
    /// How many children may be on their way up at the same time when the strategy does not order them.
    pub max_starting: usize,
    /// How long a child that was told to end at once may take before it is abandoned.
    pub grace: Duration,
}

// === impl SupervisorSpec ===

impl SupervisorSpec {
    /// Describes a supervisor without children: one for one, 3 restarts in 5 s, the default back-off.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self {
            id: id.into(),
            strategy: Strategy::default(),
            intensity: Intensity::default(),
            backoff: Backoff::default(),
            auto_shutdown: AutoShutdown::default(),
            children: Vec::new(),
            max_starting: 64,
            grace: Duration::from_secs(1),
        }
    }

    /// Sets which siblings a failed child takes with it.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets how many restarts in which time are too many.
    pub fn intensity(mut self, intensity: Intensity) -> Self {
        self.intensity = intensity;
        self
    }

    /// Sets how long a failed child waits before it is started again.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets whether it ends with its significant children.
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.auto_shutdown = auto_shutdown;
        self
    }

    /// Adds a child after those there are.
    pub fn child(mut self, child: ChildSpec) -> Self {
        self.children.push(child);
        self
    }

    fn rules(&self) -> Rules {
        Rules {
            strategy: self.strategy,
            intensity: self.intensity,
            backoff: self.backoff.clone(),
            auto_shutdown: self.auto_shutdown,
            max_starting: self.max_starting,
            grace: self.grace,
        }
    }
}
