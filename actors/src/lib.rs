#![doc = include_str!("../README.md")]

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
        AutoShutdown, ChildHandle, ChildKind, ChildSpec, Exit, Intensity, Link, Restart, Setback, Shutdown,
        SpecError, StartError, Stop, StopMode, Strategy, Supervisor, SupervisorError, SupervisorHandle,
        SupervisorSpec,
    },
};

// Stages: producers, consumers, and what they are made of.
mod buffer;
mod consumer;
mod counters;
mod demand;
mod dispatcher;
mod doorbell;
mod intake;
mod producer;
mod protocol;

pub use buffer::{Buffer, Keep, Mark};
pub use consumer::{
    CancelMode, Consumer, ConsumerLogic, DemandMode, Flow, Resubscribe, SubscribeTo, Subscription,
    Unsubscribe,
};
pub use counters::{StageCounters, StageSnapshot};
pub use demand::{AutomaticDemand, BadDemand, Delivery, DemandRange, Slice};
pub use dispatcher::demand::{Asked, DemandDispatcher, Policy};
pub use dispatcher::partition::{Entered, PartitionDispatcher, SubscribeError};
pub use doorbell::{Doorbell, Turn, Turns};
pub use intake::{Intake, IntakeFull};
pub use producer::{
    Discard, Outflow, Producer, ProducerLogic, Push, Pushed, Served, StopStage, Supply, SupplySettings,
};
pub use protocol::{
    Ask, Cancel, CancelReason, Cancelled, ConsumerLink, Disconnected, Events, Port, ProducerLink, Subscribe,
    SubscriptionId, Undelivered, Upstream,
};
