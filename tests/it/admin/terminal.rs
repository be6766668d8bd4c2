//! `pushweir top` and `pushweir health`, against a service that runs.

use std::process::{Command, Stdio};

use crate::support::gateway::Gateway;
use crate::support::{Config, Peer, batch};

/// Runs a task; returns exit code, output and errors.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Gateway::command().args(arguments).output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn top_shows_the_service_once_for_a_pipe() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    gateway.post(&batch(987)).expect(202);
    gateway.delivered(987);
    let admin = gateway.admin.to_string();
    let (code, out, errors) = run(&["top", "--once", "--admin", &admin]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(out.starts_with(&format!("OK  pushweir {} at {admin}, up ", env!("CARGO_PKG_VERSION"))), "{out}");
    assert!(out.contains("balances: 987 accepted = 987 delivered"), "{out}");
    assert!(out.contains("\nandroid/1") && !out.contains('\x1b'), "{out}");
    gateway.finish();
}

#[test]
fn top_without_a_terminal_goes_on_until_its_reader_has_enough() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let mut shell = Command::new("sh");
    let line = "\"$0\" top --admin \"$1\" | grep -m 2 '^PUSHER'";
    shell.args(["-c", line]).arg(Gateway::command().get_program()).arg(gateway.admin.to_string());
    let output = shell.stderr(Stdio::piped()).output().expect("there is a shell");
    let seen = String::from_utf8_lossy(&output.stdout).lines().count();
    assert_eq!((seen, String::from_utf8_lossy(&output.stderr).as_ref()), (2, ""));
    gateway.finish();
}

#[test]
fn top_logs_in_and_says_what_is_wrong_when_it_cannot() {
    let peer = Peer::start(&[]);
    let config = Config::to(&peer)
        .set("admin.users", "[{ name = \"ops\", password = \"s3same\" }]")
        .set("admin.tokens", "[{ name = \"wall\", token = \"t0ken\", role = \"viewer\" }]");
    let gateway = Gateway::start(&config);
    let admin = format!("http://{}", gateway.admin);
    let top = |proof: &[&str]| run(&[&["top", "--once", "--admin", &admin], proof].concat());
    for proof in [&["--token", "t0ken"][..], &["--user", "ops", "--password", "s3same"]] {
        let (code, out, errors) = top(proof);
        assert!(code == Some(0) && out.contains("android/0"), "{proof:?}: {errors}");
    }
    for proof in [&[][..], &["--token", "other"], &["--user", "ops", "--password", "other"]] {
        let (code, out, errors) = top(proof);
        assert!(
            code == Some(70) && out.is_empty() && errors.contains("answers 401: credentials"),
            "{proof:?}: {errors}"
        );
    }
    for wrong in [&["--user", "ops"][..], &["--token", "env:PUSHWEIR_TEST_VARIABLE_THAT_IS_NOT_SET"]] {
        assert_eq!(top(wrong).0, Some(64), "{wrong:?}");
    }
    gateway.finish();
}

#[test]
fn health_is_an_exit_code() {
    let mut peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let admin = gateway.admin.to_string();
    let health = |flags: &[&str]| run(&[&["health", "--admin", &admin], flags].concat());
    assert_eq!(health(&[]), (Some(0), "alive\n".to_owned(), String::new()));
    assert_eq!(health(&["--ready"]), (Some(0), "ready\n".to_owned(), String::new()));
    peer.kill();
    gateway.wait_for("no pusher is ready", |state| state.pushers_in("ready") == 0);
    let (code, _, errors) = health(&["--ready"]);
    assert!(code == Some(70) && errors.contains("answers 503: not ready"), "{errors}");
    assert_eq!(health(&[]).0, Some(0));
    gateway.finish();
    let (code, _, errors) = health(&[]);
    assert!(code == Some(70) && errors.contains("cannot reach"), "{errors}");
}
