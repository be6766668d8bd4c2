//! The connector against a scripted peer over real TLS, on a port of the system's choice.

mod peer;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Either, select};

use self::peer::{Listener, Script};
use super::*;
use crate::outcome::Verdict;
use crate::push::{Lane, Push, PushKey, RouteId, Target};
use crate::transport::{Connector as _, SessionEvent};
use crate::units::Moment;

const MINUTE: Duration = Duration::from_secs(60);

fn settings(listener: &Listener) -> Settings {
    Settings {
        host: "localhost".to_owned(),
        port: listener.port(),
        domain: "gcm.googleapis.com".to_owned(),
        sender_id: "123".to_owned(),
        server_key: Secret::new("key"),
        identity: Identity::Full,
        ca: Some(listener.ca().to_owned()),
        window: 100,
        connect_timeout: MINUTE,
        ping_after: MINUTE,
        ping_timeout: MINUTE,
    }
}

fn request(token: &str) -> PushRequest<'_> {
    PushRequest {
        id: None,
        route: None,
        to: Target::Token(token.into()),
        priority: Lane::High,
        ttl: None,
        collapse_key: None,
        notification: None,
        data: None,
        provider: None,
    }
}

fn push(connector: &Connector, number: u128) -> Push {
    let mut payload = Vec::new();
    connector.render(&request("tok"), &mut payload).unwrap();
    Push {
        key: PushKey::from_u128(number),
        name: None,
        payload: Bytes::from(payload),
        accepted_at: Moment::default(),
        deadline: Moment::NEVER,
        route: RouteId(0),
        sender: crate::push::SenderId::default(),
        lane: Lane::High,
        collapse: None,
        trace: None,
        attempts: 0,
        maybe_delivered: false,
    }
}

fn ack(number: u128) -> String {
    answer(&format!(r#"{{"from":"tok","message_id":"{}","message_type":"ack"}}"#, PushKey::from_u128(number)))
}

fn answer(json: &str) -> String {
    format!(r#"<message id=""><gcm xmlns="google:mobile:data">{json}</gcm></message>"#)
}

async fn refusal(connector: &Connector) -> ConnectError {
    match connector.connect().await {
        Ok(_) => panic!("it connected"),
        Err(error) => error,
    }
}

/// Reads events until there are `count`.
async fn collect(session: &mut Session, count: usize) -> Vec<SessionEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(session.events.next().await.expect("the session ended early"));
    }
    events
}

#[tokio::test]
async fn a_push_goes_out_and_its_answers_come_back() {
    let listener = Listener::open(&["localhost"]).await;
    let connector = Connector::new(settings(&listener)).unwrap();
    let peer = tokio::spawn(async move {
        let mut script = listener.accept().await;
        let auth = script.log_in().await;
        script.expect("</gcm></message>").await;
        let second = script.expect("</gcm></message>").await;
        script.send(&ack(1)).await;
        script
            .send(&answer(&format!(
                r#"{{"message_type":"nack","message_id":"{}","from":"tok","error":"DEVICE_UNREGISTERED"}}"#,
                PushKey::from_u128(2)
            )))
            .await;
        script.send(&answer(r#"{"message_type":"control","control_type":"CONNECTION_DRAINING"}"#)).await;
        script.send("</stream:stream>").await;
        (auth, second)
    });
    let mut session = connector.connect().await.unwrap();
    assert_eq!(session.window, 100);
    session.outbox.send(&push(&connector, 1), MINUTE);
    session.outbox.send(&push(&connector, 2), MINUTE);
    session.outbox.flush();
    let events = collect(&mut session, 4).await;
    let delivered = Verdict::Delivered { canonical: None };
    assert_eq!(events[0], SessionEvent::Answered { key: PushKey::from_u128(1), verdict: delivered });
    let SessionEvent::Answered { verdict: Verdict::Unregistered(words), .. } = &events[1] else {
        panic!("{events:?}")
    };
    assert_eq!(&*words.code, "DEVICE_UNREGISTERED");
    assert!(matches!(&events[2], SessionEvent::Draining { .. }));
    assert!(matches!(&events[3], SessionEvent::Closed { expected: false, .. }), "{events:?}");
    assert!(session.events.next().await.is_none());
    let (auth, second) = peer.await.unwrap();
    assert_eq!(auth, b"\x00123@gcm.googleapis.com\x00key");
    assert!(second.contains("\"time_to_live\":60,\"to\":\"tok\",\"priority\":\"high\"}"), "{second}");
}

#[tokio::test]
async fn finishing_says_good_bye_and_waits_for_the_peers() {
    let listener = Listener::open(&["localhost"]).await;
    let connector = Connector::new(settings(&listener)).unwrap();
    let peer = tokio::spawn(async move {
        let mut script = listener.accept().await;
        script.log_in().await;
        script.expect("</stream:stream>").await;
        script.send(&ack(1)).await;
        script.send("</stream:stream>").await;
        script.expect_end().await
    });
    let mut session = connector.connect().await.unwrap();
    session.outbox.send(&push(&connector, 1), MINUTE);
    session.outbox.finish();
    let events = collect(&mut session, 2).await;
    assert!(matches!(&events[0], SessionEvent::Answered { .. }));
    assert!(matches!(&events[1], SessionEvent::Closed { expected: true, .. }), "{events:?}");
    drop(session);
    assert!(peer.await.unwrap().is_ok(), "the connection must end with close_notify");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_told_from_an_unknown_ca() {
    let listener = Listener::open(&["other.example"]).await;
    let stranger = Listener::open(&["localhost"]).await;
    let connector = Connector::new(settings(&listener)).unwrap();
    let unknown =
        Connector::new(Settings { ca: Some(listener.ca().to_owned()), ..settings(&stranger) }).unwrap();
    let missing =
        Connector::new(Settings { ca: Some("/nowhere/ca.pem".into()), ..settings(&listener) }).unwrap();
    let peer = tokio::spawn(async move {
        listener.refuse().await;
        stranger.refuse().await;
        // Its CA file must outlive the attempt that reads it.
        listener
    });
    let error = refusal(&connector).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error}");
    assert!(error.to_string().contains("wrong name: the peer's certificate is not for localhost"), "{error}");
    let error = refusal(&unknown).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error}");
    assert!(error.to_string().contains("unknown CA"), "{error}");
    let error = refusal(&missing).await;
    assert!(error.to_string().contains("read ca /nowhere/ca.pem"), "{error}");
    peer.await.unwrap();
}

#[tokio::test]
async fn the_certificate_is_checked_against_an_address_too() {
    let listener = Listener::open(&["127.0.0.1"]).await;
    let connector = Connector::new(Settings { host: "127.0.0.1".to_owned(), ..settings(&listener) }).unwrap();
    let peer = tokio::spawn(async move { listener.accept().await.log_in().await });
    let mut session = connector.connect().await.unwrap();
    // The peer waits for what the session sends when it is first polled.
    assert!(futures_util::poll!(session.events.next()).is_pending());
    peer.await.unwrap();
}

#[tokio::test]
async fn a_wrong_key_is_a_refused_login() {
    let listener = Listener::open(&["localhost"]).await;
    let connector = Connector::new(Settings { identity: Identity::Node, ..settings(&listener) }).unwrap();
    let peer = tokio::spawn(async move {
        let mut script = listener.accept().await;
        let auth = script.answer_login(peer::NOT_AUTHORIZED).await;
        (script, auth)
    });
    let error = refusal(&connector).await;
    assert!(error.is_login_refused(), "{error}");
    assert!(error.to_string().contains("not-authorized"), "{error}");
    let (_, auth) = peer.await.unwrap();
    assert_eq!(auth, b"\x00123\x00key");
}

#[tokio::test]
async fn a_peer_that_never_answers_is_a_time_out_that_says_at_what() {
    let listener = Listener::open(&["localhost"]).await;
    let connector = Connector::new(settings(&listener)).unwrap();
    let mut connecting = connector.connect();
    let heard = async {
        let mut script = listener.accept().await;
        script.expect("<stream:stream").await;
        script
    };
    let script = match select(&mut connecting, Box::pin(heard)).await {
        Either::Left(_) => panic!("it ended early"),
        Either::Right((script, _)) => script,
    };
    tokio::time::pause();
    tokio::time::advance(MINUTE).await;
    let Err(error) = connecting.await else { panic!("it connected") };
    assert!(matches!(error, ConnectError::Timeout { stage: "waiting for the stream header", .. }), "{error}");
    drop(script);
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_a_network_fault() {
    let listener = Listener::open(&["localhost"]).await;
    let connector = Connector::new(settings(&listener)).unwrap();
    drop(listener.close());
    let error = refusal(&connector).await;
    assert!(matches!(error, ConnectError::Network { .. }), "{error}");
}

#[tokio::test]
async fn a_peer_that_closes_while_logging_in_is_a_protocol_fault() {
    let listener = Listener::open(&["localhost"]).await;
    let connector = Connector::new(settings(&listener)).unwrap();
    let peer = tokio::spawn(async move {
        let mut script = listener.accept().await;
        script.expect(">").await;
        script.close().await;
    });
    let error = refusal(&connector).await;
    let text = error.to_string();
    assert!(matches!(error, ConnectError::Protocol { .. }), "{text}");
    assert!(text.contains("ended while waiting for the stream header"), "{text}");
    peer.await.unwrap();
}

#[tokio::test]
async fn a_thousand_pushes_and_answers_cross_one_connection() {
    const COUNT: u128 = 1000;
    let listener = Listener::open(&["localhost"]).await;
    let connector = Connector::new(settings(&listener)).unwrap();
    let peer = tokio::spawn(async move {
        let mut script: Script = listener.accept().await;
        script.log_in().await;
        for number in 0..COUNT {
            script.expect("</gcm></message>").await;
            script.send(&ack(number)).await;
        }
        script
    });
    let mut session = connector.connect().await.unwrap();
    for number in 0..COUNT {
        session.outbox.send(&push(&connector, number), MINUTE);
    }
    session.outbox.flush();
    let events = collect(&mut session, 1000).await;
    for (number, event) in (0..COUNT).zip(&events) {
        assert!(matches!(event, SessionEvent::Answered { key, .. } if *key == PushKey::from_u128(number)));
    }
    drop(peer.await.unwrap());
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let with = |change: fn(&mut Settings)| {
        let mut settings = Settings {
            host: "h".to_owned(),
            port: 1,
            domain: "gcm.googleapis.com".to_owned(),
            sender_id: "123".to_owned(),
            server_key: Secret::new("key"),
            identity: Identity::Full,
            ca: None,
            window: 100,
            connect_timeout: MINUTE,
            ping_after: MINUTE,
            ping_timeout: MINUTE,
        };
        change(&mut settings);
        Connector::new(settings).map(|connector| connector.peer())
    };
    assert_eq!(with(|_| {}), Ok("h:1".to_owned()));
    assert_eq!(with(|settings| settings.host.clear()), Err(SettingsError::Host));
    assert_eq!(with(|settings| settings.window = 101), Err(SettingsError::Window(101)));
    assert_eq!(with(|settings| settings.window = 0), Err(SettingsError::Window(0)));
    assert_eq!(with(|settings| settings.server_key = Secret::new("a\0b")), Err(SettingsError::ServerKey));
    for change in [
        |settings: &mut Settings| settings.sender_id.clear(),
        |settings: &mut Settings| settings.domain = "a b".to_owned(),
        |settings: &mut Settings| settings.domain = "a\"/>".to_owned(),
        |settings: &mut Settings| settings.sender_id = "a@b".to_owned(),
    ] {
        assert!(matches!(with(change), Err(SettingsError::Address { .. })));
    }
}
