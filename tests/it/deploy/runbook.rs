//! The runbook names only what there is: commands, addresses, keys, buttons, and what is to be seen.

use std::process::Command;

use super::read;
use crate::support::gateway::Gateway;
use crate::support::http;
use crate::support::{Config, Peer};

/// What stands between two marks, line by line.
fn between<'t>(text: &'t str, mark: &str) -> Vec<&'t str> {
    text.lines().flat_map(|line| line.split(mark).skip(1).step_by(2)).collect()
}

/// The runbook's chapters on alerts.
fn chapters() -> String {
    let manual = read("README.md");
    manual.split_once("## The alerts").expect("it has them").1.to_owned()
}

/// Words of code, and the lines of the examples.
fn code(manual: &str) -> Vec<String> {
    let (mut found, mut is_example) = (Vec::new(), false);
    for line in manual.lines() {
        if line.starts_with("```") {
            is_example = !is_example;
        } else if is_example {
            found.push(line.to_owned());
        } else {
            found.extend(between(line, "`").into_iter().map(str::to_owned));
        }
    }
    found
}

#[test]
fn its_commands_are_commands_of_the_program() {
    let manual = read("README.md");
    let mut seen = 0;
    for command in code(&manual).iter().filter_map(|word| word.strip_prefix("pushweir ")) {
        let mut words = command.split(' ');
        let name = words.next().expect("it has a name");
        let output =
            Command::new(env!("CARGO_BIN_EXE_pushweir")).args([name, "--help"]).output().expect("it starts");
        assert!(output.status.success(), "there is no pushweir {name}");
        let help = String::from_utf8_lossy(&output.stdout);
        words
            .filter(|word| word.starts_with("--"))
            .for_each(|flag| assert!(help.contains(flag), "pushweir {name} {flag}"));
        seen += 1;
    }
    assert!(seen >= 5, "{seen} commands");
}

#[test]
fn its_addresses_are_answered() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let manual = read("README.md");
    let words = code(&manual);
    let paths: Vec<&str> = words
        .iter()
        .filter_map(|word| {
            word.strip_prefix("curl -s localhost:8651").or_else(|| word.starts_with('/').then_some(word))
        })
        .collect();
    assert!(paths.len() >= 4, "{paths:?}");
    for path in paths {
        let server = if path.starts_with("/v1/") { gateway.ingest } else { gateway.admin };
        let reply = http::call(server, "GET", path, &[], b"");
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    }
    gateway.finish();
}

#[test]
fn its_keys_are_keys_of_the_configuration() {
    let defaults: toml::Table = include_str!("../../../config.toml").parse().expect("it is TOML");
    let mut seen = 0;
    for word in code(&chapters()) {
        let Some((section, key)) = word.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
            continue;
        };
        let table = section.split('.').try_fold(&defaults, |table, name| table.get(name)?.as_table());
        assert!(table.is_some_and(|table| table.contains_key(key)), "{word}");
        seen += 1;
    }
    assert!(seen >= 5, "{seen} keys");
}

#[test]
fn its_buttons_and_what_is_to_be_seen_are_on_the_page_or_the_dashboard() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let mut pages = gateway.get("/").expect(200).body;
    gateway.command_at("drain").expect(200);
    gateway.command_at("routes/android/pause").expect(200);
    pages += &gateway.get("/").expect(200).body;
    pages += &gateway.get("/confirm?do=restart&target=android").expect(200).body;
    let chapters = chapters();
    let buttons =
        between(&chapters, "**").into_iter().filter(|word| !["It means", "Look at", "Press"].contains(word));
    let mut seen = 0;
    for button in buttons {
        assert!(pages.contains(&format!(">{button}</button>")), "there is no button {button}");
        seen += 1;
    }
    assert!(seen >= 10, "{seen} buttons");
    // The states of pushers, and the filter that the page calls "only those that are not ready".
    let words = ["ready", "failed", "not ready"].join(" ");
    let shown = [pages, read("grafana/pushweir.json"), words].concat().to_lowercase();
    let plain = chapters.replace("**", "");
    let looks = between(&plain, "*");
    assert!(looks.len() >= 10, "{looks:?}");
    looks.iter().for_each(|look| assert!(shown.contains(&look.to_lowercase()), "there is no {look}"));
    gateway.finish();
}
