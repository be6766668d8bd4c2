//! What a new configuration leads to.

use super::*;
use crate::config::Source;

const ROUTE: &str = "[[route]]\nname = \"a\"\ntransport = \"xmpp\"\nconnections = 2\n[route.xmpp]\nhost = \"h\"\nsender_id = \"1\"\nserver_key = \"old\"\n";

fn config(text: &str) -> Config {
    Config::parse(Source { name: "test.toml", text }).unwrap()
}

fn plan(before: &str, after: &str) -> Plan {
    Plan::of(&config(before), config(after))
}

#[test]
fn the_same_configuration_changes_nothing() {
    let plan = plan(ROUTE, ROUTE);
    assert_eq!((plan.steps, plan.restart), (Vec::new(), Vec::new()));
}

#[test]
fn what_can_change_takes_effect_and_what_cannot_is_named() {
    let after = format!(
        "[telemetry]\nlog = \"debug\"\n[ingest]\ntokens = [\"t\"]\nlisten = \"127.0.0.1:9\"\n[collector]\nbuffer = 7\n\
        [feedback]\nmax_attempts = 2\nreport = \"all\"\n[runtime]\ndrain_deadline = \"1s\"\n{ROUTE}"
    );
    let plan = plan(ROUTE, &after);
    assert_eq!(plan.steps, [Step::Log, Step::Feedback, Step::Results, Step::Server("ingest")]);
    assert_eq!(plan.restart, ["ingest.listen", "collector"]);
    assert_eq!(plan.config.ingest.listen.port(), 8650, "the old address stays");
    assert_eq!(plan.config.collector.buffer, 100_000);
    assert_eq!(plan.config.runtime.drain_deadline, Duration::from_secs(1));
    assert_eq!((plan.config.feedback.max_attempts, plan.config.ingest.tokens.len()), (2, 1));
}

#[test]
fn credentials_are_rotated_connections_scaled_and_other_routes_need_a_restart() {
    let after = ROUTE.replace("old", "new").replace("connections = 2", "connections = 5\nshare = 9")
        + &ROUTE.replace("\"a\"", "\"b\"");
    let plan = plan(ROUTE, &after);
    assert_eq!(plan.steps, [Step::Scale(0), Step::Rotate(0)]);
    assert_eq!(plan.restart.len(), 2, "{:?}", plan.restart);
    assert!(plan.restart[0].contains("share") && plan.restart[1].contains("b (added)"));
    assert_eq!((plan.config.routes.len(), plan.config.routes[0].connections.max), (1, 5));
    assert_ne!(plan.config.routes[0].share, 9);
}

#[test]
fn bounds_of_connections_and_what_belongs_to_them_change_without_a_restart() {
    let bounds = "connections = { min = 2, max = 9 }\nshrink_after = \"5s\"\nopen_rate = 7";
    let plan = plan(ROUTE, &ROUTE.replace("connections = 2", bounds));
    assert_eq!((plan.steps.as_slice(), plan.restart.len()), (&[Step::Scale(0)][..], 0));
    let connections = plan.config.routes[0].connections;
    assert_eq!((connections.min, connections.max, connections.open_rate), (2, 9, 7));
    assert_eq!(connections.shrink_after, Duration::from_secs(5));
}

#[test]
fn the_configuration_that_is_shown_follows_and_says_what_keeps_its_old_value() {
    let plan = plan("", "[collector]\nbuffer = 7\n[feedback]\nmax_attempts = 3\n");
    let shown = &plan.config.effective;
    assert!(shown.starts_with("# needs a restart, the old value stays: collector\n"), "{shown}");
    assert!(shown.contains("max_attempts = 3"), "{shown}");
}

#[test]
fn another_protocol_needs_a_restart_as_what_waits_is_written_for_the_old_one() {
    let account = crate::transport::fcm::auth::account::fixture::text("https://t.example/token");
    let after = format!(
        "[[route]]\nname = \"a\"\ntransport = \"fcm\"\nconnections = 2\n[route.fcm]\nservice_account = {}\n",
        toml::Value::String(account)
    );
    let plan = plan(ROUTE, &after);
    assert_eq!(plan.steps, []);
    assert!(plan.restart[0].contains("route a (transport"), "{:?}", plan.restart);
    assert_eq!(plan.config.routes[0].transport.name(), "xmpp");
}
