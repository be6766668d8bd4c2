//! What the log must not tell: device tokens below trace, and secrets at no level.

use serde_json::{Value, json};

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

/// Runs a service through these pushes, some of which fail, and checks its log: these words are in no line above trace, and no credential is
/// in any.
fn assert_discreet(config: Config, pushes: &[Value], private: &[&str]) {
    let gateway = Gateway::start(&config.text("telemetry.log", "trace").set("feedback.max_attempts", 2));
    gateway.post(&json!({ "pushes": pushes })).expect(202);
    let state = gateway.settled();
    assert!(state.ledger("delivered") > 0 && state.ledger("unregistered") > 0, "{:#}", state.0);
    let log = gateway.finish();
    assert!(log.iter().any(|line| line.contains(" TRACE ")), "{log:?}");
    for line in &log {
        // An access token of the double, and how every JSON web token begins.
        for secret in ["ya29.", "eyJ", "PRIVATE KEY"] {
            assert!(!line.contains(secret), "{secret} is in {line}");
        }
        let told = private.iter().find(|word| !line.contains(" TRACE ") && line.contains(**word));
        assert_eq!(told, None, "{line}");
    }
}

#[test]
fn fcm_s_tokens_and_credentials_are_not_logged() {
    let peer = Peer::start_fcm(&[]);
    let tokens =
        ["device-pr1vate", "unregistered-pr1vate", "nack-INVALID_ARGUMENT-pr1vate", "nack-INTERNAL-pr1vate"];
    assert_discreet(Config::to_fcm(&peer), &tokens.map(push_to), &["pr1vate"]);
}

#[test]
fn apns_tokens_and_credentials_are_not_logged() {
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let peer = Peer::start_apns(&[]);
    let push = |text: &str| json!({"to": {"token": hex(text)}, "notification": {"title": "t"}});
    let pushes = ["device-pr1vate", "unregistered-pr1vate", "bad-pr1vate"].map(push);
    assert_discreet(Config::to_apns(&peer), &pushes, &[&hex("pr1vate")]);
}

#[test]
fn web_push_subscriptions_and_credentials_are_not_logged() {
    let peer = Peer::start_webpush(&[]);
    let subscriptions = ["device-pr1vate", "unregistered-pr1vate"].map(|name| peer.subscription(name));
    let words = subscriptions.iter().flat_map(|to| ["p256dh", "auth"].map(|key| to[key].as_str().unwrap()));
    let private: Vec<&str> = words.chain(["pr1vate"]).collect();
    let pushes = subscriptions.each_ref().map(|to| json!({"to": to, "data": {"a": 1}}));
    assert_discreet(Config::to_webpush(&[&peer]), &pushes, &private);
}
