//! SIGHUP: what can change changes without a push lost, and a bad configuration changes nothing.

mod buffer;
mod routes;

use crate::support::agreement::assert_agreed_without_repeats;
use crate::support::gateway::Gateway;
use crate::support::{Config, Load, Peer, push};

#[test]
fn a_bad_configuration_changes_nothing_and_every_fault_is_logged() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    gateway.reload("[collector]\nbuffer = 0\n[feedback]\nmax_attempts = 99\n");
    gateway.wait_for_log("nothing is reloaded");
    gateway.wait_for_log("collector.buffer");
    gateway.wait_for_log("feedback.max_attempts");
    gateway.post(&push()).expect(202);
    assert_eq!(assert_agreed_without_repeats(&gateway, &peer).ledger("delivered"), 1);
    gateway.finish();
}

#[test]
fn tokens_connections_and_settings_change_under_load_without_a_push_lost() {
    let peer = Peer::start(&["--latency", "2ms"]);
    let config = Config::to(&peer);
    let gateway = Gateway::start_ready(&config);
    let load = Load::start(&gateway, 10);
    gateway.delivered(100);
    let config = config.clone().route("connections", 4).route_text("xmpp.connect_timeout", "9s");
    gateway.reload(&config.clone().set("feedback.max_attempts", 3).set("collector.intake", 5).render());
    gateway.wait_for_log("the change needs a restart, the old value stays key=collector.intake");
    gateway.wait_for_log("reloaded changes=3 need_restart=1");
    gateway.wait_for_log("rolling restart finished");
    gateway.wait_for("four pushers are ready", |state| state.pushers_in("ready") == 4);
    let told = load.finish();
    assert!(told.accepted > 100, "{told:?}");
    gateway.reload(&config.set("feedback.max_attempts", 3).set("ingest.tokens", "[\"fresh\"]").render());
    gateway.wait_for_log("reloaded changes=1 need_restart=0");
    gateway.post(&push()).expect(401);
    let headers = [("content-type", "application/json"), ("authorization", "Bearer fresh")];
    gateway.post_with(&headers, push().to_string().as_bytes()).expect(202);
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), told.accepted + 1);
    gateway.finish();
}
