//! The command line and the configuration: all faults at once, exit codes, secrets that stay secret.

use std::net::TcpListener;
use std::process::Command;

use tempfile::TempDir;

use crate::support::gateway::Gateway;
use crate::support::{Config, Peer, push};

/// What a run of the program left.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(command: &mut Command) -> Ended {
    let output = command.output().expect("the program can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

fn run_with(arguments: &[&str]) -> Ended {
    run(Gateway::command().args(arguments))
}

/// Runs a subcommand on a configuration with this text.
fn run_on(subcommand: &str, text: &str, environment: &[(&str, &str)]) -> Ended {
    let place = TempDir::new().expect("there is a temporary directory");
    let file = place.path().join("bad.toml");
    std::fs::write(&file, text).expect("the directory takes a file");
    run(Gateway::command().arg(subcommand).arg("--config").arg(file).envs(environment.iter().copied()))
}

#[test]
fn all_faults_of_a_configuration_are_reported_at_once() {
    let text = r#"
[runtime]
drain_deadline = "soon"
delivery_threads = 0
[ingest]
listen = "localhost"
max_body = "1 MB"
max_batch = -1
[collector]
keep = "both"
bufer = 1
[feedback]
backoff_min = "10m"
max_attempts = 200
[[route]]
name = "Android phones"
transport = "pigeon"
window = 101
[route.xmpp]
host = "h"
sender_id = "1"
server_key = "env:PUSHWEIR_TEST_VARIABLE_THAT_IS_NOT_SET"
"#;
    let keys = [
        "runtime.drain_deadline",
        "runtime.delivery_threads",
        "ingest.listen",
        "ingest.max_body",
        "ingest.max_batch",
        "collector.keep",
        "collector.bufer",
        "feedback.backoff_min",
        "feedback.max_attempts",
        "route[0].name",
        "route[0].transport",
        "route[0].window",
        "route[0].xmpp.server_key",
    ];
    for subcommand in ["check", "serve"] {
        let ended = run_on(subcommand, text, &[]);
        assert_eq!(ended.code, Some(78), "{subcommand}: {}", ended.err);
        for key in keys {
            let lines: Vec<&str> = ended.err.lines().filter(|line| line.contains(key)).collect();
            assert!(!lines.is_empty(), "{subcommand}: {key} is not in:\n{}", ended.err);
            assert!(
                lines.iter().any(|line| line.contains("bad.toml:")
                    && line.contains("allowed: ")
                    && line.contains("hint: ")),
                "{lines:?}"
            );
        }
    }
}

#[test]
fn a_text_that_is_no_toml_is_a_fault_with_its_line() {
    let ended = run_on("check", "[collector]\nbuffer = = 3\n", &[]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.contains("bad.toml:2"), "{}", ended.err);
}

#[test]
fn a_missing_file_is_named() {
    for subcommand in ["check", "serve"] {
        let ended = run_with(&[subcommand, "--config", "/does/not/exist.toml"]);
        assert_eq!(ended.code, Some(78));
        assert!(ended.err.contains("/does/not/exist.toml"), "{}", ended.err);
    }
}

#[test]
fn check_prints_what_is_in_effect_and_masks_secrets() {
    let text = r#"
[ingest]
tokens = ["s3cret-one", "env:TOKEN_TWO"]
[admin]
users = [{ name = "ops", password = "s3cret-three" }]
[[route]]
name = "phones"
transport = "xmpp"
[route.xmpp]
host = "peer.example"
sender_id = "42"
server_key = "s3cret-four"
"#;
    let environment = [("TOKEN_TWO", "s3cret-two"), ("PUSHWEIR__COLLECTOR__BUFFER", "4711")];
    let ended = run_on("check", text, &environment);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for value in ["phones", "peer.example", "42", "4711"] {
        assert!(ended.out.contains(value), "{value} is not in:\n{}", ended.out);
    }
    assert!(
        !format!("{}{}", ended.out, ended.err).contains("s3cret"),
        "a secret is in:\n{}{}",
        ended.out,
        ended.err
    );
    assert!(ended.out.parse::<toml::Table>().is_ok(), "what is printed is TOML:\n{}", ended.out);
}

#[test]
fn a_hashed_password_goes_from_the_command_line_into_the_configuration_and_opens_the_page() {
    let place = TempDir::new().expect("there is a temporary directory");
    let file = place.path().join("password");
    std::fs::write(&file, "s3same\n").expect("the directory takes a file");
    let input = std::fs::File::open(&file).expect("it is there");
    let ended = run(Gateway::command().arg("hash-password").stdin(input));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let hash = ended.out.trim();
    let peer = Peer::start(&[]);
    let config =
        Config::to(&peer).set("admin.users", format!("[{{ name = \"ops\", password_hash = \"{hash}\" }}]"));
    let checked = run_on("check", &config.render(), &[]);
    assert!(
        checked.code == Some(0) && !checked.out.contains("argon2id"),
        "a hash is masked: {}",
        checked.out
    );
    let gateway = Gateway::start(&config);
    let state = |credentials: &str| {
        let headers = [("authorization", credentials)];
        crate::support::http::call(gateway.admin, "GET", "/admin/api/state", &headers, b"").status
    };
    // ops:s3same, ops:wrong
    assert_eq!((state("Basic b3BzOnMzc2FtZQ=="), state("Basic b3BzOndyb25n")), (200, 401));
    gateway.finish();
}

#[test]
fn check_without_a_file_takes_the_defaults_that_are_compiled_in() {
    let place = TempDir::new().expect("there is a temporary directory");
    let ended = run(Gateway::command().arg("check").current_dir(place.path()));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("127.0.0.1:8650"), "{}", ended.out);
}

#[test]
fn wrong_usage_exits_64_and_help_and_version_exit_0() {
    for arguments in
        [&["serv"][..], &[], &["serve", "--port", "1"], &["check", "extra"], &["serve", "--config"]]
    {
        let ended = run_with(arguments);
        assert_eq!(ended.code, Some(64), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains("--help") || ended.err.contains("Usage"), "{arguments:?}: {}", ended.err);
    }
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["serve", "--help"],
        &["check", "--help"],
        &["hash-password", "--help"],
    ] {
        assert_eq!(run_with(arguments).code, Some(0), "{arguments:?}");
    }
    assert!(run_with(&["--version"]).out.starts_with("pushweir "));
    let help = run_with(&["--help"]).out;
    for word in ["serve", "check", "64", "70", "75", "78"] {
        assert!(help.contains(word), "{word} is not in:\n{help}");
    }
}

#[test]
fn a_port_that_is_taken_ends_the_start_and_names_the_address() {
    let peer = Peer::start(&[]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    for key in ["ingest.listen", "admin.listen"] {
        let ended = run_on("serve", &Config::to(&peer).text(key, &address).render(), &[]);
        assert_eq!(ended.code, Some(70), "{}", ended.err);
        assert!(ended.err.contains(&address), "{address} is not in:\n{}", ended.err);
        let what = key.split('.').next().expect("a key has a section");
        assert!(ended.err.contains(what) && ended.err.contains("hint"), "{}", ended.err);
    }
}

#[test]
fn an_interface_beyond_loopback_needs_credentials() {
    let peer = Peer::start(&[]);
    for key in ["ingest.listen", "admin.listen"] {
        let ended = run_on("serve", &Config::to(&peer).text(key, "0.0.0.0:0").render(), &[]);
        assert_eq!(ended.code, Some(78), "{}", ended.err);
        assert!(ended.err.contains(key), "{}", ended.err);
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let peer = Peer::start(&[]);
    let text = Config::to(&peer).set("collector.buffer", 5).render();
    let ended = run_on(
        "check",
        &text,
        &[("PUSHWEIR__COLLECTOR__BUFFER", "77"), ("PUSHWEIR__ROUTE__ANDROID__WINDOW", "33")],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let table: toml::Table = ended.out.parse().expect("it is TOML");
    assert_eq!(table["collector"]["buffer"].as_integer(), Some(77));
    assert_eq!(table["route"][0]["window"].as_integer(), Some(33));
    let ended = run_on("check", &text, &[("PUSHWEIR__COLLECTOR__BUFER", "77")]);
    assert_eq!(ended.code, Some(78), "a variable that names no key is a fault");
    assert!(ended.err.contains("PUSHWEIR__COLLECTOR__BUFER"), "{}", ended.err);
}

#[test]
fn secrets_come_from_the_environment_and_from_files() {
    let peer = Peer::start(&[]);
    let place = TempDir::new().expect("there is a temporary directory");
    let file = place.path().join("key");
    std::fs::write(&file, "demo-server-key\n").expect("the directory takes a file");
    let config = Config::to(&peer).route_text("xmpp.server_key", &format!("file:{}", file.display()));
    let gateway = Gateway::start_ready(&config);
    gateway.post(&push()).expect(202);
    gateway.delivered(1);
    gateway.finish();
}

#[test]
fn every_bound_address_is_logged() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start(&Config::to(&peer));
    gateway.wait_for_log(&format!("ingest=http://{}", gateway.ingest));
    gateway.wait_for_log(&format!("admin=http://{}", gateway.admin));
    gateway.finish();
}
