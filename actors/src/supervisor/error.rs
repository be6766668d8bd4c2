//! Why a command to a supervisor was not carried out.

use thiserror::Error;

use super::spec::SpecError;

/// Why a command to a supervisor was not carried out.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SupervisorError {
    /// There is no such child.
    #[error("supervisor {supervisor:?} has no child {id:?} (hint: it has {known})")]
    NotFound {
        /// The supervisor that was asked.
        supervisor: String,
        /// The id that was asked for.
        id: String,
        /// The ids there are, the first few of them.
        known: String,
    },
    /// A child of that id is up, or on its way up or down.
    #[error("child {0:?} is already started")]
    AlreadyStarted(String),
    /// A child of that id is known and down.
    #[error("child {0:?} is already present (hint: restart or delete it)")]
    AlreadyPresent(String),
    /// Only a child that is down can be deleted.
    #[error("child {0:?} is not down (hint: terminate it first)")]
    NotDown(String),
    /// The child did not come up.
    #[error("child {id:?} did not start: {reason}")]
    StartFailed {
        /// The child.
        id: String,
        /// What its start function or its exit said.
        reason: String,
    },
    /// A later command to the same child overtook this one.
    #[error("the command to child {0:?} was overtaken by a later one")]
    Superseded(String),
    /// The specification makes no sense.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The first start is not complete.
    #[error("supervisor {0:?} is still starting (hint: await ready())")]
    NotReady(String),
    /// The supervisor is on its way down, or down.
    #[error("supervisor {0:?} is shutting down")]
    ShuttingDown(String),
}
