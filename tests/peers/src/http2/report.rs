//! The report of a double as JSON: the XMPP double's keys, with what this API adds.

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::hub::Hub;
use crate::double::report::Report;

/// The report; its field names are the JSON's keys.
#[derive(Debug, Clone, Serialize)]
pub struct FcmReport {
    /// What both doubles count; `highest_unacked` is the most open streams of a connection.
    #[serde(flatten)]
    pub common: Report,
    /// Access tokens given out.
    pub tokens_granted: u64,
    /// Requests for access tokens refused.
    pub tokens_refused: u64,
    /// Streams refused because a connection had too many.
    pub streams_refused: u64,
}

impl FcmReport {
    /// Returns the report as the books stand now.
    #[must_use]
    pub fn of(hub: &Hub) -> Self {
        let (tokens_granted, tokens_refused) = {
            let tokens = hub.tokens.lock();
            (tokens.granted, tokens.refused)
        };
        let streams_refused = hub.streams_refused.load(Ordering::Relaxed);
        Self { common: Report::of(&hub.books), tokens_granted, tokens_refused, streams_refused }
    }

    /// Returns the report as indented JSON.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("the report has no map with other keys than text")
    }
}
