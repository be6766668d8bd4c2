//! The XMPP double end to end: real sockets, real TLS, a client that behaves and one that does not.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::io;
use std::path::Path;
use std::sync::Arc;

use pushweir_peers::double::listener::Place;
use pushweir_peers::double::report::Report;
use pushweir_peers::tls::LOCAL_NAMES;
use pushweir_peers::xmpp::knobs::Knobs;
use pushweir_peers::xmpp::login::Account;
use pushweir_peers::xmpp::probe::{Piece, Probe};
use pushweir_peers::xmpp::pump;
use pushweir_peers::xmpp::{Config, Handle, serve};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Double {
    handle: Handle,
    directory: TempDir,
}

fn account() -> Account {
    Account { sender_id: "1234567890".to_owned(), server_key: "demo-server-key".to_owned() }
}

impl Double {
    async fn start(pairs: &[(&str, &str)]) -> Self {
        Self::named(&LOCAL_NAMES, pairs).await
    }

    async fn named(names: &[&str], pairs: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut knobs = Knobs::default();
        knobs.set(pairs.iter().copied()).unwrap();
        let config = Config {
            place: Place {
                listen: "127.0.0.1:0".parse().unwrap(),
                control: Some("127.0.0.1:0".parse().unwrap()),
                tls_dir: directory.path().to_owned(),
                names: names.iter().map(|name| (*name).to_owned()).collect(),
            },
            account: account(),
            seed: 1,
            knobs,
        };
        Self { handle: serve(config).await.unwrap(), directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    async fn client(&self) -> Probe {
        Probe::login(self.handle.address, self.path(), &account()).await.unwrap().0
    }

    /// Makes a control call and returns the body.
    async fn call(&self, line: &str) -> Value {
        let mut stream = TcpStream::connect(self.handle.control.unwrap()).await.unwrap();
        stream.write_all(format!("{line} HTTP/1.1\r\nhost: control\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

fn push(id: &str, token: &str) -> String {
    format!(
        "<message id=\"{id}\"><gcm xmlns=\"google:mobile:data\">{{\"to\":\"{token}\",\"message_id\":\"{id}\",\
         \"data\":{{\"text\":\"a &amp; b\"}}}}</gcm></message>"
    )
}

#[tokio::test]
async fn a_push_is_acked_and_reported() {
    let double = Double::start(&[]).await;
    let (mut client, jid) = Probe::login(double.handle.address, double.path(), &account()).await.unwrap();
    assert!(jid.starts_with("1234567890@gcm.googleapis.com/probe"));
    client.send(&push("m1", "device-1")).await.unwrap();
    let ack = client.next_json().await.unwrap();
    assert_eq!(
        (&ack["message_type"], &ack["message_id"], &ack["from"]),
        (&"ack".into(), &"m1".into(), &"device-1".into())
    );
    let report = double.call("GET /report").await;
    assert_eq!(
        (&report["messages"], &report["unique"], &report["violations"]["total"]),
        (&1.into(), &1.into(), &0.into())
    );
    assert_eq!((&report["connections"]["open"], &report["highest_unacked"]), (&1.into(), &1.into()));
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let double = Double::start(&[]).await;
    let wrong = Account { server_key: "guess".to_owned(), ..account() };
    let error = Probe::login(double.handle.address, double.path(), &wrong).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(double.call("GET /report").await["logins_refused"], 1);
}

#[tokio::test]
async fn the_hundred_and_first_push_is_told_on() {
    let double = Double::start(&[("latency", "1h"), ("over-window", "close")]).await;
    let mut client = double.client().await;
    let pushes: String = (0..101).map(|n| push(&format!("m{n}"), "d")).collect();
    client.send(&pushes).await.unwrap();
    let Piece::Stanza(error) = client.next().await.unwrap() else { panic!("a stream error expected") };
    assert_eq!((error.name.as_str(), error.children[0].name.as_str()), ("error", "policy-violation"));
    assert_eq!(client.next().await.unwrap(), Piece::End);
    let report = double.call("GET /report").await;
    assert_eq!(
        (&report["highest_unacked"], &report["violations"]["by_kind"]["over_window"]),
        (&101.into(), &1.into())
    );
}

#[tokio::test]
async fn a_message_id_in_flight_twice_and_bad_json_are_told_on() {
    let double = Double::start(&[("latency", "50ms")]).await;
    let mut client = double.client().await;
    let twice = push("m1", "d") + &push("m1", "d");
    client.send(&twice).await.unwrap();
    assert_eq!(client.next_json().await.unwrap()["message_type"], "ack");
    assert_eq!(client.next_json().await.unwrap()["error"], "INVALID_JSON");
    client.send("<message id='s'><gcm xmlns='google:mobile:data'>{\"to\":</gcm></message>").await.unwrap();
    let Piece::Stanza(error) = client.next().await.unwrap() else { panic!("a stanza error expected") };
    assert_eq!((error.attribute("type"), error.attribute("id")), (Some("error"), Some("s")));
    let kinds = &double.call("GET /report").await["violations"]["by_kind"];
    assert_eq!(*kinds, serde_json::json!({"reused_in_flight": 1, "bad_payload": 1}));
}

#[tokio::test]
async fn draining_by_control_call_answers_what_is_pending_and_closes() {
    let double = Double::start(&[("latency", "1h"), ("drain-close", "30ms")]).await;
    let mut client = double.client().await;
    let ping = "<iq type=\"get\" id=\"p\"><ping xmlns=\"urn:xmpp:ping\"/></iq>";
    client.send(&(push("m1", "d") + ping)).await.unwrap();
    assert!(matches!(client.next().await.unwrap(), Piece::Stanza(pong) if pong.attribute("id") == Some("p")));
    assert_eq!(double.call("POST /drain").await["connections"], 1);
    assert_eq!(client.next_json().await.unwrap()["control_type"], "CONNECTION_DRAINING");
    assert_eq!(client.next_json().await.unwrap()["message_id"], "m1");
    assert_eq!(client.next().await.unwrap(), Piece::End);
    assert_eq!(client.next().await.unwrap(), Piece::Eof);
}

#[tokio::test]
async fn a_reset_connection_leaves_its_push_unanswered() {
    let double = Double::start(&[("latency", "1h"), ("close-after", "1"), ("close-style", "rst")]).await;
    let mut client = double.client().await;
    client.send(&push("m1", "d")).await.unwrap();
    let ended = client.next().await;
    assert!(matches!(&ended, Err(error) if error.kind() == io::ErrorKind::ConnectionReset), "{ended:?}");
    let report = double.call("GET /report").await;
    assert_eq!(
        (&report["messages"], &report["acks"], &report["delivered_unique"]),
        (&1.into(), &0.into(), &0.into())
    );
}

#[tokio::test]
async fn each_way_to_close_looks_like_itself_to_the_client() {
    let double = Double::start(&[]).await;
    for (style, pieces) in [("fin", 1), ("half-stanza", 1), ("graceful", 2), ("stream-error", 3)] {
        let mut client = double.client().await;
        double.call(&format!("POST /close?style={style}")).await;
        let mut seen = vec![client.next().await.unwrap()];
        while seen.last() != Some(&Piece::Eof) {
            seen.push(client.next().await.unwrap());
        }
        assert_eq!((seen.len(), seen.contains(&Piece::End)), (pieces, pieces > 1), "{style}: {seen:?}");
    }
    let mut client = double.client().await;
    double.call("POST /close?style=garbage").await;
    assert_eq!(client.next().await.unwrap_err().to_string(), "the stream is not XML");
}

#[tokio::test]
async fn knobs_change_under_an_open_connection() {
    let double = Double::start(&[]).await;
    let mut client = double.client().await;
    assert_eq!(double.call("POST /set?nack=1:TOPICS_MESSAGE_RATE_EXCEEDED").await["set"], 1);
    client.send(&push("m1", "d")).await.unwrap();
    assert_eq!(client.next_json().await.unwrap()["error"], "TOPICS_MESSAGE_RATE_EXCEEDED");
    assert!(double.call("POST /set?colour=red").await["error"].as_str().unwrap().contains("--colour"));
}

#[tokio::test]
async fn an_upstream_message_moves_on_when_its_connection_dies() {
    let double = Double::start(&[]).await;
    let mut first = double.client().await;
    double.call("POST /upstream?n=1").await;
    assert_eq!(first.next_json().await.unwrap()["message_id"], "up-1");
    let mut second = double.client().await;
    double.call("POST /close?connection=1").await;
    let message = second.next_json().await.unwrap();
    assert_eq!((&message["message_id"], message.get("message_type")), (&"up-1".into(), None));
}

#[tokio::test]
async fn connections_beyond_the_limit_get_a_stream_error() {
    let double = Double::start(&[("max-connections", "1")]).await;
    let _first = double.client().await;
    let error = Probe::login(double.handle.address, double.path(), &account()).await.unwrap_err();
    assert!(error.to_string().contains("resource-constraint"), "{error}");
    assert_eq!(double.call("GET /report").await["connections"]["refused"], 1);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_accepted() {
    let double = Double::named(&["elsewhere.example"], &[]).await;
    let error = Probe::connect(double.handle.address, double.path()).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_both_spoken() {
    let double = Double::start(&[]).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        let pem = std::fs::read(double.path().join("ca.pem")).unwrap();
        let authority = rustls::pki_types::pem::PemObject::from_pem_slice(&pem).unwrap();
        roots.add(authority).unwrap();
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let tcp = TcpStream::connect(double.handle.address).await.unwrap();
        let stream = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
    }
}

#[tokio::test]
async fn a_pump_within_the_window_is_no_violation() {
    let double = Double::start(&[("order", "shuffled"), ("jitter", "2ms")]).await;
    let plan = pump::Plan {
        target: double.handle.address,
        tls_dir: double.path().to_owned(),
        account: account(),
        connections: 3,
        window: 100,
        length: std::time::Duration::from_millis(200),
    };
    let outcome = pump::run(&plan).await.unwrap();
    let report = Report::of(&double.handle.hub.books);
    assert_eq!((report.unique, report.acks, report.duplicates), (outcome.answered, outcome.answered, 0));
    assert!((1..=100).contains(&report.highest_unacked), "{}", report.highest_unacked);
    assert_eq!(report.violations.total, 0, "{:?}", report.violations);
}
