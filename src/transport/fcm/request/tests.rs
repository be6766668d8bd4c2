//! What a push looks like as FCM's message, and what is refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::outcome::Refusal;
use crate::push::{Lane, RawJson};
use crate::transport::probe;

const TTL: Duration = Duration::from_millis(59_001);

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn to_token<'a>() -> PushRequest<'a> {
    probe::request(Target::Token("t\"1".into()))
}

fn rendered(request: &PushRequest<'_>) -> Result<Value, RenderError> {
    let mut payload = b"kept".to_vec();
    let result = render(request, &mut payload);
    assert!(payload.starts_with(b"kept"));
    if result.is_err() {
        assert_eq!(payload, b"kept");
    }
    result.map(|()| serde_json::from_slice(&body(&payload[4..], Purpose::Deliver, TTL, now())).unwrap())
}

fn refused(request: &PushRequest<'_>) -> (Refusal, &'static str) {
    let error = rendered(request).unwrap_err();
    (error.refusal, error.field)
}

#[test]
fn the_least_push_has_its_time_to_live_on_every_platform() {
    assert_eq!(
        rendered(&to_token()).unwrap(),
        json!({"message": {
            "token": "t\"1",
            "android": {"priority": "NORMAL", "ttl": "60s"},
            "apns": {"headers": {"apns-priority": "5", "apns-expiration": "1000060"}},
            "webpush": {"headers": {"TTL": "60", "Urgency": "normal"}},
        }})
    );
}

#[test]
fn every_field_has_its_place() {
    let notification = Notification {
        title: Some("T".into()),
        body: Some("B".into()),
        image: Some("https://i.example/i.png".into()),
        sound: Some("ping".into()),
        badge: Some(3),
    };
    let data = json!({"s": "x", "n": 1, "deep": {"l": [null, true]}}).to_string();
    let request = PushRequest {
        priority: Lane::High,
        collapse_key: Some("room-17".into()),
        notification: Some(notification),
        data: Some(RawJson::of_read(&data)),
        ..to_token()
    };
    assert_eq!(
        rendered(&request).unwrap(),
        json!({"message": {
            "token": "t\"1",
            "notification": {"title": "T", "body": "B", "image": "https://i.example/i.png"},
            "data": {"s": "x", "n": "1", "deep": "{\"l\":[null,true]}"},
            "android": {"priority": "HIGH", "ttl": "60s", "collapse_key": "room-17",
                        "notification": {"sound": "ping", "notification_count": 3}},
            "apns": {"headers": {"apns-priority": "10", "apns-expiration": "1000060", "apns-collapse-id": "room-17"},
                     "payload": {"aps": {"sound": "ping", "badge": 3}}},
            "webpush": {"headers": {"TTL": "60", "Urgency": "high", "Topic": "room-17"}},
        }})
    );
}

#[test]
fn now_or_never_stays_so_and_the_longest_life_is_capped() {
    let mut payload = Vec::new();
    render(&to_token(), &mut payload).unwrap();
    let of = |left| {
        serde_json::from_slice::<Value>(&body(&payload, Purpose::Deliver, left, now())).unwrap()["message"]
            .clone()
    };
    let never = of(Duration::ZERO);
    assert_eq!(
        (&never["android"]["ttl"], &never["apns"]["headers"]["apns-expiration"]),
        (&json!("0s"), &json!("0"))
    );
    assert_eq!(of(Duration::from_millis(1))["android"]["ttl"], "1s");
    assert_eq!(of(Duration::MAX)["webpush"]["headers"]["TTL"], "2419200");
}

#[test]
fn topics_and_conditions_are_targets() {
    let topic = PushRequest { to: Target::Topic("news".into()), ..to_token() };
    assert_eq!(rendered(&topic).unwrap()["message"]["topic"], "news");
    let mut payload = Vec::new();
    render(&topic, &mut payload).unwrap();
    assert_eq!(addressee(&payload), Some(crate::push::Addressee::Topic("news".into())));
    assert_eq!(addressee(b"\"to\":\"x\""), None);
    let condition = PushRequest { to: Target::Condition("'a' in topics".into()), ..to_token() };
    assert_eq!(rendered(&condition).unwrap()["message"]["condition"], "'a' in topics");
    for (target, field) in [
        (Target::Topic("/topics/news".into()), "to.topic"),
        (Target::Topic("".into()), "to.topic"),
        (Target::Token("".into()), "to.token"),
        (Target::WebPush { endpoint: "e".into(), p256dh: "p".into(), auth: "a".into() }, "to.endpoint"),
    ] {
        assert_eq!(refused(&PushRequest { to: target, ..to_token() }), (Refusal::RefusedInvalid, field));
    }
}

#[test]
fn provider_fields_are_merged_last_in_either_spelling() {
    let data = json!({"a": "1", "b": "2"}).to_string();
    let provider = json!({
        "fcmOptions": {"analyticsLabel": "x"},
        "data": {"b": null, "c": 3},
        "android": {"collapseKey": "mine", "restrictedPackageName": "p", "notification": {"channelId": "ch"}},
        "apns": {"headers": {"apns-priority": "1"}, "payload": {"aps": {"mutableContent": 1}}},
        "webpush": {"fcm_options": {"link": "https://l.example"}},
    })
    .to_string();
    let request = PushRequest {
        collapse_key: Some("theirs".into()),
        data: Some(RawJson::of_read(&data)),
        provider: Some(RawJson::of_read(&provider)),
        ..to_token()
    };
    assert_eq!(
        rendered(&request).unwrap(),
        json!({"message": {
            "token": "t\"1",
            "fcm_options": {"analytics_label": "x"},
            "data": {"a": "1", "c": "3"},
            "android": {"priority": "NORMAL", "ttl": "60s", "collapse_key": "mine", "restricted_package_name": "p",
                        "notification": {"channel_id": "ch"}},
            "apns": {"headers": {"apns-priority": "1", "apns-expiration": "1000060", "apns-collapse-id": "theirs"},
                     "payload": {"aps": {"mutableContent": 1}}},
            "webpush": {"headers": {"TTL": "60", "Urgency": "normal", "Topic": "theirs"},
                        "fcm_options": {"link": "https://l.example"}},
        }})
    );
}

#[test]
fn what_the_gateway_decides_cannot_be_overruled() {
    for (patch, field) in [
        (json!({"token": "x"}), "provider.token"),
        (json!({"android": {"ttl": "1s"}}), "provider.android.ttl"),
        (json!({"apns": {"headers": {"apns-expiration": "1"}}}), "provider.apns.headers"),
        (json!({"webpush": {"headers": {"TTL": "1"}}}), "provider.webpush.headers"),
        (json!({"android": 1}), "provider.android"),
        (json!({"notification": 1}), "provider.notification"),
        (json!([]), "provider"),
        (json!({"data": {"from": "x"}}), "data.from"),
    ] {
        let provider = patch.to_string();
        let request = PushRequest { provider: Some(RawJson::of_read(&provider)), ..to_token() };
        assert_eq!(refused(&request), (Refusal::RefusedInvalid, field), "{patch}");
    }
}

#[test]
fn the_provider_s_limits_hold_at_the_door() {
    let of = |bytes: usize| json!({"k": "x".repeat(bytes - 1)}).to_string();
    let (fits, over) = (of(DEVICE_LIMIT), of(DEVICE_LIMIT + 1));
    assert!(rendered(&PushRequest { data: Some(RawJson::of_read(&fits)), ..to_token() }).is_ok());
    assert_eq!(
        refused(&PushRequest { data: Some(RawJson::of_read(&over)), ..to_token() }),
        (Refusal::RefusedTooLarge, "data")
    );
    let topic =
        PushRequest { to: Target::Topic("n".into()), data: Some(RawJson::of_read(&fits)), ..to_token() };
    assert_eq!(refused(&topic), (Refusal::RefusedTooLarge, "data"));
    for key in ["from", "message_type", "google.x", "gcm.notification.x"] {
        let data = json!({key: "x"}).to_string();
        assert_eq!(
            refused(&PushRequest { data: Some(RawJson::of_read(&data)), ..to_token() }).0,
            Refusal::RefusedInvalid,
            "{key}"
        );
    }
    let plain = json!({"google_id": "x", "gcm": "x"}).to_string();
    assert!(rendered(&PushRequest { data: Some(RawJson::of_read(&plain)), ..to_token() }).is_ok());
}

proptest! {
    #[test]
    fn whatever_a_sender_writes_comes_out_unchanged(
        token in "\\PC{1,20}", key in any::<String>(), title in any::<String>(), name in "[a-f\\x01\\x02\"]{1,8}", value in any::<String>(), merged: bool,
    ) {
        let data = json!({name.clone(): value}).to_string();
        let provider = json!({"fcm_options": {"analytics_label": value}}).to_string();
        let request = PushRequest {
            to: Target::Token(token.clone().into()),
            collapse_key: Some(key.clone().into()),
            notification: Some(Notification { title: Some(title.clone().into()), ..Notification::default() }),
            data: Some(RawJson::of_read(&data)),
            provider: merged.then_some(RawJson::of_read(&provider)),
            ..to_token()
        };
        prop_assume!(key.len() + title.len() + value.len() < 3000);
        let message = rendered(&request).unwrap()["message"].clone();
        let mut payload = Vec::new();
        render(&request, &mut payload).unwrap();
        prop_assert_eq!(addressee(&payload), Some(crate::push::Addressee::Token(token.clone().into())));
        prop_assert_eq!(&message["token"], &json!(token));
        prop_assert_eq!(&message["notification"]["title"], &json!(title));
        prop_assert_eq!(&message["android"]["collapse_key"], &json!(key));
        prop_assert_eq!(&message["data"][&name], &json!(value));
        prop_assert_eq!(&message["android"]["ttl"], &json!("60s"));
    }
}
