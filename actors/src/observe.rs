//! The supervision tree as it is shown: plain data, read by the admin page and by tests.
//!
//! A snapshot is taken from shared cells that supervisors write on every change, so it needs no answer from any actor
//! and works while one is stuck.

use serde::Serialize;

use crate::counters::StageSnapshot;
use crate::supervisor::{ChildKind, Exit, Strategy};

/// What a child or a supervisor is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// On its way up for the first time.
    Starting,
    /// Up.
    Running,
    /// Down, or on its way up, after it was up before; its turn to start comes without a delay.
    Restarting,
    /// Down until its back-off delay is over.
    BackingOff,
    /// Asked to end.
    Stopping,
    /// Down after a clean end, or never started.
    Stopped,
    /// Down after an end that was not clean, and nothing starts it again.
    Failed,
}

/// One node of the tree and all below it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TreeNode {
    /// The id, unique among its siblings.
    pub id: String,
    /// Whether it supervises others.
    pub kind: ChildKind,
    /// How it treats the siblings of a failed child; supervisors only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// What it is doing.
    pub state: NodeState,
    /// How often it was started again, failed attempts included.
    pub restarts: u32,
    /// Why its last life ended.
    pub last_exit: Option<Exit>,
    /// Seconds since it entered its state.
    pub since_seconds: f64,
    /// What it has done and holds, if it is a stage or shows its [counters](crate::Link::observe).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageSnapshot>,
    /// Its children in start order.
    pub children: Vec<TreeNode>,
}

/// One child as its supervisor lists it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChildInfo {
    /// The id, unique among its siblings.
    pub id: String,
    /// Whether it supervises others.
    pub kind: ChildKind,
    /// What it is doing.
    pub state: NodeState,
    /// How often it was started again, failed attempts included.
    pub restarts: u32,
    /// Why its last life ended.
    pub last_exit: Option<Exit>,
}

/// How many children there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ChildCount {
    /// Known children, up or down.
    pub specs: usize,
    /// Those that are up.
    pub active: usize,
    /// Known children that supervise others.
    pub supervisors: usize,
    /// Known children that do not.
    pub workers: usize,
}

// === impl NodeState ===

impl NodeState {
    /// Returns its name as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::BackingOff => "backing_off",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// Returns whether there is a live actor behind the node that has come up.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Stopping)
    }
}

// === impl TreeNode ===

impl TreeNode {
    /// Finds a node below this one by the ids on the way to it.
    pub fn find(&self, path: &[&str]) -> Option<&TreeNode> {
        match path {
            [] => Some(self),
            [id, rest @ ..] => self.children.iter().find(|child| child.id == *id)?.find(rest),
        }
    }

    /// The number of nodes, this one included.
    pub fn len(&self) -> usize {
        1 + self.children.iter().map(TreeNode::len).sum::<usize>()
    }

    /// Returns `false`: a tree has a root.
    pub fn is_empty(&self) -> bool {
        false
    }
}
