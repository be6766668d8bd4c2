//! The report of an HTTP/2 double as JSON: the keys that all doubles have, and what the provider adds.

use std::sync::atomic::Ordering;

use serde_json::Value;

use super::hub::Hub;
use super::provider::Provider;
use crate::double::report::Report;

/// Returns the report as the books stand now; `highest_unacked` is the most open streams of a connection.
#[must_use]
pub fn json<P: Provider>(hub: &Hub<P>) -> String {
    let mut report = serde_json::to_value(Report::of(&hub.books))
        .expect("the report has no map with other keys than text");
    let mut own = hub.provider.report();
    own.insert("streams_refused".to_owned(), Value::from(hub.streams_refused.load(Ordering::Relaxed)));
    own.insert("service_mean_ms".to_owned(), Value::from(hub.service.mean_ms()));
    if let Value::Object(fields) = &mut report {
        fields.extend(own);
    }
    format!("{report:#}")
}
