//! The systemd unit, and the protocol that it relies on.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::{kit, read};
use crate::support::gateway::Gateway;
use crate::support::wait::LIMIT;
use crate::support::{Config, Peer};

/// The unit's values of a key.
fn values(key: &str) -> Vec<String> {
    let unit = read("pushweir.service");
    let prefix = format!("{key}=");
    unit.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

fn seconds(key: &str) -> u64 {
    let value = values(key).pop().unwrap_or_else(|| panic!("no {key}"));
    value.trim_end_matches('s').parse().unwrap_or_else(|error| panic!("{key}={value}: {error}"))
}

/// Runs systemd-analyze on the unit with the program that was built; `None` on a machine without it.
fn analyze(arguments: &[&str]) -> Option<String> {
    let place = TempDir::new().expect("there is a temporary directory");
    let file = place.path().join("pushweir.service");
    let unit = read("pushweir.service").replace("/usr/local/bin/pushweir", env!("CARGO_BIN_EXE_pushweir"));
    std::fs::write(&file, unit).expect("the directory takes a file");
    let output = Command::new("systemd-analyze").args(arguments).arg(&file).output().ok()?;
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "systemd-analyze {arguments:?}: {text}");
    Some(text)
}

#[test]
fn systemd_takes_the_unit_and_finds_it_hardened() {
    if let Some(said) = analyze(&["verify"]) {
        assert_eq!(said.trim(), "", "{}", kit("pushweir.service").display());
    }
    // In tenths of systemd's scale from 0 to 10.
    if let Some(said) = analyze(&["security", "--offline=true", "--threshold=20", "--no-pager"]) {
        assert!(said.contains("Overall exposure level"), "{said}");
    }
}

#[test]
fn the_unit_starts_the_program_as_it_is_and_waits_as_long_as_it_drains() {
    let start = values("ExecStart").pop().expect("it starts something");
    let words: Vec<&str> = start.split(' ').collect();
    assert_eq!(words[..3], ["/usr/local/bin/pushweir", "serve", "--config"]);
    let help =
        Command::new(env!("CARGO_BIN_EXE_pushweir")).args(["serve", "--help"]).output().expect("it starts");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let codes = ["RestartPreventExitStatus", "SuccessExitStatus"].map(|key| values(key).join(" ")).join(" ");
    for word in codes.split(' ').chain(["--config", "HUP"]) {
        assert!(help.contains(word), "{word} is not in:\n{help}");
    }
    let defaults = include_str!("../../../config.toml");
    let deadline = defaults.lines().find_map(|line| line.strip_prefix("drain_deadline = \""));
    let deadline: u64 =
        deadline.and_then(|text| text.split('s').next()?.parse().ok()).expect("it is in seconds");
    assert!(seconds("TimeoutStopSec") >= deadline + 10, "the manager would kill a drain");
    assert!(values("ExecReload").iter().any(|value| value.contains("-HUP $MAINPID")));
    let files: u64 =
        values("LimitNOFILE").pop().and_then(|value| value.parse().ok()).expect("it is a number");
    let connections = defaults.lines().find_map(|line| line.strip_prefix("max_connections = "));
    let connections: u64 = connections.and_then(|value| value.parse().ok()).expect("it is a number");
    assert!(files > 4 * connections, "{files} files for {connections} senders and the providers");
}

#[test]
fn the_service_manager_is_told_of_start_life_and_end() {
    let place = TempDir::new().expect("there is a temporary directory");
    let address = place.path().join("notify");
    let manager = UnixDatagram::bind(&address).expect("the directory takes a socket");
    manager.set_read_timeout(Some(LIMIT)).expect("a socket has a time limit");
    let heard = || {
        let mut bytes = [0; 512];
        let length = manager.recv(&mut bytes).expect("the service says something");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let peer = Peer::start(&[]);
    let path = address.to_string_lossy();
    let environment = [("NOTIFY_SOCKET", &*path), ("WATCHDOG_USEC", "200000")];
    let mut gateway = Gateway::start_in(&environment, &Config::to(&peer));
    let ready = heard();
    let listening =
        format!("READY=1\nSTATUS=listening ingest=http://{} admin=http://{}", gateway.ingest, gateway.admin);
    assert_eq!(ready, listening);
    for _ in 0..3 {
        assert_eq!(heard(), "WATCHDOG=1");
    }
    gateway.signal("TERM");
    let stopping =
        std::iter::repeat_with(heard).find(|text| text != "WATCHDOG=1").expect("it goes on until found");
    assert!(
        stopping.starts_with("STOPPING=1\nSTATUS=draining after SIGTERM\nEXTEND_TIMEOUT_USEC="),
        "{stopping}"
    );
    assert_eq!(gateway.wait(Duration::from_secs(30)), 0);
}
