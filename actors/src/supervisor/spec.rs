//! What a supervisor and its children are told about restarting and stopping: plain data, judged by the plan.
//!
//! The words and their defaults are OTP's (`reference/genstage.md` 1.14).

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use thiserror::Error;

use super::intensity::Intensity;
use crate::backoff::Backoff;

/// When a child that ended by itself is started again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Unless its exit was clean ([`Exit::is_clean`](super::Exit::is_clean)).
    Transient,
    /// Never; it is forgotten when it ends.
    Temporary,
}

/// How much time a child has to end in order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shutdown {
    /// None: it is told to end at once.
    Brutal,
    /// So much, then it is told to end at once.
    After(Duration),
    /// As much as the whole supervisor has.
    Infinite,
}

impl Default for Shutdown {
    /// 5 s, OTP's default for a worker.
    fn default() -> Self {
        Self::After(Duration::from_secs(5))
    }
}

/// Whether a child supervises others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildKind {
    /// It does the work.
    #[default]
    Worker,
    /// It is a supervisor itself.
    Supervisor,
}

/// Which siblings a failed child takes with it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// None.
    #[default]
    OneForOne,
    /// Those started after it: they depend on it (producer first, consumers after it).
    RestForOne,
    /// All.
    OneForAll,
    /// None; a child that ends for good is forgotten, and at the end all children stop together.
    ///
    /// OTP's `simple_one_for_one` and Elixir's `DynamicSupervisor`.
    Dynamic,
}

/// Whether a supervisor ends when its significant children have ended by themselves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AutoShutdown {
    /// It does not.
    #[default]
    Never,
    /// It ends with the first of them.
    AnySignificant,
    /// It ends with the last of them.
    AllSignificant,
}

/// How one child is restarted, stopped and counted.
#[derive(Clone, Debug)]
pub(crate) struct ChildPolicy {
    pub(crate) id: Arc<str>,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) significant: bool,
    pub(crate) kind: ChildKind,
    pub(crate) startup: Startup,
}

/// When a child counts as started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Startup {
    /// When its start function has returned.
    Returned,
    /// When it says so, which it must within the time given, if any.
    Announced(Option<Duration>),
}

/// What a supervisor does about its children.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) strategy: Strategy,
    pub(crate) intensity: Intensity,
    pub(crate) backoff: Backoff,
    pub(crate) auto_shutdown: AutoShutdown,
    /// How many children may be starting at the same time when the strategy does not order them.
    pub(crate) max_starting: usize,
    /// How long a child that was told to end at once may take before it is abandoned.
    pub(crate) grace: Duration,
}

/// Why the specification of a supervisor or a child was refused.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SpecError {
    /// Two children have the same id.
    #[error("child {0:?} is there twice (hint: an id names one child of its supervisor)")]
    Duplicate(String),
    /// A significant child is permanent.
    #[error(
        "child {0:?} is significant and permanent (hint: it never ends for good; make it transient or temporary)"
    )]
    SignificantPermanent(String),
    /// A significant child of a supervisor that never shuts down by itself.
    #[error(
        "child {0:?} is significant under auto_shutdown never (hint: set auto_shutdown, or clear significant)"
    )]
    SignificantIgnored(String),
    /// No child could ever start.
    #[error("supervisor {0:?} may start no child (hint: max_starting is at least 1)")]
    NoStarts(String),
}

// === impl ChildPolicy ===

impl ChildPolicy {
    /// Checks a child against the supervisor it is to live under.
    pub(crate) fn check(&self, auto_shutdown: AutoShutdown) -> Result<(), SpecError> {
        if !self.significant {
            return Ok(());
        }
        if self.restart == Restart::Permanent {
            return Err(SpecError::SignificantPermanent(self.id.to_string()));
        }
        if auto_shutdown == AutoShutdown::Never {
            return Err(SpecError::SignificantIgnored(self.id.to_string()));
        }
        Ok(())
    }
}

// === impl ChildKind ===

impl ChildKind {
    /// Returns its name as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Supervisor => "supervisor",
        }
    }
}

// === impl Strategy ===

impl Strategy {
    /// Returns whether children start one after the other also after the first start.
    pub(crate) fn is_ordered(self) -> bool {
        matches!(self, Self::RestForOne | Self::OneForAll)
    }

    /// The name as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneForOne => "one_for_one",
            Self::RestForOne => "rest_for_one",
            Self::OneForAll => "one_for_all",
            Self::Dynamic => "dynamic",
        }
    }
}
