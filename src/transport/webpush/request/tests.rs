//! What a push looks like as a Web Push message, and what is refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::encrypt::tests::Browser;
use super::super::origin::Pattern;
use super::*;
use crate::push::{Notification, RawJson};
use crate::transport::probe;

const TTL_LEFT: Duration = Duration::from_millis(59_001);
const ENDPOINT: &str = "https://push.example/send/a?token=b%2F";

fn hosts() -> Hosts {
    Hosts::new(vec![Pattern::parse("push.example").unwrap(), Pattern::parse("*.notify.windows.com").unwrap()])
}

fn to<'a>(browser: &Browser, endpoint: &'a str) -> PushRequest<'a> {
    probe::request(Target::WebPush {
        endpoint: endpoint.into(),
        p256dh: browser.p256dh().into(),
        auth: browser.auth().into(),
    })
}

fn rendered(request: &PushRequest<'_>) -> Result<Vec<u8>, RenderError> {
    let mut payload = b"kept".to_vec();
    let result = render(request, &hosts(), &mut payload);
    assert!(payload.starts_with(b"kept"));
    if result.is_err() {
        assert_eq!(payload, b"kept");
    }
    result.map(|()| payload[4..].to_vec())
}

fn written(request: &PushRequest<'_>) -> (Request<()>, Bytes) {
    write(&rendered(request).unwrap(), TTL_LEFT, 0).unwrap()
}

fn header<'r>(head: &'r Request<()>, name: &str) -> &'r str {
    head.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn refused(request: &PushRequest<'_>) -> (Refusal, &'static str) {
    let error = rendered(request).unwrap_err();
    (error.refusal, error.field)
}

#[test]
fn a_push_is_a_post_to_its_endpoint_that_only_the_browser_can_read() {
    let browser = Browser::new();
    let data = json!({"n": 1, "deep": {"l": [null]}}).to_string();
    let shown = Notification {
        title: Some("T\"".into()),
        body: Some("B".into()),
        image: Some("https://i.example/i.png".into()),
        sound: Some("ping".into()),
        badge: Some(3),
    };
    let request = PushRequest {
        priority: Lane::High,
        collapse_key: Some("room-17".into()),
        notification: Some(shown),
        data: Some(RawJson::of_read(&data)),
        ..to(&browser, ENDPOINT)
    };
    let (head, body) = written(&request);
    assert_eq!((head.method().as_str(), head.uri().to_string().as_str()), ("POST", ENDPOINT));
    let names = ["ttl", "urgency", "topic", "content-encoding", "content-type", "x-wns-cache-policy"];
    assert_eq!(
        names.map(|name| header(&head, name)),
        ["60", "high", "room-17", "aes128gcm", "application/octet-stream", ""]
    );
    let (message, _) = browser.decrypt(&body).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&message).unwrap(),
        json!({"notification": {"title": "T\"", "body": "B", "image": "https://i.example/i.png", "sound": "ping", "badge": 3},
               "data": {"n": 1, "deep": {"l": [null]}}})
    );
}

#[test]
fn a_push_without_a_message_has_no_body_and_nothing_about_one() {
    let (head, body) = written(&to(&Browser::new(), ENDPOINT));
    assert!(body.is_empty());
    assert_eq!(header(&head, "content-encoding"), "");
    assert_eq!([header(&head, "urgency"), header(&head, "topic")], ["normal", ""]);
}

#[test]
fn urgency_follows_the_lane_and_time_to_live_the_time_left() {
    let browser = Browser::new();
    for (lane, word) in
        [(Lane::Critical, "high"), (Lane::High, "high"), (Lane::Normal, "normal"), (Lane::Low, "low")]
    {
        let (head, _) = written(&PushRequest { priority: lane, ..to(&browser, ENDPOINT) });
        assert_eq!(header(&head, "urgency"), word);
    }
    let payload = rendered(&to(&browser, ENDPOINT)).unwrap();
    for (left, seconds) in
        [(Duration::ZERO, "0"), (Duration::from_millis(1), "1"), (Duration::MAX, "2419200")]
    {
        assert_eq!(header(&write(&payload, left, 0).unwrap().0, "ttl"), seconds);
    }
}

#[test]
fn microsoft_is_told_to_keep_what_may_wait() {
    let payload = rendered(&to(&Browser::new(), "https://wns2.notify.windows.com/w/?token=x")).unwrap();
    let policy = |left| header(&write(&payload, left, 0).unwrap().0, "x-wns-cache-policy").to_owned();
    assert_eq!([policy(TTL_LEFT), policy(Duration::ZERO)], ["cache", "no-cache"]);
}

#[test]
fn a_collapse_key_that_is_no_topic_becomes_one() {
    let browser = Browser::new();
    let topic = |key: &str| {
        let request = PushRequest { collapse_key: Some(key.to_owned().into()), ..to(&browser, ENDPOINT) };
        header(&written(&request).0, "topic").to_owned()
    };
    let longest = "x".repeat(32);
    assert_eq!(topic(&longest), longest);
    for key in ["x".repeat(33), "a.b".into(), "ä".into(), "a=b".into()] {
        let other = topic(&key);
        assert_eq!(other.len(), 32, "{key}");
        assert!(other.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{other}");
        assert_eq!(topic(&key), other, "the same key is the same topic");
    }
    assert_ne!(topic("a.b"), topic("a.c"));
}

#[test]
fn provider_fields_are_merged_last_into_the_message() {
    let browser = Browser::new();
    let data = json!({"a": 1, "b": 2}).to_string();
    let provider =
        json!({"web_push": 8030, "notification": {"navigate": "/x", "body": null}, "data": {"b": null}})
            .to_string();
    let shown = Notification { title: Some("T".into()), body: Some("B".into()), ..Notification::default() };
    let request = PushRequest {
        notification: Some(shown),
        data: Some(RawJson::of_read(&data)),
        provider: Some(RawJson::of_read(&provider)),
        ..to(&browser, ENDPOINT)
    };
    let message = |request: &PushRequest<'_>| -> Value {
        serde_json::from_slice(&browser.decrypt(&written(request).1).unwrap().0).unwrap()
    };
    assert_eq!(
        message(&request),
        json!({"web_push": 8030, "notification": {"title": "T", "navigate": "/x"}, "data": {"a": 1}})
    );
    let alone = PushRequest { provider: Some(RawJson::of_read(&provider)), ..to(&browser, ENDPOINT) };
    assert_eq!(message(&alone), json!({"web_push": 8030, "notification": {"navigate": "/x"}, "data": {}}));
    let empty = PushRequest { notification: Some(Notification::default()), ..to(&browser, ENDPOINT) };
    assert_eq!(message(&empty), json!({"notification": {}}));
}

#[test]
fn what_the_service_would_refuse_is_refused_at_the_door() {
    let browser = Browser::new();
    let token = PushRequest { to: Target::Token("t".into()), ..to(&browser, ENDPOINT) };
    assert_eq!(refused(&token), (Refusal::RefusedInvalid, "to"));
    for endpoint in ["https://evil.example/x", "http://push.example/x", "https://169.254.169.254/latest", "x"]
    {
        assert_eq!(refused(&to(&browser, endpoint)), (Refusal::RefusedInvalid, "to.endpoint"), "{endpoint}");
    }
    let with = |p256dh: &str, auth: &str| {
        let (p256dh, auth) = (p256dh.to_owned().into(), auth.to_owned().into());
        refused(&PushRequest {
            to: Target::WebPush { endpoint: ENDPOINT.into(), p256dh, auth },
            ..to(&browser, ENDPOINT)
        })
    };
    assert_eq!(with("AAAA", &browser.auth()), (Refusal::RefusedInvalid, "to.p256dh"));
    assert_eq!(with(&browser.p256dh(), "AAAA"), (Refusal::RefusedInvalid, "to.auth"));
    let of = |bytes: usize| json!({"k": "x".repeat(bytes - "{\"data\":{\"k\":\"\"}}".len())}).to_string();
    let (fits, over) = (of(MAX_PLAINTEXT), of(MAX_PLAINTEXT + 1));
    let fitting = PushRequest { data: Some(RawJson::of_read(&fits)), ..to(&browser, ENDPOINT) };
    assert_eq!(written(&fitting).1.len(), encrypt::MAX_BODY);
    let over = PushRequest { data: Some(RawJson::of_read(&over)), ..to(&browser, ENDPOINT) };
    assert_eq!(refused(&over), (Refusal::RefusedTooLarge, "data"));
}

#[test]
fn lengths_can_be_hidden() {
    let browser = Browser::new();
    let length = |count: usize| {
        let data = json!({"k": "x".repeat(count)}).to_string();
        let payload =
            rendered(&PushRequest { data: Some(RawJson::of_read(&data)), ..to(&browser, ENDPOINT) }).unwrap();
        write(&payload, TTL_LEFT, 256).unwrap().1.len()
    };
    assert_eq!(length(1), length(200));
    assert_eq!(length(300) - length(1), 256);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_a_sender_writes_comes_out_at_the_browser(
        path in "[a-zA-Z0-9/:_.-]{0,200}", key in "\\PC{0,40}", title: String, text: String, merged: bool,
    ) {
        let browser = Browser::new();
        let endpoint = format!("https://push.example/{path}");
        let data = json!({"text": text}).to_string();
        let provider = json!({"more": text}).to_string();
        let request = PushRequest {
            collapse_key: Some(key.into()),
            notification: Some(Notification { title: Some(title.clone().into()), ..Notification::default() }),
            data: Some(RawJson::of_read(&data)),
            provider: merged.then_some(RawJson::of_read(&provider)),
            ..to(&browser, &endpoint)
        };
        let payload = rendered(&request).unwrap();
        prop_assert_eq!(addressee(&payload), Some(Addressee::Endpoint(endpoint.clone().into())));
        prop_assert_eq!(origin(&payload).unwrap().to_string(), "https://push.example");
        let (head, body) = write(&payload, TTL_LEFT, 64).unwrap();
        prop_assert_eq!(head.uri().to_string(), endpoint);
        let message: Value = serde_json::from_slice(&browser.decrypt(&body).unwrap().0).unwrap();
        prop_assert_eq!(&message["notification"]["title"], &json!(title));
        prop_assert_eq!(&message["data"]["text"], &json!(text));
        prop_assert_eq!(message.get("more").is_some(), merged);
    }

    #[test]
    fn no_bytes_are_taken_for_a_payload_that_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (addressee(&bytes), origin(&bytes));
    }
}
