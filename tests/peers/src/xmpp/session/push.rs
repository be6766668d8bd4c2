//! Judges a push: the checks that find a careless client out, and the answer it gets.
//!
//! Called by `stanza` for every push on an open stream. The order of the rules is the order of the code: what the client
//! did wrong first, then what the token asks for, then what the knobs draw.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use super::{Core, DRAIN_GRACE};
use crate::double::ledger::{Breach, Event, MessageKey};
use crate::double::script::Script;
use crate::xmpp::answer::{ack_json, nack_json, receipt_json};
use crate::xmpp::downstream::Push;
use crate::xmpp::flight::AnswerKind;
use crate::xmpp::knobs::{CloseStyle, DrainMode, Order, OverWindow};

const DRAINING: &str = "CONNECTION_DRAINING";

/// The answer to a push.
struct Plan<'a> {
    kind: AnswerKind,
    code: Cow<'a, str>,
    description: Option<Cow<'a, str>>,
    registration: Option<String>,
    /// A time of its own instead of the latency.
    delay: Option<Duration>,
}

impl<'a> Plan<'a> {
    fn deliver(kind: AnswerKind) -> Self {
        Self { kind, code: Cow::Borrowed(""), description: None, registration: None, delay: None }
    }

    fn nack(code: impl Into<Cow<'a, str>>, description: impl Into<Cow<'a, str>>) -> Self {
        let description = Some(description.into());
        Self { code: code.into(), description, ..Self::deliver(AnswerKind::Nack) }
    }
}

impl Core {
    /// Takes a push in and schedules its answer.
    pub(super) fn on_push(&mut self, push: &Push<'_>, now: Instant) {
        let key = MessageKey::of(&push.id);
        self.carried += 1;
        self.tally.events.push((key, Event::Received));
        let is_in_flight = self.flight.claim(key);
        let plan = self.plan(push, key, is_in_flight, now);
        let due = self.due(plan.delay, now);
        if plan.code == DRAINING
            && let Some(drain) = &mut self.drain
        {
            drain.announced = Some(drain.announced.map_or(due.0, |at| at.min(due.0)));
        }
        let delivered = plan.kind != AnswerKind::Nack;
        let receipt = (push.receipt && delivered).then(|| {
            let millis = self.setup.epoch_millis + (now - self.started).as_millis();
            Box::new((push.id.to_string(), receipt_json(&push.id, &push.target, millis)))
        });
        self.flight.open(key, due, |answer| {
            answer.kind = plan.kind;
            answer.receipt = receipt;
            answer.is_plain = push.is_plain && delivered && plan.registration.is_none();
            if plan.kind == AnswerKind::Nack {
                answer.code.push_str(&plan.code);
                nack_json(
                    &mut answer.json,
                    push.target_json,
                    push.id_json,
                    &plan.code,
                    plan.description.as_deref(),
                );
            } else {
                ack_json(&mut answer.json, push.target_json, push.id_json, plan.registration.as_deref());
            }
        });
        self.fire_triggers(now);
    }

    /// Returns when the answer is due and its rank among those due together.
    fn due(&mut self, delay: Option<Duration>, now: Instant) -> (Instant, u64) {
        self.sequence += 1;
        if let Some(delay) = delay {
            return (now + delay, self.sequence);
        }
        let jitter = if self.knobs.jitter.is_zero() {
            Duration::ZERO
        } else {
            self.knobs.jitter.mul_f64(self.rng.f64())
        };
        let at = now + self.knobs.latency + jitter;
        if self.knobs.order == Order::Shuffled {
            return (at, self.rng.u64(..));
        }
        self.last_due = self.last_due.max(at);
        (self.last_due, self.sequence)
    }

    fn plan<'a>(
        &mut self,
        push: &'a Push<'_>,
        key: MessageKey,
        is_in_flight: bool,
        now: Instant,
    ) -> Plan<'a> {
        if let Some(fault) = push.fault {
            self.breach(Breach::BadPayload, format!("push {:?}: {fault}", push.id));
            return Plan::nack("INVALID_JSON", fault.to_string());
        }
        if is_in_flight {
            self.breach(Breach::ReusedInFlight, format!("message id {:?} is in flight already", push.id));
            return Plan::nack("INVALID_JSON", "InvalidJson: Duplicate message_id on this connection");
        }
        if let Some(plan) = self.over_window(push) {
            return plan;
        }
        if let Some(plan) = self.while_draining(push, now) {
            return plan;
        }
        if self.knobs.device_rate > 0
            && !self.setup.books.devices.lock().admit(&push.target, self.knobs.device_rate, now)
        {
            return Plan::nack("DEVICE_MESSAGE_RATE_EXCEEDED", "too many messages to this device");
        }
        if let Some(script) = Script::of(&push.target)
            && let Some(plan) = self.scripted(script, key)
        {
            return plan;
        }
        self.drawn()
    }

    fn over_window<'a>(&mut self, push: &Push<'_>) -> Option<Plan<'a>> {
        let window = self.knobs.window as usize;
        if self.flight.len() < window {
            return None;
        }
        let unacked = self.flight.len() + 1;
        self.breach(
            Breach::OverWindow,
            format!("push {:?} is un-acked number {unacked} of {window}", push.id),
        );
        match self.knobs.over_window {
            OverWindow::Count => return None,
            OverWindow::Nack => {}
            OverWindow::Close => self.stream_error("policy-violation"),
            OverWindow::Stall => self.stalled = true,
        }
        Some(Plan::nack("SERVICE_UNAVAILABLE", "too many pending messages"))
    }

    fn while_draining<'a>(&mut self, push: &Push<'_>, now: Instant) -> Option<Plan<'a>> {
        let drain = self.drain?;
        if let Some(age) = drain.announced.and_then(|at| now.checked_duration_since(at))
            && age > DRAIN_GRACE
        {
            self.breach(
                Breach::PushWhileDraining,
                format!("push {:?} came {age:?} after the announcement", push.id),
            );
        }
        (self.knobs.drain_mode != DrainMode::Control)
            .then(|| Plan::nack(DRAINING, "the connection is closing"))
    }

    /// Returns what the token asks for; nothing when a script for the first time only has had its time.
    fn scripted<'a>(&self, script: Script<'a>, key: MessageKey) -> Option<Plan<'a>> {
        match script {
            Script::Nack { once: true, .. } | Script::Lost { once: true }
                if !self.setup.books.once.lock().insert(key) =>
            {
                None
            }
            Script::Nack { code, described, .. } => {
                let plan = Plan::nack(code, "the token asks for it");
                Some(if described { plan } else { Plan { description: None, ..plan } })
            }
            Script::Lost { .. } => Some(Plan::deliver(AnswerKind::Lost)),
            Script::Canonical(rest) => {
                let registration = Some(format!("current-{rest}"));
                Some(Plan { registration, ..Plan::deliver(AnswerKind::Ack) })
            }
            Script::Twice => Some(Plan::deliver(AnswerKind::AckTwice)),
            Script::Slow(delay) => Some(Plan { delay: Some(delay), ..Plan::deliver(AnswerKind::Ack) }),
        }
    }

    fn drawn<'a>(&mut self) -> Plan<'a> {
        let draw = self.rng.f64();
        if let Some(code) = self.knobs.nack.draw(draw) {
            return Plan::nack(code.to_owned(), "drawn by the nack rate");
        }
        if self.knobs.lose_acks > 0.0 && self.rng.f64() < self.knobs.lose_acks {
            return Plan::deliver(AnswerKind::Lost);
        }
        if self.knobs.duplicate_acks > 0.0 && self.rng.f64() < self.knobs.duplicate_acks {
            return Plan::deliver(AnswerKind::AckTwice);
        }
        Plan::deliver(AnswerKind::Ack)
    }

    /// Does what a knob asks for after a number of pushes.
    fn fire_triggers(&mut self, now: Instant) {
        let reached = |count: u64, carried: u64| count > 0 && carried == count;
        if reached(self.knobs.drain_after, self.carried) {
            self.start_drain(now);
        }
        if reached(self.knobs.stall_after, self.carried) {
            self.stalled = true;
        }
        if reached(self.knobs.close_after, self.carried) {
            let style: CloseStyle = self.knobs.close_style;
            self.end(style);
        }
    }
}
