//! Why a push was refused, in words for its sender. Pure.
//!
//! Admission uses them, and whoever else answers for a closed route.

use crate::outcome::Refusal;

/// Says why a push got no place.
pub(super) const fn door_message(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::RefusedDeadline => {
            "what waits before it takes longer than its ttl (hint: a longer ttl, a higher priority, or later again)"
        }
        _ => "the buffer is full (hint: send it again after the time in Retry-After, or a second)",
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
