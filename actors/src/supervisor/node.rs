//! The shared cells behind a [`TreeNode`]: written by supervisors on every change, read from any thread.
//!
//! No lock is held for longer than one chunk of children takes, so a reader of a huge tree never stalls a supervisor.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use actix::Addr;
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use super::{
    exit::Exit,
    handle::{Status, SupervisorHandle},
    plan::{Key, View},
    shell::Supervisor,
    spec::{ChildKind, Strategy},
};
use crate::counters::StageCounters;
use crate::observe::{ChildCount, ChildInfo, NodeState, TreeNode};

/// So many children are read under one lock.
const CHUNK: usize = 256;

#[derive(Debug)]
pub(crate) struct Node {
    id: Arc<str>,
    kind: ChildKind,
    cell: Mutex<Cell>,
    branch: Mutex<Option<Branch>>,
    stage: Mutex<Option<Arc<StageCounters>>>,
}

#[derive(Clone, Debug)]
struct Cell {
    state: NodeState,
    restarts: u32,
    last_exit: Option<Exit>,
    since: Instant,
}

/// What makes a node a supervisor. Each life of a supervisor brings its own, so that a late writer of an abandoned one
/// does not touch the children of the next.
#[derive(Clone, Debug)]
struct Branch {
    strategy: Strategy,
    children: Arc<Children>,
    addr: Addr<Supervisor>,
    status: watch::Receiver<Status>,
}

/// The children of one supervisor by key, in start order.
#[derive(Debug, Default)]
pub(crate) struct Children(Mutex<BTreeMap<Key, Arc<Node>>>);

// === impl Node ===

impl Node {
    pub(crate) fn new(id: Arc<str>, kind: ChildKind) -> Self {
        let cell = Cell { state: NodeState::Starting, restarts: 0, last_exit: None, since: Instant::now() };
        Self { id, kind, cell: Mutex::new(cell), branch: Mutex::new(None), stage: Mutex::new(None) }
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(crate) fn show(&self, view: View) {
        let mut cell = self.cell.lock();
        if cell.state != view.state {
            (cell.state, cell.since) = (view.state, Instant::now());
        }
        cell.restarts = view.restarts;
        cell.last_exit = view.last_exit;
    }

    pub(crate) fn observe(&self, counters: &Arc<StageCounters>) {
        *self.stage.lock() = Some(Arc::clone(counters));
    }

    pub(crate) fn set_state(&self, state: NodeState) {
        let mut cell = self.cell.lock();
        if cell.state != state {
            (cell.state, cell.since) = (state, Instant::now());
        }
    }

    pub(crate) fn set_exit(&self, exit: Exit) {
        let state = if exit.is_clean() { NodeState::Stopped } else { NodeState::Failed };
        self.cell.lock().last_exit = Some(exit);
        self.set_state(state);
    }

    /// Makes the node a supervisor with no children yet.
    ///
    /// The parts of the handle are kept, not the handle: it owns the node, which would then own itself.
    pub(crate) fn grow(strategy: Strategy, handle: &SupervisorHandle) {
        let SupervisorHandle { addr, node, children, status } = handle.clone();
        *node.branch.lock() = Some(Branch { strategy, children, addr, status });
    }

    /// The handle of the supervisor at the end of the path.
    pub(crate) fn supervisor(self: &Arc<Self>, path: &[&str]) -> Option<SupervisorHandle> {
        let Branch { children, addr, status, .. } = self.branch.lock().clone()?;
        match path {
            [] => Some(SupervisorHandle { addr, node: self.clone(), children, status }),
            [id, rest @ ..] => children.find(id)?.supervisor(rest),
        }
    }

    pub(crate) fn snapshot(&self) -> TreeNode {
        let cell = self.cell.lock().clone();
        let branch = self.branch.lock().clone();
        let mut children = Vec::new();
        if let Some(branch) = &branch {
            branch.children.for_each(|node| children.push(node.snapshot()));
        }
        let now = Instant::now();
        TreeNode {
            id: self.id.to_string(),
            kind: self.kind,
            strategy: branch.map(|branch| branch.strategy),
            state: cell.state,
            restarts: cell.restarts,
            last_exit: cell.last_exit,
            since_seconds: now.saturating_duration_since(cell.since).as_secs_f64(),
            stage: self.stage.lock().as_ref().map(|counters| counters.snapshot(now)),
            children,
        }
    }

    pub(crate) fn state(&self) -> NodeState {
        self.cell.lock().state
    }

    fn info(&self) -> ChildInfo {
        let cell = self.cell.lock().clone();
        ChildInfo {
            id: self.id.to_string(),
            kind: self.kind,
            state: cell.state,
            restarts: cell.restarts,
            last_exit: cell.last_exit,
        }
    }
}

// === impl Children ===

impl Children {
    pub(crate) fn insert(&self, key: Key, node: Arc<Node>) {
        self.0.lock().insert(key, node);
    }

    pub(crate) fn remove(&self, key: Key) {
        self.0.lock().remove(&key);
    }

    fn find(&self, id: &str) -> Option<Arc<Node>> {
        let mut found = None;
        self.for_each(|node| {
            if *node.id == *id {
                found = Some(node.clone());
            }
        });
        found
    }

    pub(crate) fn list(&self) -> Vec<ChildInfo> {
        let mut list = Vec::new();
        self.for_each(|node| list.push(node.info()));
        list
    }

    pub(crate) fn count(&self) -> ChildCount {
        let mut count = ChildCount::default();
        self.for_each(|node| {
            count.specs += 1;
            count.active += usize::from(node.state().is_active());
            match node.kind {
                ChildKind::Worker => count.workers += 1,
                ChildKind::Supervisor => count.supervisors += 1,
            }
        });
        count
    }

    /// Visits the children in start order; those added or removed meanwhile may or may not be among them.
    fn for_each(&self, mut visit: impl FnMut(&Arc<Node>)) {
        let mut from = Bound::Unbounded;
        loop {
            let chunk: Vec<(Key, Arc<Node>)> = {
                let children = self.0.lock();
                children.range((from, Bound::Unbounded)).take(CHUNK).map(|(k, n)| (*k, n.clone())).collect()
            };
            for (_, node) in &chunk {
                visit(node);
            }
            match chunk.last() {
                Some((last, _)) if chunk.len() == CHUNK => from = Bound::Excluded(*last),
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::supervisor::{ChildSpec, Supervisor, SupervisorSpec};

    #[actix::test]
    async fn a_tree_that_nobody_looks_at_any_more_is_freed() {
        let spec = SupervisorSpec::new("root")
            .child(ChildSpec::supervisor("inner", || SupervisorSpec::new("inner")));
        let root = Supervisor::start(spec, None).unwrap();
        root.ready().await.unwrap();
        let inner = root.nested(&["inner"]).unwrap();
        let nodes = [&root, &inner].map(|handle| std::sync::Arc::downgrade(&handle.node));
        root.shutdown(Duration::from_secs(5)).await;
        drop((root, inner));
        // The actors are dropped in their next turn.
        tokio::task::yield_now().await;
        assert!(nodes.iter().all(|node| node.upgrade().is_none()));
    }
}
