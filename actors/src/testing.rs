//! Probe children: actors that do as a test tells them and write down what happens to them; used by tests only.
//!
//! All probes of a [`Probes`] share one log in the order of events: `a up`, `a stop` (asked in order), `a kill` (asked to
//! end at once), `a down`. Nothing here waits for real time.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::supervisor::{ChildHandle, ChildSpec, Exit, Link, StartError, Stop};

/// A family of probes with one log. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Probes(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    log: Mutex<Vec<String>>,
    logged: Notify,
    up: Mutex<HashMap<String, Addr<Probe>>>,
    starts: Mutex<HashMap<String, VecDeque<Start>>>,
}

/// What the next start of a probe does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Start {
    /// It comes up.
    Up,
    /// It returns this error.
    Error(StartError),
    /// Its start function panics.
    Panic,
    /// It runs, but announces itself only when [`Probes::announce`] tells it to.
    Silent,
    /// It panics in `Actor::started`.
    PanicInStarted,
}

/// What a probe does when it is asked to end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum OnStop {
    /// It ends.
    #[default]
    End,
    /// It ends with this reason.
    Exit(Exit),
    /// It ends after this time, or at once when told to.
    Linger(Duration),
    /// It ends only when it is told to end at once.
    Resist,
    /// It does not end.
    Hang,
}

/// How a probe is made to end by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum End {
    /// With this reason.
    Exit(Exit),
    /// By a panic in a handler.
    Panic,
}

#[derive(Debug)]
struct Probe {
    probes: Probes,
    link: Link,
    start: Start,
    on_stop: OnStop,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Finish(End);

#[derive(Message)]
#[rtype(result = "()")]
struct Announce;

// === impl Probes ===

impl Probes {
    /// Describes a probe that ends when it is asked to.
    pub fn child(&self, id: &str) -> ChildSpec {
        self.child_that(id, OnStop::End)
    }

    /// Describes a probe that treats stops as told.
    pub fn child_that(&self, id: &str, on_stop: OnStop) -> ChildSpec {
        let (probes, id) = (self.clone(), id.to_owned());
        ChildSpec::worker(id.clone(), move |link| probes.start(&id, link, on_stop.clone()))
    }

    /// Says what the next starts of a probe do; those after them come up.
    pub fn next_starts(&self, id: &str, starts: impl IntoIterator<Item = Start>) {
        self.0.starts.lock().entry(id.to_owned()).or_default().extend(starts);
    }

    /// Makes a probe that is up end by itself.
    ///
    /// # Panics
    /// It is not up.
    pub async fn end(&self, id: &str, end: End) {
        // A probe that panics does not answer.
        let _ = self.addr(id).send(Finish(end)).await;
    }

    /// Makes a silent probe announce that it is up.
    ///
    /// # Panics
    /// It does not run.
    pub async fn announce(&self, id: &str) {
        let _ = self.addr(id).send(Announce).await;
    }

    /// Takes what was logged since the last time.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.log.lock())
    }

    /// Waits until the log has at least so many of these entries.
    pub async fn logged(&self, entry: &str, times: usize) {
        loop {
            let changed = self.0.logged.notified();
            if self.0.log.lock().iter().filter(|logged| *logged == entry).count() >= times {
                return;
            }
            changed.await;
        }
    }

    fn addr(&self, id: &str) -> Addr<Probe> {
        let addr = self.0.up.lock().get(id).cloned();
        addr.unwrap_or_else(|| panic!("probe {id:?} is not up"))
    }

    fn log(&self, id: &str, what: &str) {
        self.0.log.lock().push(format!("{id} {what}"));
        self.0.logged.notify_waiters();
    }

    fn start(&self, id: &str, link: Link, on_stop: OnStop) -> Result<ChildHandle, StartError> {
        let start = self.0.starts.lock().get_mut(id).and_then(VecDeque::pop_front).unwrap_or(Start::Up);
        match start {
            Start::Error(error) => {
                self.log(id, "fail");
                return Err(error);
            }
            Start::Panic => panic!("probe {id:?} was told to panic in its start function"),
            Start::Up => self.log(id, "up"),
            Start::Silent | Start::PanicInStarted => self.log(id, "begin"),
        }
        let addr = Probe { probes: self.clone(), link, start, on_stop }.start();
        self.0.up.lock().insert(id.to_owned(), addr.clone());
        Ok(addr.into())
    }
}

// === impl Probe ===

impl Actor for Probe {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        match self.start {
            Start::Up => self.link.started(),
            Start::PanicInStarted => panic!("probe {:?} was told to panic in started", self.link.id()),
            _ => {}
        }
    }
}

impl Handler<Finish> for Probe {
    type Result = ();

    fn handle(&mut self, Finish(end): Finish, ctx: &mut Self::Context) {
        match end {
            End::Exit(exit) => {
                self.link.exit(exit);
                ctx.stop();
            }
            End::Panic => panic!("probe {:?} was told to panic", self.link.id()),
        }
    }
}

impl Handler<Announce> for Probe {
    type Result = ();

    fn handle(&mut self, _: Announce, _: &mut Self::Context) {
        self.probes.log(self.link.id(), "up");
        self.link.started();
    }
}

impl Handler<Stop> for Probe {
    type Result = ();

    fn handle(&mut self, stop: Stop, ctx: &mut Self::Context) {
        self.probes.log(self.link.id(), if stop.is_forced() { "kill" } else { "stop" });
        match &self.on_stop {
            OnStop::Hang => {}
            _ if stop.is_forced() => ctx.stop(),
            OnStop::End => ctx.stop(),
            OnStop::Exit(exit) => {
                self.link.exit(exit.clone());
                ctx.stop();
            }
            OnStop::Linger(time) => {
                ctx.run_later(*time, |_, ctx| ctx.stop());
            }
            OnStop::Resist => {}
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let id = self.link.id();
        self.probes.0.up.lock().remove(id);
        self.probes.log(id, "down");
    }
}
