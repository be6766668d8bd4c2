//! Why a push is not taken, in words for its sender. Pure.
//!
//! Admission uses them, and whoever else answers for a closed route.

use std::borrow::Cow;

use super::{Failure, Fate, PushId};
use crate::ingest::IngestRoute;
use crate::outcome::Refusal;
use crate::units::Slots;

/// Says why a push got no place.
pub(super) const fn door_message(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::RefusedDeadline => {
            "what waits before it takes longer than its ttl (hint: a longer ttl, a higher priority, or later again)"
        }
        _ => "the buffer is full (hint: send it again after the time in Retry-After, or a second)",
    }
}

/// Returns the fate of a push that is not taken.
pub(super) fn failed<'a>(
    id: Option<Cow<'a, str>>,
    reason: Refusal,
    field: &'static str,
    message: String,
) -> Fate<'a> {
    let id = id.map(PushId::Name);
    Fate::Failed(Box::new(Failure { id, reason, field: field.into(), message: message.into() }))
}

/// Returns the route of a name.
pub(super) fn find<'a>(
    routes: &'a Slots<IngestRoute>,
    name: Option<&str>,
) -> Result<&'a IngestRoute, (Refusal, String)> {
    let open = || routes.iter().filter(|route| route.is_open());
    let existing = || open().map(|route| route.name.as_str()).collect::<Vec<_>>().join(", ");
    match name {
        Some(name) => open().find(|route| route.name == name).ok_or_else(|| {
            let was_there = routes.iter().any(|route| route.name == name);
            let name: String = name.chars().take(64).collect();
            let problem = match was_there {
                true => format!("route {name:?} was removed from the configuration"),
                false => format!("there is no route {name:?}"),
            };
            (Refusal::RefusedUnknownRoute, format!("{problem} (hint: there is {})", existing()))
        }),
        None => {
            let mut open = open();
            if let (Some(only), None) = (open.next(), open.next()) {
                return Ok(only);
            }
            let message = format!(
                "is missing (hint: it may be left out only if there is one; there are {})",
                existing()
            );
            Err((Refusal::RefusedUnknownRoute, message))
        }
    }
}

/// Says why a route takes no pushes.
pub(super) fn gate_message(refusal: Refusal, route: &str) -> String {
    match refusal {
        Refusal::RefusedDraining => "the service is draining and takes no new pushes".into(),
        Refusal::RefusedPaused => format!("route {route} is paused by an operator"),
        Refusal::RefusedUnknownRoute => format!("route {route} was removed from the configuration"),
        Refusal::RefusedRouteDown => format!("route {route} is down: its connections failed too often"),
        other => format!("route {route} takes no pushes: {}", other.as_str()),
    }
}
