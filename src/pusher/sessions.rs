//! What a pusher hears from its sessions: the current one and those that retire.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::StreamExt;

use super::Pusher;
use super::answers::Answers;
use super::inflight::{Entry, SessionNumber};
use super::troubles::{Trouble, What};
use crate::feedback::results::Done;
use crate::flow::{Look, RouteCell, Sighting, Whereabouts};
use crate::outcome::Verdict;
use crate::push::PushKey;
use crate::push::trace::Carrier;
use crate::transport::{Outbox, Session, SessionEvent};
use crate::units::Moment;

/// A batch of events of one session.
#[derive(Debug)]
pub struct FromSession {
    number: SessionNumber,
    events: Vec<SessionEvent>,
}

/// A session that is being read.
pub struct Live {
    /// Its number.
    pub number: SessionNumber,
    /// Its sending half.
    pub outbox: Box<dyn Outbox>,
    /// Who is at its other end.
    peer: Arc<str>,
    /// Since when.
    pub since: Moment,
    /// Attempts that it settled, those that it handed back aside.
    pub settled: u32,
    /// Whether it was our idea to end it, so that the provider will not close it.
    pub is_ours_to_close: bool,
}

// === impl Live ===

impl Live {
    /// Reads the events of the session with a peer into the pusher from `since`, which is now, on.
    pub fn attach(
        number: SessionNumber,
        session: Session,
        (peer, since): (String, Moment),
        ctx: &mut Context<Pusher>,
    ) -> Self {
        let Session { outbox, events, .. } = session;
        Pusher::add_stream(events.map(move |events| FromSession { number, events }), ctx);
        Self { number, outbox, peer: peer.into(), since, settled: 0, is_ours_to_close: false }
    }

    /// Returns what a trace says of this session and its pusher.
    pub fn carrier(&self, route: &RouteCell, pusher: u32, in_flight: u32) -> Carrier {
        Carrier { peer: Arc::clone(&self.peer), transport: route.transport(), pusher, in_flight }
    }
}

// === impl Pusher ===

impl Pusher {
    /// Follows a batch of session events.
    pub(super) fn hear(&mut self, batch: FromSession, ctx: &mut Context<Self>) {
        let FromSession { number, events } = batch;
        let now = self.now();
        let wiring = Arc::clone(&self.wiring);
        let mut answers = Answers::new(&wiring.feedback, self.cell.partition);
        let mut rest = Vec::new();
        for event in events {
            match event {
                SessionEvent::Answered { key, verdict } => {
                    self.answered(number, key, verdict, now, &mut answers)
                }
                event => rest.push(event),
            }
        }
        self.cell.count_answers(answers.len(), answers.unknown);
        answers.settle();
        self.wiring.route.times.answer.enter(&answers.answer_times);
        self.wiring.route.times.delivery.enter(&answers.delivery_times);
        for event in rest {
            self.follow(number, event, ctx);
        }
        self.after_change(ctx);
        self.wiring.route.times.handler.note(self.now().since(now));
    }

    /// Opens the connection after `last`, which ended by `trouble`: at once, unless those before it came to nothing.
    pub(super) fn replace(&mut self, last: (Moment, u32), trouble: Trouble, ctx: &mut Context<Self>) {
        let (since, settled) = last;
        let was_useful = settled > self.window.size() / 4;
        let pause = self.pace.pause(self.now().since(since), was_useful, fastrand::f64());
        match (trouble.what, pause) {
            // A provider may drain a connection whenever it likes.
            (What::Nothing, Duration::ZERO) => self.connect(ctx),
            (_, pause) => self.try_again(trouble, self.pace.short_lives(), pause, ctx),
        }
    }

    fn answered(
        &mut self,
        number: SessionNumber,
        key: PushKey,
        verdict: Verdict,
        now: Moment,
        answers: &mut Answers<'_>,
    ) {
        let is_current = self.current.as_ref().is_some_and(|live| live.number == number);
        let Some(entry) = self.held.table.settle(key) else {
            answers.unknown += 1;
            if is_current && self.owed.settle(key) {
                self.window.settle_overdue();
            }
            return;
        };
        let Entry { push, sent_at, session, .. } = entry;
        let accepted_at = push.accepted_at;
        let trace = push.trace.as_ref().map(|trace| trace.name().trace);
        answers.answer_times.add(now.since(sent_at), trace);
        let is_delivered = matches!(verdict, Verdict::Delivered { .. });
        let is_of_use = !matches!(verdict, Verdict::Elsewhere(_));
        answers.add(push, verdict, |push| Done::new(push, self.cell.number, sent_at, now));
        self.cell.latencies.record(now.since(sent_at));
        if is_delivered {
            self.wiring.route.delivery.record(now.since(accepted_at));
            answers.delivery_times.add(now.since(accepted_at), trace);
        }
        if let Some(live) = self.current.as_mut().filter(|live| live.number == session) {
            if is_current {
                live.settled = live.settled.saturating_add(u32::from(is_of_use));
                self.window.settle(1);
            } else {
                // An older connection was faster; the current one has the push too, and its answer is still to come.
                self.window.lapse(1);
                self.owed.add(key);
            }
        }
    }

    fn follow(&mut self, number: SessionNumber, event: SessionEvent, ctx: &mut Context<Self>) {
        let is_current = self.current.as_ref().is_some_and(|live| live.number == number);
        match event {
            SessionEvent::Window(size) if is_current => self.window.resize(size),
            SessionEvent::Draining { reason } if is_current => self.retire_current(&reason, false, ctx),
            SessionEvent::Closed { reason, .. } => self.closed(number, &reason, ctx),
            SessionEvent::Upstream(count) => {
                log::debug!("upstream messages acknowledged pusher={} count={count}", self.name());
            }
            SessionEvent::Window(_) | SessionEvent::Draining { .. } | SessionEvent::Answered { .. } => {}
        }
    }

    fn closed(&mut self, number: SessionNumber, reason: &str, ctx: &mut Context<Self>) {
        let unanswered = self.held.table.take_session(number);
        let count = unanswered.len();
        self.wiring.feedback.unanswered(self.cell.partition, unanswered);
        self.retiring.retain(|live| live.number != number);
        let Some(live) = self.current.take_if(|live| live.number == number) else {
            log::info!(
                "retired connection closed pusher={} reason={reason:?} unanswered={count}",
                self.name()
            );
            return;
        };
        self.unsubscribe();
        self.cell.set_connected(None);
        if self.is_stopping {
            return;
        }
        self.cell.set_error(reason.to_owned());
        let trouble = Trouble { what: What::Lost, cause: reason.to_owned(), unanswered: count };
        if self.retiring.is_empty() {
            self.end(trouble, ctx);
        } else {
            // Leaving now would cut off the session that still owes answers.
            self.replace((live.since, live.settled), trouble, ctx);
        }
    }
}

impl Handler<Look> for Pusher {
    type Result = ();

    fn handle(&mut self, look: Look, _ctx: &mut Self::Context) {
        let Some(entry) = self.held.table.find(&look.wanted) else { return };
        let place = Whereabouts::InFlight { pusher: self.cell.number, sent_at: entry.sent_at };
        // Nobody waits any more, or another has answered.
        drop(look.answer.try_send(Sighting::of(&entry.push, place)));
    }
}
