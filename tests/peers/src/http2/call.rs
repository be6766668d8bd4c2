//! Decides what becomes of one request: the provider's judgement first, then what the token asks for, then what the knobs draw.
//!
//! A task per stream, started by the connection; [`decide`] knows nothing of HTTP/2 and waits out the latency.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::request::Parts;
use http::{Request, Response};
use tokio::time::{Instant, sleep_until};

use super::allowance::Allowance;
use super::hub::Hub;
use super::knobs::Knobs;
use super::provider::{Ask, Judgement, Pass, Provider, Reply};
use crate::double::ledger::{Event, Tally};
use crate::double::script::Script;

/// The most bytes of a request's body.
const MAX_BODY: usize = 64 * 1024;

/// How late the runtime's timer is on the average: half a millisecond because it counts in whole ones, upwards, and as much because the system's
/// poll does.
const TIMER_LATENESS: Duration = Duration::from_millis(1);

/// Codes that are not answered but reset, after processing and before it.
const RESET: &str = "RESET";
const REFUSED: &str = "REFUSED";

/// Codes of every HTTP/2 double, as shown by `--help`.
pub const CODES: &str =
    "Codes of ours for --nack and in tokens: RESET (RST_STREAM), REFUSED (RST_STREAM REFUSED_STREAM).";

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is answered; `is_push` says whether a push was.
    Answered {
        /// The answer.
        reply: Reply,
        /// Whether a push is answered.
        is_push: bool,
    },
    /// It is never answered; the push counts as delivered.
    Lost,
    /// The stream is reset.
    Reset {
        /// Whether with REFUSED_STREAM: it was not processed.
        is_refused: bool,
    },
}

/// What is done with a push.
enum Plan {
    /// Delivered and told, after a time of its own or the latency.
    Deliver(Option<Duration>),
    /// Delivered and not told.
    Lose,
    /// Refused with a code and a text.
    Refuse(String, String),
}

/// One request and who may see it.
pub struct Call<P: Provider> {
    /// The switchboard.
    pub hub: Arc<Hub<P>>,
    /// The connection's number.
    pub connection: u64,
    /// The connection's limit, which answers may change.
    pub allowance: Allowance,
    /// Where the answer goes.
    pub respond: SendResponse<Bytes>,
    /// Frees the stream's place; called just before the answer.
    pub done: Box<dyn FnOnce() + Send>,
}

impl<P: Provider> Call<P> {
    /// Reads the request and answers it.
    pub async fn run(mut self, request: Request<RecvStream>) {
        let (head, stream) = request.into_parts();
        let began = self.allowance.shrinks_so_far();
        let Some(body) = read(stream).await else { return };
        match decide(&self.hub, self.connection, &head, &body).await {
            Fate::Answered { reply, is_push } => {
                if is_push {
                    self.allowance.answered(reply.status, began);
                }
                self.respond(reply);
            }
            Fate::Lost => {
                // Kept until the client gives the stream up, which it learns from nobody.
                let _ = std::future::poll_fn(|cx| self.respond.poll_reset(cx)).await;
                (self.done)();
            }
            Fate::Reset { is_refused } => {
                (self.done)();
                let reason = if is_refused { Reason::REFUSED_STREAM } else { Reason::INTERNAL_ERROR };
                self.respond.send_reset(reason);
            }
        }
    }

    fn respond(mut self, reply: Reply) {
        let mut head = Response::builder().status(reply.status);
        for (name, value) in reply.headers {
            head = head.header(name, value);
        }
        let Ok(head) = head.body(()) else { return };
        (self.done)();
        // Errors mean that the client is gone.
        let is_empty = reply.body.is_empty();
        if let Ok(mut stream) = self.respond.send_response(head, is_empty)
            && !is_empty
        {
            let _ = stream.send_data(reply.body.into(), true);
        }
    }
}

/// Decides, records it, and returns when it is time to answer.
pub async fn decide<P: Provider>(hub: &Hub<P>, connection: u64, head: &Parts, body: &[u8]) -> Fate {
    let knobs = hub.switchboard.knobs();
    let (time, arrived) = (SystemTime::now(), Instant::now());
    let now = arrived.into_std();
    let judgement = hub.provider.judge(&Ask { connection, head, body, knobs: &*knobs, time, now });
    let mut pass = match judgement {
        Judgement::Aside { reply, breach, is_refused_login } => {
            if let Some((breach, text)) = breach {
                hub.breach(connection, breach, text);
            }
            hub.add(connection, Tally { logins_refused: is_refused_login.into(), ..Tally::default() });
            return Fate::Answered { reply, is_push: false };
        }
        Judgement::Push(pass) => pass,
    };
    hub.note(connection, pass.key, Event::Received);
    if let Some((breach, text)) = pass.breach.take() {
        hub.breach(connection, breach, text);
    }
    let plan = plan(hub, (*knobs).as_ref(), &mut pass, now);
    let delay = match &plan {
        Plan::Deliver(Some(delay)) => *delay,
        _ => latency((*knobs).as_ref()),
    };
    wait_until(arrived + delay).await;
    if matches!(plan, Plan::Deliver(_)) {
        hub.service.add(arrived.elapsed());
    }
    settle(hub, connection, &pass, plan)
}

/// Waits until about this moment: as often somewhat too short as too long, so that many answers take as long as they should.
async fn wait_until(due: Instant) {
    if due > Instant::now() {
        sleep_until(due - TIMER_LATENESS).await;
    }
}

fn latency(knobs: &Knobs) -> Duration {
    knobs.latency + knobs.jitter.mul_f64(fastrand::f64())
}

fn plan<P: Provider>(hub: &Hub<P>, knobs: &Knobs, pass: &mut Pass, now: std::time::Instant) -> Plan {
    let refuse = |code: &str, text: &str| Plan::Refuse(code.to_owned(), text.to_owned());
    if let Some((code, text)) = pass.fault.take() {
        return Plan::Refuse(code, text);
    }
    if !hub.books.devices.lock().admit(&pass.target, knobs.device_rate, now) {
        return refuse(P::DEVICE_RATE, "");
    }
    match Script::of(&pass.target) {
        Some(Script::Nack { once: true, .. } | Script::Lost { once: true })
            if !hub.books.once.lock().insert(pass.key) => {}
        Some(Script::Nack { code, .. }) => return refuse(code, "the token asks for it"),
        Some(Script::Lost { .. }) => return Plan::Lose,
        Some(Script::Slow(delay)) => return Plan::Deliver(Some(delay)),
        Some(Script::Canonical(_) | Script::Twice) | None => {}
    }
    if let Some(code) = knobs.nack.draw(fastrand::f64()) {
        return refuse(code, "drawn by the nack rate");
    }
    if knobs.lose_acks > 0.0 && fastrand::f64() < knobs.lose_acks { Plan::Lose } else { Plan::Deliver(None) }
}

fn settle<P: Provider>(hub: &Hub<P>, connection: u64, pass: &Pass, plan: Plan) -> Fate {
    match plan {
        Plan::Deliver(_) => {
            hub.note(connection, pass.key, Event::Acked);
            Fate::Answered { reply: hub.provider.deliver(pass), is_push: true }
        }
        Plan::Lose => {
            hub.note(connection, pass.key, Event::Lost);
            Fate::Lost
        }
        Plan::Refuse(code, _) if code == RESET || code == REFUSED => {
            hub.nack(connection, pass.key, &code);
            Fate::Reset { is_refused: code == REFUSED }
        }
        Plan::Refuse(code, text) => {
            let (code, mut reply) = hub.provider.refuse(pass, &code, &text);
            hub.nack(connection, pass.key, &code);
            let knobs = hub.switchboard.knobs();
            let seconds = (*knobs).as_ref().retry_after;
            if reply.is_temporary && seconds > 0 {
                reply.headers.push(("retry-after", seconds.to_string()));
            }
            Fate::Answered { reply, is_push: true }
        }
    }
}

/// Reads a body; nothing if the client gave up or it is too long.
async fn read(mut stream: RecvStream) -> Option<Bytes> {
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.ok()?;
        stream.flow_control().release_capacity(chunk.len()).ok()?;
        if first.len() + rest.len() + chunk.len() > MAX_BODY {
            return None;
        }
        // Most bodies are one frame, which needs no copy.
        if first.is_empty() {
            first = chunk;
        } else {
            rest.extend_from_slice(&chunk);
        }
    }
    Some(if rest.is_empty() { first } else { [first, rest.freeze()].concat().into() })
}
