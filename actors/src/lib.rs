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
