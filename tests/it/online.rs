//! `check --online`: what it says of routes that are well, and which setting it points at where one is not.

use std::net::TcpListener;
use std::process::Command;

use tempfile::TempDir;

use crate::support::gateway::Gateway;
use crate::support::proxy::Proxy;
use crate::support::{Config, Peer};

/// What a run left.
struct Checked {
    code: Option<i32>,
    lines: Vec<String>,
    all: String,
}

// === impl Checked ===

impl Checked {
    /// Checks that the one route failed, and that the line points at a setting, quotes its value, and says what to do.
    #[track_caller]
    fn assert_points_at(&self, setting: &str) {
        assert_eq!((self.code, self.lines.len()), (Some(78), 1), "{}", self.all);
        let line = &self.lines[0];
        assert!(line.starts_with("failed"), "{line}");
        assert!(line.contains(setting) && line.contains("hint: "), "{setting} is not in: {line}");
        self.assert_no_secret();
    }

    #[track_caller]
    fn assert_no_secret(&self) {
        for secret in ["demo-server-key", "wrong-key", "PRIVATE KEY", "ya29", "eyJ"] {
            assert!(!self.all.contains(secret), "{secret} is in: {}", self.all);
        }
    }
}

fn check_with(config: &Config, flags: &[&str]) -> Checked {
    let place = TempDir::new().expect("there is a temporary directory");
    let file = place.path().join("config.toml");
    std::fs::write(&file, config.render()).expect("the directory takes a file");
    let mut command: Command = Gateway::command();
    command.args(["check", "--online", "--config"]).arg(file).args(flags);
    let output = command.output().expect("the program can be started");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
    Checked { code: output.status.code(), lines: out.lines().map(str::to_owned).collect(), all }
}

fn check(config: &Config) -> Checked {
    check_with(config, &[])
}

/// A port that nobody listens on.
fn deaf_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

#[test]
fn every_transport_says_that_its_credentials_are_accepted_and_delivers_nothing() {
    let peers = [Peer::start(&[]), Peer::start_fcm(&[]), Peer::start_apns(&[]), Peer::start_webpush(&[])];
    let [xmpp, fcm, apns, web] = &peers;
    let config = Config::to(xmpp)
        .and(Config::to_fcm(fcm).route_text("name", "android-v1"))
        .and(Config::to_apns(apns))
        .and(Config::to_webpush(&[web]));
    let checked = check(&config);
    assert_eq!(checked.code, Some(0), "{}", checked.all);
    checked.assert_no_secret();
    let expected = [
        ("android", "xmpp", "log in and bind: credentials accepted"),
        ("android-v1", "fcm", "credentials accepted"),
        ("ios", "apns", "BadDeviceToken"),
        ("web", "webpush", "1 services answer"),
    ];
    assert_eq!(checked.lines.len(), expected.len(), "{}", checked.all);
    for (line, (route, transport, finding)) in checked.lines.iter().zip(expected) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..3], ["ok", route, transport], "{line}");
        assert!(words[3].parse::<u64>().is_ok() && words[4] == "ms" && line.contains(finding), "{line}");
    }
    assert!(checked.lines[3].contains("no service has a dry run"), "{}", checked.lines[3]);
    for peer in &peers {
        assert_eq!(peer.count("unique"), 0, "{:#}", peer.report());
        peer.assert_no_violations();
    }
    assert_eq!((fcm.count("dry_runs"), fcm.count("tokens_granted")), (1, 1));
    assert_eq!(web.count("connections/opened"), 1);
}

#[test]
fn apns_is_tried_with_a_certificate_and_with_every_type_of_push() {
    let peer = Peer::start_apns(&[]);
    let by_certificate = Config::over_http2_to("ios", "apns", &peer.address.to_string(), &peer.ca())
        .route_text("apns.topic", "com.example.app")
        .route_text("apns.certificate", &format!("file:{}", peer.file("apns-client.pem")));
    assert_eq!(check(&by_certificate).code, Some(0));
    for kind in ["alert", "background", "voip", "liveactivity", "pushtotalk", "widgets"] {
        let checked = check(&Config::to_apns(&peer).route_text("apns.push_type", kind));
        assert_eq!(checked.code, Some(0), "{kind}: {}", checked.all);
    }
    peer.assert_no_violations();
}

#[test]
fn wrong_credentials_are_told_from_wrong_projects_and_topics() {
    let (xmpp, fcm, apns) = (Peer::start(&[]), Peer::start_fcm(&[]), Peer::start_apns(&[]));
    check(&Config::to(&xmpp).route_text("xmpp.server_key", "wrong-key"))
        .assert_points_at("xmpp.sender_id and server_key = 1234567890, ***");
    check(&Config::to_fcm(&fcm).route_text("fcm.project_id", "another"))
        .assert_points_at("fcm.project_id = another");
    check(&Config::to_apns(&apns).route_text("apns.topic", "com.example.other"))
        .assert_points_at("apns.topic = com.example.other");
    check(&Config::to_apns(&apns).route_text("apns.key_id", "OTHER00001"))
        .assert_points_at("apns.team_id, key_id and key = PWTEAM0001, OTHER00001, ***");
    fcm.command("set?auth_fail=true");
    check(&Config::to_fcm(&fcm)).assert_points_at("fcm.service_account = ");
}

#[test]
fn nobody_who_listens_is_the_address_s_fault() {
    let (fcm, apns, web) = (Peer::start_fcm(&[]), Peer::start_apns(&[]), Peer::start_webpush(&[]));
    let port = deaf_port();
    let deaf = format!("https://127.0.0.1:{port}");
    let xmpp = Config::new().and_route_to("android", "127.0.0.1", port);
    check(&xmpp).assert_points_at(&format!("xmpp.host and port = 127.0.0.1:{port}"));
    check(&Config::to_fcm(&fcm).route_text("fcm.endpoint", &deaf))
        .assert_points_at(&format!("fcm.endpoint = {deaf}"));
    check(&Config::to_apns(&apns).route_text("apns.endpoint", &deaf))
        .assert_points_at(&format!("apns.environment, port or endpoint = {deaf}"));
    check(&Config::to_webpush(&[&web]).route("webpush.hosts", format!("[\"localhost:{port}\"]")))
        .assert_points_at(&format!("webpush.hosts = https://localhost:{port}"));
    check(&Config::to_webpush(&[&web]).route("webpush.allow_private", false))
        .assert_points_at("webpush.hosts = https://localhost");
}

#[test]
fn an_account_whose_token_service_is_away_is_told_from_one_that_is_refused() {
    let mut fcm = Peer::start_fcm(&[]);
    fcm.kill();
    check(&Config::to_fcm(&fcm)).assert_points_at("token_uri of fcm.service_account = https://");
}

#[test]
fn another_authority_s_certificate_is_the_ca_s_fault() {
    let (peer, other) = (Peer::start_apns(&[]), Peer::start_apns(&[]));
    let checked = check(&Config::to_apns(&peer).route_text("apns.ca", &other.ca()));
    checked.assert_points_at(&format!("apns.ca = {}", other.ca()));
}

#[test]
fn a_proxy_is_used_and_named_when_it_lets_nobody_through() {
    let (fcm, apns, web) = (Peer::start_fcm(&[]), Peer::start_apns(&[]), Peer::start_webpush(&[]));
    let proxy = Proxy::start();
    let address = proxy.address.to_string();
    let through =
        |config: Config, transport: &str| config.route_text(&format!("{transport}.proxy"), &address);
    let all = through(Config::to_fcm(&fcm), "fcm")
        .and(through(Config::to_apns(&apns), "apns"))
        .and(through(Config::to_webpush(&[&web]), "webpush"));
    let checked = check(&all);
    assert_eq!(checked.code, Some(0), "{}", checked.all);
    assert_eq!(proxy.targets().len(), 4, "a connection each, and one for the access token");
    proxy.refuse(true);
    check(&through(Config::to_apns(&apns), "apns")).assert_points_at(&format!("apns.proxy = {address}"));
}

#[test]
fn a_peer_that_says_nothing_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let peer = Peer::start(&[]);
    let config = Config::to(&peer).route("xmpp.port", port);
    check_with(&config, &["--timeout", "1"]).assert_points_at("no result in 1s");
    let patient = config.route_text("xmpp.connect_timeout", "500ms");
    check(&patient).assert_points_at(&format!("xmpp.host and port = 127.0.0.1:{port}"));
}
