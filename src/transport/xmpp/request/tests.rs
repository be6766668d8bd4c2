//! Payloads as the provider wants them, and what it would refuse.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::outcome::Refusal;
use crate::push::RawJson;
use crate::transport::probe;

fn to_token() -> PushRequest<'static> {
    probe::request(Target::Token("tok".into()))
}

/// What the provider reads: the XML text unescaped, the members in braces.
fn rendered(request: &PushRequest<'_>) -> Value {
    let mut payload = Vec::new();
    render(request, &mut payload).unwrap();
    let text = format!("<a xmlns='x'>{{{}}}</a>", String::from_utf8(payload).unwrap());
    let element: minidom::Element = text.parse().unwrap();
    serde_json::from_str(&element.text()).unwrap()
}

fn refused(request: &PushRequest<'_>) -> (Refusal, &'static str, String) {
    let mut payload = b"before".to_vec();
    let error = render(request, &mut payload).unwrap_err();
    assert_eq!(payload, b"before", "a refused request must leave nothing behind");
    (error.refusal, error.field, error.message)
}

#[test]
fn the_fast_path_writes_exactly_the_members() {
    let data = r#"{"k":"v","n":1}"#;
    let request = PushRequest {
        priority: Lane::Critical,
        collapse_key: Some("room-17".into()),
        notification: Some(Notification {
            title: Some("a<b".into()),
            badge: Some(3),
            ..Notification::default()
        }),
        data: Some(RawJson::of_read(data)),
        ..to_token()
    };
    let mut payload = Vec::new();
    render(&request, &mut payload).unwrap();
    assert_eq!(
        String::from_utf8(payload).unwrap(),
        r#""to":"tok","priority":"high","collapse_key":"room-17","notification":{"title":"a&lt;b","badge":"3"},"data":{"k":"v","n":"1"}"#
    );
}

#[test]
fn targets_become_to_or_condition() {
    let topic = PushRequest { to: Target::Topic("news-1".into()), ..to_token() };
    assert_eq!(rendered(&topic)["to"], "/topics/news-1");
    let condition =
        PushRequest { to: Target::Condition("'a' in topics && 'b' in topics".into()), ..to_token() };
    assert_eq!(rendered(&condition)["condition"], "'a' in topics && 'b' in topics");
    assert!(rendered(&condition).get("to").is_none());
}

#[test]
fn lanes_become_the_two_priorities() {
    for (lane, priority) in
        [(Lane::Critical, "high"), (Lane::High, "high"), (Lane::Normal, "normal"), (Lane::Low, "normal")]
    {
        assert_eq!(rendered(&PushRequest { priority: lane, ..to_token() })["priority"], priority);
    }
}

#[test]
fn targets_the_provider_would_refuse_are_named() {
    let web = Target::WebPush { endpoint: "https://x".into(), p256dh: "p".into(), auth: "a".into() };
    for (to, field) in [
        (Target::Token("".into()), "to.token"),
        (Target::Token("/topics/x".into()), "to.token"),
        (Target::Topic("a b".into()), "to.topic"),
        (Target::Topic("/topics/x".into()), "to.topic"),
        (Target::Condition("".into()), "to.condition"),
        (web, "to.endpoint"),
    ] {
        let (refusal, named, message) = refused(&PushRequest { to, ..to_token() });
        assert_eq!((refusal, named), (Refusal::RefusedInvalid, field), "{message}");
    }
}

#[test]
fn data_values_become_strings() {
    let data = r#"{"s":"\u00e9\n","i":-1,"f":1.50,"b":true,"z":null,"o":{"a":[1,"x"]},"e":""}"#;
    let value = rendered(&PushRequest { data: Some(RawJson::of_read(data)), ..to_token() });
    assert_eq!(
        value["data"],
        json!({"s": "é\n", "i": "-1", "f": "1.50", "b": "true", "z": "null", "o": "{\"a\":[1,\"x\"]}", "e": ""})
    );
    let empty = "{}";
    assert_eq!(
        rendered(&PushRequest { data: Some(RawJson::of_read(empty)), ..to_token() })["data"],
        json!({})
    );
}

#[test]
fn data_the_provider_would_refuse_is_named() {
    for (data, field) in [
        (r#"{"from":"x"}"#, "data.from"),
        (r#"{"a":1,"message_type":"x"}"#, "data.message_type"),
        (r#"{"google.x":"x"}"#, "data"),
        (r#"{"gcmx":"x"}"#, "data"),
        (r#"{"a":"1","b":"2","\u0061":"3"}"#, "data"),
        (r#"{"a":"\ud800"}"#, "data"),
        ("[1]", "data"),
        ("null", "data"),
        (r#""text""#, "data"),
    ] {
        let (refusal, named, message) =
            refused(&PushRequest { data: Some(RawJson::of_read(data)), ..to_token() });
        assert_eq!((refusal, named), (Refusal::RefusedInvalid, field), "{data}: {message}");
    }
}

#[test]
fn many_keys_are_all_compared() {
    let keys: Vec<_> = (0..40).map(|key| format!("\"k{key}\":\"\"")).collect();
    let once = format!("{{{}}}", keys.join(","));
    assert_eq!(
        rendered(&PushRequest { data: Some(RawJson::of_read(&once)), ..to_token() })["data"]
            .as_object()
            .unwrap()
            .len(),
        40
    );
    let twice = format!("{{{},\"k39\":\"\"}}", keys.join(","));
    assert!(refused(&PushRequest { data: Some(RawJson::of_read(&twice)), ..to_token() }).2.contains("twice"));
}

#[test]
fn the_limit_counts_keys_and_values_as_text() {
    let sized = |size: usize| format!("{{\"k\":\"{}\\u00e9\"}}", "x".repeat(size - 3));
    let fits = sized(DEVICE_LIMIT);
    rendered(&PushRequest { data: Some(RawJson::of_read(&fits)), ..to_token() });
    let over = sized(DEVICE_LIMIT + 1);
    let (refusal, _, message) = refused(&PushRequest { data: Some(RawJson::of_read(&over)), ..to_token() });
    assert_eq!(refusal, Refusal::RefusedTooLarge);
    assert!(message.contains("4097") && message.contains("4096"), "{message}");
    let (refusal, _, message) = refused(&PushRequest {
        to: Target::Topic("t".into()),
        data: Some(RawJson::of_read(&fits)),
        ..to_token()
    });
    assert_eq!(refusal, Refusal::RefusedTooLarge);
    assert!(message.contains("2048"), "{message}");
    let notification = Notification { title: Some("t".into()), ..Notification::default() };
    let both =
        PushRequest { notification: Some(notification), data: Some(RawJson::of_read(&fits)), ..to_token() };
    assert_eq!(refused(&both).0, Refusal::RefusedTooLarge);
}

#[test]
fn the_whole_message_is_bounded_too() {
    let large = "x".repeat(data::MESSAGE_LIMIT);
    let provider = format!("{{\"tag\":\"{large}\"}}");
    for request in [
        PushRequest { to: Target::Token(large.as_str().into()), ..to_token() },
        PushRequest { collapse_key: Some(large.as_str().into()), ..to_token() },
        PushRequest { provider: Some(RawJson::of_read(&provider)), ..to_token() },
    ] {
        let (refusal, field, message) = refused(&request);
        assert_eq!((refusal, field), (Refusal::RefusedTooLarge, "push"), "{message}");
        assert!(message.contains("32768"), "{message}");
    }
}

#[test]
fn provider_fields_are_merged_last() {
    let data = r#"{"a":"1","b":"2"}"#;
    let provider = r#"{"priority":"normal","dry_run":true,"notification":{"icon":"i","title":null},"data":{"b":3,"c":"<4>"},"collapse_key":null}"#;
    let request = PushRequest {
        priority: Lane::High,
        collapse_key: Some("k".into()),
        notification: Some(Notification {
            title: Some("t".into()),
            body: Some("b".into()),
            ..Notification::default()
        }),
        data: Some(RawJson::of_read(data)),
        provider: Some(RawJson::of_read(provider)),
        ..to_token()
    };
    assert_eq!(
        rendered(&request),
        json!({"to": "tok", "priority": "normal", "dry_run": true, "notification": {"body": "b", "icon": "i"},
               "data": {"a": "1", "b": "3", "c": "<4>"}})
    );
}

#[test]
fn provider_fields_cannot_take_over_what_the_gateway_decides() {
    let large = format!("{{\"data\":{{\"k\":\"{}\"}}}}", "x".repeat(DEVICE_LIMIT));
    for (provider, refusal, field) in [
        (r#"{"message_id":"1"}"#, Refusal::RefusedInvalid, "provider.message_id"),
        (r#"{"message_type":"ack"}"#, Refusal::RefusedInvalid, "provider.message_type"),
        (r#"{"time_to_live":1}"#, Refusal::RefusedInvalid, "provider.time_to_live"),
        (r#"{"to":"x"}"#, Refusal::RefusedInvalid, "provider.to"),
        (r#"{"to":null}"#, Refusal::RefusedInvalid, "provider.to"),
        (r#"{"condition":"x"}"#, Refusal::RefusedInvalid, "provider.condition"),
        (r#"{"registration_ids":[]}"#, Refusal::RefusedInvalid, "provider.registration_ids"),
        (r#"{"priority":5}"#, Refusal::RefusedInvalid, "provider.priority"),
        (r#"{"notification":"x"}"#, Refusal::RefusedInvalid, "provider.notification"),
        (r#"{"data":{"from":"x"}}"#, Refusal::RefusedInvalid, "data.from"),
        (r#"{"data":"x"}"#, Refusal::RefusedInvalid, "data"),
        ("[]", Refusal::RefusedInvalid, "provider"),
        (&large, Refusal::RefusedTooLarge, "data"),
    ] {
        let (word, named, message) =
            refused(&PushRequest { provider: Some(RawJson::of_read(provider)), ..to_token() });
        assert_eq!((word, named), (refusal, field), "{message}");
    }
}

fn data_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from)
    ]
}

fn as_string(value: &Value) -> Value {
    value.as_str().map_or_else(|| Value::String(value.to_string()), |text| Value::String(text.to_owned()))
}

proptest! {
    #[test]
    fn what_the_sender_wrote_is_what_the_provider_reads(
        token in "\\PC{1,40}", title: String, body: Option<String>, collapse: Option<String>,
        fields in proptest::collection::btree_map("x\\PC{0,10}", data_value(), 0..20),
    ) {
        prop_assume!(!token.starts_with("/topics/"));
        let source = Value::Object(fields.clone().into_iter().collect());
        let data = source.to_string();
        let request = PushRequest {
            to: Target::Token(token.clone().into()),
            collapse_key: collapse.clone().map(Into::into),
            notification: Some(Notification { title: Some(title.clone().into()), body: body.clone().map(Into::into), ..Notification::default() }),
            data: Some(RawJson::of_read(&data)),
            ..to_token()
        };
        let size: usize = fields.iter().map(|(key, value)| key.len() + as_string(value).as_str().unwrap().len()).sum::<usize>()
            + 5 + title.len() + body.as_ref().map_or(0, |body| 4 + body.len());
        if size > DEVICE_LIMIT {
            prop_assert_eq!(refused(&request).0, Refusal::RefusedTooLarge);
            return Ok(());
        }
        let value = rendered(&request);
        prop_assert_eq!(&value["to"], &Value::String(token));
        prop_assert_eq!(value.get("collapse_key").cloned(), collapse.map(Value::String));
        prop_assert_eq!(&value["notification"]["title"], &Value::String(title));
        prop_assert_eq!(value["notification"].get("body").cloned(), body.map(Value::String));
        let expected: serde_json::Map<_, _> = fields.iter().map(|(key, value)| (key.clone(), as_string(value))).collect();
        prop_assert_eq!(&value["data"], &Value::Object(expected));
    }

    #[test]
    fn strings_are_measured_as_the_library_reads_them(text: String, ascii: bool) {
        let mut json = serde_json::to_string(&text).unwrap();
        if ascii {
            json = json.chars().flat_map(|character| {
                let mut units = [0; 2];
                let escaped = character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
                if character.is_ascii() { character.to_string() } else { escaped }.chars().collect::<Vec<_>>()
            }).collect();
        }
        prop_assert_eq!(data::measure(&json), text.len());
    }
}
