//! Supervision as in OTP, on actix: what fails is started again by its supervisor, and too much failure is passed on.
//!
//! The program describes children ([`ChildSpec`]) and supervisors ([`SupervisorSpec`]), starts the root and keeps its
//! [`SupervisorHandle`]. What to do is decided in `plan`, done in `shell`; a child reports its end by dropping its
//! [`Link`]. The rules are those of `reference/genstage.md` 1.14; what differs: a back-off delays restarts, slow starts
//! and stops block nobody who does not depend on them, and a supervisor that gives up ends with [`Exit::Escalated`].
//!
//! ```
//! use std::time::Duration;
//!
//! use actix::{Actor, ActorContext, Context, Handler};
//! use pushweir_actors::{ChildSpec, Exit, Link, NodeState, Stop, Strategy, Supervisor, SupervisorSpec};
//!
//! /// Owns its link: when it is dropped, for whatever reason, the supervisor knows.
//! struct Collector {
//!     link: Link,
//! }
//!
//! impl Actor for Collector {
//!     type Context = Context<Self>;
//!
//!     fn started(&mut self, _: &mut Self::Context) {
//!         // Ready to serve: now the next child may start.
//!         self.link.started();
//!     }
//! }
//!
//! impl Handler<Stop> for Collector {
//!     type Result = ();
//!
//!     fn handle(&mut self, stop: Stop, ctx: &mut Self::Context) {
//!         if stop.is_forced() {
//!             self.link.exit(Exit::Killed);
//!         }
//!         ctx.stop();
//!     }
//! }
//!
//! fn routes() -> SupervisorSpec {
//!     // A nested supervisor is described by a function, because it is built anew for each of its lives.
//!     SupervisorSpec::new("routes").child(ChildSpec::worker("android", |link| Ok(Collector { link }.start().into())))
//! }
//!
//! # fn main() {
//! # actix::System::new().block_on(async {
//! let collector = ChildSpec::worker("collector", |link| Ok(Collector { link }.start().into()))
//!     .announced(Duration::from_secs(10));
//! let root = SupervisorSpec::new("root")
//!     .strategy(Strategy::RestForOne)
//!     .child(collector)
//!     .child(ChildSpec::supervisor("routes", routes));
//! let root = Supervisor::start(root, None).expect("the specification is in order");
//! root.ready().await.expect("both children come up");
//! assert_eq!(root.tree().find(&["routes", "android"]).expect("it is there").state, NodeState::Running);
//! assert_eq!(root.shutdown(Duration::from_secs(30)).await, Exit::Shutdown);
//! # });
//! # }
//! ```

use std::{sync::Arc, time::Duration};

use self::spec::Rules;
pub use self::{
    child::{ChildHandle, ChildSpec, Setback, StartError},
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
mod notes;
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

    /// Adds children, in order, after those there are.
    pub fn children(mut self, children: impl IntoIterator<Item = ChildSpec>) -> Self {
        self.children.extend(children);
        self
    }

    /// Sets how many children may be on their way up at the same time when the strategy does not order them.
    pub fn max_starting(mut self, limit: usize) -> Self {
        self.max_starting = limit;
        self
    }

    /// Sets how long a child that was told to end at once may take before it is abandoned.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
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
