//! Demand-driven stages and OTP-style supervision on actix.

// Stages: producers, consumers, and what they are made of.
mod dispatcher;
mod doorbell;
mod protocol;

pub use dispatcher::demand::{Asked, DemandDispatcher, Policy};
pub use doorbell::{Doorbell, Turn, Turns};
pub use protocol::{
    Ask, Cancel, CancelReason, Cancelled, ConsumerLink, Disconnected, Events, ProducerLink, Subscribe,
    SubscriptionId, Undelivered,
};

// Supervision and runtime.
pub mod observe;
pub mod runtime;
pub mod supervisor;
pub mod testing;

mod backoff;

pub use self::{
    backoff::{Backoff, BackoffError},
    observe::{ChildCount, ChildInfo, NodeState, TreeNode},
    runtime::{Runtime, RuntimeError, WorkerExit, WorkerSpec},
    supervisor::{
        AutoShutdown, ChildHandle, ChildKind, ChildSpec, Exit, Intensity, Link, Restart, Shutdown, SpecError,
        StartError, Stop, StopMode, Strategy, Supervisor, SupervisorError, SupervisorHandle, SupervisorSpec,
    },
};
