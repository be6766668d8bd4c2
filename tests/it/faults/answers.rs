//! Answers that are lost, repeated, invented, out of order, or no.

use super::trial::Trial;

#[test]
fn lost_acks_free_their_place_and_the_pushes_are_sent_again() {
    let trial = Trial::start(&["--latency", "5ms", "--lose-acks", "0.02"], |config| {
        config.route_text("answer_timeout", "400ms")
    });
    trial.peer.wait_for("acks_lost", 20);
    trial.flows();
    let peer = trial.end_all_delivered();
    assert!(peer.count("delivered_duplicates") >= 20, "{:#}", peer.report());
}

#[test]
fn a_push_whose_ack_is_lost_every_time_ends_as_exhausted() {
    let trial = Trial::start(&["--latency", "5ms"], |config| {
        config.route_text("answer_timeout", "200ms").set("feedback.max_attempts", 3)
    });
    trial.gateway.post(&crate::support::load::push_to("lost-always")).expect(202);
    trial.gateway.wait_for("it is exhausted", |state| state.ledger("exhausted") == 1);
    let (state, told, peer) = {
        let (peer, gateway, load, sampler) = trial.into_parts();
        let told = load.finish();
        let state = gateway.settled();
        sampler.finish();
        gateway.finish();
        (state, told, peer)
    };
    assert_eq!((state.ledger("exhausted"), state.ledger("delivered")), (1, told.accepted), "{:#}", state.0);
    assert_eq!(peer.count("acks_lost"), 3, "three attempts");
    assert_eq!(peer.count("unique"), told.accepted);
    peer.assert_no_violations();
}

#[test]
fn repeated_and_invented_acks_in_any_order_change_nothing() {
    let flags = [
        "--latency",
        "5ms",
        "--jitter",
        "5ms",
        "--order",
        "shuffled",
        "--duplicate-acks",
        "0.3",
        "--ack-unknown",
        "0.3",
    ];
    let trial = Trial::start(&flags, |config| config);
    trial.peer.wait_for("acks_duplicated", 100);
    trial.peer.wait_for("acks_unknown", 100);
    trial.flows();
    let peer = trial.end_all_delivered();
    assert_eq!(peer.count("duplicates"), 0, "{:#}", peer.report());
}

#[test]
fn temporary_refusals_are_tried_again_until_they_are_taken() {
    let rates = "0.1:SERVICE_UNAVAILABLE,0.05:INTERNAL_SERVER_ERROR,0.05:NEVER_HEARD_OF";
    let trial = Trial::start(&["--latency", "5ms", "--nack", rates], |config| config);
    trial.peer.wait_for("nacks/total", 100);
    trial.flows();
    let peer = trial.end_all_delivered();
    let report = peer.report();
    for code in ["SERVICE_UNAVAILABLE", "INTERNAL_SERVER_ERROR", "NEVER_HEARD_OF"] {
        assert!(report["nacks"]["by_code"][code].as_u64() > Some(0), "{code}: {report:#}");
    }
    assert_eq!(report["delivered_duplicates"], 0, "{report:#}");
}

#[test]
fn final_refusals_are_counted_by_their_kind_and_never_sent_again() {
    let rates = "0.1:DEVICE_UNREGISTERED,0.1:BAD_REGISTRATION,0.1:INVALID_JSON";
    let trial = Trial::start(&["--latency", "5ms", "--nack", rates], |config| config);
    trial.peer.wait_for("nacks/total", 200);
    let (state, told, peer) = trial.end();
    let report = peer.report();
    let nacks = |code: &str| report["nacks"]["by_code"][code].as_u64().unwrap_or(0);
    assert_eq!(state.ledger("unregistered"), nacks("DEVICE_UNREGISTERED") + nacks("BAD_REGISTRATION"));
    assert_eq!(state.ledger("rejected"), nacks("INVALID_JSON"));
    assert_eq!(peer.count("messages"), told.accepted, "each was sent once: {report:#}");
}

#[test]
fn whole_seconds_of_refusals_end_pushes_as_exhausted_and_the_flow_goes_on() {
    let trial = Trial::start(&["--latency", "5ms"], |config| config.set("feedback.max_attempts", 2));
    trial.peer.command("set?nack=1:SERVICE_UNAVAILABLE");
    trial.gateway.wait_for("some are exhausted", |state| state.ledger("exhausted") >= 100);
    trial.peer.command("set?nack=0");
    trial.flows();
    let (state, told, peer) = trial.end();
    assert_eq!(state.ledger("delivered") + state.ledger("exhausted"), told.accepted);
    assert!(peer.count("nacks/total") >= 2 * state.ledger("exhausted"), "{:#}", peer.report());
}

#[test]
fn bytes_that_are_no_xml_end_the_connection_and_cost_no_push() {
    let trial = Trial::start(&["--latency", "10ms"], |config| config);
    let opened = trial.peer.count("connections/opened");
    trial.peer.command("garbage");
    trial.peer.wait_for("connections/opened", opened + 2);
    trial.recovers();
    trial.end_all_delivered();
}

#[test]
fn messages_from_devices_and_receipts_are_acknowledged_and_disturb_nothing() {
    let trial = Trial::start(
        &["--latency", "5ms", "--upstream-timeout", "5s", "--prefix", "alternate", "--ping", "100ms"],
        |config| config,
    );
    trial.peer.command("upstream?n=200");
    trial.peer.wait_for("upstream/acked", 200);
    trial.flows();
    let peer = trial.end_all_delivered();
    assert_eq!(peer.count("upstream/acked_again"), 0, "{:#}", peer.report());
}
