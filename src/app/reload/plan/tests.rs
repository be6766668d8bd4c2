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
        "[telemetry]\nlog = \"debug\"\n[ingest]\ntokens = [\"t\"]\nlisten = \"127.0.0.1:9\"\n\
        [collector]\nbuffer = 7\nkeep = \"oldest\"\nintake = 3\n[feedback]\nmax_attempts = 2\nreport = \"all\"\n\
        [runtime]\ndrain_deadline = \"1s\"\n{ROUTE}"
    );
    let plan = plan(ROUTE, &after);
    assert_eq!(
        plan.steps,
        [Step::Log, Step::Feedback, Step::Results, Step::Collector, Step::Server("ingest")]
    );
    assert_eq!(plan.restart, ["ingest.listen", "collector.intake"]);
    assert_eq!(plan.config.ingest.listen.port(), 8650, "the old address stays");
    assert_eq!(
        (plan.config.collector.buffer, plan.config.collector.keep),
        (7, crate::collector::Keep::Oldest)
    );
    assert_ne!(plan.config.collector.intake, 3);
    assert_eq!(plan.config.runtime.drain_deadline, std::time::Duration::from_secs(1));
    assert_eq!((plan.config.feedback.max_attempts, plan.config.ingest.tokens.len()), (2, 1));
}

#[test]
fn a_key_that_needs_a_restart_is_no_step_by_itself() {
    let plan = plan(ROUTE, &format!("[collector]\nintake = 3\n[runtime]\ndelivery_threads = 3\n{ROUTE}"));
    assert_eq!(plan.steps, []);
    assert_eq!(plan.restart, ["runtime.delivery_threads", "collector.intake"]);
}

fn name() -> String {
    "a".to_owned()
}

#[test]
fn credentials_are_rotated_connections_scaled_settings_followed_and_routes_added() {
    let after = ROUTE.replace("old", "new").replace("connections = 2", "connections = 5\nshare = 9")
        + &ROUTE.replace("\"a\"", "\"b\"");
    let plan = plan(ROUTE, &after);
    assert_eq!(
        plan.steps,
        [Step::Settings(name()), Step::Scale(name()), Step::Rotate(name()), Step::Add("b".to_owned())]
    );
    assert!(plan.restart.is_empty());
    assert_eq!((plan.config.routes.len(), plan.config.routes[0].share), (2, 9));
}

#[test]
fn a_route_that_is_not_there_any_more_is_removed_before_others_are_added() {
    let plan = plan(ROUTE, &ROUTE.replace("\"a\"", "\"b\""));
    assert_eq!(plan.steps, [Step::Remove(name()), Step::Add("b".to_owned())]);
}

#[test]
fn the_order_of_the_routes_changes_nothing() {
    let other = ROUTE.replace("\"a\"", "\"b\"");
    let plan = plan(&format!("{ROUTE}{other}"), &format!("{other}{ROUTE}"));
    assert_eq!(plan.steps, []);
    assert_eq!(plan.config.routes[0].name, "b", "but it is the order that is shown");
}

#[test]
fn the_configuration_that_is_shown_follows_and_says_what_keeps_its_old_value() {
    let plan = plan("", "[collector]\nintake = 7\n[feedback]\nmax_attempts = 3\n");
    let shown = &plan.config.effective;
    assert!(shown.starts_with("# needs a restart, the old value stays: collector.intake\n"), "{shown}");
    assert!(shown.contains("max_attempts = 3"), "{shown}");
}

#[test]
fn another_protocol_is_a_step_of_its_own_as_what_waits_is_written_for_the_old_one() {
    let account = crate::transport::fcm::auth::account::fixture::text("https://t.example/token");
    let after = format!(
        "[[route]]\nname = \"a\"\ntransport = \"fcm\"\nconnections = 9\n[route.fcm]\nservice_account = {}\n",
        toml::Value::String(account)
    );
    let plan = plan(ROUTE, &after);
    assert_eq!(plan.steps, [Step::Transport(name())]);
    assert!(plan.steps[0].connects() && plan.restart.is_empty());
    assert_eq!(plan.config.routes[0].transport.name(), "fcm");
}

#[test]
fn bounds_of_connections_and_what_belongs_to_them_are_one_step() {
    let bounds = "connections = { min = 2, max = 9 }\nshrink_after = \"5s\"\nopen_rate = 7";
    let plan = plan(ROUTE, &ROUTE.replace("connections = 2", bounds));
    assert_eq!((plan.steps, plan.restart.len()), (vec![Step::Scale(name())], 0));
    let connections = plan.config.routes[0].connections;
    assert_eq!((connections.min, connections.max, connections.open_rate), (2, 9, 7));
    assert_eq!(connections.shrink_after, std::time::Duration::from_secs(5));
}

#[test]
fn what_failed_is_tried_again_by_the_next_reload() {
    let text = format!(
        "[ingest]\ntokens = [\"t\"]\n[admin]\ntokens = [{{ name = \"p\", token = \"t\" }}]\n[feedback]\nmax_attempts = 2\n{}",
        ROUTE.replace("old", "new") + &ROUTE.replace("\"a\"", "\"b\"")
    );
    let (before, after) = (config(ROUTE), config(&text));
    let plan = Plan::of(&before, after.clone());
    for step in &plan.steps {
        let again = Plan::of(&plan.without(&[step], &before), after.clone());
        let expected = if matches!(step, Step::Feedback) { &[][..] } else { std::slice::from_ref(step) };
        assert_eq!(again.steps, expected);
    }
    let all: Vec<&Step> = plan.steps.iter().collect();
    assert!(Plan::of(&plan.without(&[], &before), after.clone()).steps.is_empty());
    assert_eq!(Plan::of(&plan.without(&all, &before), after).steps.len(), plan.steps.len() - 1);
}
