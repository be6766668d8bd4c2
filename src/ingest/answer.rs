//! What a sender is told: status and JSON, written straight into one buffer. Pure.

use std::io::Write;

use super::admit::{Admission, Failure, Fate, PushId};
use super::refusals::Refused;
use super::wire::BodyFault;
use crate::feedback::results::Ticket;
use crate::outcome::Refusal;

/// Bytes of an answer per push: a UUID with quotes and comma.
const ROOM_PER_PUSH: usize = 40;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// `Retry-After`, in seconds.
    pub(super) retry_after: Option<u64>,
    /// JSON.
    pub(super) body: Vec<u8>,
    /// Why the request, or a push of it, is refused, if it is.
    pub(super) refused: Option<Refused>,
}

// === impl Answer ===

impl Answer {
    /// Answers with an error only.
    pub(super) fn error(status: u16, code: &'static str, message: &str) -> Self {
        let mut body = Vec::with_capacity(64 + message.len());
        body.push(b'{');
        write_error(&mut body, code, message);
        body.push(b'}');
        let refused = Some(Refused { reason: code, detail: message.to_owned() });
        Self { status, retry_after: None, body, refused }
    }

    /// Answers with what was asked for.
    pub(super) const fn found(body: Vec<u8>) -> Self {
        Self { status: 200, retry_after: None, body, refused: None }
    }

    /// Answers that there is no such thing, to somebody who may ask.
    pub(super) fn absent(message: &str) -> Self {
        Self { refused: None, ..Self::error(404, "not_found", message) }
    }

    /// Answers a body that could not be taken apart.
    pub(super) fn of_body_fault(fault: &BodyFault) -> Self {
        match fault {
            BodyFault::TooMany { .. } => Self::error(413, "too_many_pushes", &fault.to_string()),
            _ => Self::error(400, "invalid_push", &fault.to_string()),
        }
    }

    /// Answers a body that could.
    pub(super) fn of(admission: &Admission<'_>) -> Self {
        let accepted = admission.accepted();
        let verdict = Verdict::of(&admission.fates, accepted);
        let mut body = Vec::with_capacity(64 + admission.fates.len() * ROOM_PER_PUSH);
        body.push(b'{');
        match verdict {
            Verdict::Accepted | Verdict::Shed => {
                // Writing to a Vec cannot fail.
                let _ = write!(body, "\"accepted\":{accepted},\"ids\":[");
                write_ids(&mut body, &admission.fates);
                body.push(b']');
            }
            Verdict::Closed(refusal, index) | Verdict::Invalid(refusal, index) => {
                write_error(&mut body, verdict.code(refusal), &detail(admission, index));
            }
        }
        body.extend_from_slice(b",\"failed\":[");
        write_failed(&mut body, admission);
        body.extend_from_slice(b"]}");
        let retry_after = verdict.is_temporary().then_some(admission.retry_after).flatten();
        let refused = (accepted < admission.fates.len()).then(|| refused(admission)).flatten();
        Self { status: verdict.status(), retry_after, body, refused }
    }
}

// === impl Answer ===

impl Answer {
    /// Answers a body whose pushes were waited for: as [`Self::of`], and with how each accepted push ended, or that it has not.
    pub(super) fn of_awaited(admission: &Admission<'_>, ticket: &Ticket) -> Self {
        let mut answer = Self::of(admission);
        if answer.status != 202 {
            return answer;
        }
        let body = &mut answer.body;
        let _brace = body.pop();
        body.extend_from_slice(b",\"results\":[");
        for (number, (index, key)) in admission.awaited.iter().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            match (ticket.end_of(*key), &admission.fates[*index]) {
                // Records always serialise, and writing to a Vec cannot fail.
                (Some(record), _) => drop(serde_json::to_writer(&mut *body, &*record)),
                (None, Fate::Accepted(id)) => {
                    body.extend_from_slice(b"{\"id\":");
                    write_id(body, id);
                    body.extend_from_slice(b",\"outcome\":\"pending\"}");
                }
                (None, Fate::Failed(_)) => body.extend_from_slice(b"null"),
            }
        }
        body.extend_from_slice(b"]}");
        answer
    }
}

/// What an answer says as a whole; the index is that of the push whose failure speaks for all.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    Accepted,
    Shed,
    Closed(Refusal, usize),
    Invalid(Refusal, usize),
}

// === impl Verdict ===

impl Verdict {
    fn of(fates: &[Fate<'_>], accepted: usize) -> Self {
        if accepted > 0 {
            return Self::Accepted;
        }
        let first = |wanted: fn(Refusal) -> bool| {
            fates.iter().enumerate().find_map(|(index, fate)| match fate {
                Fate::Failed(failure) if wanted(failure.reason) => Some((failure.reason, index)),
                _ => None,
            })
        };
        if first(is_overload).is_some() {
            return Self::Shed;
        }
        if let Some((reason, index)) = first(is_closed) {
            return Self::Closed(reason, index);
        }
        let (reason, index) = first(|_| true).unwrap_or((Refusal::RefusedInvalid, 0));
        Self::Invalid(reason, index)
    }

    const fn status(self) -> u16 {
        match self {
            Self::Accepted => 202,
            Self::Shed => 429,
            Self::Closed(..) => 503,
            Self::Invalid(..) => 400,
        }
    }

    const fn is_temporary(self) -> bool {
        matches!(self, Self::Shed | Self::Closed(..))
    }

    const fn code(self, refusal: Refusal) -> &'static str {
        match (self, refusal) {
            (Self::Closed(..), Refusal::RefusedDraining) => "draining",
            (Self::Closed(..), Refusal::RefusedPaused) => "paused",
            (Self::Closed(..), _) => "route_down",
            _ => "invalid_push",
        }
    }
}

/// Returns why the first of the pushes that are refused is.
fn refused(admission: &Admission<'_>) -> Option<Refused> {
    let failed = admission.fates.iter().enumerate().find_map(|(index, fate)| match fate {
        Fate::Failed(failure) => Some((index, failure.reason)),
        Fate::Accepted(_) => None,
    });
    failed.map(|(index, reason)| Refused { reason: reason.as_str(), detail: detail(admission, index) })
}

const fn is_overload(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::ShedBufferFull
            | Refusal::RefusedDeadline
            | Refusal::RefusedDuplicate
            | Refusal::RefusedPeerLimit
    )
}

fn is_closed(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::RefusedDraining | Refusal::RefusedPaused | Refusal::RefusedRouteDown)
}

/// Returns what is wrong with the push at `index`, with its path.
fn detail(admission: &Admission<'_>, index: usize) -> String {
    let Some(Fate::Failed(failure)) = admission.fates.get(index) else { return String::new() };
    let Failure { field, message, .. } = &**failure;
    match (admission.single || message_stands_alone(&admission.fates[index]), field.is_empty()) {
        (true, true) => message.to_string(),
        (true, false) => format!("{field}: {message}"),
        (false, true) => format!("pushes[{index}]: {message}"),
        (false, false) => format!("pushes[{index}].{field}: {message}"),
    }
}

/// Whether a failure is about the service, not about the push.
fn message_stands_alone(fate: &Fate<'_>) -> bool {
    matches!(fate, Fate::Failed(failure) if is_closed(failure.reason) || is_overload(failure.reason))
}

fn write_error(body: &mut Vec<u8>, code: &str, message: &str) {
    let _ = write!(body, "\"error\":{{\"code\":\"{code}\",\"message\":");
    write_text(body, message);
    body.push(b'}');
}

fn write_ids(body: &mut Vec<u8>, fates: &[Fate<'_>]) {
    let mut first = true;
    for fate in fates {
        let Fate::Accepted(id) = fate else { continue };
        if !std::mem::take(&mut first) {
            body.push(b',');
        }
        write_id(body, id);
    }
}

fn write_failed(body: &mut Vec<u8>, admission: &Admission<'_>) {
    let mut first = true;
    for (index, fate) in admission.fates.iter().enumerate() {
        let Fate::Failed(failure) = fate else { continue };
        if !std::mem::take(&mut first) {
            body.push(b',');
        }
        let _ = write!(body, "{{\"index\":{index},\"id\":");
        match &failure.id {
            Some(id) => write_id(body, id),
            None => body.extend_from_slice(b"null"),
        }
        let _ = write!(body, ",\"reason\":\"{}\",\"detail\":", failure.reason.as_str());
        write_text(body, &detail(admission, index));
        body.push(b'}');
    }
}

fn write_id(body: &mut Vec<u8>, id: &PushId<'_>) {
    match id {
        PushId::Name(name) => write_text(body, name),
        PushId::Key(key) => {
            body.push(b'"');
            body.extend_from_slice(&key.to_text());
            body.push(b'"');
        }
    }
}

fn write_text(body: &mut Vec<u8>, text: &str) {
    // Text always serialises, and writing to a Vec cannot fail.
    let _ = serde_json::to_writer(body, text);
}
