//! The way to a running supervisor from any thread: commands, its end, and what it looks like.

use std::{fmt, sync::Arc, time::Duration};

use actix::{Addr, Message};
use tokio::sync::{oneshot, watch};

use super::{
    child::{ChildHandle, ChildSpec},
    error::SupervisorError,
    exit::Exit,
    intensity::Intensity,
    node::{Children, Node},
    shell::Supervisor,
    stop::{Stop, StopMode},
};
use crate::{
    backoff::Backoff,
    observe::{ChildCount, ChildInfo, TreeNode},
};

/// Commands a supervisor and watches it; cheap to clone, usable from any thread.
///
/// Dropping it does nothing to the supervisor.
#[derive(Clone)]
pub struct SupervisorHandle {
    pub(crate) addr: Addr<Supervisor>,
    pub(crate) node: Arc<Node>,
    pub(crate) children: Arc<Children>,
    pub(crate) status: watch::Receiver<Status>,
}

/// How far a supervisor is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    Booting,
    Up,
    Ended(Exit),
}

pub(crate) type Reply = oneshot::Sender<Result<(), SupervisorError>>;

#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Command {
    pub(crate) order: Order,
    pub(crate) reply: Reply,
}

pub(crate) enum Order {
    Start(ChildSpec),
    Terminate(String),
    Restart(String, StopMode),
    Delete(String),
    Adjust(Intensity, Backoff),
}

// === impl SupervisorHandle ===

impl SupervisorHandle {
    /// The id of the supervisor.
    pub fn id(&self) -> &str {
        self.node.id()
    }

    /// Waits until the first children are up.
    ///
    /// # Errors
    /// The exit of the supervisor, when one of them did not come up.
    pub async fn ready(&self) -> Result<(), Exit> {
        let mut status = self.status.clone();
        let up = status.wait_for(|status| *status != Status::Booting).await.map(|status| status.clone());
        match up {
            Ok(Status::Ended(exit)) => Err(exit),
            Ok(_) => Ok(()),
            Err(_) => Err(Exit::Killed),
        }
    }

    /// Waits until the supervisor and all below it have ended; [`Exit::Killed`] when its thread went away with it.
    pub async fn exited(&self) -> Exit {
        let mut status = self.status.clone();
        match status.wait_for(|status| matches!(status, Status::Ended(_))).await.as_deref() {
            Ok(Status::Ended(exit)) => exit.clone(),
            _ => Exit::Killed,
        }
    }

    /// Adds a child and waits until it is up.
    ///
    /// # Errors
    /// The id is taken, the specification makes no sense, the child did not start (then it is forgotten), or the
    /// supervisor is not up.
    pub async fn start_child(&self, spec: ChildSpec) -> Result<(), SupervisorError> {
        self.command(Order::Start(spec)).await
    }

    /// Stops a child and waits until it is down. Its specification is kept, unless it is temporary or the strategy
    /// is dynamic.
    ///
    /// # Errors
    /// There is no such child, a later command overtook this one, or the supervisor is not up.
    pub async fn terminate_child(&self, id: &str) -> Result<(), SupervisorError> {
        self.command(Order::Terminate(id.to_owned())).await
    }

    /// Stops a child if it is up, starts it, and waits until it is up.
    ///
    /// It neither waits out a back-off nor counts against the intensity, and it leaves the siblings alone. If the new
    /// one does not start, a child that was up before is tried again like any failed one; one that was down stays down.
    ///
    /// # Errors
    /// There is no such child, it did not start, a later command overtook this one, or the supervisor is not up.
    pub async fn restart_child(&self, id: &str, mode: StopMode) -> Result<(), SupervisorError> {
        self.command(Order::Restart(id.to_owned(), mode)).await
    }

    /// Forgets a child that is down.
    ///
    /// # Errors
    /// There is no such child, it is not down, or the supervisor is not up.
    pub async fn delete_child(&self, id: &str) -> Result<(), SupervisorError> {
        self.command(Order::Delete(id.to_owned())).await
    }

    /// Changes how often children may fail and how long they wait before they are started again. Restarts of the past count by the new limit
    /// when the next one comes; a delay that has begun is waited out.
    ///
    /// # Errors
    /// The supervisor is not up.
    pub async fn adjust(&self, intensity: Intensity, backoff: Backoff) -> Result<(), SupervisorError> {
        self.command(Order::Adjust(intensity, backoff)).await
    }

    /// Stops all below it in reverse start order, within the time given, and waits for the end.
    ///
    /// What is still up when the time is over is told to end at once, and abandoned if it does not.
    pub async fn shutdown(&self, deadline: Duration) -> Exit {
        // A closed mailbox means that it has ended.
        let _ = self.addr.send(Stop { mode: StopMode::Graceful(deadline) }).await;
        self.exited().await
    }

    /// Lists the children in start order, without asking the supervisor.
    pub fn which_children(&self) -> Vec<ChildInfo> {
        self.children.list()
    }

    /// Counts the children, without asking the supervisor.
    pub fn count_children(&self) -> ChildCount {
        self.children.count()
    }

    /// Takes a picture of the whole tree below, without asking any supervisor.
    pub fn tree(&self) -> TreeNode {
        self.node.snapshot()
    }

    /// Finds the present life of a nested supervisor by the ids on the way to it.
    pub fn nested(&self, path: &[&str]) -> Option<SupervisorHandle> {
        self.node.supervisor(path)
    }

    pub(crate) fn into_child(self) -> ChildHandle {
        self.addr.into()
    }

    async fn command(&self, order: Order) -> Result<(), SupervisorError> {
        let (reply, answer) = oneshot::channel();
        let gone = || SupervisorError::ShuttingDown(self.id().to_owned());
        self.addr.send(Command { order, reply }).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl fmt::Debug for SupervisorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisorHandle").field("id", &self.id()).finish_non_exhaustive()
    }
}
