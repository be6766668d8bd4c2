//! What a push looks like to Apple, and what is refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::push::{Lane, RawJson};
use crate::transport::probe;

fn defaults() -> Defaults {
    Defaults { topic: "com.example.app".into(), kind: None }
}

fn to_device<'a>() -> PushRequest<'a> {
    probe::request(Target::Token("00fcAB".into()))
}

/// Type, priority, topic, collapse id and payload.
type Seen = (&'static str, u8, String, String, Value);

fn rendered_by(defaults: &Defaults, request: &PushRequest<'_>) -> Result<Seen, RenderError> {
    let mut payload = b"kept".to_vec();
    let result = render(request, defaults, &mut payload);
    assert!(payload.starts_with(b"kept"));
    if result.is_err() {
        assert_eq!(payload, b"kept");
    }
    result.map(|()| {
        let (envelope, start) = Envelope::read(&payload[4..]).unwrap();
        assert_eq!(envelope.to, Address::Device("00fcAB"));
        assert_eq!(addressee(&payload[4..]), Some(Addressee::Token("00fcAB".into())));
        let Envelope { kind, priority, topic, collapse, .. } = envelope;
        let body = serde_json::from_slice(&payload[4 + start..]).unwrap();
        (kind.as_str(), priority, topic.to_owned(), collapse.to_owned(), body)
    })
}

fn rendered(request: &PushRequest<'_>) -> Result<Seen, RenderError> {
    rendered_by(&defaults(), request)
}

fn refused(request: &PushRequest<'_>) -> (Refusal, &'static str) {
    let error = rendered(request).unwrap_err();
    (error.refusal, error.field)
}

fn seen(kind: &'static str, priority: u8, topic: &str, collapse: &str, body: Value) -> Seen {
    (kind, priority, topic.to_owned(), collapse.to_owned(), body)
}

#[test]
fn a_push_that_shows_nothing_wakes_the_app_in_the_background() {
    let data = json!({"room": 17, "deep": {"l": [null, true]}}).to_string();
    let request =
        PushRequest { priority: Lane::Critical, data: Some(RawJson::of_read(&data)), ..to_device() };
    let body = json!({"aps": {"content-available": 1}, "room": 17, "deep": {"l": [null, true]}});
    assert_eq!(rendered(&request).unwrap(), seen("background", 5, "com.example.app", "", body));
}

#[test]
fn every_field_has_its_place() {
    let notification = Notification {
        title: Some("T\"".into()),
        body: Some("B".into()),
        image: Some("https://i.example/i.png".into()),
        sound: Some("ping.caf".into()),
        badge: Some(3),
    };
    let data = json!({"s": "x"}).to_string();
    let request = PushRequest {
        priority: Lane::High,
        collapse_key: Some("room-17".into()),
        notification: Some(notification),
        data: Some(RawJson::of_read(&data)),
        ..to_device()
    };
    let body = json!({
        "aps": {"alert": {"title": "T\"", "body": "B"}, "badge": 3, "sound": "ping.caf", "mutable-content": 1},
        "image": "https://i.example/i.png", "s": "x",
    });
    assert_eq!(rendered(&request).unwrap(), seen("alert", 10, "com.example.app", "room-17", body));
}

#[test]
fn a_badge_alone_and_an_empty_data_object_are_fine() {
    let notification = Some(Notification { badge: Some(0), ..Notification::default() });
    let data = json!({}).to_string();
    let request =
        PushRequest { priority: Lane::Low, notification, data: Some(RawJson::of_read(&data)), ..to_device() };
    let expected = seen("alert", 1, "com.example.app", "", json!({"aps": {"badge": 0}}));
    assert_eq!(rendered(&request).unwrap(), expected);
}

#[test]
fn a_route_s_type_decides_topic_and_size() {
    let voip = Defaults { kind: Some(PushType::Voip), ..defaults() };
    let data = json!({"k": "x".repeat(5080)}).to_string();
    let request = PushRequest { data: Some(RawJson::of_read(&data)), ..to_device() };
    let (kind, priority, topic, ..) = rendered_by(&voip, &request).unwrap();
    assert_eq!((kind, priority, topic.as_str()), ("voip", 10, "com.example.app.voip"));
    assert_eq!(refused(&request), (Refusal::RefusedTooLarge, "push"));
    let over = json!({"k": "x".repeat(5110)}).to_string();
    let over = PushRequest { data: Some(RawJson::of_read(&over)), ..to_device() };
    assert_eq!(rendered_by(&voip, &over).unwrap_err().refusal, Refusal::RefusedTooLarge);
}

#[test]
fn a_payload_may_fill_its_limit_and_not_a_byte_more() {
    let frame = json!({"aps": {"content-available": 1}, "k": ""}).to_string().len();
    for (size, fits) in [(4096, true), (4097, false)] {
        let data = json!({"k": "x".repeat(size - frame)}).to_string();
        let request = PushRequest { data: Some(RawJson::of_read(&data)), ..to_device() };
        assert_eq!(rendered(&request).is_ok(), fits, "{size}");
    }
}

#[test]
fn a_collapse_key_that_apple_would_refuse_is_hashed() {
    let id = |key: &str| {
        let request = PushRequest { collapse_key: Some(key.to_owned().into()), ..to_device() };
        rendered(&request).unwrap().3
    };
    assert_eq!(id(&"k".repeat(64)), "k".repeat(64));
    let long = id(&"k".repeat(65));
    assert!(long.len() == 43 && long != id(&"k".repeat(66)) && long == id(&"k".repeat(65)));
    assert_eq!(id("room ü").len(), 43);
}

#[test]
fn raw_fields_are_merged_last_and_headers_replace_ours() {
    let provider = json!({
        "headers": {"apns-push-type": "liveactivity", "apns-priority": "10", "apns-collapse-id": "c", "apns-topic": "t.x"},
        "aps": {"event": "update", "badge": null}, "extra": [1],
    }).to_string();
    let notification = Some(Notification { badge: Some(3), ..Notification::default() });
    let request = PushRequest { notification, provider: Some(RawJson::of_read(&provider)), ..to_device() };
    let body = json!({"aps": {"event": "update"}, "extra": [1]});
    assert_eq!(rendered(&request).unwrap(), seen("liveactivity", 10, "t.x", "c", body));
}

#[test]
fn raw_fields_that_show_something_make_it_an_alert() {
    let provider = json!({"aps": {"alert": "hello"}}).to_string();
    let request = PushRequest { provider: Some(RawJson::of_read(&provider)), ..to_device() };
    let expected = seen("alert", 5, "com.example.app", "", json!({"aps": {"alert": "hello"}}));
    assert_eq!(rendered(&request).unwrap(), expected);
}

#[test]
fn targets_that_apple_has_not_are_refused_by_name() {
    let to = |to| refused(&PushRequest { to, ..to_device() });
    let invalid = |field| (Refusal::RefusedInvalid, field);
    for token in ["", "abc", "zz", "ab cd", "YWJj", &"a".repeat(2050)] {
        assert_eq!(to(Target::Token(token.to_owned().into())), invalid("to.token"), "{token}");
    }
    assert_eq!(to(Target::Topic("a".into())), invalid("to.topic"));
    assert_eq!(to(Target::Condition("a".into())), invalid("to.condition"));
    let web = Target::WebPush { endpoint: "e".into(), p256dh: "p".into(), auth: "a".into() };
    assert_eq!(to(web), invalid("to.endpoint"));
}

#[test]
fn what_apple_would_refuse_is_refused_by_name() {
    let provider = |value: Value| {
        let raw = value.to_string();
        refused(&PushRequest { provider: Some(RawJson::of_read(&raw)), ..to_device() }).1
    };
    let headers = |value: Value| provider(json!({"headers": value}));
    assert_eq!(provider(json!([])), "provider");
    assert_eq!(provider(json!({"aps": 1})), "provider.aps");
    assert_eq!(
        provider(json!({"headers": {"apns-push-type": "background"}, "aps": {"sound": "x"}})),
        "provider.aps"
    );
    for wrong in [
        json!(1),
        json!({"apns-push-type": "Alert"}),
        json!({"apns-priority": 10}),
        json!({"apns-priority": "high"}),
        json!({"apns-id": "x"}),
        json!({"apns-expiration": 0}),
        json!({"apns-topic": ""}),
        json!({"apns-collapse-id": "x".repeat(65)}),
        json!({"authorization": "x"}),
        json!({"apns-topic": ["x"]}),
    ] {
        assert_eq!(headers(wrong.clone()), "provider.headers", "{wrong}");
    }
    let data = |value: Value, image: bool| {
        let raw = value.to_string();
        let image = image.then(|| "https://i.example/i".into());
        let notification = Some(Notification { image, ..Notification::default() });
        rendered(&PushRequest { data: Some(RawJson::of_read(&raw)), notification, ..to_device() })
            .err()
            .map(|error| error.field)
    };
    assert_eq!(data(json!({"aps": {}}), false), Some("data.aps"));
    assert_eq!(data(json!({"image": 1}), true), Some("data.image"));
    assert_eq!(data(json!({"image": 1}), false), None);
    assert_eq!(data(json!([1]), false), Some("data"));
    let half = r#"{"deep":["\ud800"]}"#;
    assert_eq!(refused(&PushRequest { data: Some(RawJson::of_read(half)), ..to_device() }).1, "data");
    let shown = Some(Notification { badge: Some(1), ..Notification::default() });
    let background = Defaults { kind: Some(PushType::Background), ..defaults() };
    let shown = rendered_by(&background, &PushRequest { notification: shown, ..to_device() });
    assert_eq!(shown.unwrap_err().field, "notification");
}

proptest! {
    #[test]
    fn whatever_is_accepted_is_json_within_the_limit(
        title in ".{0,40}", key in "[a-z\"\\\\]{1,8}", text in ".{0,200}", collapse in ".{0,100}",
    ) {
        let data = json!({key: text}).to_string();
        let notification = Some(Notification { title: Some(title.into()), ..Notification::default() });
        let request = PushRequest { collapse_key: Some(collapse.into()), notification, data: Some(RawJson::of_read(&data)), ..to_device() };
        if let Ok((_, _, _, collapse, body)) = rendered(&request) {
            prop_assert!(collapse.len() <= 64 && http::HeaderValue::from_str(&collapse).is_ok());
            prop_assert!(body["aps"]["alert"]["title"].is_string());
        }
    }
}
