//! A Pusher: one consumer per provider connection, with manual demand.
//!
//! In: `Events` from the collector, answers from its session, `Stop` from its supervisor, [`Nudge`] from the operator.
//! Out: `Ask` (what its window has free, in batches), verdicts to `feedback`.
//! Invariants: never more unanswered than the window; whatever ends it (a crash too) gives its unanswered pushes back, by a drop guard.
//!
//! ```text
//!            connect                 Draining / answers overdue
//! Connecting ───────► Ready ──────────────────────────► Connecting + a retiring session that is still read
//!    │ login refused    │ Closed
//!    ▼                  ▼
//!  Failed (slow probe)  exit: the supervisor backs off and starts a new incarnation
//! ```
//! Demand belongs to a session: each session has a subscription of its own, cancelled when the session takes no more pushes.

mod answers;
mod held;
mod inflight;
mod overdue;
mod owed;
mod pace;
mod sending;
mod sessions;
mod troubles;
mod window;
mod wiring;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use held::Held;
use inflight::SessionNumber;
use owed::Owed;
use pace::Pace;
use pushweir_actors::{Cancelled, ConsumerLink, Events, Exit, Link, Stop};
use sessions::{FromSession, Live};
pub use troubles::Troubles;
use troubles::{Next, Trouble, What};
use window::Window;
pub use wiring::{Settings, Wiring};

use crate::flow::{Nudge, PusherCell, PusherState};
use crate::push::Push;
use crate::transport::{ConnectError, Session};
use crate::units::Moment;

/// How long a connection may take to say good-bye once nothing is unanswered.
const FAREWELL: Duration = Duration::from_secs(2);
/// The most that a stop without a limit of its own waits for answers.
const LONGEST_STOP: Duration = Duration::from_secs(3600);

/// The actor.
pub struct Pusher {
    wiring: Arc<Wiring>,
    cell: Arc<PusherCell>,
    link: Link,
    held: Held,
    window: Window,
    current: Option<Live>,
    retiring: Vec<Live>,
    /// Answers of the current session that are not waited for, though the provider may count their pushes.
    owed: Owed,
    pace: Pace,
    last_session: SessionNumber,
    /// Connections in a row that could not be opened.
    failed: u32,
    is_login_refused: bool,
    is_stopping: bool,
    is_leaving: bool,
}

// === impl Pusher ===

impl Pusher {
    /// Returns a pusher that will connect once it is started.
    pub fn new(wiring: Arc<Wiring>, cell: Arc<PusherCell>, link: Link) -> Self {
        Self {
            held: Held::new(Arc::clone(&wiring)),
            wiring,
            cell,
            link,
            window: Window::default(),
            current: None,
            retiring: Vec::new(),
            owed: Owed::default(),
            pace: Pace::default(),
            last_session: SessionNumber::default(),
            failed: 0,
            is_login_refused: false,
            is_stopping: false,
            is_leaving: false,
        }
    }

    fn name(&self) -> String {
        format!("{}/{}", self.wiring.route.name, self.cell.number)
    }

    fn now(&self) -> Moment {
        self.wiring.clock.now()
    }

    fn connect(&mut self, ctx: &mut Context<Self>) {
        if self.is_stopping {
            return;
        }
        let wiring = Arc::clone(&self.wiring);
        let attempt = async move {
            let _permit = wiring.logins.acquire().await;
            wiring.route.dials.fetch_add(1, Ordering::Relaxed);
            let connector = Arc::clone(&wiring.connector.read());
            connector.connect().await
        };
        ctx.spawn(attempt.into_actor(self).map(|result, pusher, ctx| match result {
            // A pusher that stops stays for the answers that it is owed, and for nothing else.
            _ if pusher.is_stopping => {}
            Ok(session) => pusher.connected(session, ctx),
            Err(error) => pusher.not_connected(&error, ctx),
        }));
    }

    fn connected(&mut self, session: Session, ctx: &mut Context<Self>) {
        self.last_session = SessionNumber(self.last_session.0.wrapping_add(1));
        self.is_login_refused = false;
        self.failed = 0;
        log::info!(
            "connected pusher={} peer={} window={}",
            self.name(),
            self.wiring.connector.read().peer(),
            session.window
        );
        self.window = Window::open(session.window);
        self.owed.clear();
        self.cell.set_connected(Some(self.now()));
        let peer = self.wiring.connector.read().peer();
        self.current = Some(Live::attach(self.last_session, session, (peer, self.now()), ctx));
        self.follow_switches(ctx);
        self.publish();
    }

    fn not_connected(&mut self, error: &ConnectError, ctx: &mut Context<Self>) {
        let cause = error.to_string();
        self.cell.set_error(cause.clone());
        self.failed = self.failed.saturating_add(1);
        let spread = fastrand::f64();
        let trouble = |what| Trouble { what, cause: cause.clone(), unanswered: 0 };
        if error.is_login_refused() {
            self.is_login_refused = true;
            let pause = self.wiring.settings().login_retry.mul_f64(1.0 + spread / 4.0);
            self.try_again(trouble(What::Login), self.failed, pause, ctx);
        } else if self.retiring.is_empty() {
            self.end(trouble(What::Connect), ctx);
        } else {
            // Leaving now would cut off the session that still owes answers.
            let pause = Duration::from_secs_f64(0.5 + spread);
            self.try_again(trouble(What::Replace), self.failed, pause, ctx);
        }
        self.publish();
    }

    fn try_again(&self, trouble: Trouble, attempt: u32, after: Duration, ctx: &mut Context<Self>) {
        self.wiring.fails(self.cell.number, trouble, Next { attempt, after });
        ctx.run_later(after, Self::connect);
    }

    /// Leaves it to the supervisor to start another incarnation, and to say when.
    fn end(&mut self, trouble: Trouble, ctx: &mut Context<Self>) {
        let exit = Exit::Failed(trouble.cause.clone());
        self.wiring.troubles.lock().ends(self.cell.number, trouble);
        self.link.exit(exit);
        ctx.stop();
    }

    /// Starts or stops asking, as operator, route and connection allow.
    fn follow_switches(&mut self, ctx: &mut Context<Self>) {
        let is_leaving = self.is_stopping || self.cell.is_leaving();
        let may_ask = self.current.is_some() && !is_leaving && !self.is_paused();
        match self.held.subscription() {
            None if may_ask => {
                let consumer = ConsumerLink::to(&ctx.address());
                self.held.subscribe(consumer);
                self.ask();
            }
            Some(_) if !may_ask => self.unsubscribe(),
            _ => {}
        }
    }

    fn unsubscribe(&mut self) {
        self.held.unsubscribe();
        self.window.forget_demand();
    }

    fn is_paused(&self) -> bool {
        self.cell.is_paused() || self.wiring.route.paused.load(Ordering::Relaxed)
    }

    fn ask(&mut self) {
        let Some(subscription) = self.held.subscription() else { return };
        let count = self.window.ask();
        if count > 0 {
            self.wiring.port.ask(subscription, count);
        }
    }

    /// Stops using the current session for pushes, keeps reading it, and opens its replacement.
    fn retire_current(&mut self, reason: &str, ours: bool, ctx: &mut Context<Self>) {
        let Some(mut live) = self.current.take() else { return };
        log::info!(
            "connection draining pusher={} reason={reason:?} in_flight={}",
            self.name(),
            self.held.table.len()
        );
        self.unsubscribe();
        self.cell.set_connected(None);
        if ours && self.held.table.on_session(live.number) == 0 {
            live.outbox.finish();
        }
        live.is_ours_to_close = ours;
        let number = live.number;
        let last = (live.since, live.settled);
        self.retiring.push(live);
        ctx.run_later(self.wiring.settings().drain_timeout, move |pusher, _ctx| {
            if let Some(live) = pusher.retiring.iter_mut().find(|live| live.number == number) {
                live.outbox.finish();
            }
        });
        let trouble = Trouble { what: What::Nothing, cause: reason.to_owned(), unanswered: 0 };
        self.replace(last, trouble, ctx);
    }

    /// Ends the actor in order when it is stopping and nothing is left to wait for.
    fn after_change(&mut self, ctx: &mut Context<Self>) {
        for live in &mut self.retiring {
            if live.is_ours_to_close && self.held.table.on_session(live.number) == 0 {
                live.outbox.finish();
            }
        }
        if self.is_stopping && self.held.table.is_empty() {
            if self.current.is_none() && self.retiring.is_empty() {
                return self.leave(ctx);
            }
            if !self.is_leaving {
                self.is_leaving = true;
                for live in self.current.iter_mut().chain(&mut self.retiring) {
                    live.outbox.finish();
                }
                ctx.run_later(FAREWELL, |pusher, ctx| pusher.leave(ctx));
            }
        }
        self.ask();
        self.publish();
    }

    fn leave(&mut self, ctx: &mut Context<Self>) {
        self.link.exit(Exit::Shutdown);
        ctx.stop();
    }

    fn publish(&self) {
        let state = if self.is_stopping || (self.cell.is_leaving() && self.current.is_some()) {
            PusherState::Draining
        } else if self.is_login_refused {
            PusherState::Failed
        } else if self.current.is_none() {
            if self.retiring.is_empty() { PusherState::Connecting } else { PusherState::Draining }
        } else if self.is_paused() {
            PusherState::Paused
        } else {
            PusherState::Ready
        };
        self.cell.set_state(state);
        let window = if self.current.is_some() { self.window.size() } else { 0 };
        self.cell.set_load(window, u32::try_from(self.held.table.len()).unwrap_or(u32::MAX));
    }
}

impl Actor for Pusher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.cell.attach(ctx.address().recipient(), ctx.address().recipient());
        self.look_for_overdue(ctx);
        self.connect(ctx);
        self.publish();
        self.link.started();
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        self.cell.set_connected(None);
        self.cell.set_load(0, 0);
        self.cell.set_state(PusherState::BackingOff);
        if std::thread::panicking() {
            self.cell.set_error("the pusher panicked (hint: see the log)".to_owned());
        }
    }
}

impl Handler<Events<Push>> for Pusher {
    type Result = ();

    fn handle(&mut self, events: Events<Push>, _ctx: &mut Self::Context) {
        if self.held.subscription() == Some(events.id()) {
            self.send(events);
            self.publish();
        }
    }
}

impl Handler<Cancelled> for Pusher {
    type Result = ();

    fn handle(&mut self, cancelled: Cancelled, ctx: &mut Self::Context) {
        if self.held.subscription() == Some(cancelled.id) {
            log::info!("subscribing again pusher={} reason={:?}", self.name(), cancelled.reason.to_string());
            self.held.forget_subscription();
            self.window.forget_demand();
            self.follow_switches(ctx);
        }
    }
}

impl StreamHandler<FromSession> for Pusher {
    fn handle(&mut self, batch: FromSession, ctx: &mut Self::Context) {
        self.hear(batch, ctx);
    }

    fn finished(&mut self, _ctx: &mut Self::Context) {
        // A session's stream ends after its `Closed`, which says everything; the actor goes on.
    }
}

impl Handler<Nudge> for Pusher {
    type Result = ();

    fn handle(&mut self, nudge: Nudge, ctx: &mut Self::Context) {
        match nudge {
            Nudge::LookAtSwitches => {
                self.follow_switches(ctx);
                self.publish();
            }
            Nudge::Panic => panic!("injected by the operator"),
        }
    }
}

impl Handler<Stop> for Pusher {
    type Result = ();

    fn handle(&mut self, stop: Stop, ctx: &mut Self::Context) {
        if stop.is_forced() {
            return self.leave(ctx);
        }
        self.is_stopping = true;
        self.follow_switches(ctx);
        // A little before the supervisor's patience ends, so that the exit is an orderly one.
        let patience = stop.deadline().min(LONGEST_STOP).mul_f64(0.9);
        ctx.run_later(patience, |pusher, ctx| pusher.leave(ctx));
        self.after_change(ctx);
    }
}

#[cfg(test)]
mod tests;
