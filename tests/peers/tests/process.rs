//! The binary as scripts use it: what it prints, how it stops, and its exit codes.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

fn peers(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushweir-peers"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Reads a line `PREFIX ADDRESS` and returns the address.
fn address(lines: &mut impl BufRead, prefix: &str) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    line.trim_end()
        .strip_prefix(prefix)
        .unwrap_or_else(|| panic!("{line:?} does not start with {prefix:?}"))
        .to_owned()
}

fn terminate(child: &Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn the_double_prints_its_addresses_and_leaves_a_report_when_terminated() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (tls, report) = (at("tls"), at("report.json"));
    let args = [
        "xmpp",
        "--listen",
        "127.0.0.1:0",
        "--control",
        "127.0.0.1:0",
        "--tls-dir",
        &tls,
        "--report",
        &report,
    ];
    let mut child = peers(&args).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    address(&mut lines, "listening on 127.0.0.1:");
    let control = address(&mut lines, "control on ");
    let mut stream = TcpStream::connect(control).unwrap();
    stream.write_all(b"GET /report HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    terminate(&child);
    let mut printed = String::new();
    lines.read_to_string(&mut printed).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let written: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), written);
    assert_eq!(written["messages"], 0);
}

#[test]
fn wrong_usage_ends_with_64_and_names_the_fault() {
    for (args, named) in [
        (["xmpp", "--latency", "20"], "20ms"),
        (["xmpp", "--nack", "2"], "0 to 1"),
        (["load", "--to", "ftp://x"], "http address"),
    ] {
        let output = peers(&args).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}: {text}");
        assert!(text.contains(named), "{args:?}: {text}");
    }
}

#[test]
fn an_address_in_use_ends_with_70_and_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let output = peers(&["xmpp", "--listen", &address, "--tls-dir", directory.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(70));
    assert!(String::from_utf8(output.stderr).unwrap().contains(&address));
}

#[test]
fn the_help_explains_the_tokens_and_the_control_calls() {
    let output = peers(&["xmpp", "--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for part in ["unregistered-", "POST /drain", "--drain-close", "--over-window", "pushes per connection"] {
        assert!(text.contains(part), "{part}");
    }
}
