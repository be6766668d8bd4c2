//! An operator's test push: through the senders' own door, to the end, and traced if traces have a receiver.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::control;
use super::service::Service;
use crate::flow::CommandError;
use crate::ingest::http::send_own;
use crate::units::Secret;

/// How long the operator waits for the push to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds that it lives.
const TTL: u32 = 60;

/// Sends a push on a route to whom `to` says, as JSON, and returns how it ended.
///
/// # Errors
/// There is no such route, or the push was not accepted.
pub async fn send(service: &Arc<Service>, route: &str, to: &Secret) -> Result<Value, CommandError> {
    control::route(service, route)?;
    let to: &RawValue = serde_json::from_str(to.expose())
        .map_err(|_| CommandError::Invalid("to: is not JSON (hint: {\"token\":\"…\"})".to_owned()))?;
    let body = serde_json::to_vec(&json!({
        "route": route,
        "to": to,
        "priority": "high",
        "ttl": TTL,
        "notification": { "title": "Test", "body": "Sent by an operator of pushweir" },
    }));
    let body = body.map_err(|error| CommandError::Invalid(error.to_string()))?;
    let own = send_own(&service.ingest(), &body, PATIENCE).await;
    let reply: Value = serde_json::from_slice(&own.body).unwrap_or_default();
    if own.status != 202 {
        let message = reply["error"]["message"].as_str().or_else(|| reply["failed"][0]["detail"].as_str());
        return Err(CommandError::Conflict(message.unwrap_or("the push was not accepted").to_owned()));
    }
    let end = &reply["results"][0];
    let outcome = end["outcome"].as_str().unwrap_or("pending");
    Ok(json!({
        "said": outcome,
        "push": {
            "id": reply["ids"][0],
            "outcome": outcome,
            "code": end["code"],
            "trace": own.trace.map(|trace| format!("{trace:032x}")),
        },
    }))
}
