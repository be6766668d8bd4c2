//! What is measured for scrapers alone, besides the snapshot that people look at. Pure data; `app` fills it.

use std::time::Duration;

use crate::telemetry::{Reading, Requests};

/// The figures.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// Pushes that the collector gave to pushers.
    pub dispatched: u64,
    /// Pushes that pushers had room for, in the last second.
    pub demand: u64,
    /// What waits for an actor that others send to, by the actor.
    pub mailboxes: Vec<(&'static str, u64)>,
    /// The longest that a handler ran, in the last seconds, by the actor.
    pub handlers: Vec<(&'static str, Duration)>,
    /// How long pushes took, by route.
    pub routes: Vec<RouteTimes>,
    /// Requests of senders.
    pub ingest: Vec<Requests>,
    /// Those of which not every push was taken, by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// How long they took, by template.
    pub ingest_durations: Vec<(&'static str, Reading)>,
}

/// How long the pushes of a route took.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RouteTimes {
    /// The route.
    pub route: String,
    /// In the buffer.
    pub queue: Reading,
    /// At the provider.
    pub answer: Reading,
    /// From admission to delivery.
    pub delivery: Reading,
}

/// What requests to the admin interface are for.
pub(super) const TEMPLATES: [&str; 13] = [
    "/",
    "/admin/api/state",
    "/admin/api/events",
    "/admin/api/history",
    "/admin/api/audit",
    "/admin/api/config",
    "/metrics",
    "/healthz",
    "/readyz",
    "/confirm",
    "/admin/assets/{name}",
    "action",
    "other",
];

/// Returns the position in [`TEMPLATES`] of what a request is for.
pub(super) fn template(method: &str, path: &str) -> usize {
    let name = match method {
        "POST" => "action",
        _ if path.starts_with("/admin/assets/") => "/admin/assets/{name}",
        _ => path,
    };
    TEMPLATES.iter().position(|template| *template == name).unwrap_or(TEMPLATES.len() - 1)
}

// === impl RouteTimes ===

impl RouteTimes {
    /// Adds another route's, for a sum.
    pub fn add(&mut self, other: &Self) {
        self.queue.add(&other.queue);
        self.answer.add(&other.answer);
        self.delivery.add(&other.delivery);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_asked_for_there_are_few_templates() {
        let table = [
            ("GET", "/", "/"),
            ("GET", "/admin/assets/page.js", "/admin/assets/{name}"),
            ("POST", "/admin/api/drain", "action"),
            ("POST", "/", "action"),
            ("GET", "/admin/api/drain", "other"),
            ("DELETE", "/%00", "other"),
        ];
        for (method, path, expected) in table {
            assert_eq!(TEMPLATES[template(method, path)], expected, "{method} {path}");
        }
    }
}
