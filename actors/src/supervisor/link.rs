//! The tie between a child and its supervisor: a child owns its [`Link`], and dropping it is the report of its end.
//!
//! Nothing is polled: the drop puts one entry into the supervisor's inbox and wakes it. A run makes at most two entries
//! (up, ended), so the inbox is bounded by the number of children, though its queue has no limit of its own.

use std::{collections::VecDeque, sync::Arc, task::Waker, thread};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::{
    exit::Exit,
    node::Node,
    panics,
    plan::{Event, Key, Run},
    spec::ChildKind,
};
use crate::counters::StageCounters;

/// Owned by a child for as long as it lives; may be on any thread.
///
/// Move it into the actor's struct. When that is dropped, in order or by a panic, the supervisor learns why: what
/// [`exit`](Self::exit) said last, else [`Exit::Panicked`] during a panic, else [`Exit::Normal`].
#[derive(Debug)]
#[must_use = "dropping the link tells the supervisor that the child has ended"]
pub struct Link {
    report: Option<Report>,
    node: Arc<Node>,
    exit: Option<Exit>,
}

#[derive(Debug)]
struct Report {
    inbox: Arc<Inbox>,
    key: Key,
    run: Run,
}

/// What has been reported to a supervisor and not been looked at.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// `None` once the supervisor is gone.
    queue: Mutex<Option<VecDeque<Event>>>,
    waker: AtomicWaker,
}

// === impl Link ===

impl Link {
    pub(crate) fn new(inbox: Arc<Inbox>, (key, run): (Key, Run), node: Arc<Node>) -> Self {
        Self { report: Some(Report { inbox, key, run }), node, exit: None }
    }

    /// Makes a link that nobody listens to, for an actor that is started without a supervisor.
    pub fn unsupervised(id: &str) -> Self {
        Self { report: None, node: Arc::new(Node::new(id.into(), ChildKind::Worker)), exit: None }
    }

    /// The id of the child in its supervisor.
    pub fn id(&self) -> &str {
        self.node.id()
    }

    /// Says that the child is up; only a child that [announces](super::ChildSpec::announced) itself needs to.
    pub fn started(&self) {
        if let Some(Report { inbox, key, run }) = &self.report {
            inbox.push(Event::Started { key: *key, run: *run });
        }
    }

    /// Sets the reason that is reported when the link is dropped; the last call counts.
    pub fn exit(&mut self, exit: Exit) {
        self.exit = Some(exit);
    }

    /// Shows these counters in the tree, beside restarts and the last exit. Stages of this crate do it themselves.
    pub fn observe(&self, counters: &Arc<StageCounters>) {
        self.node.observe(counters);
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let Some(Report { inbox, key, run }) = self.report.take() else { return };
        let exit = self.exit.take().unwrap_or_else(|| {
            if thread::panicking() { Exit::Panicked(panics::last_message()) } else { Exit::Normal }
        });
        inbox.push(Event::Exited { key, run, exit });
    }
}

// === impl Inbox ===

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::new(Some(VecDeque::new())), waker: AtomicWaker::new() }
    }

    fn push(&self, event: Event) {
        if let Some(queue) = &mut *self.queue.lock() {
            queue.push_back(event);
        }
        self.waker.wake();
    }

    pub(crate) fn pop(&self) -> Option<Event> {
        self.queue.lock().as_mut()?.pop_front()
    }

    /// Whom the next entry wakes.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// From now on entries are dropped.
    pub(crate) fn close(&self) {
        *self.queue.lock() = None;
    }
}
