//! What the log must not tell: device tokens below trace, and secrets at no level.

use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::load::push_to;
use crate::support::{Config, Peer};

/// Runs a service through accepted, refused, repeated and rejected pushes, and returns its log.
fn log_at(level: &str) -> String {
    let peer = Peer::start(&[]);
    let config = Config::to(&peer).text("telemetry.log", level).set("ingest.tokens", "[\"s3nder-t0ken\"]");
    let gateway = Gateway::start_ready(&config.set("feedback.max_attempts", 2));
    let pushes = json!({"pushes": [
        push_to("device-pr1vate"),
        push_to("unregistered-pr1vate"),
        push_to("nack-INVALID_JSON-pr1vate"),
        push_to("nack-SERVICE_UNAVAILABLE-pr1vate"),
        push_to("device-pr1vate with space"),
    ]});
    let headers = [("content-type", "application/json"), ("authorization", "Bearer s3nder-t0ken")];
    gateway.post_with(&headers, pushes.to_string().as_bytes()).expect(202);
    let state = gateway.settled();
    assert_eq!((state.ledger("delivered"), state.ledger("exhausted"), state.ledger("refused")), (1, 1, 1));
    gateway.finish().join("\n")
}

#[test]
fn device_tokens_are_not_logged_at_debug() {
    let log = log_at("debug");
    assert!(log.contains("DEBUG"), "{log}");
    assert!(!log.contains("pr1vate"), "{log}");
}

#[test]
fn secrets_are_not_logged_at_trace() {
    let log = log_at("trace");
    assert!(log.contains("TRACE"), "{log}");
    // The key, and the login that holds it: NUL, sender id @ domain, NUL, key in base64.
    let login = "ADEyMzQ1Njc4OTBAZ2NtLmdvb2dsZWFwaXMuY29tAGRlbW8tc2VydmVyLWtleQ";
    for secret in ["demo-server-key", login, "s3nder-t0ken"] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}
