//! Demand-driven stages and OTP-style supervision on actix.

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
