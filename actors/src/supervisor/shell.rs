//! The supervisor as an actor: takes reports, timers and commands to the plan and carries out what it decides.
//!
//! Its children and its parent reach it by inbox and mailbox, everybody else by [`SupervisorHandle`]. It works in turns of
//! a bounded number of steps, so that the other actors of its thread get theirs while thousands of children come and go.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
};

use actix::{Actor, ActorContext, Addr, ArbiterHandle, AsyncContext, Context, Handler, fut::ActorFuture};
use tokio::{sync::watch, time::Instant};

use super::{
    SupervisorSpec,
    child::{ChildHandle, ChildSpec, Setback, StartError, StartFn, TellFn},
    exit::Exit,
    handle::{Command, Order, Reply, Status, SupervisorHandle},
    link::{Inbox, Link},
    node::{Children, Node},
    notes::Notes,
    panics,
    plan::{Effect, Event, Key, Note, Plan, Run, Ticket, Up},
    spec::{ChildKind, ChildPolicy, SpecError},
    stop::{Stop, StopMode},
    timers::Timers,
};
use crate::observe::NodeState;

/// So many steps are made before other actors of the thread get their turn. A `LocalSet` polls up to 61 tasks before it
/// looks at sockets and clocks, so a busy supervisor delays those by 61 times as many.
const STEPS: usize = 64;

/// Starts its children, starts them again when they fail, and ends when they fail too often.
///
/// Not to be confused with `actix::Supervisor`, which sees no panics and knows no limit.
pub struct Supervisor {
    name: Arc<str>,
    plan: Plan,
    entries: HashMap<Key, Entry>,
    inbox: Arc<Inbox>,
    timers: Timers,
    notes: Notes,
    tickets: HashMap<Ticket, Reply>,
    next_ticket: u64,
    link: Option<Link>,
    node: Arc<Node>,
    children: Arc<Children>,
    status: watch::Sender<Status>,
}

struct Entry {
    start: StartFn,
    tell: Option<TellFn>,
    node: Arc<Node>,
    up: Option<(Run, ChildHandle)>,
}

/// Drives the supervisor: polled whenever something was reported or a timer ran out.
struct Driver;

/// Everything a supervisor needs before it has an address.
struct Seed {
    supervisor: Supervisor,
    status: watch::Receiver<Status>,
    strategy: super::Strategy,
}

// === impl Supervisor ===

impl Supervisor {
    /// Starts a supervisor on this thread; with a link it is a child itself, without one it is a root.
    ///
    /// It returns before the first children are up: [`SupervisorHandle::ready`] waits for them.
    ///
    /// # Errors
    /// The specification makes no sense.
    ///
    /// # Panics
    /// There is no actix system on this thread.
    pub fn start(spec: SupervisorSpec, link: Option<Link>) -> Result<SupervisorHandle, SpecError> {
        Ok(Self::seed(spec, link)?.grow(Actor::start))
    }

    /// Like [`start`](Self::start), on the thread of the arbiter.
    ///
    /// # Errors
    /// The specification makes no sense.
    pub fn start_in(
        arbiter: &ArbiterHandle,
        spec: SupervisorSpec,
        link: Option<Link>,
    ) -> Result<SupervisorHandle, SpecError> {
        let start = |supervisor| Self::start_in_arbiter(arbiter, move |_| supervisor);
        Ok(Self::seed(spec, link)?.grow(start))
    }

    fn seed(spec: SupervisorSpec, link: Option<Link>) -> Result<Seed, SpecError> {
        panics::install_hook();
        let node = match &link {
            Some(link) => link.node().clone(),
            None => Arc::new(Node::new(spec.id.clone(), ChildKind::Supervisor)),
        };
        let policies = spec.children.iter().map(|child| child.policy.clone()).collect();
        let plan = Plan::new(node.id(), spec.rules(), policies)?;
        let (sender, status) = watch::channel(Status::Booting);
        let mut supervisor = Self {
            name: node.id().clone(),
            plan,
            entries: HashMap::new(),
            inbox: Arc::new(Inbox::new()),
            timers: Timers::default(),
            notes: Notes::default(),
            tickets: HashMap::new(),
            next_ticket: 0,
            link,
            node,
            children: Arc::default(),
            status: sender,
        };
        let strategy = spec.strategy;
        for (key, child) in spec.children.into_iter().enumerate() {
            supervisor.enter(Key(key as u64), child);
        }
        Ok(Seed { supervisor, status, strategy })
    }

    fn enter(&mut self, key: Key, ChildSpec { policy, start, tell }: ChildSpec) {
        let ChildPolicy { id, kind, .. } = policy;
        let node = Arc::new(Node::new(id, kind));
        self.children.insert(key, node.clone());
        self.entries.insert(key, Entry { start, tell, node, up: None });
    }

    /// Makes one step; `false` when there is nothing to do.
    fn step(&mut self, now: Instant, ctx: &mut Context<Self>) -> bool {
        if let Some(effect) = self.plan.pop_effect() {
            self.perform(effect, ctx);
            return true;
        }
        let timers = &mut self.timers;
        // Reports first: what ended in time was not late.
        let event =
            self.inbox.pop().or_else(|| timers.pop(now).map(|(key, token)| Event::Timer { key, token }));
        let Some(event) = event else { return false };
        self.tell(event);
        true
    }

    fn tell(&mut self, event: Event) {
        self.plan.handle(Instant::now().into_std(), fastrand::f64(), event);
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Start { key, run } => self.start_child(key, run),
            Effect::Stop { key, run, mode } => self.stop_child(key, run, mode),
            Effect::Timer { key, token, after } => self.timers.arm(key, token, after),
            Effect::Forget { key } => {
                self.children.remove(key);
                self.entries.remove(&key);
                self.timers.disarm(Some(key));
            }
            Effect::Changed { key } => self.show(key),
            Effect::Note { key, note } => self.note(key, note),
            Effect::Answer { ticket, result } => {
                if let Some(reply) = self.tickets.remove(&ticket) {
                    // Who gave the command may have stopped waiting.
                    let _ = reply.send(result);
                }
            }
            Effect::Booted => self.booted(),
            Effect::Stopping => self.node.set_state(NodeState::Stopping),
            Effect::Exit(exit) => self.end(exit, ctx),
        }
    }

    fn start_child(&mut self, key: Key, run: Run) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let link = Link::new(self.inbox.clone(), (key, run), entry.node.clone());
        let start = entry.start.clone();
        let result = catch_unwind(AssertUnwindSafe(|| start(link)))
            .unwrap_or_else(|_| Err(StartError::Failed(format!("panicked: {}", panics::last_message()))));
        let result = match result {
            Ok(handle) => {
                entry.up = Some((run, handle));
                Ok(Up::Child)
            }
            Err(StartError::Ignore) => Ok(Up::Nothing),
            Err(StartError::Failed(reason)) => Err(reason),
        };
        self.tell(Event::StartReturned { key, run, result });
    }

    fn stop_child(&self, key: Key, run: Run, mode: StopMode) {
        if let Some((up, handle)) = self.entries.get(&key).and_then(|entry| entry.up.as_ref())
            && *up == run
        {
            handle.stop(Stop { mode });
        }
    }

    fn show(&mut self, key: Key) {
        if let (Some(entry), Some(view)) = (self.entries.get_mut(&key), self.plan.view(key)) {
            if view.is_down {
                // The address of a dead actor keeps its mailbox alive.
                entry.up = None;
            }
            entry.node.show(view);
        }
    }

    fn note(&mut self, key: Key, note: Note) {
        if let Note::Restarting { exit: Exit::Failed(reason), failures, after } = &note
            && let Some(tell) = self.entries.get(&key).and_then(|entry| entry.tell.clone())
        {
            let setback = Setback { reason, failures: *failures, after: *after };
            if catch_unwind(AssertUnwindSafe(|| tell(&setback))).is_ok() {
                return;
            }
        }
        if let Some(child) = self.plan.id(key) {
            self.notes.write(Instant::now().into_std(), (&self.name, child), note);
        }
    }

    fn booted(&mut self) {
        match &self.link {
            Some(link) => link.started(),
            None => self.node.set_state(NodeState::Running),
        }
        self.status.send_replace(Status::Up);
    }

    fn end(&mut self, exit: Exit, ctx: &mut Context<Self>) {
        match &mut self.link {
            Some(link) => link.exit(exit.clone()),
            None => self.node.set_exit(exit.clone()),
        }
        self.status.send_replace(Status::Ended(exit));
        ctx.stop();
    }

    fn obey(&mut self, order: Order, ticket: Ticket) -> Result<(), super::SupervisorError> {
        let now = Instant::now().into_std();
        let name = &*self.name;
        match order {
            Order::Start(spec) => {
                let key = self.plan.start_child(now, name, spec.policy.clone(), ticket)?;
                self.enter(key, spec);
                Ok(())
            }
            Order::Terminate(id) => self.plan.terminate_child(now, (name, &id), ticket),
            Order::Restart(id, mode) => self.plan.restart_child(now, (name, &id), mode, ticket),
            Order::Delete(id) => self.plan.delete_child((name, &id), ticket),
            Order::Adjust(intensity, backoff) => self.plan.adjust(name, (intensity, backoff), ticket),
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.plan.boot(Instant::now().into_std());
        ctx.spawn(Driver);
    }
}

impl Handler<Command> for Supervisor {
    type Result = ();

    fn handle(&mut self, Command { order, reply }: Command, _: &mut Self::Context) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        match self.obey(order, ticket) {
            Ok(()) => {
                self.tickets.insert(ticket, reply);
            }
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    }
}

impl Handler<Stop> for Supervisor {
    type Result = ();

    fn handle(&mut self, stop: Stop, _: &mut Self::Context) {
        self.plan.shutdown(Instant::now().into_std(), Exit::Shutdown, Some(stop.deadline()));
    }
}

impl Drop for Supervisor {
    /// A supervisor that did not end in order (its thread stops, or it panicked) takes its children with it.
    fn drop(&mut self) {
        self.inbox.close();
        let mut up: Vec<_> = self.entries.iter().filter_map(|(key, e)| Some((key, e.up.as_ref()?))).collect();
        up.sort_by_key(|(key, _)| std::cmp::Reverse(**key));
        for (_, (_, handle)) in up {
            handle.stop(Stop { mode: StopMode::Force });
        }
    }
}

// === impl Seed ===

impl Seed {
    /// Starts the actor and makes its node a branch of the tree.
    fn grow(self, start: impl FnOnce(Supervisor) -> Addr<Supervisor>) -> SupervisorHandle {
        let Self { supervisor, status, strategy } = self;
        let (node, children) = (supervisor.node.clone(), supervisor.children.clone());
        let handle = SupervisorHandle { addr: start(supervisor), node, children, status };
        Node::grow(strategy, &handle);
        handle
    }
}

// === impl Driver ===

impl ActorFuture<Supervisor> for Driver {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        supervisor: &mut Supervisor,
        ctx: &mut Context<Supervisor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        // Registered first, so that nothing reported from here on is missed.
        supervisor.inbox.register(task.waker());
        let mut now = Instant::now();
        for _ in 0..STEPS {
            if ctx.state().stopping() {
                return Poll::Ready(());
            }
            if supervisor.step(now, ctx) {
                continue;
            }
            ready!(supervisor.timers.poll(task));
            now = Instant::now();
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}
